"""Whose file is this, is it whole, may it be written, and is it open elsewhere?

None of these questions changes a byte of the file, whatever the answer.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from annotations import schema
from annotations.errors import ProjectError

MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True)
class Header:
    """The fields of SQLite's 100-byte header that say whose file it is (sqlite.org/fileformat2)."""

    page_size: int
    page_count: int | None
    """None where the header does not vouch for its own count."""
    user_version: int
    application_id: int

    @classmethod
    def parse(cls, head: bytes) -> Header:
        def number(offset: int, size: int = 4) -> int:
            return int.from_bytes(head[offset : offset + size], "big")

        size = number(16, 2)
        vouched = number(24) == number(92)
        return cls(
            page_size=65536 if size == 1 else size,
            page_count=number(28) if vouched else None,
            user_version=number(60),
            application_id=number(68),
        )


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _has_log(path: Path) -> bool:
    log = _log_of(path)
    return log.exists() and log.stat().st_size > 0


def read_header(path: Path) -> Header:
    """The header of a project file. Raises ProjectError for anything else; writes nothing."""
    if not path.exists():
        raise ProjectError(f"There is no project at {path}")
    if not path.is_file():
        raise ProjectError(f"{path.name} is not a Dyad project", received="not a file")
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise ProjectError(f"{path.name} cannot be read: {error.strerror}") from error
    if not head.startswith(MAGIC[: len(head)]) or not head:
        raise ProjectError(f"{path.name} is not a Dyad project")
    header = Header.parse(head) if len(head) == 100 else None
    if header is None:
        raise ProjectError(f"{path.name} is cut short: it holds {len(head)} bytes")
    if header.application_id != schema.APPLICATION_ID:
        raise ProjectError(f"{path.name} is a database of another program, not a Dyad project")
    if header.user_version > schema.SCHEMA_VERSION:
        raise ProjectError(
            f"{path.name} was made by a newer version of Dyad",
            expected=f"format {schema.SCHEMA_VERSION} or older",
            received=f"format {header.user_version}",
            advice="Update Dyad to open it.",
        )
    _check_size(path, header)
    return header


def _check_size(path: Path, header: Header) -> None:
    # Pages that are still in the log of a killed process are not missing.
    if header.page_count is None or _has_log(path):
        return
    expected, received = header.page_size * header.page_count, path.stat().st_size
    if received < expected:
        raise ProjectError(
            f"{path.name} is cut short",
            expected=f"{expected} bytes",
            received=f"{received} bytes",
            advice="Copy it again from where it came from, or open a backup.",
        )


def check_writable(path: Path) -> None:
    # The mode is looked at too because the superuser may write to anything.
    writable_by_anyone = path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    if not writable_by_anyone or not os.access(path, os.W_OK):
        raise ProjectError(
            f"{path.name} is read-only", advice="Make the file writable, or open a copy of it."
        )
    folder = path.parent.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    if not folder or not os.access(path.parent, os.W_OK):
        raise ProjectError(
            f"The folder of {path.name} is read-only",
            advice="Make the folder writable, or open a copy elsewhere.",
        )


def check_content(path: Path) -> None:
    """SQLite's own check, through a connection that cannot write."""
    # immutable: no -wal or -shm file appears. With a killed process's log it would be ignored.
    extra = "" if _has_log(path) else "&immutable=1"
    shared = path.with_name(path.name + "-shm")
    had_shared = shared.exists()
    connection = None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro{extra}", uri=True)
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.execute("SELECT body FROM project").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        if connection is not None:
            connection.close()
    if found == "ok":
        return
    if not had_shared:
        shared.unlink(missing_ok=True)
    raise ProjectError(
        f"{path.name} is damaged ({found.splitlines()[-1]})",
        advice="Nothing was changed; open a backup copy of it.",
    )


class ProjectLock:
    """One window per project. Held by the operating system, so it dies with its process."""

    def __init__(self, path: Path) -> None:
        self._file = path.with_name(path.name + ".lock")
        self._lock = FileLock(self._file, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise ProjectError(
                f"{path.name} is already open in another window",
                advice="Close it there first.",
            ) from error
        except OSError as error:
            raise ProjectError(f"{path.name} cannot be locked: {error.strerror}") from error

    def release(self) -> None:
        if self._lock.is_locked:
            with suppress(OSError):
                # While it is still ours: a waiting process sees that its file is gone and retries.
                self._file.unlink(missing_ok=True)
            self._lock.release()
