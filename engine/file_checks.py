"""What an array from outside must be, in sentences: expected and received."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from engine.errors import InputError
from engine.npz import NpzArchive

Axis = int | str
"""A length, or the name of an axis of any length but zero."""
TEXT_LIMIT = 200
PIXEL_LIMIT = 16_384
"""Of an image's side: larger is a mistake, or worse."""
DISTORTION_LIMIT = 1000.0
"""Of any coefficient: k3 of a long lens reaches some tens."""
RIGID_TOLERANCE = 1e-3
"""Largest entry of R R^T - I that is still called a rotation (files in single precision)."""


class Checks:
    """Reads named arrays of an archive and refuses, in one sentence, what is not as it must be."""

    def __init__(self, archive: NpzArchive, kind: str) -> None:
        self.archive = archive
        self._kind = kind

    def refusal(self, what: str, expected: str, received: str) -> InputError:
        name = self.archive.path.name
        return InputError(f"{name}: {what} is wrong", expected=expected, received=received)

    def expect_names(self, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """All required names are there, and no name looks like a misspelt known one."""
        present = set(self.archive.headers)
        missing = [name for name in required if name not in present]
        if missing:
            found = ", ".join(sorted(present)[:12]) or "nothing"
            raise InputError(
                f"{self.archive.path.name} is not {self._kind}",
                expected="the arrays " + ", ".join(missing),
                received=found[:TEXT_LIMIT],
            )
        absent = [name for name in optional if name not in present]
        for name in present - set(required) - set(optional):
            if close := difflib.get_close_matches(name, absent, 1, cutoff=0.75):
                raise self.refusal(f"the name {name[:40]!r}", repr(close[0]), "a misspelling")

    def shape(self, name: str, shape: Sequence[Axis], kinds: str) -> None:
        header = self.archive.headers[name]
        words = {"f": "floats", "i": "integers", "u": "integers", "b": "booleans", "U": "text"}
        fits = len(header.shape) == len(shape) and all(
            got == want if isinstance(want, int) else got > 0
            for got, want in zip(header.shape, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(axis) for axis in shape)
            wanted = f"({wanted},)" if len(shape) == 1 else f"({wanted})"
            raise self.refusal(f"the shape of {name}", wanted, str(header.shape))
        if header.dtype.kind not in kinds:
            wanted = " or ".join(dict.fromkeys(words[kind] for kind in kinds if kind in words))
            raise self.refusal(f"the type of {name}", wanted, str(header.dtype))

    def floats(
        self, name: str, shape: Sequence[Axis], nan: bool = False
    ) -> Float[np.ndarray, "..."]:
        """A float64 array (integers are welcome); NaN only where it means "missing"."""
        self.shape(name, shape, kinds="fiu")
        values = self.archive.array(name).astype(np.float64)
        bad = np.isinf(values) if nan else ~np.isfinite(values)
        if bad.any():
            raise self.refusal(f"a value of {name}", "finite numbers", f"{bad.sum()} others")
        return values

    def integers(self, name: str, shape: Sequence[Axis]) -> np.ndarray:
        """Whole numbers, also where they were saved as floats."""
        values = self.floats(name, shape)
        if (values != np.round(values)).any():
            raise self.refusal(name, "whole numbers", str(values.tolist())[:TEXT_LIMIT])
        return values.astype(np.int64)

    def booleans(self, name: str, shape: Sequence[Axis]) -> np.ndarray:
        self.shape(name, shape, kinds="biu")
        return np.asarray(self.archive.array(name) != 0, bool)

    def number(self, name: str, low: float, high: float) -> float:
        value = float(self.floats(name, ()))
        if not low <= value <= high:
            raise self.refusal(name, f"{low:g} to {high:g}", f"{value:g}")
        return value

    def at_most(self, what: str, count: int, limit: int) -> None:
        if count > limit:
            raise self.refusal(f"the number of {what}", f"at most {limit}", str(count))

    def text(self, name: str) -> str:
        self.shape(name, (), kinds="US")
        value: Any = self.archive.array(name)[()]
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if len(text) > TEXT_LIMIT:
            raise self.refusal(name, f"at most {TEXT_LIMIT} characters", str(len(text)))
        return text

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        text = self.text(name)
        if text not in allowed:
            raise self.refusal(name, " or ".join(map(repr, allowed)), repr(text))
        return text

    def increasing(self, name: str, count: int) -> Float[np.ndarray, "F"]:
        values = self.floats(name, (count,))
        if (np.diff(values) <= 0).any():
            raise self.refusal(name, "seconds that increase", "some that do not")
        return values

    def image_size(self, name: str) -> tuple[int, int]:
        """(width, height) in pixels."""
        width, height = (int(value) for value in self.integers(name, (2,)))
        if not (0 < width <= PIXEL_LIMIT and 0 < height <= PIXEL_LIMIT):
            raise self.refusal(name, f"1 to {PIXEL_LIMIT} pixels", f"{width} x {height}")
        return width, height

    def distortion(self, name: str) -> Float[np.ndarray, "5"] | None:
        """OpenCV's k1, k2, p1, p2, k3, None where the array is absent."""
        if name not in self.archive:
            return None
        values = self.floats(name, (5,))
        if (largest := float(abs(values).max())) > DISTORTION_LIMIT:
            limits = f"-{DISTORTION_LIMIT:g} to {DISTORTION_LIMIT:g}"
            raise self.refusal(f"a value of {name}", limits, f"{largest:g} in size")
        return values

    def intrinsics(self, name: str) -> Float[np.ndarray, "3 3"]:
        """A pinhole camera matrix: positive focal lengths, no skew, last row 0 0 1."""
        K = self.floats(name, (3, 3))
        zeros = np.array([K[0, 1], K[1, 0], K[2, 0], K[2, 1]])
        if K[0, 0] <= 0 or K[1, 1] <= 0 or abs(zeros).max() > 1e-6 * K[0, 0] or K[2, 2] != 1:
            received = str(K.tolist())[:TEXT_LIMIT]
            raise self.refusal(name, "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]", received)
        return K

    def rigid(self, name: str, count: int) -> Float[np.ndarray, "F 4 4"] | None:
        """Rotations and translations, None where the array is absent."""
        if name not in self.archive:
            return None
        transforms = self.floats(name, (count, 4, 4))
        rotation = transforms[:, :3, :3]
        error = abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(initial=0)
        if error > RIGID_TOLERANCE or (np.linalg.det(rotation) < 0).any():
            raise self.refusal(f"a rotation in {name}", "R with R R^T = I, det R = 1", "another")
        if abs(transforms[:, 3] - [0, 0, 0, 1]).max(initial=0) > 1e-6:
            raise self.refusal(f"the last row of {name}", "0 0 0 1", "another")
        return transforms
