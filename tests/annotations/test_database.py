"""A project file is recognised before it is touched, and survives what happens to processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from annotations import database, schema
from annotations.database import MIGRATIONS, Database
from annotations.errors import ProjectError
from annotations.project_file import ProjectLock, read_header
from annotations.schema import APPLICATION_ID, SCHEMA_VERSION, Base
from annotations.store import Store
from engine.structures import FrameRange
from tests.annotations.builders import make_crowd, same

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, fitted_project: Path) -> Path:
    """A closed project with one fitted clip."""
    return Path(shutil.copyfile(fitted_project, tmp_path / "project.dyad"))


def contents(folder: Path) -> dict[str, str]:
    """Every file beside the project, by its hash."""
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.iterdir())
        if p.is_file()
    }


def write_at(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def cut_to(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def scramble(path: Path) -> None:
    """Every page but the first, as a bad disk leaves it."""
    size = path.stat().st_size
    write_at(path, 4096, bytes(range(256)) * ((size - 4096) // 256))


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: cut_to(p, 0), "not a Dyad project"),
    "a text file": (lambda p: p.write_text("Dear diary\n" * 50), "not a Dyad project"),
    "another program's database": (foreign, "another program"),
    "newer": (lambda p: write_at(p, 60, (SCHEMA_VERSION + 1).to_bytes(4, "big")), "newer version"),
    "cut in the header": (lambda p: cut_to(p, 60), "cut short"),
    "cut by a page": (lambda p: cut_to(p, p.stat().st_size - 4096), "cut short"),
    "cut in half": (lambda p: cut_to(p, p.stat().st_size // 2), "cut short"),
    "overwritten": (scramble, "damaged"),
    "read-only": (lambda p: p.chmod(0o444), "read-only"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_opened_is_refused_plainly_and_left_as_it_was(project, name):
    harm, sentence = REFUSALS[name]
    harm(project)
    before = contents(project.parent)
    with pytest.raises(ProjectError, match=sentence) as caught:
        Store.open(project)
    assert "\n" not in str(caught.value) and project.name in str(caught.value)
    assert contents(project.parent) == before


@pytest.mark.parametrize("harm", ["missing", "folder"])
def test_what_is_no_file_is_refused(tmp_path, harm):
    path = tmp_path / "a.dyad"
    if harm == "folder":
        path.mkdir()
    with pytest.raises(ProjectError, match=r"no project|not a Dyad project"):
        Store.open(path)
    assert list(tmp_path.rglob("*")) == ([path] if harm == "folder" else [])


def test_a_read_only_folder_is_refused(project):
    project.parent.chmod(0o555)
    try:
        with pytest.raises(ProjectError, match=r"folder of .* is read-only"):
            Store.open(project)
    finally:
        project.parent.chmod(0o755)


def test_a_closed_project_is_one_file(project):
    assert set(contents(project.parent)) == {project.name}


def test_the_file_says_whose_it_is(project):
    header = read_header(project)
    assert (header.application_id, header.user_version) == (APPLICATION_ID, SCHEMA_VERSION)
    assert APPLICATION_ID.to_bytes(4, "big") == b"DYAD"


class TestCreate:
    def test_never_replaces_a_file(self, project):
        before = contents(project.parent)
        with pytest.raises(ProjectError, match="exists already"):
            Store.create(project)
        assert contents(project.parent) == before

    @pytest.mark.parametrize("name", ["project.db", "nowhere/project.dyad"])
    def test_a_bad_place_leaves_nothing_behind(self, tmp_path, name):
        with pytest.raises(ProjectError):
            Store.create(tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_a_failure_half_way_leaves_nothing_behind(self, tmp_path, monkeypatch):
        def fail(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(database, "_engine_of", fail)
        with pytest.raises(KeyboardInterrupt):
            Store.create(tmp_path / "a.dyad")
        assert list(tmp_path.iterdir()) == []


class TestLock:
    def test_a_second_window_is_refused(self, project):
        with Store.open(project) as first:
            with pytest.raises(ProjectError, match="already open in another window"):
                Store.open(project)
            assert len(first.clips()) == 1
        Store.open(project).close()

    def test_by_whatever_name_it_goes(self, project):
        other = project.parent / "link.dyad"
        other.symlink_to(project)
        with Store.open(project), pytest.raises(ProjectError, match="already open"):
            Store.open(other)

    def test_a_window_in_another_process_is_noticed(self, project):
        holder = run_child(HOLD, project, wait_for="held")
        try:
            with pytest.raises(ProjectError, match="already open"):
                Store.open(project)
        finally:
            holder.kill()
            holder.communicate()

    def test_a_killed_window_leaves_no_lock(self, project):
        holder = run_child(HOLD, project, wait_for="held")
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
        assert project.with_name("project.dyad.lock").exists()
        Store.open(project).close()

    def test_a_refused_file_is_not_kept_locked(self, project):
        scramble(project)
        with pytest.raises(ProjectError):
            Store.open(project)
        ProjectLock(project).release()


HOLD = """
import sys, time
from annotations.store import Store
store = Store.open(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""
EDIT_FOREVER = """
import sys
from annotations.store import Store
from engine.structures import FrameRange
store = Store.open(sys.argv[1])
for number in range(100_000):
    store.swap(1, FrameRange(number % 140, number % 140 + 5))
    print(store.head(1).id, flush=True)
"""


def run_child(program: str, project: Path, *, wait_for: str = "") -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(project)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    if wait_for:
        assert child.stdout.readline().strip() == wait_for
    return child


def test_a_killed_process_loses_no_edit_that_it_made(project):
    child = run_child(EDIT_FOREVER, project)
    assert child.stdout is not None
    seen = [child.stdout.readline().strip() for _ in range(12)]
    os.kill(child.pid, signal.SIGKILL)
    rest, _ = child.communicate()
    # A line that was cut off by the kill was not reported.
    made = [int(line) for line in (*seen, *rest.split("\n")[:-1]) if line]
    assert Path(f"{project}-wal").stat().st_size > 0
    with Store.open(project) as store:
        found = [r.id for r in store.history(1)]
        assert set(made) <= set(found)
        assert store.head(1).id == found[-1] in (made[-1], made[-1] + 1)
        while store.can_undo(1):
            store.state(1)
            store.undo(1)
        with store._database.transaction() as rows:
            check = rows.connection().exec_driver_sql
            assert check("PRAGMA integrity_check").scalar() == "ok"
            assert check("PRAGMA foreign_key_check").fetchall() == []


def test_a_damaged_file_with_a_killed_processs_log_is_left_as_it_was(project):
    child = run_child(EDIT_FOREVER, project)
    assert child.stdout is not None
    child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    Path(f"{project}-shm").unlink(missing_ok=True)
    scramble(project)
    names = ("project.dyad", "project.dyad-wal")
    before = contents(project.parent)
    with pytest.raises(ProjectError, match="damaged"):
        Store.open(project)
    after = contents(project.parent)
    assert [after[n] for n in names] == [before[n] for n in names]


def test_a_full_disk_is_said_and_loses_nothing(project):
    with Store.open(project) as store:
        state, head = store.state(1), store.head(1)
        with store._database.transaction() as rows:
            pages = rows.connection().exec_driver_sql("PRAGMA page_count").scalar()
        limit_pages(store, pages)
        with pytest.raises(ProjectError, match="The disk is full\\. "):
            for number in range(100):
                store.swap(1, FrameRange(number, number + 20))
                state, head = store.state(1), store.head(1)
        assert same(store.state(1), state) and store.head(1) == head
        limit_pages(store, 1_000_000)
        store.swap(1, FrameRange(0, 20))
    with Store.open(project) as store:
        assert store.head(1).parent_id == head.id


def limit_pages(store: Store, pages: int) -> None:
    """SQLite answers SQLITE_FULL beyond this, as it does on a full disk."""
    with store._database.transaction() as rows:
        rows.connection().exec_driver_sql(f"PRAGMA max_page_count={pages}")


class TestMigrations:
    def test_lead_to_the_tables_that_the_program_knows(self, project):
        made = create_engine(f"sqlite:///{project}")
        with made.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        made.dispose()

    def test_the_newest_is_the_format_that_the_program_writes(self):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        assert ScriptDirectory.from_config(config).get_current_head() == f"{SCHEMA_VERSION:04d}"

    def test_a_file_of_the_first_format_gains_room_for_notes(self, tmp_path):
        path = shutil.copyfile(ROOT / "tests/golden/format-1.dyad", tmp_path / "old.dyad")
        with Store.open(path) as store:
            assert store.backup == tmp_path / "old.format-1.dyad"
            assert store.clips()[0].video.note == ""
            assert store.state(1).observations.notes == ()
            crowd = make_crowd(store.clips()[0].video)
            store.set_observations(1, crowd, {})
            assert same(store.state(1).observations, crowd)
        assert read_header(tmp_path / "old.format-1.dyad").user_version == 1
        assert read_header(path).user_version == SCHEMA_VERSION

    def test_in_an_older_file_what_was_edited_is_everybodys(self, tmp_path):
        path = shutil.copyfile(ROOT / "tests/golden/format-2.dyad", tmp_path / "old.dyad")
        with Store.open(path) as store:
            state = store.state(store.clips()[0].id)
            assert state.edited_of(0) == state.edited_of(1) == state.edited

    def test_an_older_file_is_copied_and_brought_up_to_date(self, project, next_format):
        before = contents(project.parent)[project.name]
        with Database(project, scripts=next_format("op.add_column('clip', NOTE)")) as opened:
            assert opened.backup == project.with_name(f"project.format-{SCHEMA_VERSION}.dyad")
            with opened.transaction() as rows:
                query = rows.connection().exec_driver_sql
                assert query("SELECT name, note FROM clip").fetchall() == [("hug", None)]
        assert read_header(project).user_version == SCHEMA_VERSION + 1
        assert contents(project.parent)[project.name] != before
        assert read_header(opened.backup).user_version == SCHEMA_VERSION
        again = Database(project, scripts=next_format("1 / 0"))
        assert again.backup is None
        again.close()

    def test_a_failed_step_leaves_the_old_format(self, project, next_format, monkeypatch):
        with Store.open(project) as store:
            before = store.state(1)
        broken = next_format("op.add_column('clip', NOTE); 1 / 0")
        with pytest.raises(ZeroDivisionError):
            Database(project, scripts=broken)
        assert read_header(project).user_version == SCHEMA_VERSION
        monkeypatch.setattr(schema, "SCHEMA_VERSION", SCHEMA_VERSION)
        with Store.open(project) as store:
            assert same(store.state(1), before)


NEXT_STEP = """
import sqlalchemy as sa
from alembic import op

revision = "{new:04d}"
down_revision = "{old:04d}"
NOTE = sa.Column("note", sa.String())


def upgrade() -> None:
    {body}
"""


@pytest.fixture
def next_format(tmp_path_factory, monkeypatch) -> Callable[[str], Path]:
    """Makes the migrations of a program that is one format further on."""

    def make(body: str) -> Path:
        new = SCHEMA_VERSION + 1
        scripts = tmp_path_factory.mktemp("scripts") / "migrations"
        shutil.copytree(MIGRATIONS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        step = NEXT_STEP.format(new=new, old=SCHEMA_VERSION, body=body)
        (scripts / "versions" / f"{new:04d}_next.py").write_text(step)
        monkeypatch.setattr(schema, "SCHEMA_VERSION", new)
        return scripts

    return make


WRITE_TOO_MUCH = """
import resource, signal, sys
from annotations.store import ProjectError, Store
from engine.structures import FrameRange
from pathlib import Path
store = Store.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = Path(sys.argv[1]).stat().st_size + 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
made = 0
try:
    for number in range(1000):
        store.swap(1, FrameRange(number % 100, number % 100 + 30))
        made += 1
except ProjectError as error:
    print(made, error)
"""


def test_a_disk_that_takes_no_more_is_said_and_loses_nothing(project):
    """The operating system itself refuses to write: no pretended limit of SQLite's."""
    child = run_child(WRITE_TOO_MUCH, project)
    out, _ = child.communicate(timeout=60)
    made, sentence = out.strip().split(" ", 1)
    assert "The disk" in sentence and "everything before it is" in sentence
    with Store.open(project) as store:
        assert len(store.history(1)) == 3 + int(made) > 3
        for revision in store.history(1):
            store.state(1, revision.id)


def test_edits_are_durable_by_default(tmp_path):
    program = "from annotations import database; print(database.SYNCHRONOUS)"
    assert run_child(program, tmp_path).communicate()[0].strip() == "FULL"
