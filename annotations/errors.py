"""What the store raises: one clear sentence each (see engine.errors)."""

from __future__ import annotations

from engine.errors import EngineError, InputError


class ProjectError(EngineError):
    """A project file cannot be opened, created or written. Whatever it held is untouched."""


class EditError(InputError):
    """An edit that makes no sense for the clip as it is. Nothing was changed."""


class StaleCandidate(EngineError):
    """A fit was made from a revision that is no longer the head: it stays a candidate."""
