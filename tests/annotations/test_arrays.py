"""Arrays come back bit for bit, and cost what they change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from annotations.arrays import CHUNK_FRAMES, ArrayStore, ChunkCache
from annotations.errors import ProjectError
from annotations.schema import ArrayChunkRow, Base
from engine.structures import RunLengthMask
from tests.annotations.builders import same

DTYPES = st.sampled_from([np.float32, np.float64, np.uint8, np.int32, np.bool_, np.float16])


@pytest.fixture
def rows() -> Iterator[Session]:
    yield from memory()


def memory() -> Iterator[Session]:
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    with Session(database) as rows:
        yield rows
    database.dispose()


def chunk_count(rows: Session) -> int:
    return rows.scalar(select(func.count()).select_from(ArrayChunkRow)) or 0


def stored_bytes(rows: Session) -> int:
    return rows.scalar(select(func.sum(func.length(ArrayChunkRow.data)))) or 0


@settings(max_examples=60, deadline=None)
@given(data=st.data(), frames=st.integers(1, 3 * CHUNK_FRAMES), axis=st.sampled_from([None, 0, 1]))
def test_an_array_comes_back_bit_for_bit(data, frames, axis):
    shape = {None: (2, 3), 0: (frames, 3), 1: (2, frames, 2)}[axis]
    array = data.draw(arrays_of.arrays(data.draw(DTYPES), shape, fill=st.just(0)))
    for rows in memory():
        reference = ArrayStore().put(rows, array, axis)
        # Another store: nothing comes out of a cache.
        assert same(ArrayStore().get(rows, reference), array)


def test_nan_payloads_and_negative_zero_survive(rows):
    array = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324])
    array.view(np.uint64)[0] |= 0x1234
    assert same(ArrayStore().get(rows, ArrayStore().put(rows, array, 0)), array)


def test_what_is_read_belongs_to_the_reader(rows):
    store = ArrayStore()
    reference = store.put(rows, np.zeros((2, 100, 3)), 1)
    store.get(rows, reference)[:] = 7
    assert not store.get(rows, reference).any()
    whole = store.put(rows, np.zeros(3))
    store.get(rows, whole)[:] = 7
    assert not store.get(rows, whole).any()


def test_a_change_of_a_few_frames_adds_only_their_chunks(rows):
    store, array = ArrayStore(), np.random.default_rng(0).normal(size=(2, 1000, 3))
    store.put(rows, array, 1)
    before, size = chunk_count(rows), stored_bytes(rows)
    assert before == -(-1000 // CHUNK_FRAMES)
    changed = array.copy()
    changed[:, 70:80] += 1
    store.put(rows, changed, 1)
    assert chunk_count(rows) == before + 1
    assert stored_bytes(rows) - size < 2 * size / before


def test_an_array_that_was_there_before_costs_nothing(rows):
    array = np.arange(600.0).reshape(2, 100, 3)
    first = ArrayStore().put(rows, array, 1)
    second = ArrayStore().put(rows, array.copy(), 1)
    assert first.id == second.id


def test_objects_are_not_stored(rows):
    with pytest.raises(TypeError, match="numbers or booleans"):
        ArrayStore().put(rows, np.array([{}], dtype=object))


@pytest.mark.parametrize("harm", [b"", b"nonsense", None])
def test_a_damaged_chunk_is_refused_in_one_sentence(rows, harm):
    reference = ArrayStore().put(rows, np.arange(100.0), 0)
    chunk = rows.scalars(select(ArrayChunkRow)).first()
    if harm is None:
        other = ArrayStore().put(rows, np.arange(100.0)[:64] + 1, 0)
        harm = rows.get_one(ArrayChunkRow, other.chunks).data
    chunk = rows.get_one(ArrayChunkRow, reference.chunks[:16])
    chunk.data = harm
    rows.flush()
    with pytest.raises(ProjectError, match="damaged"):
        ArrayStore().get(rows, reference)


def random_masks(people: int, frames: int, seed: int = 0):
    random = np.random.default_rng(seed)
    return tuple(
        tuple(
            None if random.random() < 0.2 else RunLengthMask.encode(random.random((9, 16)) < 0.4)
            for _ in range(frames)
        )
        for _ in range(people)
    )


@pytest.mark.parametrize("frames", [1, CHUNK_FRAMES, CHUNK_FRAMES + 1, 150])
def test_masks_come_back_as_they_were(rows, frames):
    masks = random_masks(2, frames)
    reference = ArrayStore().put_masks(rows, masks)
    assert ArrayStore().get_masks(rows, reference) == masks


def test_empty_and_full_masks_come_back(rows):
    masks = ((RunLengthMask.encode(np.zeros((4, 5))), RunLengthMask.encode(np.ones((4, 5)))),)
    reference = ArrayStore().put_masks(rows, masks)
    back = ArrayStore().get_masks(rows, reference)
    assert back == masks
    assert back[0][1].decode().all() and not back[0][0].decode().any()


def test_masks_cost_what_they_change(rows):
    store, masks = ArrayStore(), random_masks(2, 300)
    first = store.put_masks(rows, masks)
    before = chunk_count(rows)
    changed = [list(person) for person in masks]
    changed[0][70], changed[1][70] = changed[1][70], changed[0][70]
    second = store.put_masks(rows, tuple(map(tuple, changed)), previous=first)
    assert chunk_count(rows) == before + 1
    assert ArrayStore().get_masks(rows, second) == tuple(map(tuple, changed))


def test_the_cache_keeps_within_its_limit():
    cache = ChunkCache(limit=100)
    for name in range(10):
        cache.put(bytes([name]), name, 30)
    assert [n for n in range(10) if cache.get(bytes([n])) is not None] == [7, 8, 9]
    cache.put(b"large", "large", 1000)
    assert cache.get(b"large") == "large"
