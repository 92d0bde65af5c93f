"""Writes H.264 whose bytes depend on the pictures alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

TIME_BASE = Fraction(1, 90_000)


class VideoWriter:
    """A context manager; the file is there when it is complete, and only then.

    One thread encodes, so that the bytes do not depend on the machine's cores. Macroblock-tree rate
    control is off: x264's fast version of it gives other bytes now and then for the same pictures.
    """

    def __init__(self, path: Path, size: tuple[int, int], crf: int) -> None:
        self._path, self._size = path, size
        self._partial = path.with_name(f".{path.stem}.partial{path.suffix}")
        self._options = {
            "crf": str(crf),
            "preset": "veryfast",
            "threads": "1",
            "x264-params": "mbtree=0",
        }

    def __enter__(self) -> VideoWriter:
        import av

        self._container: Any = av.open(str(self._partial), "w")
        self._stream = self._container.add_stream("libx264", options=self._options)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = TIME_BASE
        return self

    def add(self, picture: UInt8[ndarray, "H W 3"], seconds: float) -> None:
        """One frame, shown from `seconds` on."""
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.time_base, frame.pts = TIME_BASE, round(seconds / TIME_BASE)
        self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode())
            self._container.close()
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)
