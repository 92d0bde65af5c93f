"""The rules that keep the parts apart, checked by the tools that know them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("main", "app", "annotations", "engine")
TRACKED_LIMIT_MB = 50
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|tmp|home/\w+|Users/\w+)/")
TEXT_SUFFIXES = {
    ".py",
    ".toml",
    ".md",
    ".lock",
    ".cfg",
    ".ini",
    ".json",
    ".yml",
    ".yaml",
    ".txt",
    "",
}


def tool(*command: str) -> None:
    """Run a tool of the environment; its output is the failure's message."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that belong to the project."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout, or git is not installed")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if (ROOT / name).is_file()]


def test_imports_point_one_way_and_the_window_imports_no_solver():
    """app -> annotations -> engine; no Qt or SQL in the engine; no torch in the window."""
    tool("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")


def test_nothing_imports_the_entry_point():
    for package in LAYERS[1:]:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = []
                if isinstance(node, ast.Import):
                    modules = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    modules = [node.module or ""]
                assert "main" not in modules, path


def test_the_window_process_loads_no_solver():
    """The contract above reads imports; this one starts what the window starts."""
    script = (
        "import sys; import app.main_window, app.window_start; "
        "print(sorted({'torch', 'onnxruntime', 'warp', 'smplx', 'gsplat'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_nothing_is_drawn_between_glbegin_and_glend():
    """Python may free another view's buffers there, which OpenGL answers with an error."""
    users = [path for path in (ROOT / "app").rglob("*.py") if "glBegin" in path.read_text("utf-8")]
    assert not users


def test_ruff_has_nothing_to_say():
    tool("-m", "ruff", "check", ".")


def test_the_code_is_formatted():
    tool("-m", "ruff", "format", "--check", ".")


@pytest.mark.timeout(300)
def test_types_are_strict_in_engine_and_annotations():
    tool("-m", "mypy")


def test_no_file_speaks_of_a_machine(tracked):
    found = []
    for path in tracked:
        if path.suffix in TEXT_SUFFIXES and path != Path(__file__).resolve():
            text = path.read_text(encoding="utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), start=1):
                if MACHINE_PATH.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


def test_tracked_files_stay_small(tracked):
    sizes = {path: path.stat().st_size / 2**20 for path in tracked}
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:5]
    listing = ", ".join(f"{path.name} {sizes[path]:.1f} MiB" for path in largest)
    assert sum(sizes.values()) < TRACKED_LIMIT_MB, listing


def test_ci_runs_the_command_of_the_readme():
    command = "python3 main.py test"
    assert command in (ROOT / ".ci" / "run").read_text()
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
