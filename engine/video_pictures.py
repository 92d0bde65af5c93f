"""From a decoded frame to the picture that a user means by it: upright RGB with square pixels.

A frame is stored turned, stretched, interlaced, or in the wide range of brightness of HDR; what
leaves here is 8-bit sRGB as a screen shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, ColorTrc, Interpolation, VideoReformatter
from jaxtyping import Float, Float32, UInt8, UInt16

from engine.errors import VideoError

Frame = UInt8[np.ndarray, "H W 3"]

MOST_PIXELS = 4096 * 2304
"""Pixels of a frame that leave here; larger ones are reduced by a whole number."""
MOST_CODED_PIXELS = 8192 * 8192
"""Pixels that are decoded at all: larger ones would take gigabytes a frame."""
_NEARLY_SQUARE = 0.01
_HD = (1280, 576)
"""Above this width or height video that does not state its colours has those of HD (BT.709)."""
_WHITE_NITS = 203.0
"""Brightness of a white sheet in HDR (ITU-R BT.2408)."""
_HLG_PEAK_NITS = 1000.0
_KNEE = 0.75
"""Share of white from which brighter light is drawn together, up to highlights."""
_STEPS = 4096
"""Steps of light between black and white in the table from light to sRGB."""
_RGB709_FROM_RGB2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""ITU-R BT.2087, linear light."""


@dataclass(frozen=True)
class Orientation:
    """The display matrix of a stream as a transpose followed by mirrorings."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        # libavutil/display.h: x' = a x + c y, y' = b x + d y, rows (a b u), (c d v), (x y w)
        a, b, _, c, d = np.frombuffer(data, np.int32)[:5]  # type: ignore[call-overload]
        if abs(int(a)) >= abs(int(b)):
            return cls(False, bool(a < 0), bool(d < 0))
        return cls(True, bool(c < 0), bool(b < 0))

    def apply(self, image: Frame) -> UInt8[np.ndarray, "H_upright W_upright 3"]:
        if self.transpose:
            image = np.asarray(cv2.transpose(image), np.uint8)
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else int(self.flip_x)
            image = np.asarray(cv2.flip(image, code), np.uint8)
        return image


class Pictures:
    """Makes the pictures of one stream; how is read from its first frame.

    Raises VideoError for frames that are too large to decode.
    """

    def __init__(self, first: av.VideoFrame, stream: Any) -> None:
        check_coded_size(first.width, first.height)
        self.notes: list[str] = []
        self._reformatter = VideoReformatter()
        self._orientation = Orientation.of(first)
        self._transfer = ColorTrc(int(first.color_trc)) if _is_hdr(first) else None
        self._matrix = _assumed_matrix(first)
        square = _square_size(first.width, first.height, stream.sample_aspect_ratio)
        by = 1
        while square[0] * square[1] > by * by * MOST_PIXELS:
            by += 1
        self._size = _reduced(square, by)
        self.size = self._size[::-1] if self._orientation.transpose else self._size
        """(width, height), upright."""
        self._say(first, square, by)

    def _say(self, first: av.VideoFrame, square: tuple[int, int], by: int) -> None:
        """What a user should know of how the frames are shown."""
        if square != (first.width, first.height):
            self.notes.append(
                "Its pixels are not square: it is shown at {} x {}.".format(*self.size)
            )
        if by > 1:
            self.notes.append(
                "It is read at a {} of its size ({} x {}), as larger frames take too long.".format(
                    {2: "half", 3: "third", 4: "quarter"}.get(by, f"1/{by}"), *self.size
                )
            )
        if self._transfer is not None:
            kind = "PQ" if self._transfer is ColorTrc.SMPTE2084 else "HLG"
            self.notes.append(f"It is HDR ({kind}): its brightness is reduced to a screen's.")
        if first.interlaced_frame:
            self.notes.append("It is interlaced: of each frame one field is shown.")

    def rgb(self, frame: av.VideoFrame, reduction: int) -> Frame:
        """The picture, its sides divided by `reduction` (means of its pixels)."""
        size = _reduced(self._size, reduction)
        if frame.interlaced_frame:
            whole = self._converted(frame, (size[0], frame.height))
            image = cv2.resize(np.ascontiguousarray(whole[::2]), size, interpolation=cv2.INTER_AREA)
            return self._orientation.apply(np.asarray(image, np.uint8))
        return self._orientation.apply(self._converted(frame, size))

    def _converted(self, frame: av.VideoFrame, size: tuple[int, int]) -> Frame:
        smaller = size[0] < frame.width or size[1] < frame.height
        converted = self._reformatter.reformat(
            frame,
            *size,
            "rgb24" if self._transfer is None else "rgb48le",
            src_colorspace=self._matrix,
            interpolation=Interpolation.AREA if smaller else Interpolation.BILINEAR,
        ).to_ndarray()
        if self._transfer is None:
            return np.asarray(converted, np.uint8)
        return tone_mapped(converted, self._transfer)


def check_coded_size(width: int, height: int) -> None:
    """Raises VideoError for frames that would take more memory than a frame should."""
    if width * height > MOST_CODED_PIXELS:
        raise VideoError(
            f"The video's frames are too large: {width} x {height}",
            expected=f"at most {MOST_CODED_PIXELS // 10**6} million pixels",
            advice="Convert it to 4K or less.",
        )


def _is_hdr(frame: av.VideoFrame) -> bool:
    return int(frame.color_trc) in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def _assumed_matrix(frame: av.VideoFrame) -> Colorspace | None:
    """BT.709 for HD video that states nothing (2, unspecified); None: as the frame says."""
    unstated = int(frame.colorspace) == 2 and "rgb" not in frame.format.name
    hd = frame.width >= _HD[0] or frame.height > _HD[1]
    return Colorspace.ITU709 if unstated and hd else None


def _square_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size at which pixels are square; the shorter side of a pixel is stretched."""
    shape = float(aspect or 1)
    if not 0.1 < shape < 10 or abs(shape - 1) < _NEARLY_SQUARE:
        return width, height
    return (round(width * shape), height) if shape > 1 else (width, round(height / shape))


def _reduced(size: tuple[int, int], by: int) -> tuple[int, int]:
    return -(-size[0] // by), -(-size[1] // by)


def tone_mapped(image: UInt16[np.ndarray, "H W 3"], transfer: ColorTrc) -> Frame:
    """BT.2020 RGB codes of HDR as sRGB: a white sheet stays white, highlights are drawn together.

    `transfer` is PQ (SMPTE ST 2084) or HLG (ARIB STD-B67), both of ITU-R BT.2100.
    """
    light = np.take(_light_of_codes(transfer), image)
    light = cv2.transform(light, _RGB709_FROM_RGB2020)
    steps = np.clip(light * np.float32(_STEPS), 0, 65535).astype(np.uint16)
    return np.asarray(np.take(_srgb_of_light(), steps), np.uint8)


@cache
def _light_of_codes(transfer: ColorTrc) -> Float32[np.ndarray, "65536"]:
    """Linear light on a screen, 1 for a white sheet, of 16-bit codes."""
    code = np.arange(65536) / 65535
    nits = _pq_nits(code) if transfer is ColorTrc.SMPTE2084 else _hlg_nits(code)
    return np.asarray(nits / _WHITE_NITS, np.float32)


def _pq_nits(code: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """ITU-R BT.2100, table 4."""
    root = code ** (1 / 78.84375)
    return 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (
        1 / 0.1593017578125
    )


def _hlg_nits(code: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """ITU-R BT.2100, table 5, on a screen of 1000 nits; its gamma is applied to each channel."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return _HLG_PEAK_NITS * scene**1.2


@cache
def _srgb_of_light() -> UInt8[np.ndarray, "65536"]:
    light = np.arange(65536) / _STEPS
    room = 1 - _KNEE
    light = np.where(light < _KNEE, light, 1 - room * np.exp(-(light - _KNEE) / room))
    coded = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(coded, 0, 1) * 255 + 0.5, np.uint8)
