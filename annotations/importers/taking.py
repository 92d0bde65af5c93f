"""What of an import goes into a project, as one undo step."""

from __future__ import annotations

from dataclasses import replace

from annotations.importers.imported import Imported
from annotations.records import Changes
from annotations.store import Store
from engine.errors import InputError
from engine.structures import Observations


def take_in(store: Store, clip_id: int, found: Imported) -> Changes:
    """Joints become the clip's detections, boxes say who is where, a camera is the clip's camera.

    Masks join the detections that there are; without any they say who is where, as boxes do.
    """
    label = f"Import {found.source}"
    if found.camera is not None:
        return store.set_camera(clip_id, found.camera)
    before = store.state(clip_id).observations
    if found.kind == "keypoints":
        observations = found.observations()
        cuts = before.cuts if before is not None else ()
        observations = replace(observations, cuts=cuts)
        return store.set_observations(clip_id, observations, found.provenance, label=label)
    if found.kind == "masks" and before is not None:
        observations = _with_masks(before, found)
        return store.set_observations(clip_id, observations, found.provenance, label=label)
    return store.edit_boxes(clip_id, found.box_edits(), label=label)


def effect(found: Imported, has_detections: bool) -> str:
    """What `take_in` will do, in a sentence."""
    if found.kind == "camera":
        return "It becomes the clip's camera; the next fit keeps to it."
    if found.kind == "keypoints":
        after = " in place of those there are" if has_detections else ""
        return f"It becomes the clip's detections{after}. Joints placed by hand stay."
    if found.kind == "masks" and has_detections:
        return "The masks join the clip's detections; joints and boxes stay as they are."
    what = "masks" if found.kind == "masks" else "boxes"
    advice = "Detect the people after it."
    if what == "masks":
        advice += " Import the file once more then, to keep the masks themselves."
    return f"There are no joints in it: the {what} say who is where. {advice}"


def _with_masks(before: Observations, found: Imported) -> Observations:
    if before.person_count != len(found.people):
        raise InputError(
            f"{found.source}: the number of people is wrong",
            expected=f"{before.person_count}, as the clip has",
            received=str(len(found.people)),
        )
    return replace(before, masks=found.masks())
