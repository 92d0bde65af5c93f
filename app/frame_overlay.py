"""Paints everything over the video frame, in order: bodies, trails, skeletons, boxes, hints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter

from annotations.records import ClipState
from app import frame_evidence as evidence
from app.box_painting import paint_chip, paint_drawn_corners, paint_other_box
from app.overlay_items import (
    Skeleton,
    paint_badge,
    paint_box,
    paint_grip,
    paint_hint,
    paint_name,
    paint_other,
    paint_skeleton,
    paint_trail,
    version_words,
)
from app.picture_transform import PictureTransform
from app.proxemics_words import trust_words
from app.theme import theme
from app.view_state import ViewState

FROZEN = "Frozen: no fit changes this frame"
DIMMED = 0.4
"""Strength of a person's overlay while the other one is selected."""


@dataclass(frozen=True)
class FrameOverlay:
    """One painting of one frame's overlay."""

    painter: QPainter
    view_state: ViewState
    transform: PictureTransform
    bounds: QRectF
    """The view's rectangle."""
    frame: int
    layers: set[str]
    names: list[QRectF] = field(default_factory=list)
    """Where names are painted already."""

    def paint_people(self, state: ClipState, skeletons: Sequence[Skeleton | None]) -> None:
        """Trails, skeletons, boxes and names."""
        chosen = self.view_state.selected_person
        for person, skeleton in enumerate(skeletons):
            someone = evidence.identity(state, person)
            if "trails" in self.layers:
                points = self.transform.to_view(evidence.trail(state, person, self.frame))
                paint_trail(self.painter, points, someone.color)
            if "skeletons" in self.layers and skeleton is not None:
                strength = DIMMED if chosen not in (None, person) else 1.0
                strength *= DIMMED + (1 - DIMMED) * evidence.trust(state, person, self.frame)
                bones = evidence.bones(state)
                paint_skeleton(self.painter, skeleton, bones, someone.color, strength)
        for person in range(len(state.identities)):
            self._paint_box(state, person)

    def paint_others(self, state: ClipState, skeletons: Sequence[Skeleton | None]) -> None:
        """Everybody else in view, with a question mark over their heads."""
        if "skeletons" not in self.layers:
            return
        bones, tokens = evidence.other_bones(state), theme().tokens
        for other, skeleton in enumerate(skeletons):
            is_chosen = self.view_state.selected_other == other
            if skeleton is not None:
                paint_other(self.painter, skeleton, bones, is_chosen=is_chosen)
                top = skeleton.points[np.nanargmin(skeleton.points[:, 1])]
            else:
                box = evidence.other_box(state, other, self.frame)
                if box is None:
                    continue
                corners = self.transform.to_view(box.reshape(2, 2))
                top = np.array([corners[:, 0].mean(), corners[0, 1]])
                frame = QRectF(QPointF(*corners[0]), QPointF(*corners[1]))
                paint_other_box(self.painter, frame, is_chosen=is_chosen)
            at = QPointF(float(top[0]) - 9, max(2.0, float(top[1]) - 28))
            paint_chip(self.painter, at, "?", tokens, is_strong=is_chosen)

    def _paint_box(self, state: ClipState, person: int) -> None:
        box = evidence.box(state, person, self.frame)
        if box is None:
            return
        someone = evidence.identity(state, person)
        is_selected = self.view_state.selected_person == person
        x0, y0, x1, y1 = self.transform.to_view(box.reshape(2, 2)).ravel().tolist()
        if "boxes" in self.layers:
            paint_box(self.painter, np.array([x0, y0, x1, y1]), someone.color, is_selected)
            if evidence.drawn_box(state, person, self.frame) is not None:
                paint_drawn_corners(self.painter, QRectF(x0, y0, x1 - x0, y1 - y0), someone.color)
        if "names" in self.layers:
            paint_name(
                self.painter,
                QPointF(x0, y0 - 3),
                " · ".join((someone.name, *self._said_of(state, person))),
                someone.color,
                tokens=theme().tokens,
                is_selected=is_selected,
                bounds=self.bounds,
                taken=self.names,
            )

    def _said_of(self, state: ClipState, person: int) -> list[str]:
        """What somebody said of a person in this frame, in a word or two each."""
        order = evidence.depth_order(state, self.frame)
        weight = evidence.trust(state, person, self.frame)
        said = ["in front"] if order is not None and order.front == person else []
        return [*said, trust_words(weight)] if weight < 1 else said

    def paint_joint_hint(
        self, state: ClipState, person: int, keypoint: int, skeleton: Skeleton, *, is_held: bool
    ) -> None:
        """Which joint the mouse has or would take, and what can be done with it."""
        at = skeleton.points[keypoint]
        if not np.isfinite(at).all():
            return
        someone = evidence.identity(state, person)
        paint_grip(self.painter, at, someone.color)
        if skeleton.hidden[keypoint]:
            how = "marked hidden by hand"
        elif skeleton.edited[keypoint]:
            how = "placed by hand"
        else:
            how = f"confidence {skeleton.confidence[keypoint]:.2f}"
        name = evidence.keypoint_name(state, keypoint)
        if is_held:
            what_next = "Esc to cancel"
        elif skeleton.hidden[keypoint]:
            what_next = "drag to place, right-click to show it again"
        else:
            what_next = "drag to move, right-click to hide"
        lines = (f"{someone.name}: {name}", how, what_next)
        paint_hint(self.painter, QPointF(*at.tolist()), lines, theme().tokens, self.bounds)

    def paint_region_hint(self, at: QPointF) -> None:
        """The body region under the mouse, by name."""
        region = self.view_state.hovered_region
        if region is not None:
            someone = evidence.identity(self.view_state.state, region[0])
            words = f"{someone.name}: {region[1].replace('_', ' ')}"
            paint_hint(self.painter, at, (words,), theme().tokens, self.bounds)

    def paint_version(self, state: ClipState) -> None:
        """While there is a candidate: which bodies are on show. Else whether they may change."""
        words, tokens = version_words(self.view_state), theme().tokens
        corner = self.bounds.topLeft() + QPointF(12, 12)
        if words:
            color = tokens.text_muted if self.view_state.show_before else tokens.accent
            paint_badge(self.painter, corner, words, color, tokens)
        elif any(self.frame in frozen for frozen in state.constraints.frozen):
            paint_badge(self.painter, corner, FROZEN, tokens.text_muted, tokens)
