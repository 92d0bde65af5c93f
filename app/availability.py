"""Which commands can be used now; where one cannot, why, in a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.actions import ActionSpec, Need

DETECTING = "The people are being detected; the cross in the status line stops that."


@dataclass(frozen=True)
class Situation:
    """What commands depend on."""

    project: bool = False
    clip: bool = False
    people: bool = False
    """Detections are saved; the preview of a first detection is none."""
    bodies: bool = False
    candidate: bool = False
    """New bodies are on show, finished or not."""
    detecting: bool = False
    """A detection of the shown clip runs or waits."""
    fitting: bool = False
    """A fit of the shown clip runs or waits."""
    working: bool = False
    """Any job runs."""
    undo: str | None = None
    redo: str | None = None


def obstacle(spec: ActionSpec, now: Situation) -> str:
    """Why a command cannot be used; empty where it can."""
    if spec.waits_for_detection and now.clip and now.detecting:
        return DETECTING
    return "" if _is_met(spec.needs, now) else _advice(spec.needs, now)


def _is_met(need: Need, now: Situation) -> bool:
    match need:
        case "nothing":
            return True
        case "undo" | "redo":
            return getattr(now, need) is not None
        case "fit":
            return now.candidate or now.fitting
        case "work":
            return now.working
        case _:
            return bool(getattr(now, need))


def _advice(need: Need, now: Situation) -> str:
    """What is missing first: a clip before its people, people before their bodies."""
    match need:
        case "undo":
            return "There is nothing to undo."
        case "redo":
            return "There is nothing to do again."
        case "work":
            return "Nothing is running."
        case "project":
            return "Open a project (Ctrl+O) or import a video (Ctrl+I) first."
    if not now.clip:
        return "Import a video (Ctrl+I) first."
    if not now.people:
        return DETECTING if now.detecting else "Detect the people first (Fit menu)."
    if need in ("candidate", "fit"):
        return "There are no new bodies: E fits the selection, or what was edited, again."
    return "The bodies are being fitted." if now.fitting else "Fit the bodies first (Shift+E)."
