"""Intrinsics as OpenCV's calibration sample writes them: FileStorage in YAML, XML or JSON.

Read: `camera_matrix`, `distortion_coefficients`, `image_width`, `image_height`, under the names
that the samples, ROS and calibration tools use. Only matrices and numbers at the top level are
looked at: YAML has no tags, aliases or merges here, XML no entities.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from annotations.importers import json_stream
from annotations.importers.cameras import CameraReading, distortion_of, finished
from annotations.importers.imported import ImportOptions, Reading
from annotations.importers.sample import Sample
from annotations.importers.values import (
    number,
    numbers,
    read_text,
    refusal,
    shown,
    whole,
)
from engine.errors import InputError
from engine.structures import VideoInfo

CALIBRATION_LIMIT = 4 << 20
"""Bytes; a calibration with all its views has some hundred thousand."""
MATRIX_NAMES = (
    "camera_matrix", "Camera_Matrix", "cameraMatrix", "CameraMatrix", "camera_Matrix", "mtx", "K",
    "M1", "intrinsic_matrix",
)  # fmt: skip
DISTORTION_NAMES = (
    "distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "DistCoeffs",
    "dist_coeffs", "dist_coeff", "DistortionCoefficients", "dist", "D", "D1",
)  # fmt: skip
_WIDTHS = ("image_width", "image_Width", "Image_Width", "ImageWidth", "width")
_HEIGHTS = ("image_height", "image_Height", "Image_Height", "ImageHeight", "height")
_FISHEYE = ("fisheye", "equidistant", "kannala_brandt", "rational_polynomial")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


class OpenCvIntrinsics:
    """The importer of this format."""

    name: ClassVar[str] = "opencv-intrinsics"
    description: ClassVar[str] = "OpenCV calibration (YAML, XML, JSON): K and distortion"
    gives: ClassVar[str] = "camera"

    def recognises(self, sample: Sample) -> bool:
        if sample.is_folder or "frames" in sample.first:
            return False
        if sample.is_json:
            return sample.is_object and bool(set(MATRIX_NAMES) & set(sample.first))
        named = any(re.search(rf"^\s*<?{name}\b", sample.head, re.M) for name in MATRIX_NAMES)
        return sample.suffix in (".yml", ".yaml", ".xml") and named

    def reading(
        self, path: Path, video: VideoInfo, options: ImportOptions
    ) -> Generator[float, None, Reading]:
        yield 0.0
        reading = Reading("opencv-intrinsics", path.name)
        return finished(reading, _camera(path.name, _values(path)), video, options)


def _camera(source: str, values: Mapping[str, Any]) -> CameraReading:
    found = next((values[name] for name in MATRIX_NAMES if name in values), None)
    if found is None:
        raise refusal(
            source, "the file", "a matrix camera_matrix", ", ".join(list(values)[:10]) or "none"
        )
    model = str(values.get("distortion_model", values.get("camera_model", ""))).lower()
    if any(name in model for name in _FISHEYE) or values.get("fisheye_model") in (1, 1.0, True):
        raise refusal(
            source, "the distortion", "OpenCV's k1, k2, p1, p2, k3", model or "a fisheye model",
            "Undistort the video, or calibrate with five coefficients.",
        )  # fmt: skip
    if not isinstance(found, np.ndarray) or found.size != 9:
        raise refusal(source, "the camera matrix", "3 x 3 numbers", _said(found))
    distortion = next((values[name] for name in DISTORTION_NAMES if name in values), None)
    if distortion is not None and not isinstance(distortion, np.ndarray):
        raise refusal(source, "the distortion", "a matrix", _said(distortion))
    return CameraReading(
        found.reshape(3, 3), _size(source, values), distortion_of(distortion, source)
    )


def _said(value: object) -> str:
    return f"{value.size} numbers" if isinstance(value, np.ndarray) else shown(value)


def _size(source: str, values: Mapping[str, Any]) -> tuple[int, int] | None:
    sides = [
        next((values[name] for name in names if name in values), None)
        for names in (_WIDTHS, _HEIGHTS)
    ]
    pair = values.get("image_size", values.get("imageSize"))
    if isinstance(pair, np.ndarray) and len(pair) == 2:
        sides = pair.tolist()
    if any(side is None for side in sides):
        return None
    refuse = partial(refusal, source, "the image size")
    width, height = (whole(side, refuse) for side in sides)
    return width, height


def _values(path: Path) -> dict[str, Any]:
    """Matrices and numbers at the file's top level, by name."""
    text = read_text(path, CALIBRATION_LIMIT)
    start = text.lstrip()[:1]
    if start == "{":
        return _from_json(path)
    return _from_xml(path.name, text) if start == "<" else _from_yaml(path.name, text)


def _from_json(path: Path) -> dict[str, Any]:
    content = json_stream.load(path, CALIBRATION_LIMIT)
    values: dict[str, Any] = {}
    for name, value in content.items():
        matrix = value.get("data") if isinstance(value, dict) else value
        if isinstance(matrix, list) and matrix:
            if isinstance(matrix[0], int | float | list):
                values[name] = numbers(matrix, partial(refusal, path.name, name))
        elif isinstance(value, str):
            values[name] = value
        elif type(value) in (int, float):
            values[name] = number(value, partial(refusal, path.name, name))
    return values


def _from_yaml(source: str, text: str) -> dict[str, Any]:
    """`name: value` and `name: !!opencv-matrix` (or ROS's untagged form) with rows, cols, data."""
    values: dict[str, Any] = {}
    name = ""
    block: list[str] = []
    for line in [*text.splitlines(), "end_:"]:
        start = re.match(r"([A-Za-z_]\w*)\s*:(.*)$", line)
        if start is None:
            block.append(line)
            continue
        if name:
            _take_yaml(source, values, name, "\n".join(block))
        name, block = start[1], [start[2]]
    return values


def _take_yaml(source: str, values: dict[str, Any], name: str, body: str) -> None:
    body = body.strip()
    data = re.search(r"\bdata\s*:\s*\[([^\]]*)\]", body)
    if data is not None:
        values[name] = _numbers_in(source, name, data[1])
        shape = [re.search(rf"\b{side}\s*:\s*(\d+)", body) for side in ("rows", "cols")]
        if all(shape):
            rows, columns = (int(side[1]) for side in shape if side is not None)
            if rows * columns != len(values[name]):
                raise refusal(
                    source, name, f"{rows} x {columns} numbers", f"{len(values[name])} numbers"
                )
    elif re.fullmatch(_NUMBER, body):
        values[name] = float(body)
    elif body.startswith("["):
        found = re.findall(_NUMBER, body)
        values[name] = np.array([float(each) for each in found])
    elif body and "\n" not in body:
        values[name] = body.strip("\"'")


def _numbers_in(source: str, name: str, text: str) -> Float[np.ndarray, "N"]:
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    for part in parts:
        if not re.fullmatch(_NUMBER, part):
            raise refusal(source, name, "finite numbers", part)
    return np.array([float(part) for part in parts], np.float64)


def _from_xml(source: str, text: str) -> dict[str, Any]:
    import xml.etree.ElementTree as ElementTree

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            f"{source} declares entities, which are not read", expected="OpenCV's plain XML"
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{source} is not readable XML", received=str(error)[:80]) from error
    values: dict[str, Any] = {}
    for node in root:
        data = node.find("data")
        if data is not None:
            values[node.tag] = _numbers_in(source, node.tag, data.text or "")
        elif node.text and re.fullmatch(_NUMBER, node.text.strip()):
            values[node.tag] = float(node.text)
        elif node.text:
            values[node.tag] = node.text.strip().strip("\"'")
    return values
