"""When the frames of a clip are shown: at a steady rate, or as irregularly as a phone films."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from engine.synthesis.video_writer import TIME_BASE

UNSTEADY = 0.04
"""Standard deviation of an interval between frames, share of the nominal one."""
DARKER = 1.25, 0.6
"""Where a phone lengthens the exposure: by how much intervals grow, and for how many seconds."""
DROPPED = 0.02
"""Share of frames that are left out: the one before is shown for longer."""


def frame_times(
    seconds: float, fps: float, generator: np.random.Generator | None = None
) -> Float[np.ndarray, "F"]:
    """Presentation times from 0 to at most `seconds`, strictly increasing, in seconds.

    Without a generator 1 / fps apart. With one at a variable rate whose mean is near `fps`: every
    interval differs a little, exposures are longer for a while, single frames are missing. Such
    times are whole ticks of a video file's clock, so that a file keeps them exactly.
    """
    count = int(seconds * fps + 1e-6) + 1
    if generator is None:
        return np.arange(count) / fps
    steps = np.clip(generator.normal(1, UNSTEADY, 2 * count), 0.7, 1.3)
    factor, length = DARKER
    start = generator.uniform(0, max(seconds - length, 1e-9))
    times = np.cumsum(steps / fps)
    steps[(times > start) & (times < start + length)] *= factor
    times = np.concatenate([[0.0], np.cumsum(steps / fps)])
    kept = generator.random(len(times)) >= DROPPED
    kept[0] = True
    ticks = np.round(times[kept] / float(TIME_BASE))
    exact = ticks * float(TIME_BASE)
    return np.asarray(exact[exact <= seconds + 1e-9])
