"""How body regions and contacts are marked on a mesh, alike in both views."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from app.body_drawing import rgb
from app.view_state import Region, ViewState
from engine.body.display import DisplayBody
from engine.body.regions import region_names
from engine.structures import ContactLabel

HOVER_TINT = ("#ffffff", 0.55)
PICKED_TINT = ("#ffe066", 0.85)
CONTACT_TINT = ("#ffd23f", 0.70)
NO_CONTACT_TINT = ("#8b93a1", 0.70)
SELECTED_STRENGTH = 0.95

Marks = dict[Region, tuple[str, float]]
"""(person, region) -> (colour, strength 0..1)."""


def contacts_at(view_state: ViewState, frame: int) -> Iterable[tuple[int, ContactLabel]]:
    """Index and label of every contact whose interval holds the frame."""
    state = view_state.state
    contacts = state.constraints.contacts if state is not None else ()
    return [(i, label) for i, label in enumerate(contacts) if frame in label.frames]


def marks(view_state: ViewState, frame: int) -> Marks:
    """What to tint: labelled contacts, then what is picked and hovered, the last winning."""
    made: Marks = {}
    for index, label in contacts_at(view_state, frame):
        color, strength = CONTACT_TINT if label.kind == "contact" else NO_CONTACT_TINT
        if index == view_state.selected_contact:
            strength = SELECTED_STRENGTH
        made[label.person_a, label.region_a] = (color, strength)
        made[label.person_b, label.region_b] = (color, strength)
    if view_state.picked_region is not None:
        made[view_state.picked_region] = PICKED_TINT
    if view_state.hovered_region is not None:
        made[view_state.hovered_region] = HOVER_TINT
    return made


def tint(body: DisplayBody, person: int, made: Marks) -> UInt8[np.ndarray, "V 4"] | None:
    """RGB and strength per vertex of a person's mesh; None where nothing is marked."""
    mine = {region: mark for (owner, region), mark in made.items() if owner == person}
    if not mine:
        return None
    names = region_names()
    table = np.zeros((len(names), 4), np.uint8)
    for region, (color, strength) in mine.items():
        if region in names:
            table[names.index(region)] = [*(round(255 * c) for c in rgb(color)), 255 * strength]
    return table[body.vertex_regions]


def region_centre(
    body: DisplayBody, region: str, vertices: Float[np.ndarray, "V C"]
) -> Float[np.ndarray, "C"] | None:
    """Mean of a region's vertices; None for a name that the body does not have."""
    names = region_names()
    if region not in names:
        return None
    mine = body.vertex_regions == names.index(region)
    return vertices[mine].mean(0) if mine.any() else None
