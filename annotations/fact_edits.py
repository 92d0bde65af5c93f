"""Edits of what is known of the people and the scene: contacts, sizes, camera, order, names."""

from __future__ import annotations

from annotations import edits, proxemics, step_names, trust
from annotations.open_project import OpenProject
from annotations.records import Changes, Gender
from annotations.schema import RevisionRow
from engine.structures import (
    Camera,
    ContactLabel,
    DepthOrder,
    FrameRange,
    ProxemicsStatement,
    Trust,
)


class FactEdits(OpenProject):
    """The part of a project's surface that takes down what a person knows."""

    def add_contact(self, clip_id: int, label: ContactLabel) -> Changes:
        """One more contact label; labels are kept in canonical order (annotations.statements)."""
        count = self.clip(clip_id).video.frame_count
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="contact", label=step_names.contact_step("Mark", label)),
            label.frames,
            lambda s: edits.add_contact(s, label, count),
        )

    def change_contact(self, clip_id: int, index: int, label: ContactLabel) -> Changes:
        """Another label in place of `state.constraints.contacts[index]`."""
        count = self.clip(clip_id).video.frame_count
        return self._edit(
            clip_id,
            RevisionRow(kind="contact", label=step_names.contact_step("Change", label)),
            lambda s: edits.change_contact(s, index, label, count),
        )

    def remove_contact(self, clip_id: int, index: int) -> Changes:
        """Take back `state.constraints.contacts[index]`."""
        return self._edit(
            clip_id,
            RevisionRow(kind="contact", label="Remove contact"),
            lambda s: edits.remove_contact(s, index),
        )

    def set_height(self, clip_id: int, person: int, metres: float | None) -> Changes:
        """State how tall a person is; None: unknown again."""
        count = self.clip(clip_id).video.frame_count
        return self._edit(
            clip_id,
            RevisionRow(kind="height", label=step_names.height_step(person, metres)),
            lambda s: edits.set_height(s, person, metres, count),
        )

    def set_focal(self, clip_id: int, px: float | None) -> Changes:
        """State the focal length in pixels; None: unknown again."""
        count = self.clip(clip_id).video.frame_count
        label = "Forget focal length" if px is None else f"Set focal length {px:.0f} px"
        return self._edit(
            clip_id,
            RevisionRow(kind="focal", label=label),
            lambda s: edits.set_focal(s, px, count),
        )

    def set_floor(self, clip_id: int, height: float | None) -> Changes:
        """State the world y of the floor in metres; None: estimated by the fit."""
        count = self.clip(clip_id).video.frame_count
        label = "Forget floor" if height is None else f"Set floor {height:.2f} m"
        return self._edit(
            clip_id,
            RevisionRow(kind="floor", label=label),
            lambda s: edits.set_floor(s, height, count),
        )

    def set_camera(self, clip_id: int, camera: Camera | None) -> Changes:
        """State a camera that was measured or calibrated, in any world; None: unknown again."""
        video = self.clip(clip_id).video
        return self._edit(
            clip_id,
            RevisionRow(kind="camera", label="Forget camera" if camera is None else "Set camera"),
            lambda s: edits.set_camera(s, camera, video),
        )

    def set_depth_order(self, clip_id: int, order: DepthOrder) -> Changes:
        """State who is nearer to the camera."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="depth", label=step_names.depth_step(order)),
            order.frames,
            lambda s: edits.set_depth_order(s, order),
        )

    def clear_depth_order(
        self, clip_id: int, persons: tuple[int, int], frames: FrameRange
    ) -> Changes:
        """Take back what was said of two people's depth order in the frames."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="depth", label="Clear depth order"),
            frames,
            lambda s: edits.clear_depth_order(s, persons, frames),
        )

    def set_trust(self, clip_id: int, said: Trust) -> Changes:
        """State how far a person's detections are believed; 1 takes back what was said."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="trust", label=step_names.trust_step(said)),
            said.frames,
            lambda s: trust.set_trust(s, said),
        )

    def set_proxemics(self, clip_id: int, said: ProxemicsStatement) -> Changes:
        """State how two people stand to each other; what is left open stays as it was said."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="proxemics", label=step_names.proxemics_step(said)),
            said.frames,
            lambda s: proxemics.set_proxemics(s, said),
        )

    def clear_proxemics(
        self, clip_id: int, persons: tuple[int, int], frames: FrameRange
    ) -> Changes:
        """Take back what was said of how two people stand to each other in the frames."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="proxemics", label="Take back how they stand"),
            frames,
            lambda s: proxemics.clear_proxemics(s, persons, frames),
        )

    def set_frozen(self, clip_id: int, frames: FrameRange, frozen: bool) -> Changes:
        """Frames that a fit leaves exactly as they are, or no longer."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="freeze", label="Freeze" if frozen else "Unfreeze"),
            frames,
            lambda s: edits.set_frozen(s, frames, frozen),
        )

    def rename_identity(self, clip_id: int, person: int, name: str) -> Changes:
        """Say who a person is; the same name in two clips is the same person."""
        return self._edit(
            clip_id,
            RevisionRow(kind="identity", label=f"Name person {person + 1}"),
            lambda s: edits.rename_identity(s, person, name),
        )

    def set_gender(self, clip_id: int, person: int, gender: Gender) -> Changes:
        """Say which gender's body a person has in exports."""
        return self._edit(
            clip_id,
            RevisionRow(kind="identity", label=f"Set gender of person {person + 1}"),
            lambda s: edits.set_gender(s, person, gender),
        )
