"""Prepared motion: people on the open body, ready to be drawn, measured or learnt from.

One .npz of plain arrays, float32, in a world with y up and the floor at y = 0, metres, radians:

    prepared       ()             version of this layout
    body           ()             "open-body"
    betas          (P, 10)        shapes
    global_orient  (P, F, 3)      axis-angle, continuous in time (angles may exceed pi)
    body_pose      (P, F, 23, 3)  local rotations of the other joints, axis-angle, continuous
    transl         (P, F, 3)      added after skinning, as in smplx
    valid          (P, F)         False where the capture failed; the poses there are NaN
    fps            ()             frames per second
    name           ()
    source         ()             one sentence: where it comes from
    notice         ()             acknowledgement that goes with whatever is made from it, or ""
    split          ()             "train" or "validation"
    kind           ()             "captured", "grappling" (key poses by hand), "generated", "single"
    starts         (S,)           frames that do not follow from the one before, 0 left out
    error_m        (P, F)         mean distance of the solved joints to the captured ones
    moved_m        (P, F)         mean distance by which the joints were then moved, to take bodies
                                  out of each other
    label_people   (L, 2)         contacts that a generator asked for: whose regions,
    label_regions  (L, 2)         their names,
    label_frames   (L, 2)         from which frame up to which,
    label_kinds    (L,)           "contact" or "no_contact"

P is 1 for motion of single people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from jaxtyping import Float

from engine.body.data import OPEN_BODY
from engine.body.regions import region_names
from engine.errors import InputError
from engine.file_checks import TEXT_LIMIT, Checks
from engine.npz import NpzArchive, write_npz
from engine.structures import BodyMotion, ContactKind, ContactLabel, FrameRange, Provenance

KIND = "prepared motion"
VERSION = 1
PERSON_LIMIT, FRAME_LIMIT, LABEL_LIMIT = 16, 200_000, 10_000
Split = Literal["train", "validation"]
MotionKind = Literal["captured", "grappling", "generated", "single"]
_NAMES = (
    "prepared", "body", "betas", "global_orient", "body_pose", "transl", "valid", "fps", "name",
    "source", "notice", "split", "kind", "starts", "error_m", "moved_m", "label_people",
    "label_regions", "label_frames", "label_kinds",
)  # fmt: skip


@dataclass(frozen=True)
class PreparedMotion:
    """People on the open body; see the module for shapes and units."""

    motion: BodyMotion
    """World, y up, floor at y = 0; frame f is at f / fps seconds."""
    fps: float
    name: str
    source: str
    notice: str
    split: Split
    kind: MotionKind
    starts: tuple[int, ...]
    error_m: Float[np.ndarray, "P F"]
    moved_m: Float[np.ndarray, "P F"]
    labels: tuple[ContactLabel, ...] = ()

    @property
    def frame_count(self) -> int:
        return self.motion.frame_count

    def sequences(self) -> tuple[FrameRange, ...]:
        """Spans of frames that follow each other."""
        bounds = [0, *self.starts, self.frame_count]
        return tuple(FrameRange(a, b) for a, b in pairwise(bounds))

    def cut(self, frames: FrameRange) -> PreparedMotion:
        """The frames alone, from 0 seconds on, labels cut to them.

        Raises InputError where the frames are not all there, not all valid, or of two sequences.
        """
        if not 0 <= frames.start < frames.stop <= self.frame_count:
            raise InputError(
                f"The frames are not in {self.name}",
                expected=f"A:B with 0 <= A < B <= {self.frame_count}",
                received=f"{frames.start}:{frames.stop}",
            )
        part = frames.as_slice()
        if inside := [s for s in self.starts if frames.start < s < frames.stop]:
            raise InputError(
                f"Another sequence of {self.name} begins in frame {inside[0]}",
                advice="Choose frames before or after that.",
            )
        if not (valid := self.motion.valid[:, part].all(axis=0)).all():
            bad = frames.start + int(np.flatnonzero(~valid)[0])
            raise InputError(
                f"The capture in {self.name} failed in frame {bad}", advice="Choose other frames."
            )
        arrays: dict[str, Any] = {
            name: getattr(self.motion, name)[:, part]
            for name in ("global_orient", "body_pose", "transl", "valid", "provenance")
        }
        return replace(
            self,
            motion=replace(self.motion, **arrays, time=np.arange(len(frames)) / self.fps),
            starts=(),
            error_m=self.error_m[:, part],
            moved_m=self.moved_m[:, part],
            labels=_labels_within(self.labels, frames),
        )


def is_prepared(path: Path | str) -> bool:
    """Whether a file holds prepared motion. Raises InputError where it is no .npz at all."""
    with NpzArchive(path, KIND) as archive:
        return "prepared" in archive


def write_prepared(path: Path | str, content: PreparedMotion) -> None:
    """Write prepared motion, complete or not at all; what would not be read back is refused."""
    motion, labels = content.motion, content.labels
    _check_writable(content)
    missing = ~motion.valid
    poses = {
        name: _float32(getattr(motion, name), missing)
        for name in ("global_orient", "body_pose", "transl")
    }
    write_npz(
        path,
        {
            "prepared": np.array(VERSION),
            "body": np.array(motion.body),
            "betas": motion.betas.astype(np.float32),
            **poses,
            "valid": motion.valid,
            "fps": np.array(content.fps),
            "name": np.array(content.name),
            "source": np.array(content.source),
            "notice": np.array(content.notice),
            "split": np.array(content.split),
            "kind": np.array(content.kind),
            "starts": np.array(content.starts, int),
            "error_m": content.error_m.astype(np.float32),
            "moved_m": content.moved_m.astype(np.float32),
            "label_people": _pairs([(c.person_a, c.person_b) for c in labels]),
            "label_regions": np.array([(c.region_a, c.region_b) for c in labels], str).reshape(
                -1, 2
            ),
            "label_frames": _pairs([(c.frames.start, c.frames.stop) for c in labels]),
            "label_kinds": np.array([c.kind for c in labels], str),
        },
    )


def read_prepared(path: Path | str) -> PreparedMotion:
    """Read and check prepared motion. Raises InputError with what was expected and received."""
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(required=_NAMES)
        checks.number("prepared", float(VERSION), float(VERSION))
        checks.shape("transl", ("P", "F", 3), kinds="f")
        people, frames = archive.headers["transl"].shape[:2]
        checks.at_most("people", people, PERSON_LIMIT)
        checks.at_most("frames", frames, FRAME_LIMIT)
        fps = checks.number("fps", 0.1, 1000.0)
        return PreparedMotion(
            motion=_motion(checks, people, frames, fps),
            fps=fps,
            name=checks.text("name"),
            source=checks.text("source"),
            notice=checks.text("notice"),
            split=cast(Split, checks.choice("split", get_args(Split))),
            kind=cast(MotionKind, checks.choice("kind", get_args(MotionKind))),
            starts=_starts(checks, frames),
            error_m=checks.floats("error_m", (people, frames), nan=True),
            moved_m=checks.floats("moved_m", (people, frames), nan=True),
            labels=_labels(checks, people, frames),
        )


def _motion(checks: Checks, people: int, frames: int, fps: float) -> BodyMotion:
    valid = checks.booleans("valid", (people, frames))
    arrays: dict[str, Any] = {}
    for name, shape in (("global_orient", (3,)), ("body_pose", (23, 3)), ("transl", (3,))):
        values = checks.floats(name, (people, frames, *shape), nan=True)
        if not np.isfinite(values[valid]).all():
            raise checks.refusal(f"a value of {name}", "numbers in valid frames", "NaN")
        arrays[name] = values
    return BodyMotion(
        body=checks.choice("body", (OPEN_BODY,)),
        betas=checks.floats("betas", (people, 10)),
        valid=valid,
        provenance=np.where(valid, Provenance.EDITED, Provenance.MISSING).astype(np.uint8),
        time=np.arange(frames) / fps,
        gravity="known",
        **arrays,
    )


def _starts(checks: Checks, frames: int) -> tuple[int, ...]:
    starts = checks.integers("starts", (_length(checks, "starts"),))
    bounds = np.concatenate([[0], starts, [frames]])
    if (np.diff(bounds) <= 0).any():
        raise checks.refusal("starts", f"rising frames in 1 to {frames - 1}", "others")
    return tuple(starts.tolist())


def _labels(checks: Checks, people: int, frames: int) -> tuple[ContactLabel, ...]:
    count = _length(checks, "label_people")
    checks.at_most("labels", count, LABEL_LIMIT)
    who = checks.integers("label_people", (count, 2)).tolist()
    spans = checks.integers("label_frames", (count, 2)).tolist()
    checks.shape("label_regions", (count, 2), kinds="U")
    checks.shape("label_kinds", (count,), kinds="U")
    regions = checks.archive.array("label_regions").tolist()
    kinds = checks.archive.array("label_kinds").tolist()
    known, allowed = set(region_names()), get_args(ContactKind)
    for pair, span, names, kind in zip(who, spans, regions, kinds, strict=True):
        if not all(0 <= person < people for person in pair):
            raise checks.refusal("label_people", f"0 to {people - 1}", str(pair))
        if not 0 <= span[0] < span[1] <= frames:
            raise checks.refusal("label_frames", f"0 <= A < B <= {frames}", f"{span[0]}:{span[1]}")
        if not known.issuperset(names):
            raise checks.refusal("label_regions", "names of regions", str(names)[:80])
        if kind not in allowed:
            raise checks.refusal("label_kinds", " or ".join(allowed), kind[:80])
    return tuple(
        ContactLabel(pair[0], names[0], pair[1], names[1], FrameRange(*span), kind)
        for pair, span, names, kind in zip(who, spans, regions, kinds, strict=True)
    )


def _length(checks: Checks, name: str) -> int:
    """Of the first axis, which may be 0 here."""
    shape = checks.archive.headers[name].shape
    return shape[0] if shape else 0


def _labels_within(labels: Sequence[ContactLabel], frames: FrameRange) -> tuple[ContactLabel, ...]:
    cut = []
    for label in labels:
        start = max(label.frames.start, frames.start) - frames.start
        stop = min(label.frames.stop, frames.stop) - frames.start
        if start < stop:
            cut.append(replace(label, frames=FrameRange(start, stop)))
    return tuple(cut)


def _check_writable(content: PreparedMotion) -> None:
    motion = content.motion
    if motion.body != OPEN_BODY:
        raise InputError(
            "Prepared motion is kept on one body", expected=OPEN_BODY, received=motion.body
        )
    for name in ("name", "source", "notice"):
        if len(text := getattr(content, name)) > TEXT_LIMIT:
            raise InputError(
                f"The {name} of prepared motion is too long",
                expected=f"at most {TEXT_LIMIT} characters",
                received=str(len(text)),
            )
    if not np.allclose(np.diff(motion.time), 1 / content.fps, rtol=1e-3):
        raise InputError(
            f"The frames of {content.name} are not evenly spaced",
            expected=f"{content.fps:g} a second",
        )


def _float32(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    kept = values.astype(np.float32)
    kept[missing] = np.nan
    return kept


def _pairs(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.array(rows, int).reshape(-1, 2)
