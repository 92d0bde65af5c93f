"""Videos whose every frame carries its number as black and white blocks, so that truth is known."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
WIDTH, HEIGHT = 160, 96


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """RGB frame whose top row of blocks spells its number in binary; the bottom half is red."""
    image = np.full((height, width, 3), 30, np.uint8)
    block = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            image[: height // 2, bit * block : (bit + 1) * block] = 225
    image[height // 2 :] = (200, 30, 30)
    return image


def number_in(image: np.ndarray) -> int:
    block = image.shape[1] // BITS
    rows = slice(image.shape[0] // 8, image.shape[0] * 3 // 8)
    lit = [image[rows, b * block + 4 : (b + 1) * block - 4].mean() > 128 for b in range(BITS)]
    return sum(1 << bit for bit, on in enumerate(lit) if on)


def write_video(
    path: Path,
    ticks: list[int],
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    rotation: tuple[float, bool] | None = None,
    aspect: Fraction | None = None,
    pix_fmt: str | None = None,
    audio: bool = False,
) -> Path:
    """Encode frames 0..n-1 shown at `ticks` sixtieths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=60)
        stream.width, stream.height = size
        even = size[0] % 2 == 0 and size[1] % 2 == 0
        stream.pix_fmt = pix_fmt or ("yuv420p" if even else "yuv444p")
        stream.time_base = stream.codec_context.time_base = Fraction(1, 60)
        stream.options = {
            "g": "250",
            "bf": "3",
            "crf": "18",
            "preset": "veryfast",
            **(options or {}),
        }
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        sound = container.add_stream("aac", rate=16000) if audio else None
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 60)
            container.mux(stream.encode(frame))
            if sound is not None:
                container.mux(sound.encode(_silence(number)))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def _silence(number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 16000, number * 1024, Fraction(1, 16000)
    return frame


def irregular_ticks(count: int, seed: int = 0) -> list[int]:
    return np.cumsum(np.random.default_rng(seed).integers(1, 9, count)).tolist()
