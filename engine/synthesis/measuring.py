"""The truth of a cast: what was seen of it, and what is measured on its bodies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, UInt8

from engine.body.data import OPEN_BODY, load_body_data
from engine.files import FitFile
from engine.geometry.frames import motion_to_camera
from engine.geometry.touching import find_touch
from engine.structures import Diagnostics, Outcome, RunLengthMask
from engine.synthesis.casting import Cast
from engine.synthesis.figures import TRUTH_DENSITY, Figure
from engine.synthesis.order import SynthesisOrder
from engine.synthesis.people import joints_of, keypoints_of
from engine.synthesis.raster import Buffers
from engine.synthesis.sources import median_fps
from engine.synthesis.truth import Truth
from engine.synthesis.visibility import in_front, joint_visibility


@dataclass
class Sighting:
    """What a camera sees of A people, passers-by last, in F frames."""

    visibility: UInt8[np.ndarray, "A F 26"]
    in_front: Float[np.ndarray, "A A F"]
    masks: list[list[RunLengthMask]]
    pixels: Float[np.ndarray, "A F 26 2"]
    """Of the keypoints, in the full picture."""
    depth: Float[np.ndarray, "A F 26"]
    """Of the keypoints, metres."""

    @classmethod
    def before(cls, cast: Cast) -> Sighting:
        """With nothing seen yet: `see` is to be called for each frame in turn."""
        everybody, frames = cast.motion.valid.shape
        return cls(
            np.zeros((everybody, frames, 26), np.uint8),
            np.full((everybody, everybody, frames), np.nan),
            [[] for _ in range(everybody)],
            *keypoints_of(cast.motion, cast.camera),
        )

    def see(self, frame: int, buffers: Buffers, masks: list[RunLengthMask], scale: float) -> None:
        """Take a frame in; `scale` is the size of the buffers over that of the picture."""
        pixels = self.pixels[:, frame] * scale
        self.visibility[:, frame] = joint_visibility(pixels, self.depth[:, frame], buffers)
        self.in_front[:, :, frame] = in_front(buffers)
        for row, mask in zip(self.masks, masks, strict=True):
            row.append(mask)


def measured_truth(order: SynthesisOrder, cast: Cast, seen: Sighting) -> Truth:
    """All that truth.npz holds."""
    motion, people = cast.about(), cast.people
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    bare = [cast.bare(p) for p in range(people)]
    pairs = list(combinations(range(people), 2))
    touches = [find_touch(bare[a], bare[b], data, (a, b)) for a, b in pairs]
    deepest = np.max([np.zeros(motion.frame_count), *(t.penetration_m for t in touches)], axis=0)
    fit = _as_fit(cast, seen.pixels[:people], deepest)
    vertices = np.array([t.vertices for t in touches], bool)
    return Truth(
        fit=fit,
        keypoints2d=seen.pixels[:people],
        visibility=seen.visibility[:people],
        masks=tuple(tuple(row) for row in seen.masks[:people]),
        in_front=seen.in_front[:people, :people],
        depth_order=np.argsort(fit.joints[:, :, 0, 2], axis=0).T,
        skin_offsets=np.stack([f.skin_offsets for f in cast.figures[:people]]).astype(np.float32),
        heights=np.array([_height(figure) for figure in cast.figures[:people]]),
        contact_people=np.array(pairs, int).reshape(-1, 2),
        contact_vertices=vertices.reshape(len(pairs), 2, motion.frame_count, data.vertex_count),
        contacts=tuple(label for touch in touches for label in touch.labels),
        present=np.array([[any(m.counts[1:]) for m in row] for row in seen.masks[:people]]),
        others_keypoints2d=seen.pixels[people:],
        others_visibility=seen.visibility[people:],
        cuts=cast.cuts,
        fps=median_fps(motion),
        source=order.motion.name,
        seed=order.seed,
        retarget_error_m=cast.error_m,
        separation_m=cast.moved_m,
    )


def _as_fit(
    cast: Cast, pixels: Float[np.ndarray, "P F 26 2"], deepest: Float[np.ndarray, "F"]
) -> FitFile:
    """The truth in a fit's terms: it reprojects without error."""
    motion = cast.about()
    in_camera = motion_to_camera(
        motion, cast.camera.T_camera_world, load_body_data(OPEN_BODY, TRUTH_DENSITY)
    )
    return FitFile(
        motion=in_camera,
        joints=joints_of(in_camera),
        keypoints2d_reprojected=pixels,
        layout="halpe26",
        camera=cast.camera,
        outcome=Outcome.CONVERGED,
        diagnostics=Diagnostics(np.zeros(motion.valid.shape), deepest),
    )


def _height(figure: Figure) -> float:
    rest = figure.bare.vertices(figure.betas, np.zeros(3), np.zeros((23, 3)), np.zeros(3))
    return float(np.ptp(rest[:, 1]))
