"""A sheet of motion to look at: a row for each window, moments from left to right.

The bodies stand on a floor of tiles (half a metre each), before a camera that looks across the line
between the two, so that neither hides the other. No OpenGL: engine.synthesis.raster.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from annotations.edits import PERSON_COLORS
from engine.body.smpl import BodyModel
from engine.errors import InputError
from engine.prior.windows import PairWindows
from engine.synthesis.raster import drawn_alone, on_device

ROWS, COLUMNS = 8, 6
SIZE = 240, 270
"""Pixels of a picture, width and height."""
DENSITY = "2k5"
TILE = 0.5
"""Metres."""
FOCAL = 1.6
"""In longer sides of the picture."""
ROOM = 1.15
"""How much more than the people the picture shows."""
ELEVATION = 12.0
"""Degrees from above."""
_LIGHT = np.array([0.3, -0.6, -0.75])
"""Towards the lamp, in the camera's frame: over its left shoulder."""
_FINE = 2
"""Drawn so many times larger, then made smaller: smooth outlines."""
_SKY, _TILES = (244, 244, 244), ((222, 222, 222), (205, 205, 205))
_FAR = 30.0

Picture = UInt8[np.ndarray, "H W 3"]


def write_sheet(path: Path, windows: PairWindows) -> None:
    """Write the first windows as a picture (.png). Raises InputError where it cannot be written."""
    body = BodyModel.load(density=DENSITY)
    count = min(ROWS, len(windows.pelvis))
    rows = [_row(windows.select(lambda v, i=i: v[i : i + 1]), body) for i in range(count)]
    done, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    try:
        if not done:
            raise InputError(f"The picture {path.name} cannot be written")
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise InputError(f"Cannot write {path}", received=error.strerror or str(error)) from error


def _row(window: PairWindows, body: BodyModel) -> Picture:
    frames = torch.linspace(0, window.pelvis.shape[2] - 1, COLUMNS).round().long()
    rest = body.rest_joints(window.betas[0])[:, None, 0]
    skin = body.vertices(
        window.betas[0], window.local_rotations[0, :, frames], window.pelvis[0, :, frames] - rest
    )
    points = upright(skin.numpy(), window.up[0].numpy())
    view = _view_across(points)
    faces = on_device(body.data.faces.astype(np.int32))
    pictures = [
        _picture(points[:, i], body.data.faces, faces, view) for i in range(points.shape[1])
    ]
    return np.hstack(pictures)


def upright(
    points: Float[np.ndarray, "*N 3"], up: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "*N 3"]:
    """The points in a world with y up whose floor is where the lowest of them is."""
    y = up / np.linalg.norm(up)
    x = np.cross(y, [0.0, 0.0, 1.0] if abs(y[2]) < 0.9 else [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    turned = points @ np.stack([x, y, np.cross(x, y)]).T
    turned[..., 1] -= turned[..., 1].min()
    return np.asarray(turned)


View = tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "4 4"], tuple[int, int]]


def _view_across(points: Float[np.ndarray, "P C V 3"]) -> View:
    """K, T_camera_world and size of a picture that shows all moments, from the side."""
    middles = points.mean(axis=(1, 2))
    between = (middles[-1] - middles[0])[[0, 2]]
    between = between / max(float(np.linalg.norm(between)), 1e-6)
    aside = np.array([-between[1], 0.0, between[0]])
    if not aside.any():
        aside = np.array([0.0, 0.0, 1.0])
    angle = np.radians(ELEVATION)
    back = np.cos(angle) * aside + np.sin(angle) * np.array([0.0, 1.0, 0.0])
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, -np.cross(back, right), -back])
    centre = (points.min(axis=(0, 1, 2)) + points.max(axis=(0, 1, 2))) / 2
    size = (SIZE[0] * _FINE, SIZE[1] * _FINE)
    focal = FOCAL * max(size)
    seen = (points - centre).reshape(-1, 3) @ rotation.T
    reach = np.abs(seen[:, :2]) * focal * ROOM / (np.array(size) / 2)
    distance = float((reach.max(axis=1) - seen[:, 2]).max())
    T = np.eye(4)
    T[:3, :3] = rotation
    T[:3, 3] = rotation @ -(centre + distance * back)
    K = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]])
    return K, T, size


def _picture(
    bodies: Float[np.ndarray, "P V 3"], triangles: np.ndarray, faces: object, view: View
) -> Picture:
    image = _floor(view).astype(np.float32)
    buffers = drawn_alone(bodies, faces, view)
    lamp = view[1][:3, :3].T @ (_LIGHT / np.linalg.norm(_LIGHT))
    for person, body in enumerate(bodies):
        corners = body[triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
        light = 0.5 + 0.5 * (normals @ lamp).clip(0)
        mask = buffers.mask(person)
        color = np.array(_rgb(PERSON_COLORS[person % len(PERSON_COLORS)]), np.float32)
        image[mask] = light[buffers.face[person][mask], None] * color
    small = cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 255).astype(np.uint8)


def _floor(view: View) -> Picture:
    """Tiles on y = 0 up to where they become too small, light above."""
    K, T, (width, height) = view
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], -1)
    world = rays @ T[:3, :3]
    eye = -T[:3, :3].T @ T[:3, 3]
    down = world[..., 1] < -1e-6
    far = np.where(down, -eye[1] / np.where(down, world[..., 1], -1.0), np.inf)
    there = down & (far < _FAR)
    hit = eye[[0, 2]] + world[..., [0, 2]] * np.where(there, far, 0.0)[..., None]
    odd = np.floor(hit / TILE).sum(axis=-1).astype(int) % 2
    image = np.full((height, width, 3), _SKY, np.uint8)
    image[there] = np.array(_TILES, np.uint8)[odd[there]]
    return image


def _rgb(color: str) -> tuple[int, int, int]:
    value = int(color.lstrip("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255
