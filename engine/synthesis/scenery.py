"""Places behind the people: a floor and walls with painted textures, or a photograph.

Everything is drawn by rule from a random generator. Colours are linear RGB, lengths metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

SceneryKind = Literal["room", "hall", "outdoor", "studio", "picture"]
SCENERIES: tuple[SceneryKind, ...] = ("room", "hall", "outdoor", "studio")
TEXEL = 0.01
"""Metres per texel of a floor or a wall."""
WALL_TEXELS = 1600
"""Length of a wall's texture, which repeats."""
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Ground:
    """What a camera sees of the place: light, and where the floor is."""

    image: Float[np.ndarray, "H W 3"]
    floor: Bool[np.ndarray, "H W"]
    places: Float[np.ndarray, "H W 2"]
    """World x and z of the floor in each pixel; 0 elsewhere."""


@dataclass(frozen=True, eq=False)
class Scenery:
    """A box of textured walls around the people, turned about the vertical."""

    kind: SceneryKind
    yaw: float
    centre: Float[np.ndarray, "2"]
    """World x and z."""
    extent: Float[np.ndarray, "4"]
    """Distance from the centre to the walls +x, -x, +z, -z."""
    height: float
    floor: Float[np.ndarray, "h w 3"]
    walls: tuple[Float[np.ndarray, "h2 w2 3"], ...]
    ceiling: tuple[float, float, float]
    blur: float
    """Pixels (at 540 rows) by which the background is out of focus."""
    picture: UInt8[np.ndarray, "h3 w3 3"] | None = None
    """A photograph instead of walls and floor: then only shadows fall on the floor."""

    def seen_from(
        self, K: Float[np.ndarray, "3 3"], T_camera_world: np.ndarray, size: tuple[int, int]
    ) -> Ground:
        """The place in a camera's picture."""
        width, height = size
        many = SUPERSAMPLING
        columns, rows = np.meshgrid(
            (np.arange(width * many) + 0.5) / many, (np.arange(height * many) + 0.5) / many
        )
        rotation = T_camera_world[:3, :3]
        eye = -rotation.T @ T_camera_world[:3, 3]
        rays = np.stack(
            [(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones_like(rows)], -1
        ).astype(np.float32)
        directions = rays @ rotation.astype(np.float32)
        image, floor, places = self._traced(eye, directions)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if self.blur > 0:
            sigma = self.blur * height / 540
            image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        if self.picture is not None:
            shown = cv2.resize(self.picture, size, interpolation=cv2.INTER_AREA)
            image = (shown / np.float32(255)) ** np.float32(2.2)
        inner = slice(many // 2, None, many)
        return Ground(image, floor[inner, inner], places[inner, inner].astype(np.float32))

    def _traced(
        self, eye: np.ndarray, directions: Float[np.ndarray, "h w 3"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)
        start = (turn @ (eye - [self.centre[0], 0, self.centre[1]])).astype(np.float32)
        extent, height = self.extent.astype(np.float32), np.float32(self.height)
        local = directions @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            bounds = [
                (extent[0] - start[0]) / local[..., 0],
                (-extent[1] - start[0]) / local[..., 0],
                (extent[2] - start[2]) / local[..., 2],
                (-extent[3] - start[2]) / local[..., 2],
                -start[1] / local[..., 1],
                (height - start[1]) / local[..., 1],
            ]
        nearest = np.zeros(local.shape[:2], np.int8)
        reach = np.full(local.shape[:2], np.inf, np.float32)
        for side, bound in enumerate(bounds):
            closer = (bound > 1e-3) & (bound < reach)  # False for NaN
            nearest[closer] = side
            reach[closer] = bound[closer]
        hit = start + local * reach[..., None]
        image = np.empty((*nearest.shape, 3), np.float32)
        image[:] = np.array(self.ceiling, np.float32)
        for side, wall in enumerate(self.walls):
            along = hit[..., 2 if side < 2 else 0]
            _paint(image, nearest == side, wall, along + 40.0, self.height - hit[..., 1])
        _paint(image, nearest == 4, self.floor, hit[..., 0] + 60.0, hit[..., 2] + 60.0)
        floor = nearest == 4
        places = np.where(floor[..., None], (hit @ turn)[..., [0, 2]] + self.centre, 0.0)
        return image, floor, places


def _paint(
    image: np.ndarray, where: np.ndarray, texture: np.ndarray, u: np.ndarray, v: np.ndarray
) -> None:
    """Texture at (u, v) metres, repeated."""
    if not where.any():
        return
    rows, columns = texture.shape[:2]
    inside_rows, inside_columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    box = (
        slice(inside_rows[0], inside_rows[-1] + 1),
        slice(inside_columns[0], inside_columns[-1] + 1),
    )
    # Points that other walls hide may lie anywhere, far beyond what floats can tell apart.
    x = np.mod(np.nan_to_num(u[box]) / TEXEL, columns).astype(np.float32)
    y = np.mod(np.nan_to_num(v[box]) / TEXEL, rows).astype(np.float32)
    painted = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    image[box][where[box]] = painted[where[box]]


def make_scenery(
    kind: SceneryKind,
    middle: Float[np.ndarray, "2"],
    camera_distance: float,
    generator: np.random.Generator,
    picture: UInt8[np.ndarray, "h w 3"] | None = None,
) -> Scenery:
    """A place around people whose middle (x, z) the camera stands `camera_distance` from."""
    near = {"room": (1.6, 3.5), "hall": (3.5, 8.0), "outdoor": (12.0, 25.0)}.get(kind, (2.5, 6.0))
    extent = camera_distance + generator.uniform(*near, 4)
    height = {"room": 2.7, "hall": 5.0, "outdoor": 14.0}.get(kind, 4.0)
    tint = generator.uniform(0.9, 1.1, 3)
    if kind == "outdoor":
        horizon = _horizon(round(height / TEXEL), WALL_TEXELS, generator)
        walls = tuple(np.roll(horizon, 400 * side, axis=1) for side in range(4))
    else:
        walls = tuple(_wall(kind, height, tint, generator) for _ in range(4))
    sky = (0.55, 0.68, 0.9) if kind == "outdoor" else (0.62, 0.61, 0.58)
    return Scenery(
        kind=kind,
        yaw=float(generator.uniform(-np.pi, np.pi)),
        centre=np.asarray(middle, float),
        extent=extent,
        height=height,
        floor=_floor(kind, generator),
        walls=walls,
        ceiling=sky,
        blur=float(generator.choice([0.0, 0.6, 1.2, 2.2])),
        picture=picture,
    )


def smooth_noise(
    shape: tuple[int, int], scale: float, generator: np.random.Generator
) -> Float[np.ndarray, "h w"]:
    """Noise of unit deviation whose bumps are about `scale` texels wide; repeats at the edges."""
    small = generator.normal(
        0, 1, (max(2, round(shape[0] / scale)), max(2, round(shape[1] / scale)))
    )
    padded = np.pad(small, 2, mode="wrap").astype(np.float32)
    zoom = shape[0] / small.shape[0], shape[1] / small.shape[1]
    large = cv2.resize(padded, None, fx=zoom[1], fy=zoom[0], interpolation=cv2.INTER_CUBIC)
    top, left = round(2 * zoom[0]), round(2 * zoom[1])
    cropped = large[top : top + shape[0], left : left + shape[1]]
    cropped = cv2.resize(cropped, (shape[1], shape[0]))
    return np.asarray(cropped / max(float(cropped.std()), 1e-6))


def _cloudy(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    return np.asarray(
        sum(weight * smooth_noise(shape, scale, generator)
            for scale, weight in ((160.0, 0.6), (60.0, 0.3), (20.0, 0.2), (6.0, 0.12)))
    )  # fmt: skip


def _floor(kind: SceneryKind, generator: np.random.Generator) -> np.ndarray:
    shape = (400, 400)
    style = "grass" if kind == "outdoor" else generator.choice(["wood", "tiles", "carpet", "plain"])
    base = {
        "grass": (0.10, 0.17, 0.05), "wood": (0.34, 0.21, 0.11), "tiles": (0.45, 0.44, 0.42),
        "carpet": (0.20, 0.19, 0.22), "plain": (0.33, 0.32, 0.30),
    }[str(style)]  # fmt: skip
    color = np.array(base) * generator.uniform(0.7, 1.2) * generator.uniform(0.92, 1.08, 3)
    light = 1 + 0.08 * _cloudy(shape, generator)
    if style == "wood":
        plank = np.repeat(generator.normal(0, 0.12, 40), 10)[:400]
        grain = cv2.resize(generator.normal(0, 1, (400, 25)).astype(np.float32), (400, 400))
        light = light + plank[:, None] + 0.06 * grain
        light[::10] *= 0.7
    elif style == "tiles":
        light = light + np.kron(generator.normal(0, 0.03, (8, 8)), np.ones((50, 50)))
        for line in (0, 1):
            light[line::50] *= 0.72
            light[:, line::50] *= 0.72
    elif style in ("grass", "carpet"):
        light = light + (0.22 if style == "grass" else 0.08) * smooth_noise(shape, 2.0, generator)
    return np.asarray(color * np.clip(light, 0.2, 2)[..., None], np.float32)


def _wall(
    kind: SceneryKind, height: float, tint: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    rows, columns = round(height / TEXEL), WALL_TEXELS
    paint = np.array([0.55, 0.53, 0.49]) * generator.uniform(0.45, 1.25) * tint
    light = 1 + 0.03 * _cloudy((rows, columns), generator)
    light = light * np.linspace(1.08, 0.8, rows)[:, None]
    wall = (paint * light[..., None]).astype(np.float32)
    wall[-10:] *= 0.55
    if kind != "studio":
        for _ in range(generator.integers(8, 22)):
            _hang(wall, generator)
    return np.asarray(np.clip(wall, 0.01, 1.5))


def _hang(wall: np.ndarray, generator: np.random.Generator) -> None:
    """A picture, a door, a window, a cupboard: a framed box of colour or clutter."""
    rows, columns = wall.shape[:2]
    thing = generator.choice(["picture", "door", "window", "shelf"])
    high, wide, above = {
        "picture": (60, 80, 90), "door": (205, 90, 0), "window": (120, 150, 90),
        "shelf": (170, 120, 0),
    }[str(thing)]  # fmt: skip
    high = round(high * generator.uniform(0.7, 1.2))
    wide = round(wide * generator.uniform(0.7, 1.5))
    left = int(generator.integers(0, columns - wide))
    bottom = rows - above - (10 if above else 0)
    top = max(0, bottom - high)
    box = wall[top:bottom, left : left + wide]
    if not box.size:
        return
    color = generator.uniform(0.03, 0.6) * generator.uniform(0.6, 1.4, 3)
    box[:] = color
    if thing == "window":
        box[:] = np.array([0.9, 1.0, 1.15]) * np.linspace(1.3, 0.8, len(box))[:, None, None]
    elif thing != "door":
        for _ in range(14 if thing == "shelf" else 5):
            y, x = generator.integers(0, box.shape[0]), generator.integers(0, wide)
            h, w = generator.integers(8, 40, 2)
            box[y : y + h, x : x + w] = generator.uniform(0.02, 0.6, 3)
    frame = generator.uniform(0.02, 0.7)
    for edge in (box[:4], box[-4:], box[:, :4], box[:, -4:]):
        edge[:] = frame


def _horizon(rows: int, columns: int, generator: np.random.Generator) -> np.ndarray:
    """Sky, and bushes and trees below it."""
    up = np.linspace(1, 0, rows)[:, None, None]
    sky = np.array([0.50, 0.66, 0.92]) * up + np.array([0.85, 0.88, 0.92]) * (1 - up)
    clouds = np.clip(_cloudy((rows, columns), generator) - 0.3, 0, 1)[..., None]
    sky = sky + 0.25 * clouds
    top = generator.uniform(2.0, 6.0) / TEXEL + 90 * smooth_noise((1, columns), 90.0, generator)[0]
    top = top + 15 * smooth_noise((1, columns), 12.0, generator)[0]
    height = np.arange(rows)[::-1, None]
    leaves = 1 + 0.35 * smooth_noise((rows, columns), 14.0, generator)
    leaves = leaves + 0.3 * smooth_noise((rows, columns), 5.0, generator)
    green = np.array([0.07, 0.12, 0.04]) * np.clip(leaves, 0.2, 3)[..., None]
    return np.asarray(np.where((height < top)[..., None], green, sky), np.float32)
