"""People to be drawn: skin beyond the ten shape components, clothes, hair, colours.

Everything is placed in the rest pose of the body's template (metres, y up, facing +z), so that it
fits every shape. Clothes are signed distances per vertex, positive inside: linear across a
triangle, so that a hem is a smooth line whatever the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from engine.body.data import OPEN_BODY, BodyData, load_body_data
from engine.body.display import DisplayBody
from engine.body.joints import SMPL_JOINTS

DENSITY = "full"
TRUTH_DENSITY = "7k"
SKIN_SIGMA = 0.006
"""Metres that the skin leaves the ten-component shape, standard deviation on trunk and limbs."""
SHIRT, TROUSERS, SHOES, HAIR = range(4)
PLAIN, STRIPES, PINSTRIPES, CHECKS, BLOTCHES, BAND = range(6)
_SKINS = ((0.80, 0.56, 0.44), (0.70, 0.46, 0.34), (0.55, 0.34, 0.23), (0.36, 0.21, 0.14),
          (0.20, 0.115, 0.075))  # fmt: skip
_HAIRS = ((0.015, 0.012, 0.01), (0.05, 0.028, 0.015), (0.11, 0.06, 0.03), (0.30, 0.19, 0.08),
          (0.28, 0.27, 0.26))  # fmt: skip
_CLOTHES = ((0.02, 0.02, 0.025), (0.60, 0.60, 0.58), (0.03, 0.05, 0.13), (0.33, 0.04, 0.04),
            (0.06, 0.18, 0.08), (0.10, 0.20, 0.40), (0.45, 0.33, 0.08), (0.16, 0.16, 0.17),
            (0.38, 0.12, 0.22), (0.30, 0.24, 0.16), (0.02, 0.20, 0.22),
            (0.50, 0.20, 0.05))  # fmt: skip
_TROUSERS = ((0.03, 0.045, 0.09), (0.02, 0.02, 0.022), (0.20, 0.17, 0.12), (0.10, 0.10, 0.11),
             (0.08, 0.13, 0.24), (0.06, 0.07, 0.04))  # fmt: skip
_SHOES = ((0.02, 0.02, 0.02), (0.55, 0.55, 0.53), (0.12, 0.06, 0.03), (0.3, 0.04, 0.04))


@dataclass(frozen=True)
class Outfit:
    """What a person wears. Heights are in the template's rest pose, metres; colours linear RGB."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    shirt: tuple[float, float, float]
    shirt_second: tuple[float, float, float]
    trousers: tuple[float, float, float]
    shoes: tuple[float, float, float]
    shirt_pattern: int
    trouser_pattern: int
    pattern_scale: float
    sleeve_end: float
    """Distance of the sleeve's end from the mid plane: 0.27 is short, 0.63 long."""
    hem: float
    """Height of the shirt's lower end (the waist is at -0.12)."""
    leg_end: float
    """Height of the trousers' lower end: -1.12 long, -0.62 short."""
    neckline: float
    """Radius of the neck's opening."""
    looseness: float
    """Metres that shirt and trousers stand off the skin where they are widest."""
    hair_length: float
    """0 shaved, 0.5 short, 1 over the ears and neck."""
    logo: float
    """Half its width in metres; 0 is none."""

    def colors(self) -> Float[np.ndarray, "8 3"]:
        """In the order of `raster_kernels.MATERIAL_COLORS`."""
        skin, trousers = np.array(self.skin), np.array(self.trousers)
        lips = skin * np.array([0.85, 0.55, 0.55])
        return np.array(
            [skin, self.shirt, self.shirt_second, trousers, trousers * 0.6 + 0.03, self.shoes,
             self.hair, lips], np.float32,
        )  # fmt: skip

    def numbers(self, seed: int) -> Float[np.ndarray, "8"]:
        """In the order of `raster_kernels.STYLE_NUMBERS`."""
        return np.array(
            [self.shirt_pattern, self.pattern_scale, self.trouser_pattern, 0.05,
             0.25 + 10 * self.looseness, 0.12, self.logo, seed], np.float32,
        )  # fmt: skip


def random_outfit(generator: np.random.Generator) -> Outfit:
    """Clothes, skin and hair drawn independently."""
    shirt, second = generator.choice(len(_CLOTHES), 2, replace=False)
    patterns = [PLAIN, PLAIN, PLAIN, STRIPES, PINSTRIPES, CHECKS, BLOTCHES, BAND]
    pattern = int(generator.choice(patterns))

    def tint(color: tuple[float, float, float], hue: float = 0.25) -> tuple[float, float, float]:
        shade = generator.uniform(0.8, 1.25) * generator.uniform(1 - hue, 1 + hue, 3)
        red, green, blue = np.array(color) * shade
        return float(red), float(green), float(blue)

    return Outfit(
        skin=tint(_SKINS[generator.integers(len(_SKINS))], hue=0.05),
        hair=tint(_HAIRS[generator.integers(len(_HAIRS))], hue=0.08),
        shirt=tint(_CLOTHES[shirt]),
        shirt_second=tint(_CLOTHES[second]),
        trousers=tint(_TROUSERS[generator.integers(len(_TROUSERS))]),
        shoes=tint(_SHOES[generator.integers(len(_SHOES))]),
        shirt_pattern=pattern,
        trouser_pattern=int(generator.choice([PLAIN, PLAIN, PLAIN, PINSTRIPES])),
        pattern_scale=float(generator.uniform(0.035, 0.09)),
        sleeve_end=float(generator.choice([0.28, 0.32, 0.36, 0.52, 0.64])),
        hem=float(generator.uniform(-0.27, -0.19)),
        leg_end=float(generator.choice([-1.12, -1.12, -1.12, -1.08, -0.68])),
        neckline=float(generator.uniform(0.07, 0.1)),
        looseness=float(generator.uniform(0.008, 0.022)),
        hair_length=float(generator.choice([0.3, 0.5, 0.5, 0.7, 1.0])),
        logo=float(generator.choice([0.0, 0.0, 0.07, 0.1])),
    )


def similar_outfit(outfit: Outfit, generator: np.random.Generator) -> Outfit:
    """The same kit on somebody else: only skin, hair and a shade differ."""
    other = random_outfit(generator)
    red, green, blue = np.array(outfit.trousers) * generator.uniform(0.9, 1.1)
    return replace(
        outfit,
        skin=other.skin,
        hair=other.hair,
        hair_length=other.hair_length,
        trousers=(float(red), float(green), float(blue)),
    )


@dataclass(frozen=True, eq=False)
class Figure:
    """One person: a shape, skin of its own, and an outfit."""

    betas: Float[np.ndarray, "10"]
    skin_offsets: Float[np.ndarray, "V 3"]
    """Of the vertices of the truth density in the rest pose, beyond `betas`."""
    outfit: Outfit
    seed: int

    @cached_property
    def clothes(self) -> Float[np.ndarray, "N 4"]:
        """Signed distances of the drawn mesh's vertices to shirt, trousers, shoes and hair."""
        return clothes_of(load_body_data(OPEN_BODY, DENSITY), self.outfit).astype(np.float32)

    @cached_property
    def drawn(self) -> DisplayBody:
        """The clothed body; its joints are those of the bare one."""
        data = load_body_data(OPEN_BODY, DENSITY)
        offsets = spread_to_drawn(self.skin_offsets) + _cloth_offsets(data, self)
        return DisplayBody(replace(data, v_template=data.v_template + offsets))

    @cached_property
    def bare(self) -> DisplayBody:
        """The body without clothes and hair at the truth density, where contacts are measured."""
        return bare_body(self.skin_offsets)


def bare_body(skin_offsets: Float[np.ndarray, "V 3"]) -> DisplayBody:
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    return DisplayBody(replace(data, v_template=data.v_template + skin_offsets))


def make_figure(
    betas: Float[np.ndarray, "10"], outfit: Outfit, seed: int, residual: bool = True
) -> Figure:
    """A person, with skin offsets drawn from the seed if `residual`, else with none."""
    data = load_body_data(OPEN_BODY, TRUTH_DENSITY)
    skin = np.zeros(data.v_template.shape)
    if residual:
        skin = random_skin(data, np.random.default_rng([seed, 5]))
    return Figure(betas, skin, outfit, seed)


def random_skin(
    data: BodyData, generator: np.random.Generator, bumps: int = 24
) -> Float[np.ndarray, "V 3"]:
    """Smooth, symmetric displacements along the normals; none on face, hands and feet.

    Landmarks of head and feet therefore stay where the ten components put them.
    """
    folded = data.v_template * [1, 1, 1]
    folded[:, 0] = abs(folded[:, 0])
    centres = folded[generator.choice(len(folded), bumps, replace=False)]
    width = generator.uniform(0.06, 0.16, bumps)
    height = generator.normal(0, 1, bumps)
    squared = ((folded[:, None] - centres) ** 2).sum(axis=-1)
    field = np.exp(-squared / (2 * width**2)) @ height
    x, y, _ = folded.T
    allowed = _ramp(0.27 - y, 0.06) * _ramp(y + 1.1, 0.1) * _ramp(0.62 - x, 0.08)
    field *= allowed
    field *= SKIN_SIGMA / max(float(field[allowed > 0.5].std()), 1e-9)
    normals = DisplayBody(data).normals(data.v_template)
    return np.asarray(np.clip(field, -0.02, 0.03)[:, None] * normals)


def _ramp(distance: np.ndarray, width: float) -> np.ndarray:
    """Smooth step from 0 at distance 0 to 1 at `width`."""
    share = np.clip(distance / width, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def clothes_of(data: BodyData, outfit: Outfit) -> Float[np.ndarray, "N 4"]:
    """Signed distances (metres, roughly) of the vertices, columns SHIRT, TROUSERS, SHOES, HAIR."""
    x, y, z = data.v_template.T
    x = abs(x)
    collar = np.array([0.0, 0.30, 0.02])
    opening = np.linalg.norm((data.v_template - collar) * [1.0, 0.8, 1.0], axis=1)
    off_neck = opening - outfit.neckline
    off_neck -= 0.3 * data.weights[:, SMPL_JOINTS.index("head")]
    shirt = np.minimum.reduce([y - outfit.hem, outfit.sleeve_end - x, off_neck])
    trousers = np.minimum(-0.10 - y, y - outfit.leg_end)
    trousers = np.where(x > 0.4, -0.1, trousers)
    shoes = -1.125 - y - 0.1 * np.clip(z - 0.02, 0, 0.1)
    return np.stack([shirt, trousers, shoes, _hair_distance(data, outfit)], axis=1)


def _hair_distance(data: BodyData, outfit: Outfit) -> Float[np.ndarray, "N"]:
    """Above the hairline, which falls from the forehead over the ears to the neck."""
    x, y, z = data.v_template.T
    fall = 0.10 * max(outfit.hair_length - 0.5, 0)
    depths = [-0.12, -0.05, 0.0, 0.045, 0.09, 0.15]
    heights = [0.30 - fall, 0.31 - fall, 0.36 - 0.8 * fall, 0.40 - 0.5 * fall, 0.435, 0.455]
    above = y - np.interp(z, depths, heights)
    ear = data.v_template[data.vertex_ids["lear"]]
    near_ear = np.linalg.norm(np.stack([abs(x), y, z], 1) - ear, axis=1) - 0.034
    if outfit.hair_length < 0.9:
        above = np.minimum(above, near_ear)
    if outfit.hair_length <= 0:
        above = np.full_like(above, -0.05)
    return np.where((y > 0.2) & (abs(x) < 0.13), above, -0.05)


def _cloth_offsets(data: BodyData, figure: Figure) -> Float[np.ndarray, "N 3"]:
    """Outwards, with slow folds; hair thickest on the crown, shoes as thick as a sole."""
    outfit, cloth = figure.outfit, figure.clothes
    generator = np.random.default_rng([figure.seed, 7])
    normals = _smooth_normals(data)
    waves = np.zeros(data.vertex_count)
    for _ in range(6):
        wave = generator.normal(0, 1, 3) * 30
        waves += np.sin(data.v_template @ wave + generator.uniform(0, 6.3)) / 6
    folds = 1 + 0.7 * waves
    shirt = _ramp(cloth[:, SHIRT], 0.02) * (0.005 + 0.6 * outfit.looseness * folds)
    trousers = _ramp(cloth[:, TROUSERS], 0.02) * (0.004 + 0.6 * outfit.looseness * folds)
    below_knee = np.clip((-0.6 - data.v_template[:, 1]) / 0.5, 0, 1)
    trousers *= 1 + 0.6 * below_knee
    foot = _ramp(cloth[:, SHOES], 0.015)
    shoes = foot * 0.012
    thick = 0.010 + 0.022 * outfit.hair_length
    hair = _ramp(cloth[:, HAIR], 0.035) * thick * (1 + 0.2 * waves)
    out = np.maximum.reduce([shirt, trousers, shoes, hair])
    return np.asarray(out[:, None] * normals + foot[:, None] * _without_toes(data))


def _without_toes(data: BodyData, rounds: int = 12) -> Float[np.ndarray, "N 3"]:
    """Displacement that closes the gaps between toes, as a shoe does."""
    mean, _ = _smoothing(DENSITY)
    smooth = data.v_template
    for _ in range(rounds):
        smooth = mean @ smooth
    return np.asarray(smooth - data.v_template)


@lru_cache(maxsize=1)
def _smoothing(density: str) -> tuple[sp.csr_matrix, np.ndarray]:
    data = load_body_data(OPEN_BODY, density)
    a, b, c = data.faces.T
    rows, columns = np.concatenate([a, b, c, b, c, a]), np.concatenate([b, c, a, a, b, c])
    count = data.vertex_count
    graph = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    graph.data[:] = 1
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    return sp.diags(1 / degree) @ graph, degree


def _smooth_normals(data: BodyData, rounds: int = 8) -> Float[np.ndarray, "N 3"]:
    """Normals of the smoothed skin: displaced toes, ears and folds do not cross themselves."""
    mean, _ = _smoothing(DENSITY)
    normals = DisplayBody(data).normals(data.v_template)
    for _ in range(rounds):
        normals = 0.5 * normals + 0.5 * (mean @ normals)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9))


def spread_to_drawn(offsets: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "N 3"]:
    """Offsets of the truth density's vertices on the drawn mesh's (inverse-distance mean of 4)."""
    index, weight = _spreading()
    return np.asarray((offsets[index] * weight[..., None]).sum(axis=1))


@lru_cache(maxsize=1)
def _spreading() -> tuple[Int[np.ndarray, "N 4"], Float[np.ndarray, "N 4"]]:
    coarse, fine = load_body_data(OPEN_BODY, TRUTH_DENSITY), load_body_data(OPEN_BODY, DENSITY)
    distance, index = cKDTree(coarse.v_template).query(fine.v_template, k=4)
    weight = 1 / (distance + 1e-6)
    return index, weight / weight.sum(axis=1, keepdims=True)
