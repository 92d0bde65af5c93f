"""`python3 main.py doctor`: what was found, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app import system_libraries
from engine.errors import EngineError

ROOT = Path(__file__).resolve().parent.parent
PROBE_SECONDS = 20
"""Longest that the probe of the window's OpenGL may take."""

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    subject: str
    state: State
    detail: str
    advice: str = ""
    needed: bool = True
    """False where Dyad works without it."""


def examine() -> list[Finding]:
    """Look at everything that Dyad needs. Never raises: what fails is a finding."""
    findings: list[Finding] = []
    for subject, look in _EXAMINATIONS:
        try:
            findings.extend(look())
        except Exception as error:  # whatever is broken is what the doctor is for
            findings.append(Finding(subject, "missing", f"{type(error).__name__}: {error}"))
    return findings


def report(findings: list[Finding]) -> str:
    """The findings as text, a line each, with advice below what is not well."""
    marks = {"ok": "ok     ", "note": "note   ", "missing": "MISSING"}
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.state]}  {finding.subject:<12} {finding.detail}")
        if finding.advice and finding.state != "ok":
            lines.append(f"{'':<22} -> {finding.advice}")
    missing = sum(f.state == "missing" and f.needed for f in findings)
    lines.append("")
    lines.append(f"{missing} of them must be mended." if missing else "Everything needed is there.")
    return "\n".join(lines)


def _python() -> Iterator[Finding]:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("Python", "ok", f"{detail}, {os.cpu_count()} cores")
    wrong = []
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==([\w.]+)", line):
            installed = _version(match[1])
            if installed.split("+")[0] != match[2]:
                wrong.append(f"{match[1]} {installed or 'absent'} (locked: {match[2]})")
    if wrong:
        advice = "delete .venv and start again: python3 main.py"
        yield Finding("packages", "missing", "; ".join(wrong[:6]), advice)
    else:
        yield Finding("packages", "ok", "every package is the locked version")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _torch() -> Iterator[Finding]:
    import torch

    yield Finding("torch", "ok", torch.__version__)
    from engine.appearance.rasterize_gsplat import gsplat_trouble
    from engine.device import cuda_trouble

    if trouble := cuda_trouble():
        detail = f"{trouble}: everything runs on the processor"
        yield Finding("CUDA", "note", detail, needed=False)
        return
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    detail = f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB; `fit --device cuda` uses it"
    yield Finding("CUDA", "ok", detail)
    if trouble := gsplat_trouble():
        advice = "pictures are drawn by plain torch there, which is slower"
        yield Finding("gsplat", "note", trouble, advice, needed=False)
    else:
        yield Finding("gsplat", "ok", "draws pictures on the GPU")


def _opengl() -> Iterator[Finding]:
    libraries = system_libraries.shared_libraries()
    missing = system_libraries.missing_packages(system_libraries.WINDOW, libraries)
    if missing:
        advice = system_libraries.install_line(missing)
        yield Finding("window", "missing", "lacks " + ", ".join(missing), advice)
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield _window_opengl()
    else:
        detail = "no display: the sample runs without a window, tests under Xvfb"
        yield Finding("window", "note", detail, needed=False)
    if missing := system_libraries.missing_packages(system_libraries.RENDERING, libraries):
        advice = system_libraries.install_line(missing)
        detail = "without OSMesa pictures are painted, not lit as well"
        yield Finding("rendering", "note", detail, advice, needed=False)
    else:
        from app.offscreen import make_renderer

        yield Finding("rendering", "ok", make_renderer().name)
    if missing := system_libraries.missing_packages(system_libraries.TESTS, libraries):
        advice = system_libraries.install_line(missing)
        yield Finding("test display", "note", "GUI tests will be skipped", advice, needed=False)


_OPENGL_PROBE = """
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
application = QGuiApplication([])
surface = QOffscreenSurface()
surface.create()
context = QOpenGLContext()
assert context.create() and context.makeCurrent(surface)
print(context.functions().glGetString(0x1F01), context.functions().glGetString(0x1F02), sep=", ")
"""


def _window_opengl() -> Finding:
    """Ask the driver in a process of its own: a broken one takes its process along."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"} if os.environ.get("DISPLAY") else None
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _OPENGL_PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("window", "missing", "the OpenGL driver does not answer")
    if probe.returncode == 0:
        return Finding("window", "ok", "OpenGL: " + probe.stdout.strip())
    last = (probe.stderr.strip().splitlines() or ["no OpenGL context"])[-1]
    return Finding("window", "missing", last[:150], "install a graphics driver with OpenGL 2.1")


def _decoding() -> Iterator[Finding]:
    import av

    from app.sample import VIDEO
    from engine.video import VideoReader

    with VideoReader(VIDEO) as reader:
        count = reader.info.frame_count
        height, width = reader.frame(count - 1).shape[:2]
    yield Finding(
        "decoding", "ok", f"PyAV {av.__version__}; sample {width} x {height}, {count} frames"
    )
    if "libx264" not in av.codec.codecs_available:
        yield Finding("encoding", "note", "no H.264 encoder: no overlay videos", needed=False)


def _weights() -> Iterator[Finding]:
    from engine import weights

    advice = "restore it from the release, or run: git checkout -- weights"
    found = weights.status()
    whole = [status for status in found if status.state == "ok"]
    size = sum(status.size for status in whole) / 1e6
    state: State = "ok" if whole else "note"
    yield Finding("weights", state, f"{len(whole)} of {len(found)} files verified, {size:.0f} MB")
    for status in found:
        if status.state != "ok":
            detail = f"{status.file.path.name} is {status.state}"
            yield Finding("weights", "missing", detail, advice)


def _bodies() -> Iterator[Finding]:
    """Files of the user's own, besides the open body."""
    from engine.body.user_body import scan_bodies

    usable, refused = scan_bodies()
    yield Finding("bodies", "ok", ", ".join(body.name for body in usable))
    for body in refused:
        yield Finding("bodies", "note", f"{body.path.name}: {body.reason}", needed=False)


def _plugins() -> Iterator[Finding]:
    """What is installed. It is not loaded here: a plugin may take long, or fail."""
    from engine.perception.plugins import GROUPS, available

    installed = {info.source for kind in GROUPS for info in available(kind)}
    detail = ", ".join(sorted(installed)) or "none installed"
    yield Finding("plugins", "ok", detail, needed=False)


def _database() -> Iterator[Finding]:
    import sqlite3

    from annotations.store import Store

    with tempfile.TemporaryDirectory() as folder:
        try:
            with Store.create(Path(folder) / "doctor.dyad") as store:
                version = store.info().schema_version
        except EngineError as error:
            yield Finding("database", "missing", str(error))
            return
    yield Finding("database", "ok", f"SQLite {sqlite3.sqlite_version}, project schema {version}")


_EXAMINATIONS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("Python", _python),
    ("torch", _torch),
    ("OpenGL", _opengl),
    ("decoding", _decoding),
    ("weights", _weights),
    ("bodies", _bodies),
    ("plugins", _plugins),
    ("database", _database),
)
