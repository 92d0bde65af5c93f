"""Region contacts, intervals and vertices, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from engine.body.data import load_body_data
from engine.body.regions import region_vertices
from engine.metrics.contacts import (
    contact_keys,
    f1_score,
    interval_f1,
    labelled_recall,
    over_frames,
    region_distances,
    region_f1,
    vertex_counts,
)
from engine.structures import ContactLabel, FrameRange

NONE = np.zeros(0, np.int64)


def label(
    start: int, stop: int, first: str = "left_palm", second: str = "right_palm", a: int = 0,
    b: int = 1,
) -> ContactLabel:  # fmt: skip
    return ContactLabel(a, first, b, second, FrameRange(start, stop))


def keys(*labels: ContactLabel, people: int = 2) -> np.ndarray:
    return contact_keys(labels, people, 100)


def test_a_key_stands_for_each_frame_of_a_label_once() -> None:
    assert len(keys(label(0, 10))) == 10
    assert len(keys(label(0, 10), label(5, 15))) == 15
    assert len(contact_keys([label(95, 120)], 2, 100)) == 5


def test_the_order_of_people_in_a_label_does_not_matter() -> None:
    turned = label(3, 5, "right_palm", "left_palm", a=1, b=0)
    np.testing.assert_array_equal(keys(label(3, 5)), keys(turned))
    assert not set(keys(label(3, 5))) & set(keys(label(3, 5, "right_palm", "left_palm")))


def test_keys_of_different_pairs_of_people_differ() -> None:
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = keys(*(label(0, 2, a=a, b=b) for a, b in pairs), people=3)
    assert len(found) == 6


def test_ten_found_of_which_six_are_among_eight_true() -> None:
    # 6 hits, 4 extra, 2 lost: precision 0.6, recall 0.75
    found, true = keys(label(0, 10)), keys(label(4, 12))
    assert region_f1(found, true, NONE) == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))


def test_what_was_labelled_counts_neither_for_nor_against() -> None:
    found, true = keys(label(0, 10)), keys(label(4, 12))
    assert region_f1(found, true, keys(label(0, 4), label(10, 12))) == 1
    assert np.isnan(region_f1(found, true, keys(label(0, 12))))
    assert labelled_recall(found, true, keys(label(8, 20))) == pytest.approx(2 / 4)
    assert np.isnan(labelled_recall(found, true, keys(label(50, 60))))


def test_nothing_to_find_and_nothing_found_is_no_number() -> None:
    assert np.isnan(f1_score(0, 0, 0))
    assert f1_score(0, 3, 0) == f1_score(0, 0, 3) == 0
    assert f1_score(5, 0, 0) == 1


@pytest.mark.parametrize(("stop", "right"), [(10, True), (6, True), (5, False), (20, False)])
def test_an_interval_is_right_where_more_than_half_of_the_union_is_shared(
    stop: int, right: bool
) -> None:
    assert interval_f1([label(0, stop)], [label(0, 10)]) == right


def test_intervals_are_of_one_pair_of_regions() -> None:
    true = [label(0, 10), label(20, 30), label(0, 10, "left_fingers")]
    found = [label(0, 9), label(20, 30, "left_fingers")]
    assert interval_f1(found, true) == pytest.approx(2 / (2 + 3))
    assert interval_f1(true, true) == 1


def test_vertices_in_contact_are_counted() -> None:
    found = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool)
    true = np.array([[1, 0, 1, 1], [0, 0, 0, 1]], bool)
    assert vertex_counts(found, true) == (2, 1, 2)


def test_region_distances_are_those_of_the_nearest_vertices() -> None:
    data = load_body_data(density="1k2")
    rng = np.random.default_rng(0)
    places = np.array([[0, 0, 3.0], [0.9, 0.1, 3.2]])
    skin = data.v_template + places[:, None, None] + rng.normal(scale=0.1, size=(2, 4, 1, 3))
    contacts = [
        label(0, 3), label(1, 4, "chin", "groin", a=1, b=0), label(2, 4),
    ]  # fmt: skip
    found = region_distances(skin.astype(np.float32), data, contacts)
    palms, chins = (
        [
            cdist(skin[a, f, region_vertices(data, first)],
                  skin[b, f, region_vertices(data, second)]).min()
            for f in frames
        ]
        for (a, first, b, second, frames) in (
            (0, "left_palm", 1, "right_palm", range(4)),
            (1, "chin", 0, "groin", range(1, 4)),
        )
    )  # fmt: skip
    np.testing.assert_allclose(found, [*palms, *chins], atol=1e-5)


def test_without_contacts_there_are_no_distances() -> None:
    data = load_body_data(density="1k2")
    skin = np.zeros((2, 3, data.vertex_count, 3), np.float32)
    assert region_distances(skin, data, []).shape == (0,)


def test_frames_that_do_not_count_are_as_if_they_were_not_there() -> None:
    counted = np.ones(10, bool)
    counted[[4, 5, 8, 9]] = False
    split = [label(0, 4), label(6, 8), label(8, 10, "left_fingers")]
    assert over_frames(split, counted) == (label(0, 6),)
    assert over_frames([label(2, 8)], counted) == (label(2, 6),)
    everything = np.ones(10, bool)
    assert over_frames([label(0, 3), label(5, 9)], everything) == (label(0, 3), label(5, 9))
