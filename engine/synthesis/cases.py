"""Cases for a benchmark: truth and observations of a clip, drawn or not.

A case that is not drawn knows the same as a drawn clip does, but from the outlines of the people
in a smaller picture: there is no light, no place and no video. Who hides whom differs from the
drawn clip only where single pixels decide.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from engine.body.data import OPEN_BODY, load_body_data
from engine.structures import Observations, RunLengthMask
from engine.synthesis.casting import Cast, drawn_bodies, make_cast
from engine.synthesis.clip import synthesize
from engine.synthesis.detector import clean_observations, detector_observations
from engine.synthesis.figures import DENSITY
from engine.synthesis.measuring import Sighting, measured_truth
from engine.synthesis.order import SynthesisOrder, SynthesisProgress
from engine.synthesis.raster import Buffers, drawn_alone, on_device
from engine.synthesis.truth import Truth

SMALL = 480
"""Pixels of the longer side of the picture in which outlines are drawn."""
_SEEN = 0.9
"""Share of the time after which all frames are seen."""


@dataclass(frozen=True)
class Case:
    """A clip whose truth is known, and what is observed of it at two levels."""

    name: str
    truth: Truth
    clean: Observations
    """True pixels, masks, passers-by and cuts."""
    detector: Observations
    """Keypoints as noisy as a detector's; no masks."""
    K: Float[np.ndarray, "3 3"]


def make_case(
    order: SynthesisOrder, *, drawn: bool = False
) -> Generator[SynthesisProgress, None, Case]:
    """The case of an order; drawn, it is also written into `order.out` as a clip.

    Raises InputError for an order that cannot be met.
    """
    truth = yield from (synthesize(order) if drawn else undrawn_truth(order))
    return Case(
        _name(order),
        truth,
        clean_observations(truth),
        detector_observations(truth, truth.seed),
        truth.fit.camera.K,
    )


def undrawn_truth(order: SynthesisOrder) -> Generator[SynthesisProgress, None, Truth]:
    """What `synthesize` would say of the clip, without drawing it."""
    order.check()
    yield SynthesisProgress("solving the motion", 0.0)
    cast = make_cast(order)
    seen = Sighting.before(cast)
    frames = cast.motion.frame_count
    scale = min(1.0, SMALL / max(cast.camera.image_size))
    for frame, buffers in enumerate(_outlines(cast, scale)):
        masks = [
            _enlarged(buffers.mask(p), cast.camera.image_size) for p in range(len(cast.figures))
        ]
        seen.see(frame, buffers, masks, scale)
        yield SynthesisProgress("seeing", _SEEN * (frame + 1) / frames)
    yield SynthesisProgress("measuring contacts", _SEEN)
    truth = measured_truth(order, cast, seen)
    yield SynthesisProgress("done", 1.0, 0.0)
    return truth


def _outlines(cast: Cast, scale: float) -> Iterator[Buffers]:
    """The clothed people of each frame in a picture `scale` times as large as the clip's."""
    camera = cast.camera
    faces = on_device(load_body_data(OPEN_BODY, DENSITY).faces.astype(np.int32))
    size = (int(np.ceil(camera.image_size[0] * scale)), int(np.ceil(camera.image_size[1] * scale)))
    K = camera.K * np.array([[scale], [scale], [1.0]])
    for transform, (_, bodies, _) in zip(camera.T_camera_world, drawn_bodies(cast), strict=True):
        yield drawn_alone(bodies, faces, (K, transform, size))


def _enlarged(mask: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> RunLengthMask:
    """The mask in a picture of `size` (width, height), its outline smoothed."""
    large = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR)
    return RunLengthMask.encode(large > 127)


def _name(order: SynthesisOrder) -> str:
    """Motion, frames and seed, as in "hug-03 10:74 seed 5"."""
    span = f" {order.frames.start}:{order.frames.stop}" if order.frames else ""
    rate = f" {order.fps:g} fps" if order.fps else ""
    return f"{order.motion.stem}{span}{rate}{' variable' * order.variable_rate} seed {order.seed}"
