"""Calibrated cameras that see the same people: reading them, correcting them, points in space.

Camera axes are OpenCV's (x right, y down, z forward), metres, pixels. V views, W witnesses a view.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import least_squares

from engine.errors import InputError
from engine.structures import Camera

AGREE_M = 0.04
"""Witnesses agree on a point within about this many metres across their line of sight."""
_GAP_M = 0.12
"""Lines of sight that pass each other further away than this do not see the same point."""
_TURN, _MOVE = np.radians(3.0), 0.10
"""How far a camera may plausibly be from where the calibration puts it (standard deviations)."""
_OUTLIER_PX = 8.0
_ADJUST_STEPS = 25


def read_qualisys(path: Path | str) -> list[Camera]:
    """The cameras of a Qualisys QTM calibration (.qca.txt), in the order of their names.

    The file states pixels times 64, millimetres, a rotation from camera to world, and a camera that
    looks along -z with y up; Pose2Sim's reader (`read_qca`) divides the distortion by 64 as well,
    which this one follows. Raises InputError where the file is something else.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
        if "<!" in text:
            raise InputError(f"{name} declares entities, which are not read")
        root = ElementTree.fromstring(text)
        found = {str(c.get("serial")): _camera(c) for c in root.findall("cameras/camera")}
    except (OSError, ElementTree.ParseError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name} is no Qualisys calibration", received=f"{type(error).__name__}: {error}"
        ) from error
    return [found[key] for key in sorted(found)]


def _camera(element: ElementTree.Element) -> Camera:
    inner, outer, view = (element.find(key) for key in ("intrinsic", "transform", "fov_video"))
    if inner is None or outer is None or view is None:
        raise ValueError("a camera without intrinsic, transform or fov_video")
    i, o, v = inner.attrib, outer.attrib, view.attrib
    focal = [float(i[f"focalLength{axis}"]) / 64 for axis in "UV"]
    centre = [float(i[f"centerPoint{axis}"]) / 64 for axis in "UV"]
    centre = [centre[0] - float(v["left"]), centre[1] - float(v["top"])]
    lens = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1",
            "tangentalDistortion2")  # fmt: skip
    place = np.array([float(o[axis]) for axis in "xyz"]) / 1000
    rows = np.array([[float(o[f"r{row}{column}"]) for column in "123"] for row in "123"])
    T = np.eye(4)
    T[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ rows
    T[:3, 3] = -T[:3, :3] @ place
    width = round(float(v["right"]) - float(v["left"])) + 1
    height = round(float(v["bottom"]) - float(v["top"])) + 1
    return Camera(
        K=np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1.0]]),
        image_size=(width, height),
        T_camera_world=T[None],
        focal_source="file",
        distortion=np.array([*(float(i[key]) / 64 for key in lens), 0.0]),
    )


def project(
    camera: Camera, points: Float[np.ndarray, "... 3"]
) -> tuple[Float[np.ndarray, "... 2"], Float[np.ndarray, "..."]]:
    """Pixels and depth in metres of points of the world; NaN stays NaN."""
    T = camera.T_camera_world[0]
    flat = points.reshape(-1, 3) @ T[:3, :3].T + T[:3, 3]
    known = np.isfinite(flat).all(axis=1)
    pixels = np.full((len(flat), 2), np.nan)
    if known.any():
        nothing = np.zeros(3)
        drawn, _ = cv2.projectPoints(flat[known], nothing, nothing, camera.K, camera.distortion)
        pixels[known] = drawn.reshape(-1, 2)
    return pixels.reshape(*points.shape[:-1], 2), flat[:, 2].reshape(points.shape[:-1])


def normalized(camera: Camera, pixels: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
    """Pixels on the plane one metre before the camera, undistorted; NaN stays NaN."""
    flat = np.asarray(pixels, np.float64).reshape(-1, 2)
    known = np.isfinite(flat).all(axis=1)
    plane = np.full_like(flat, np.nan)
    if known.any():
        undistorted = cv2.undistortPoints(flat[known, None], camera.K, camera.distortion)
        plane[known] = undistorted[:, 0]
    return plane.reshape(pixels.shape)


def centre(camera: Camera) -> Float[np.ndarray, "3"]:
    """Where the camera stands in the world."""
    T = camera.T_camera_world[0]
    return np.asarray(-T[:3, :3].T @ T[:3, 3])


def sight(camera: Camera, pixels: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 3"]:
    """Unit directions in the world of lines of sight through pixels."""
    plane = normalized(camera, pixels)
    rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1)
    rays = rays @ camera.T_camera_world[0, :3, :3]
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


def midpoints(
    origins: tuple[np.ndarray, np.ndarray], rays: tuple[np.ndarray, np.ndarray]
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N"]]:
    """The point closest to two lines each, and how far apart the lines pass in metres.

    The gap is infinite where they meet behind a camera.
    """
    across = origins[0] - origins[1]
    b = (rays[0] * rays[1]).sum(axis=-1)
    d, e = (rays[0] * across).sum(axis=-1), (rays[1] * across).sum(axis=-1)
    scale = np.maximum(1 - b * b, 1e-9)
    along = ((b * e - d) / scale, (e - b * d) / scale)
    ends = [o + s[..., None] * r for o, s, r in zip(origins, along, rays, strict=True)]
    gap = np.linalg.norm(ends[0] - ends[1], axis=-1)
    behind = (along[0] <= 0) | (along[1] <= 0)
    return (ends[0] + ends[1]) / 2, np.where(behind, np.inf, gap)


def consensus(
    cameras: Sequence[Camera],
    pixels: Float[np.ndarray, "V W 2"],
    weight: Float[np.ndarray, "V W"],
) -> Float[np.ndarray, "3"]:
    """The point that most views agree on; NaN where no two do.

    Every pair of witnesses of two views proposes the point closest to both lines of sight. Each
    view gives a proposal the square root of what its witnesses give it together, so that three
    views that agree a little beat one that agrees with itself.
    """
    views, slots = np.nonzero((weight > 0) & np.isfinite(pixels).all(axis=-1))
    pairs = [(i, j) for i, j in combinations(range(len(views)), 2) if views[i] != views[j]]
    if not pairs:
        return np.full(3, np.nan)
    first, second = np.array(pairs).T
    rays = np.stack(
        [sight(cameras[int(v)], pixels[v, s]) for v, s in zip(views, slots, strict=True)]
    )
    places = np.stack([centre(camera) for camera in cameras])[views]
    points, gap = midpoints((places[first], places[second]), (rays[first], rays[second]))
    points = points[gap < _GAP_M]
    if not len(points):
        return np.full(3, np.nan)
    total = np.zeros(len(points))
    for view, camera in enumerate(cameras):
        drawn, depth = project(camera, points)
        own = slots[views == view]
        off = np.linalg.norm(drawn[:, None] - pixels[view, own], axis=-1)
        metres = off * depth[:, None] / camera.K[0, 0]
        votes = weight[view, own] * np.exp(-((metres / AGREE_M) ** 2))
        total += np.sqrt(votes.sum(axis=1))
    return np.asarray(points[int(total.argmax())])


def adjust(
    cameras: Sequence[Camera],
    pixels: Float[np.ndarray, "N V 2"],
    weight: Float[np.ndarray, "N V"],
) -> list[Camera]:
    """Bundle adjustment: the cameras turned and moved so that N points agree in all views.

    Lenses stay as they are. The corrections are held near zero by how far a calibration may
    plausibly be off, which also fixes place, heading and scale of the whole.
    """
    sure = (weight > 0) & np.isfinite(pixels).all(axis=-1)
    seen = sure.sum(axis=1) >= min(3, len(cameras))
    pixels, weight = pixels[seen], np.where(sure, weight, 0.0)[seen]
    unit = np.tile([_TURN] * 3 + [_MOVE] * 3, len(cameras))

    def costs(change: Float[np.ndarray, "C"]) -> Float[np.ndarray, "M"]:
        off = _misfit(moved(cameras, change * unit), pixels, weight)
        robust = np.sqrt(2 * (np.sqrt(1 + (off / _OUTLIER_PX) ** 2) - 1))
        return np.concatenate([(weight * robust).ravel(), change])

    solved = least_squares(costs, np.zeros(len(unit)), max_nfev=_ADJUST_STEPS)
    return moved(cameras, solved.x * unit)


def moved(cameras: Sequence[Camera], change: Float[np.ndarray, "C"]) -> list[Camera]:
    """Cameras turned (three numbers each, a rotation vector) and then moved (three, metres)."""
    result = []
    for camera, step in zip(cameras, change.reshape(-1, 6), strict=True):
        T = camera.T_camera_world[0].copy()
        T[:3] = cv2.Rodrigues(step[:3])[0] @ T[:3]
        T[:3, 3] += step[3:]
        result.append(replace(camera, T_camera_world=T[None]))
    return result


def _misfit(
    cameras: Sequence[Camera],
    pixels: Float[np.ndarray, "N V 2"],
    weight: Float[np.ndarray, "N V"],
) -> Float[np.ndarray, "N V"]:
    """Pixels between each point and where the other views put it, 0 without weight."""
    A, b = sight_equations(
        cameras, np.stack([normalized(c, pixels[:, v]) for v, c in enumerate(cameras)], axis=1)
    )
    trust = weight
    for _ in range(5):
        left = np.einsum("nv,nvij,nvik->njk", trust, A, A) + 1e-9 * np.eye(3)
        right = np.einsum("nv,nvij,nvi->nj", trust, A, b)
        points = np.linalg.solve(left, right[..., None])[..., 0]
        drawn = np.stack([project(camera, points)[0] for camera in cameras], axis=1)
        off = np.where(weight > 0, np.linalg.norm(drawn - pixels, axis=-1), 0.0)
        trust = weight / (1 + (off / (2 * _OUTLIER_PX)) ** 2)
    return np.asarray(off)


def sight_equations(
    cameras: Sequence[Camera],
    plane: Float[np.ndarray, "N V 2"],
    views: Int[np.ndarray, "V"] | None = None,
) -> tuple[Float[np.ndarray, "N V 2 3"], Float[np.ndarray, "N V 2"]]:
    """A, b so that A X - b is how far the point X lies beside a line of sight, in metres.

    (The offset in the plane through X: linear in X, and zero where X is seen at `plane`.)
    """
    chosen = np.arange(len(cameras)) if views is None else views
    T = np.stack([camera.T_camera_world[0] for camera in cameras])[chosen]
    rows = np.zeros((*plane.shape[:-1], 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1.0
    rows[..., 2] = -np.nan_to_num(plane)
    A = rows @ T[:, :3, :3]
    return A, -np.einsum("nvij,vj->nvi", rows, T[:, :3, 3])
