"""The steps from each format of the project file to the next (alembic)."""
