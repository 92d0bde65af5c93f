"""The project file: recognised before it is touched, locked, migrated, opened.

Order at open: the header is read as plain bytes; then the lock is taken; then the file is checked
through a read-only connection; only then is it opened for writing. Whatever is refused on the way
is left byte for byte as it was.

Durability: WAL with synchronous=FULL. One edit is one gesture of a person, so its fsync (a few
milliseconds, on the store's thread) is not felt, and a power cut loses no edit that was shown
as made; synchronous=NORMAL would survive only the death of the process.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from annotations import schema
from annotations.errors import ProjectError
from annotations.project_file import ProjectLock, check_content, check_writable, read_header
from annotations.schema import ProjectRow

SUFFIX = ".dyad"
SYNCHRONOUS = "FULL"
MIGRATIONS = Path(__file__).parent / "migrations"
Journal = Literal["WAL", "DELETE"]


def _connect(path: Path, journal: Journal) -> sqlite3.Connection:
    # One connection that one thread uses at a time; the thread that closes may be another.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
    connection.execute(f"PRAGMA journal_mode={journal}")
    return connection


def _engine_of(path: Path, journal: Journal) -> Engine:
    made = create_engine(
        "sqlite+pysqlite://", creator=lambda: _connect(path, journal), poolclass=StaticPool
    )

    # isolation_level=None hands transactions to us, so that DDL takes part in them.
    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return made


def migrate(path: Path, scripts: Path = MIGRATIONS) -> None:
    """Bring the file to the newest format in one transaction.

    It runs with a rollback journal, so that the header that the next start reads is never behind
    a log.
    """
    from alembic import command
    from alembic.config import Config

    made = _engine_of(path, "DELETE")
    try:
        with made.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA user_version={_newest(config)}")
    finally:
        made.dispose()


def _newest(config: object) -> int:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    assert isinstance(config, Config)
    return int(ScriptDirectory.from_config(config).get_current_head() or 0)


def _back_up(path: Path, version: int) -> Path:
    """A whole copy of the file (its log included) beside it, as it was in the older format."""
    copy = path.with_name(f"{path.stem}.format-{version}{path.suffix}")
    number = 1
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.stem}.format-{version}-{number}{path.suffix}")
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    try:
        source.backup(target)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    finally:
        source.close()
        target.close()
    return copy


def create(path: Path, project: ProjectRow) -> None:
    """A new project file. It appears whole or not at all; an existing file is never replaced."""
    if path.suffix != SUFFIX:
        raise ProjectError(f"A project's name ends in {SUFFIX}", received=path.name)
    if path.exists():
        raise ProjectError(f"{path} exists already", advice="Open it, or choose another name.")
    if not path.parent.is_dir():
        raise ProjectError(f"There is no folder {path.parent}")
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with plain_errors(path):
            draft.unlink(missing_ok=True)
            migrate(draft)
            made = _engine_of(draft, "DELETE")
            with Session(made) as rows, rows.begin():
                rows.connection().exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
                rows.add(project)
            made.dispose()
            _place(draft, path)
    except FileExistsError as error:
        raise ProjectError(f"{path} exists already") from error
    finally:
        draft.unlink(missing_ok=True)


def _place(draft: Path, path: Path) -> None:
    """Give the finished file its name. Raises FileExistsError where one has appeared meanwhile."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from None
        draft.rename(path)


@contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """What the database or the disk says, in one sentence."""
    try:
        yield
    except DatabaseError as error:
        raise _plain(path, error.orig) from error
    except sqlite3.DatabaseError as error:
        raise _plain(path, error) from error
    except PermissionError as error:
        raise ProjectError(f"{path.parent} cannot be written to") from error


def _plain(path: Path, error: BaseException | None) -> ProjectError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    lost = "This edit was not saved; everything before it is."
    if code == sqlite3.SQLITE_FULL:
        return ProjectError("The disk is full", advice=f"{lost} Free some space and do it again.")
    if code == sqlite3.SQLITE_IOERR:
        return ProjectError("The disk cannot be written to", received=str(error), advice=lost)
    if code == sqlite3.SQLITE_CANTOPEN:
        return ProjectError(f"{path.name} cannot be opened", received=str(error))
    if code == sqlite3.SQLITE_READONLY:
        return ProjectError(f"{path.name} has become read-only", advice=lost)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ProjectError(f"Another program is writing to {path.name}", advice=lost)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ProjectError(f"{path.name} is damaged", advice="Open a backup copy of it.")
    return ProjectError(f"{path.name} did not take the edit", received=str(error), advice=lost)


class Database:
    """An open, locked, up-to-date project file."""

    def __init__(self, path: Path, *, scripts: Path = MIGRATIONS) -> None:
        path = path.resolve()
        read_header(path)
        check_writable(path)
        self._lock = ProjectLock(path)
        try:
            with plain_errors(path):
                # Read again under the lock: only now can no other window change it.
                header = read_header(path)
                check_content(path)
                self.backup: Path | None = None
                if header.user_version < schema.SCHEMA_VERSION:
                    self.backup = _back_up(path, header.user_version)
                    migrate(path, scripts)
                self._engine = _engine_of(path, "WAL")
                self._engine.connect().close()
        except BaseException:
            self._lock.release()
            raise
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Everything or nothing: committed at the end, rolled back by an exception."""
        with plain_errors(self.path), Session(self._engine) as rows, rows.begin():
            yield rows

    def close(self) -> None:
        """Fold the log into the file and let another window have it."""
        self._engine.dispose()
        self._lock.release()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
