"""What the history calls a step, so that it can be told from its neighbours; the frames follow."""

from __future__ import annotations

from collections.abc import Sequence

from engine.body.joints import KEYPOINT_NAMES
from engine.structures import (
    BoxEdit,
    ContactLabel,
    DepthOrder,
    KeypointEdit,
    ProxemicsStatement,
    Trust,
)

FACING_EDGE = 0.7071
"""Cosine of 45 degrees."""
_BOXES = {
    "person": "Draw box",
    "identity": "Pin identity",
    "someone_else": "Mark someone else",
    "not_a_person": "Mark not a person",
}
_JOINTS = KEYPOINT_NAMES["halpe26"]
"""Begins with the joints of coco17."""


def of_person(what: str, person: int) -> str:
    """E.g. "Paint mask of person 1"."""
    return f"{what} of person {person + 1}"


def joint_step(what: str, person: int, keypoint: int) -> str:
    """E.g. "Hide left wrist of person 2"."""
    known = 0 <= keypoint < len(_JOINTS)
    return of_person(f"{what} {_plain(_JOINTS[keypoint]) if known else 'joint'}", person)


def keypoint_step(edit: KeypointEdit) -> str:
    return joint_step("Move" if edit.visible else "Hide", edit.person, edit.keypoint)


def box_step(edit: BoxEdit) -> str:
    """A drawn box is somebody's; a mark names nobody."""
    what = _BOXES.get(edit.kind, "Draw box")
    return what if edit.person is None else of_person(what, edit.person)


def contact_step(what: str, label: ContactLabel) -> str:
    """E.g. "Mark contact left hand – right shoulder", person 1's region first."""
    kind = "contact" if label.kind == "contact" else "no contact"
    return f"{what} {kind} {_plain(label.region_a)} – {_plain(label.region_b)}"


def depth_step(order: DepthOrder) -> str:
    return f"Person {order.front + 1} in front of person {order.back + 1}"


def height_step(person: int, metres: float | None) -> str:
    if metres is None:
        return of_person("Forget height", person)
    return f"{of_person('Set height', person)} to {metres:.2f} m"


def trust_step(trust: Trust) -> str:
    """E.g. "Do not trust detections of person 2"."""
    if trust.weight == 1:
        return of_person("Trust detections", trust.person)
    if trust.weight == 0:
        return of_person("Do not trust detections", trust.person)
    return f"{of_person('Trust detections', trust.person)} by {100 * trust.weight:.0f} %"


def proxemics_step(said: ProxemicsStatement) -> str:
    """E.g. "Say how they stand: intimate, heads 0.40 m"."""
    return f"Say how they stand: {proxemics_words(said)}"


def proxemics_words(said: ProxemicsStatement, names: Sequence[str] = ()) -> str:
    """What is said, briefly: "intimate, heads 0.40 m, person 1 faces person 2"."""
    words: list[str] = [said.zone] if said.zone is not None else []
    for what, metres in (("heads", said.head_distance), ("pelvises", said.pelvis_distance)):
        words += [f"{what} {metres:.2f} m"] if metres is not None else []
    a, b = (
        names[person] if person < len(names) else f"person {person + 1}"
        for person in (said.person_a, said.person_b)
    )
    for who, partner, cosine in ((a, b, said.facing[0]), (b, a, said.facing[1])):
        if cosine is not None:
            words.append(f"{who} {facing_word(cosine)} {partner}")
    return ", ".join(words)


def facing_word(cosine: float) -> str:
    """In three words what people say of it: within 45 degrees of towards, of away, or between."""
    if cosine > FACING_EDGE:
        return "faces"
    return "turns away from" if cosine < -FACING_EDGE else "stands sideways to"


def _plain(name: str) -> str:
    return name.replace("_", " ")
