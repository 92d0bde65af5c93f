"""Where the curator looks, and which one gesture is made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from app.annotator.desk import Desk
from app.annotator.gestures import Freeze, Gesture, Kind
from app.annotator.hand import Hand
from app.annotator.mistakes import visible_mistakes
from app.annotator.sight import Sight
from engine.structures import FrameRange

Looking = Literal["ranked", "random"]
Found = Literal["list", "stepping", "chance"]
FIRST: frozenset[Kind] = frozenset({"swap", "box", "contact"})
"""What is mended first: it changes bodies most (docs/annotator.md)."""
GLANCES = 3
"""Frames from look to look where the bodies are compared with those of before (B)."""
STRIDE = 10
"""Frames from look to look of a curator who goes through the clip (Ctrl+Right)."""


@dataclass(frozen=True)
class Decision:
    """One gesture, and how the curator came to it."""

    gesture: Gesture
    frame: int
    found: Found


@dataclass
class Curator:
    """Knows the truth through `sight` alone, and the project as the window shows it."""

    sight: Sight
    hand: Hand
    looking: Looking
    generator: np.random.Generator
    meant: list[Gesture] = field(default_factory=list)
    """What was said already, before the hand slipped."""

    def decide(self, desk: Desk) -> Decision:
        """The gesture for the first frame looked at in which something is visibly wrong.

        The whole clip is gone through for what changes most before anything else is mended. Where
        nothing is left to mend, the frame that was looked at first is frozen.
        """
        frames = self._frames(desk)
        later: Decision | None = None
        for frame, found in frames:
            for mistake in visible_mistakes(self.sight, desk, frame):
                meant = mistake.mended_by
                if any(meant.repeats(made) for made in self.meant):
                    continue
                if meant.kind in FIRST:
                    return self._made(Decision(meant, frame, found))
                later = later or Decision(meant, frame, found)
        frame, found = frames[0]
        return self._made(later or Decision(Freeze(FrameRange(frame, frame + 1)), frame, found))

    def regrets(self, before: Desk, after: Desk, frames: FrameRange) -> bool:
        """Whether what a gesture and its re-fit made of the frames looks worse than before."""
        looked_at = range(frames.start, frames.stop, GLANCES)
        was, now = (
            sum(m.severity for at in looked_at for m in visible_mistakes(self.sight, desk, at))
            for desk in (before, after)
        )
        return now > was

    def _made(self, decision: Decision) -> Decision:
        """The decision as the hand carries it out."""
        self.meant.append(decision.gesture)
        return replace(decision, gesture=self.hand.made(decision.gesture))

    def _frames(self, desk: Desk) -> list[tuple[int, Found]]:
        """Each frame at most once, in the order of looking."""
        if self.looking == "random":
            drawn = self.generator.permutation(desk.frame_count).tolist()
            return [(frame, "chance") for frame in drawn]
        listed: dict[int, Found] = dict.fromkeys(desk.ranked_frames(), "list")
        return list((listed | self._stepped(desk, listed)).items())

    def _stepped(self, desk: Desk, listed: dict[int, Found]) -> dict[int, Found]:
        """The rest of the clip in strides, for what the list of findings does not name."""
        return {f: "stepping" for f in range(0, desk.frame_count, STRIDE) if f not in listed}
