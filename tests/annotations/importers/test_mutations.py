"""A file with something else in any one place is read, or refused in a sentence; never a crash."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations.importers import IMPORTERS, read
from engine.errors import InputError
from tests.annotations.importers import writers
from tests.annotations.importers.scene import make_video

STRANGERS: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**400, 0.5, "", "x", "12", [], [[]], [1], ["a"], {}, {"a": 1},
    float("nan"), float("inf"), [None] * 51, [[1, 2]] * 17, "\0\n" * 40, "../" * 50,
)  # fmt: skip
MUTATIONS = 12
WRITERS = {
    **{name: write for name, (_, write) in writers.WRITERS.items()},
    "masks": writers.coco_rle,
    "compressed masks": lambda folder: writers.coco_rle(folder, True),
    "calibration": lambda folder: writers.calibration(folder, "json"),
}


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all nodes of a JSON value; of long lists the first few."""
    found = [path]
    if isinstance(node, dict):
        for key, value in node.items():
            found += places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node[:4]):
            found += places(value, (*path, index))
    return found


def mutated(content: Any, random: np.random.Generator) -> Any:
    content = copy.deepcopy(content)
    every = places(content)
    # All depths alike: most nodes are numbers at the bottom.
    depth = random.choice(sorted({len(path) for path in every}))
    path = [p for p in every if len(p) == depth][
        random.integers(sum(len(p) == depth for p in every))
    ]
    stranger = STRANGERS[random.integers(len(STRANGERS))]
    if not path:
        return stranger
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    kind = random.integers(4)
    if kind == 0:
        del parent[path[-1]]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(path[-1], copy.deepcopy(parent[path[-1]]))
    else:
        parent[path[-1]] = stranger
    return content


def outcome(path: Path, format: str | None) -> str:
    try:
        found = read(path, make_video(), format=format)
    except InputError as error:
        sentence = str(error)
        assert "\n" not in sentence and len(sentence) < 500, sentence
        return "refused"
    if found.layout is not None:
        observations = found.observations()
        assert np.isfinite(observations.confidence).all()
        assert (np.isnan(observations.keypoints2d[..., 0]) == (observations.confidence == 0)).all()
    return "read"


@pytest.mark.parametrize("name", WRITERS)
def test_one_stranger_in_a_file(tmp_path, name):
    random = np.random.default_rng(list(WRITERS).index(name))
    path = WRITERS[name](tmp_path)
    target = sorted(path.iterdir())[1] if path.is_dir() else path
    content = json.loads(target.read_text())
    format = next((f for f in IMPORTERS if f == writers.WRITERS.get(name, ("",))[0]), None)
    outcomes = set()
    for _ in range(MUTATIONS):
        target.write_text(json.dumps(mutated(content, random)))
        outcomes.add(outcome(path, format))
    assert outcomes <= {"read", "refused"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_cut(tmp_path, name):
    path = WRITERS[name](tmp_path)
    target = sorted(path.iterdir())[1] if path.is_dir() else path
    data = target.read_bytes()
    for share in (0.02, 0.5, 0.98):
        target.write_bytes(data[: int(share * len(data))])
        assert outcome(path, None) == "refused"


def per_frame_npz(folder: Path) -> Path:
    poses = np.tile(np.eye(4), (12, 1, 1))
    K = np.array([[400.0, 0, 160], [0, 400, 120], [0, 0, 1]])
    np.savez(folder / "cameras.npz", K=K, extrinsics=poses)
    return folder / "cameras.npz"


def per_frame_json(folder: Path) -> Path:
    K = [[400.0, 0, 160], [0, 400, 120], [0, 0, 1]]
    frames = [{"frame": f, "rvec": [0, 0.1, 0], "tvec": [0, 0, 2.0]} for f in range(12)]
    (folder / "cameras.json").write_text(json.dumps({"K": K, "frames": frames}))
    return folder / "cameras.json"


OTHERS = {
    "mot": ("mot", writers.mot, None),
    "yaml": ("opencv-intrinsics", writers.calibration, None),
    "xml": ("opencv-intrinsics", lambda f: writers.calibration(f, "xml"), None),
    "cameras.txt": ("colmap", writers.colmap, "cameras.txt"),
    "images.txt": ("colmap", writers.colmap, "images.txt"),
    "masks": ("mask-png", writers.masks_palette, "00003.png"),
    "npz": ("camera-frames", per_frame_npz, None),
    "json cameras": ("camera-frames", per_frame_json, None),
}


@pytest.mark.parametrize("name", OTHERS)
def test_some_bytes_changed(tmp_path, name):
    random = np.random.default_rng(list(OTHERS).index(name))
    format, write, inner = OTHERS[name]
    path = write(tmp_path)
    target = path if inner is None else path / inner
    data = target.read_bytes()
    for _ in range(MUTATIONS):
        changed = bytearray(data)
        for _ in range(int(random.integers(1, 6))):
            place = int(random.integers(len(changed)))
            kind = random.integers(3)
            if kind == 0:
                changed[place] = int(random.integers(256))
            elif kind == 1:
                changed[place : place + int(random.integers(40))] = b""
            else:
                changed[place:place] = STRANGE_BYTES[int(random.integers(len(STRANGE_BYTES)))]
        target.write_bytes(bytes(changed))
        assert outcome(path, format) in ("read", "refused")


STRANGE_BYTES = (b"-", b"nan", b"1e999", b"9" * 400, b"\0", b"\n", b"\xff", b",", b"[", b"&a", b"<")
