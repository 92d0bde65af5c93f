"""Fixed suites: which windows of which motion, filmed how. The same files give the same cases.

Cases are dealt out in turn: over the files, and over rates, cameras and lengths whose numbers have
no common divisor, so that every rate meets every camera. Within a file its windows are evenly
spread over all that could be cut from it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from engine.errors import EngineError, InputError
from engine.motion.prepared import MotionKind, Split, is_prepared, read_prepared
from engine.motion.readers.joint_npz import read_captured
from engine.motion.splits import row_of
from engine.structures import FrameRange
from engine.synthesis.cameras import CameraOrder
from engine.synthesis.order import SynthesisOrder
from engine.weights import WEIGHTS_DIR, sha256_of

DEFAULT, CAPTURED, GRAPPLING = "default", "captured", "grappling"
GENERATED = WEIGHTS_DIR / "motion"
"""The motion that ships with Dyad."""
CASES, QUICK_CASES = 15, 4
LENGTHS, QUICK_LENGTHS = (64, 96, 126), (64,)
"""Frames of a case, rounded up to whole frames of the motion."""
SHORTER = 64, 48, 32
"""Frames of a case from motion that does not last as long at the case's rate."""
SHORTEST = 24
"""Frames that motion must have, at 30 a second, to be used at all."""
FILE_LIMIT = 2_000
KEY_POSE_SECONDS = 0.7
"""Between two key poses of grappling, which have no timing of their own: as in
engine.prior.dataset."""

RATES: tuple[tuple[float, bool], ...] = (
    (30.0, False),
    (60.0, False),
    (25.0, False),
    (30.0, True),
    (15.0, False),
)
"""Frames a second, and whether they come irregularly."""

CAMERAS = (
    CameraOrder(azimuth=20.0, elevation=8.0, focal=1.0, roll=0.0),
    CameraOrder(azimuth=110.0, elevation=14.0, focal=0.8, roll=1.0),
    CameraOrder(azimuth=200.0, elevation=3.0, focal=1.4, roll=-1.0),
    CameraOrder(azimuth=290.0, elevation=22.0, focal=1.1, distance=6.5, roll=0.0),
    CameraOrder(width=540, height=960, azimuth=65.0, elevation=5.0, focal=0.9, roll=0.5),
    CameraOrder(azimuth=155.0, elevation=10.0, focal=1.2, distance=8.0, roll=0.0),
    CameraOrder(width=1280, height=720, azimuth=245.0, elevation=0.0, focal=1.0, roll=-0.5),
)
"""Degrees, and focal lengths in longer sides; where no distance is said the people fill the
picture. Elevation is the height from which they are seen."""


@dataclass(frozen=True)
class Suite:
    """Cases in a fixed order."""

    name: str
    orders: tuple[SynthesisOrder, ...]

    @property
    def digest(self) -> str:
        """What the cases follow from, motion and orders, in eight digits: numbers of suites with
        the same digest can be compared."""
        parts = [order_key(order) for order in self.orders]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Source:
    """A motion file that cases can be cut from."""

    path: Path
    fps: float
    usable: Bool[np.ndarray, "F"]
    """Frames in which everybody is known."""
    begins: Bool[np.ndarray, "F"]
    """Frames that do not follow from the one before."""
    kind: MotionKind = "captured"

    @property
    def keyed(self) -> bool:
        """The frames are key poses, `KEY_POSE_SECONDS` apart."""
        return self.kind == "grappling"

    def starts(self, length: int) -> Int[np.ndarray, "S"]:
        """First frames of all windows of so many frames."""
        count = len(self.usable)
        if length > count:
            return np.zeros(0, int)
        bad = np.concatenate([[0], np.cumsum(~self.usable)])
        new = np.concatenate([[0], np.cumsum(self.begins)])
        first = np.arange(count - length + 1)
        whole = bad[first + length] == bad[first]
        one = new[first + length] == new[first + 1]
        return np.flatnonzero(whole & one)


def default_suite(quick: bool = False) -> Suite:
    """Cases of the generated contact that ships. Raises InputError where there is none."""
    return make_suite(DEFAULT, GENERATED, quick)


def captured_suite(folder: Path, quick: bool = False) -> Suite:
    """Cases of the motion files in a folder: prepared ones of split "validation", and captured ones
    that are not for training. The suite is called after grappling where nothing else is in it.
    Raises InputError where there is none."""
    sources = sources_in(folder)
    keyed = all(source.keyed for source in sources)
    return suite_of(GRAPPLING if keyed else CAPTURED, sources, quick)


def make_suite(name: str, folder: Path, quick: bool = False) -> Suite:
    """The suite of a folder of motion files. Raises InputError where none of them can be used."""
    return suite_of(name, sources_in(folder), quick)


def suite_of(
    name: str,
    sources: Sequence[Source],
    quick: bool = False,
    *,
    count: int | None = None,
    lengths: tuple[int, ...] = (),
) -> Suite:
    """The suite of some sources, of which there must be one at least; `count` and `lengths` in
    place of the usual number of cases and of their frames."""
    usual = (QUICK_CASES, QUICK_LENGTHS) if quick else (CASES, LENGTHS)
    count, lengths = count or usual[0], lengths or usual[1]
    if len(sources) > count:
        chosen = np.linspace(0, len(sources) - 1, count).round().astype(int)
        sources = [sources[i] for i in chosen]
    orders = []
    for index in range(count):
        place = index % len(sources)
        visit = index // len(sources), len(range(place, count, len(sources)))
        orders.append(_order(sources[place], index, visit, lengths))
    return Suite(f"{name}-quick" if quick else name, tuple(orders))


def sources_in(folder: Path, inside: bool = False, split: Split = "validation") -> list[Source]:
    """What can be used of the .npz files of a folder, in the order of their names; with `inside`
    of the folders in it too. `split` is that of prepared motion; "train" serves calibration.

    Raises InputError where nothing can: with the reason of the first file.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}", expected="a folder of motion files")
    found, refused = [], []
    files = folder.rglob("*.npz") if inside else folder.glob("*.npz")
    for path in sorted(files)[:FILE_LIMIT]:
        try:
            source = _source(path, split)
        except EngineError as error:
            refused.append(error)
            continue
        if source is not None and len(source.starts(_frames(SHORTEST, 30.0, source.fps))):
            found.append(source)
    if not found:
        raise InputError(
            f"There is no motion in {folder} to make cases of",
            expected="prepared motion (.npz) of two people with split validation, or captured one",
            advice=_why_refused(refused),
        )
    return found


def _why_refused(errors: Sequence[EngineError]) -> str:
    """Of the first file that could not be used, and how many more there are."""
    if not errors:
        return ""
    first = str(errors[0]).rstrip(".")
    more = f" ({len(errors) - 1} more cannot be used)" if len(errors) > 1 else ""
    return f"{first}{more}."


def order_key(order: SynthesisOrder) -> str:
    """All that a case follows from, as text: the motion by its content, not by its name.

    What is as usual is left out, so that the key stays when orders learn to say more.
    """
    said = _unusual(order, SynthesisOrder(order.motion, order.out))
    said["camera"] = _unusual(order.camera, CameraOrder())
    return f"{sha256_of(order.motion)} {sorted(said.items())}"


def _unusual(order: Any, usual: Any) -> dict[str, Any]:
    pairs = [(f.name, getattr(order, f.name), getattr(usual, f.name)) for f in fields(order)]
    return {name: value for name, value, default in pairs if value != default}


def _source(path: Path, split: Split) -> Source | None:
    """None where the file holds one person, or motion that is of another split."""
    if is_prepared(path):
        prepared = read_prepared(path)
        if prepared.split != split or prepared.motion.person_count < 2:
            return None
        usable = np.asarray(prepared.motion.valid.all(axis=0))
        keyed = prepared.kind == "grappling"
        fps = 1 / KEY_POSE_SECONDS if keyed else prepared.fps
        begins = _marked(prepared.starts, len(usable))
        return Source(path, fps, usable, begins, prepared.kind)
    captured, row = read_captured(path), row_of(path.stem)
    known = "validation" if row is None else row.split
    if len(captured.poses) < 2 or known != split:
        return None
    begins = _marked(captured.starts, captured.frame_count)
    return Source(path, captured.fps, captured.valid, begins)


def _marked(starts: Sequence[int], count: int) -> Bool[np.ndarray, "F"]:
    marks = np.zeros(count, bool)
    marks[list(starts)] = True
    return marks


def _order(
    source: Source, index: int, visit: tuple[int, int], lengths: Sequence[int]
) -> SynthesisOrder:
    """Case number `index`; it is number visit[0] of visit[1] of its file."""
    for shift in range(len(RATES)):
        fps, variable = RATES[(index + shift) % len(RATES)]
        for wanted in (lengths[index % len(lengths)], *SHORTER):
            frames = _frames(wanted, fps, source.fps)
            if len(starts := source.starts(frames)):
                return _cut(source, index, _spread(starts, visit), frames, (fps, variable))
    frames = max(n for n in range(2, len(source.usable) + 1) if len(source.starts(n)))
    return _cut(source, index, _spread(source.starts(frames), visit), frames, max(RATES))


def _frames(count: int, fps: float, motion_fps: float) -> int:
    """Frames of the motion that a clip of so many frames at so many a second lasts for."""
    return math.ceil((count - 1) / fps * motion_fps - 1e-6) + 1


def _spread(starts: Int[np.ndarray, "S"], visit: tuple[int, int]) -> int:
    number, count = visit
    return int(starts[int((number + 0.5) / count * len(starts))])


def _cut(
    source: Source, index: int, start: int, frames: int, rate: tuple[float, bool]
) -> SynthesisOrder:
    fps, variable = rate
    return SynthesisOrder(
        motion=source.path,
        seed=index,
        frames=FrameRange(start, start + frames),
        fps=fps,
        key_pose_seconds=KEY_POSE_SECONDS if source.keyed else None,
        variable_rate=variable,
        camera=CAMERAS[index % len(CAMERAS)],
        # Between key poses limbs pass through limbs; to bend them round takes 0.5 s a frame.
        separate=not source.keyed,
    )
