"""What the window shows of a clip: joints, bodies over the video and in 3D, its list of findings.

All that a curator may look at besides the video. Nothing here knows the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from annotations.corrections import effective_observations
from annotations.records import ClipState
from app.annotator.sight import Gaps, region_gaps
from app.suspicion import suspicions, unreviewed, worst_first
from engine.body.display import DisplayBody
from engine.structures import Observations


@dataclass(frozen=True)
class Desk:
    """A fitted clip of two people as the window shows it."""

    state: ClipState

    @property
    def frame_count(self) -> int:
        return self.seen.frame_count

    @cached_property
    def seen(self) -> Observations:
        """The joints that are drawn over the video, with the curator's corrections."""
        seen = effective_observations(self.state)
        assert seen is not None
        return seen

    @cached_property
    def sizes_px(self) -> Float[np.ndarray, "2"]:
        """How tall the people's boxes usually are."""
        boxes = self.seen.boxes
        heights = boxes[..., 3] - boxes[..., 1]
        return np.array([np.nanmedian(row) if np.isfinite(row).any() else 1.0 for row in heights])

    @cached_property
    def hidden(self) -> Bool[np.ndarray, "2 F 26"]:
        """Joints that are drawn as hidden."""
        hidden = np.zeros(self.seen.confidence.shape, bool)
        for edit in self.state.constraints.keypoint_edits:
            hidden[edit.person, edit.frame, edit.keypoint] = not edit.visible
        return hidden

    @cached_property
    def heights(self) -> Float[np.ndarray, "2"]:
        """How tall the bodies are, metres."""
        motion = self.state.motion
        assert motion is not None
        body = DisplayBody.load(motion.body, "1k2")
        still = np.zeros(3), np.zeros((23, 3)), np.zeros(3)
        return np.array([np.ptp(body.vertices(b, *still)[:, 1]) for b in motion.betas])

    def bodies_px(self, frame: int) -> Float[np.ndarray, "2 K 2"]:
        """Where the joints of the bodies are over the video."""
        points = self._in_camera(frame)
        camera = self.state.camera
        assert camera is not None
        image = points @ camera.K.T
        return np.asarray(image[..., :2] / image[..., 2:])

    def nearer(self, frame: int) -> tuple[int, float]:
        """Whose body is nearer to the camera, and by how many metres (pelvis)."""
        depth = self._in_camera(frame)[:, [11, 12], 2].mean(1)
        return int(depth.argmin()), float(abs(depth[0] - depth[1]))

    def distance(self, frame: int) -> float:
        """How far apart the pelvises of the bodies are, metres."""
        hips = self._in_camera(frame)[:, [11, 12]].mean(1)
        return float(np.linalg.norm(hips[0] - hips[1]))

    def gaps(self, frame: int) -> Gaps:
        """How far apart the bodies' regions are in 3D."""
        if frame not in self._gaps:
            assert self.state.motion is not None
            self._gaps[frame] = region_gaps(self.state.motion, frame)
        return self._gaps[frame]

    @cached_property
    def _gaps(self) -> dict[int, Gaps]:
        return {}

    def ranked_frames(self) -> list[int]:
        """The worst frames of the findings that wait for a verdict, as the list has them that
        begins with the worst."""
        found = unreviewed(self.state, suspicions(self.state))
        return list(dict.fromkeys(s.worst for s in worst_first(self.state, found)))

    def _in_camera(self, frame: int) -> Float[np.ndarray, "2 K 3"]:
        motion, camera = self.state.motion, self.state.camera
        assert motion is not None and camera is not None
        body = DisplayBody.load(motion.body, "1k2")
        points = np.stack(
            [
                body.keypoints(
                    motion.betas[p],
                    motion.global_orient[p, frame],
                    motion.body_pose[p, frame],
                    motion.transl[p, frame],
                    self.seen.layout,
                )
                for p in (0, 1)
            ]
        )
        T = camera.T_camera_world[frame]
        return np.asarray(points @ T[:3, :3].T + T[:3, 3])
