"""People differ in shape, skin and clothes, and keep their landmarks."""

from __future__ import annotations

import numpy as np

from engine.body.data import OPEN_BODY, load_body_data
from engine.synthesis.figures import (
    DENSITY,
    HAIR,
    SHIRT,
    SHOES,
    SKIN_SIGMA,
    TROUSERS,
    clothes_of,
    make_figure,
    random_outfit,
    random_skin,
    similar_outfit,
    spread_to_drawn,
)


def test_skin_leaves_the_shape_basis_but_not_at_landmarks() -> None:
    data = load_body_data()
    offsets = random_skin(data, np.random.default_rng(0))
    size = np.linalg.norm(offsets, axis=1)
    assert 0.5 * SKIN_SIGMA < size.std() < 2 * SKIN_SIGMA
    assert size.max() <= 0.0301
    marks = [data.vertex_ids[name] for name in ("nose", "leye", "LBigToe", "RHeel", "lear")]
    np.testing.assert_allclose(offsets[marks], 0, atol=1e-9)
    basis = data.shapedirs.reshape(-1, data.shapedirs.shape[-1])
    fitted, *_ = np.linalg.lstsq(basis, offsets.ravel(), rcond=None)
    left = offsets.ravel() - basis @ fitted
    assert np.linalg.norm(left) > 0.5 * np.linalg.norm(offsets)


def test_the_drawn_body_has_the_bare_bodys_joints() -> None:
    figure = make_figure(np.zeros(10), random_outfit(np.random.default_rng(2)), 2)
    pose = np.zeros(3), np.zeros((23, 3)), np.zeros(3)
    drawn = figure.drawn.joints(np.zeros(10), *pose)
    np.testing.assert_allclose(drawn, figure.bare.joints(np.zeros(10), *pose), atol=1e-3)


def test_clothes_lie_outside_the_skin() -> None:
    figure = make_figure(np.zeros(10), random_outfit(np.random.default_rng(3)), 3)
    data = load_body_data(OPEN_BODY, DENSITY)
    bare = data.v_template + spread_to_drawn(figure.skin_offsets)
    stand_off = np.linalg.norm(figure.drawn.data.v_template - bare, axis=1)
    dressed = figure.clothes[:, SHIRT] > 0.02
    assert stand_off[dressed].min() > 0
    assert 0.004 < np.median(stand_off[dressed]) < 0.05
    naked = (figure.clothes < -0.02).all(axis=1)
    assert stand_off[naked].max() < 1e-9


def test_clothes_are_where_they_belong() -> None:
    data = load_body_data(OPEN_BODY, DENSITY)
    cloth = clothes_of(data, random_outfit(np.random.default_rng(4)))
    at = {name: cloth[data.vertex_ids[name]] for name in ("nose", "crown", "LHeel", "lmiddle")}
    assert (at["nose"] < 0).all()
    assert at["crown"][HAIR] > 0 and at["crown"][SHIRT] < 0
    assert at["LHeel"][SHOES] > 0
    assert at["lmiddle"][SHIRT] < 0 and at["lmiddle"][TROUSERS] < 0
    belly = np.argmin(np.linalg.norm(data.v_template - [0, 0, 0.15], axis=1))
    assert cloth[belly, SHIRT] > 0


def test_a_similar_outfit_is_the_same_kit_on_somebody_else() -> None:
    generator = np.random.default_rng(5)
    outfit = random_outfit(generator)
    other = similar_outfit(outfit, generator)
    assert other.shirt == outfit.shirt and other.shirt_pattern == outfit.shirt_pattern
    np.testing.assert_allclose(other.trousers, outfit.trousers, rtol=0.11)
    assert other.skin != outfit.skin
