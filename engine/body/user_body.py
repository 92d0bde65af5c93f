"""SMPL, SMPL-H and SMPL-X files of the user: found in the weights folder, checked, reduced.

Dyad drives SMPL's 24 joints. A SMPL-H or SMPL-X body keeps its 22 body joints; its fingers, jaw
and eyes rest (flat hands, neutral face) and move with the wrist and the head they belong to, and
joints 22 and 23 mark the hands without moving skin. Imports no torch.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from engine import weights
from engine.body.data import OPEN_BODY, SHAPE_COUNT, BodyData, make_body_data
from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.body.landmark_search import find_landmarks
from engine.body.model_pickle import LARGEST_FILE, read_model_pickle
from engine.body.user_density import at_density
from engine.errors import EngineError, InputError, WeightError
from engine.stamped_cache import StampedCache

Kind = Literal["open", "smpl", "smplh", "smplx"]
Gender = Literal["neutral", "female", "male"]

_KEYS = (
    "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table",
)  # fmt: skip
_BODY_JOINTS = 22
_HEAD, _LEFT_WRIST, _RIGHT_WRIST = (
    SMPL_JOINTS.index(name) for name in ("head", "left_wrist", "right_wrist")
)
_DEEPEST_FOLDER = 3
_CHECKED = StampedCache("checked-bodies")


@dataclass(frozen=True)
class BodyChoice:
    """A body that a project can be made with."""

    name: str
    """What a project stores, e.g. "open-body" or "smpl-neutral"."""
    kind: Kind
    gender: Gender
    path: Path
    sha256: str
    note: str
    """One sentence for the person who chooses."""


@dataclass(frozen=True)
class RefusedBody:
    """A file that looks like a body by its name and is none that can be used."""

    path: Path
    reason: str


@dataclass(frozen=True)
class _Layout:
    """How the joints of a kind of model map to SMPL's 24."""

    kind: Kind
    title: str
    head_joints: tuple[int, ...]
    left_fingers: tuple[int, ...]
    right_fingers: tuple[int, ...]
    hand_marks: tuple[int, int]
    """Joints whose positions mark the hands: the roots of the middle fingers."""


_LAYOUTS = {
    24: _Layout("smpl", "SMPL", (), (), (), (22, 23)),
    52: _Layout("smplh", "SMPL-H", (), tuple(range(22, 37)), tuple(range(37, 52)), (25, 40)),
    55: _Layout(
        "smplx", "SMPL-X", (22, 23, 24), tuple(range(25, 40)), tuple(range(40, 55)), (28, 43)
    ),
}  # fmt: skip
"""By number of joints."""


def available_bodies(root: Path = weights.WEIGHTS_DIR) -> list[BodyChoice]:
    """The open body first, then every usable model file of the user, by name."""
    return scan_bodies(root)[0]


def scan_bodies(root: Path = weights.WEIGHTS_DIR) -> tuple[list[BodyChoice], list[RefusedBody]]:
    """Usable bodies, and files that were refused with the reason.

    The first look at a file reads and hashes it whole; later ones trust its size and time.
    """
    found, refused = [], []
    for path in _candidates(root):
        try:
            found.append(_checked(path))
        except EngineError as error:
            refused.append(RefusedBody(path, str(error)))
    return [_open_body(), *_with_unique_names(found)], refused


def body_choice(name: str, root: Path = weights.WEIGHTS_DIR) -> BodyChoice:
    """The body of that name. Raises `WeightError` when there is none."""
    choices = {choice.name: choice for choice in available_bodies(root)}
    if name not in choices:
        raise WeightError(
            f"There is no body called {name!r} in {root.name}/",
            expected="one of " + ", ".join(choices),
            advice="Put the model file that the project was made with back into that folder.",
        )
    return choices[name]


def load_user_body(name: str, density: str = "7k", root: Path = weights.WEIGHTS_DIR) -> BodyData:
    """A user's body, reduced to 24 joints; "7k" and "full" are the mesh of its file.

    Raises `WeightError` when there is none of that name, `InputError` when its file is damaged.
    """
    choice = body_choice(name, root)
    return at_density(read_body(choice.path, name), density, choice.sha256)


def read_body(path: Path, name: str) -> BodyData:
    """Read and check one model file.

    Raises `UnsafeFileError` for a pickle that asks for code, `InputError` for any other file that
    is not an SMPL, SMPL-H or SMPL-X model.
    """
    arrays = read_model(path)
    layout = _check(path, arrays)
    return _reduced(name, arrays, layout)


def read_model(path: Path, more: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays that a body needs (and those named), as stored. Errors as `read_body`."""
    keys = (*_KEYS, *more)
    content = _read_npz(path, keys) if path.suffix == ".npz" else read_model_pickle(path)
    missing = [key for key in keys if not isinstance(content.get(key), np.ndarray)]
    if missing:
        raise InputError(
            f"{path.name} is not a body model",
            expected="the arrays " + ", ".join(keys),
            received="none called " + ", ".join(missing),
        )
    return {key: content[key] for key in keys}


def model_kind(path: Path, arrays: dict[str, np.ndarray]) -> Kind:
    """Which kind of model the arrays are. Raises `InputError` if none."""
    return _check(path, arrays).kind


def _read_npz(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """The named arrays only: official files also hold pickled extras, which stay unread."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            if sum(sizes.get(f"{key}.npy", 0) for key in keys) > LARGEST_FILE:
                raise InputError(f"{path.name} is too large for a body model")
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in keys if key in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path.name} is not a readable .npz file of plain arrays", received=str(error)
        ) from error


def _check(path: Path, arrays: dict[str, np.ndarray]) -> _Layout:
    """Shapes, tree and numbers are those of a known kind of model."""

    def refuse(expected: str, received: object) -> InputError:
        return InputError(
            f"{path.name} is not a body model", expected=expected, received=str(received)
        )

    template, tree = arrays["v_template"], arrays["kintree_table"]
    joints = tree.shape[-1] if tree.ndim == 2 else 0
    layout = _LAYOUTS.get(joints)
    if layout is None:
        raise refuse("24, 52 or 55 joints", joints)
    count = len(template)
    shapes = {
        "v_template": (count, 3),
        "posedirs": (count, 3, 9 * (joints - 1)),
        "J_regressor": (joints, count),
        "weights": (count, joints),
        "kintree_table": (2, joints),
    }
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise refuse(f"{key} of shape {shape}", arrays[key].shape)
    shapedirs, faces = arrays["shapedirs"], arrays["f"]
    if shapedirs.ndim != 3 or shapedirs.shape[:2] != (count, 3) or shapedirs.shape[2] < SHAPE_COUNT:
        raise refuse(f"shapedirs of shape ({count}, 3, 10 or more)", shapedirs.shape)
    if faces.ndim != 2 or faces.shape[1] != 3 or not 0 <= faces.min() <= faces.max() < count:
        raise refuse(f"triangles of vertices below {count}", f"f of shape {faces.shape}")
    parents = tuple(int(parent) for parent in tree[0, 1:_BODY_JOINTS])
    if parents != SMPL_PARENTS[1:_BODY_JOINTS]:
        raise refuse("the joint tree of SMPL", parents)
    for key in (*shapes, "shapedirs"):
        if not np.isfinite(arrays[key]).all():
            raise refuse(f"finite numbers in {key}", "others")
    if not np.allclose(arrays["weights"].sum(1), 1, atol=1e-3):
        raise refuse("skinning weights that sum to one", "others")
    return layout


def _reduced(name: str, arrays: dict[str, np.ndarray], layout: _Layout) -> BodyData:
    regressor = arrays["J_regressor"].astype(np.float64)
    skinning = arrays["weights"].astype(np.float64)
    shared = 24 if layout.kind == "smpl" else _BODY_JOINTS
    reduced_weights = np.zeros((len(skinning), 24))
    reduced_weights[:, :shared] = skinning[:, :shared]
    for joint, others in (
        (_HEAD, layout.head_joints),
        (_LEFT_WRIST, layout.left_fingers),
        (_RIGHT_WRIST, layout.right_fingers),
    ):
        reduced_weights[:, joint] += skinning[:, list(others)].sum(1)
    rows = [*range(_BODY_JOINTS), *layout.hand_marks]
    template = arrays["v_template"].astype(np.float64)
    reduced = {**arrays, "weights": reduced_weights, "J_regressor": regressor[rows]}
    ids = find_landmarks(template, reduced_weights, regressor[rows] @ template)
    return make_body_data(name, reduced, ids, _reduced_posedirs(arrays["posedirs"], shared))


def _reduced_posedirs(posedirs: np.ndarray, shared: int) -> Float[np.ndarray, "207 VC"] | None:
    """Rows of the shared joints, in SMPL's order; None where all of them are zero."""
    used = 9 * (shared - 1)
    rows = np.zeros((207, posedirs.shape[0] * 3), np.float32)
    rows[:used] = posedirs.reshape(-1, posedirs.shape[-1])[:, :used].T
    return rows if rows.any() else None


def _candidates(root: Path) -> Iterator[Path]:
    """Model files by their distributed names; nothing that the manifest lists, no links out."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.suffix not in (".pkl", ".npz") or len(inside.parts) > _DEEPEST_FOLDER:
            continue
        words = inside.as_posix().lower()
        resembles = re.search(r"smpl|basicmodel", words) is not None
        if resembles and path.is_file() and path.resolve().is_relative_to(root.resolve()):
            yield path


def _checked(path: Path) -> BodyChoice:
    """The choice that a file is, its name not yet unique. Errors as `read_body`."""
    remembered = _CHECKED.get(path)
    if remembered is not None:
        return BodyChoice(**{**json.loads(remembered), "path": path})
    arrays = read_model(path)
    layout = _check(path, arrays)
    gender = _gender_in(path)
    hands = "" if layout.kind == "smpl" else " Hands are flat, the face is neutral."
    choice = BodyChoice(
        name=f"{layout.kind}-{gender}",
        kind=layout.kind,
        gender=gender,
        path=path,
        sha256=weights.sha256_of(path),
        note=f"{layout.title}, {gender}, {len(arrays['v_template']):,} vertices, your own file."
        + hands,
    )
    _CHECKED.put(path, json.dumps({**asdict(choice), "path": ""}))
    return choice


def _gender_in(path: Path) -> Gender:
    """From the file's or the folder's name; neutral where neither says."""
    for part in (path.stem, path.parent.name):
        words = re.split(r"[^a-z]+", part.lower())
        for gender, short in (("female", "f"), ("male", "m"), ("neutral", "n")):
            if gender in words or short in words:
                return gender  # type: ignore[return-value]
    return "neutral"


def _with_unique_names(choices: list[BodyChoice]) -> list[BodyChoice]:
    """A second file of the same kind and gender also carries its file's name."""
    taken: set[str] = set()
    unique = []
    for choice in sorted(choices, key=lambda c: (c.name, c.path.suffix == ".pkl", c.path)):
        name = choice.name
        if name in taken:
            slug = re.sub(r"[^a-z0-9]+", "-", f"{choice.path.stem}{choice.path.suffix}".lower())
            name = f"{choice.name}-{slug}"
        taken.add(name)
        unique.append(BodyChoice(**{**asdict(choice), "name": name}))
    return unique


def _open_body() -> BodyChoice:
    file = weights.find(f"{OPEN_BODY}-7k")
    return BodyChoice(
        name=OPEN_BODY,
        kind="open",
        gender="neutral",
        path=file.path,
        sha256=file.sha256,
        note="The open body (CC0): SMPL's 24 joints, its own betas. Hands are flat.",
    )
