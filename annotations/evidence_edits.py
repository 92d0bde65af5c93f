"""Edits of evidence: detections, who is who in them, joints, boxes and masks by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from annotations import drawn, edits, observed, people, step_names, swapping
from annotations.open_project import OpenProject
from annotations.people import NobodyKind, Source
from annotations.records import Changes
from annotations.schema import RevisionRow
from engine.structures import BoxEdit, FrameRange, KeypointEdit, MaskEdit, Observations


class EvidenceEdits(OpenProject):
    """The part of a project's surface that changes what counts as seen."""

    def set_observations(
        self,
        clip_id: int,
        observations: Observations,
        provenance: Mapping[str, str],
        *,
        label: str = "Detect people",
    ) -> Changes:
        """Other detections of the whole clip; joints that a person placed stay."""
        video = self.clip(clip_id).video
        return self._edit(
            clip_id,
            RevisionRow(kind="observations", label=label),
            lambda state: observed.set_observations(state, observations, video),
            provenance=provenance,
        )

    def swap(self, clip_id: int, frames: FrameRange, persons: tuple[int, int] = (0, 1)) -> Changes:
        """Exchange two people over the frames (see annotations.swapping.swap)."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="swap", label="Swap people"),
            frames,
            lambda s: swapping.swap(s, frames, persons),
            masks=True,
        )

    def keep_apart(
        self, clip_id: int, frames: FrameRange, persons: tuple[int, int] = (0, 1)
    ) -> Changes:
        """Say that two people are who they are: no proposal to exchange them there is shown."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="kept apart", label="Not exchanged"),
            frames,
            lambda s: swapping.keep_apart(s, frames, persons),
        )

    def assign(self, clip_id: int, person: int, other: int, frames: FrameRange) -> Changes:
        """Make somebody among the others the person (see annotations.people.assign)."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="assign", label=f"Choose person {person + 1}"),
            frames,
            lambda s: people.assign(s, person, other, frames),
            masks=True,
        )

    def dismiss(
        self, clip_id: int, source: Source, frames: FrameRange, kind: NobodyKind
    ) -> Changes:
        """Say that a track is none of the clip's people, or nobody (annotations.people.dismiss)."""
        what = "Not a person" if kind == "not_a_person" else "Someone else"
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="dismiss", label=what),
            frames,
            lambda s: people.dismiss(s, source, frames, kind),
            masks=True,
        )

    def edit_keypoint(self, clip_id: int, edit: KeypointEdit) -> Changes:
        """Place or hide a joint by hand."""
        frames = FrameRange(edit.frame, edit.frame + 1)
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="keypoint", label=step_names.keypoint_step(edit)),
            frames,
            lambda s: edits.edit_keypoint(s, edit),
        )

    def clear_keypoint(self, clip_id: int, person: int, frame: int, keypoint: int) -> Changes:
        """Take back what was said of a joint: the detection counts again."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="keypoint", label=step_names.joint_step("Restore", person, keypoint)),
            FrameRange(frame, frame + 1),
            lambda s: edits.clear_keypoint(s, person, frame, keypoint),
        )

    def edit_box(self, clip_id: int, edit: BoxEdit) -> Changes:
        """Draw or move a person's box, say who somebody is, or mark that none of them is there."""
        video = self.clip(clip_id).video
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="box", label=step_names.box_step(edit)),
            FrameRange(edit.frame, edit.frame + 1),
            lambda s: drawn.edit_box(s, edit, video),
        )

    def edit_boxes(self, clip_id: int, boxes: Iterable[BoxEdit], *, label: str) -> Changes:
        """Many boxes and marks as one step: those of an imported file."""
        video = self.clip(clip_id).video
        return self._edit(
            clip_id,
            RevisionRow(kind="box", label=label),
            lambda s: drawn.edit_boxes(s, boxes, video),
        )

    def remove_box_edit(self, clip_id: int, edit: BoxEdit) -> Changes:
        """Take back one of `state.constraints.box_edits`."""
        video = self.clip(clip_id).video
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="box", label=f"Take back: {step_names.box_step(edit)}"),
            FrameRange(edit.frame, edit.frame + 1),
            lambda s: drawn.remove_box_edit(s, edit, video),
        )

    def edit_mask(self, clip_id: int, edit: MaskEdit) -> Changes:
        """A person's mask in a frame as it was painted, whole."""
        video = self.clip(clip_id).video
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="mask", label=step_names.of_person("Paint mask", edit.person)),
            FrameRange(edit.frame, edit.frame + 1),
            lambda s: drawn.edit_mask(s, edit, video),
        )

    def clear_mask(self, clip_id: int, person: int, frame: int) -> Changes:
        """Take back a painted mask: the detected one counts again."""
        return self._edit_frames(
            clip_id,
            RevisionRow(kind="mask", label=step_names.of_person("Clear mask", person)),
            FrameRange(frame, frame + 1),
            lambda s: drawn.clear_mask(s, person, frame),
        )
