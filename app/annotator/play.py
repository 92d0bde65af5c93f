"""A simulated curator at work on a real project file: look, one gesture, re-fit, again."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from annotations.records import ClipRecord, ClipState
from annotations.store import Store
from app.annotator.curator import Curator, Decision, Found, Looking
from app.annotator.desk import Desk
from app.annotator.gestures import DrawBox, Freeze, Kind
from app.annotator.hand import Hand, Slips
from app.annotator.sight import watch
from app.annotator.starting import START
from app.fit_orders import edited_frames, fit_arguments
from engine.body.data import OPEN_BODY
from engine.config import FitConfig
from engine.fit.problem import FitProblem
from engine.fit.solver import solve
from engine.structures import FitResult, FrameRange, Observations, Outcome, VideoInfo
from engine.synthesis.truth import Truth


@dataclass(frozen=True)
class Played:
    """A clip that a curator works on: what detection found, and what is true."""

    name: str
    truth: Truth
    observations: Observations
    boxed: Observations
    """What detection finds of somebody in a frame in which a curator draws a box."""
    K: Float[np.ndarray, "3 3"]

    @property
    def video(self) -> VideoInfo:
        """As it would be read from the clip's file. Nobody decodes a frame of it."""
        width, height = self.observations.image_size
        content = np.ascontiguousarray(self.observations.keypoints2d).tobytes()
        return VideoInfo(
            path=f"{self.name}.mp4",
            width=width,
            height=height,
            times=np.asarray(self.observations.times, np.float64),
            sha256=hashlib.sha256(content).hexdigest(),
            focal_px=float(self.K[0, 0]),
        )


@dataclass(frozen=True)
class Game:
    """How a clip is played."""

    gestures: int
    looking: Looking = "ranked"
    seed: int = 0
    slips: Slips = field(default_factory=Slips)
    start: FitConfig = START
    """Of the first fit."""
    refit: FitConfig = field(default_factory=FitConfig)
    """Of every re-fit: what the window uses."""


@dataclass(frozen=True)
class Step:
    """A clip after a number of gestures. The first step is the first fit."""

    state: ClipState
    gestures: int
    cpu_seconds: float
    """Of the fit that led here."""
    kind: Kind | None = None
    frame: int | None = None
    found: Found | None = None
    refitted: FrameRange | None = None
    outcome: Outcome | None = None
    kept: bool = True
    """Whether the curator, who compared with before, kept what came of it."""


def play(clip: Played, game: Game) -> Generator[Step, None, None]:
    """Yields the clip as it is after the first fit and after each gesture and its re-fit."""
    lots = np.random.SeedSequence([game.seed, _number(clip.name)]).spawn(3)
    eyes, hand, looks = (np.random.default_rng(lot) for lot in lots)
    curator = Curator(
        sight=watch(clip.truth, eyes),
        hand=Hand(game.slips, hand, clip.observations.frame_count),
        looking=game.looking,
        generator=looks,
    )
    with _project(clip) as (store, record):
        result, seconds = _fit(store.state(record.id), record.video, None, game.start)
        whole = FrameRange(0, record.video.frame_count)
        store.apply_fit(record.id, result, whole, store.head(record.id).id)
        yield Step(store.state(record.id), 0, seconds, outcome=result.outcome)
        for count in range(1, game.gestures + 1):
            before, head = Desk(store.state(record.id)), store.head(record.id).id
            decision = curator.decide(before)
            decision.gesture.apply(store, record.id)
            if isinstance(decision.gesture, DrawBox):
                _detect_again(store, record, clip, decision.gesture)
            step = _turn(store, record, decision, game, count)
            if step.refitted is not None and curator.regrets(
                before, Desk(step.state), step.refitted
            ):
                store.go_to(record.id, head)
                step = replace(step, state=store.state(record.id), kept=False)
            yield step


def _detect_again(store: Store, record: ClipRecord, clip: Played, drawn: DrawBox) -> None:
    """Whoever a box was drawn around is found in that frame, and in no other."""
    before, person, frame = store.state(record.id).observations, drawn.edit.person, drawn.edit.frame
    assert before is not None
    changed = {}
    for name in ("keypoints2d", "confidence", "boxes"):
        changed[name] = getattr(before, name).copy()
        changed[name][person, frame] = getattr(clip.boxed, name)[person, frame]
    store.set_observations(record.id, replace(before, **changed), {"source": "synthesis"})


def _turn(store: Store, record: ClipRecord, decision: Decision, game: Game, count: int) -> Step:
    """The re-fit that `E` starts after a gesture, where it asks for one."""
    state = store.state(record.id)
    seconds, outcome = 0.0, None
    frames = edited_frames(state, record.video, decision.frame)
    if frames is not None and not isinstance(decision.gesture, Freeze):
        result, seconds = _fit(state, record.video, frames, game.refit)
        outcome = result.outcome
        if outcome is not Outcome.DIVERGED:
            store.apply_fit(record.id, result, frames, store.head(record.id).id)
    return Step(
        state=store.state(record.id),
        gestures=count,
        cpu_seconds=seconds,
        kind=decision.gesture.kind,
        frame=decision.frame,
        found=decision.found,
        refitted=frames,
        outcome=outcome,
    )


def _fit(
    state: ClipState, video: VideoInfo, frames: FrameRange | None, config: FitConfig
) -> tuple[FitResult, float]:
    """The bodies, and the processor's seconds that they took."""
    problem = FitProblem(**fit_arguments(state, video, frames, OPEN_BODY))
    began = time.process_time()
    steps = solve(problem, config)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, time.process_time() - began


@contextmanager
def _project(clip: Played) -> Iterator[tuple[Store, ClipRecord]]:
    """A new project file with the clip and its detections in it, gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="annotator-") as folder,
        Store.create(Path(folder) / "played.dyad", author="simulated") as store,
    ):
        clip_id = store.add_clip(clip.video, clip.name).clip_id
        assert clip_id is not None
        store.set_observations(clip_id, clip.observations, {"source": "synthesis"})
        yield store, store.clip(clip_id)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
