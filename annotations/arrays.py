"""Arrays as content-addressed chunks of frames, so that a revision costs what it changes.

An array is cut along its frame axis every CHUNK_FRAMES frames. A chunk is found by the BLAKE2b
hash of its type, shape and bytes, so equal chunks of any revision of any clip are stored once.
Chunks are byte-shuffled (first bytes of all numbers, then second bytes, ...) and deflated; a
chunk's hash is checked when it is read. Nothing is ever overwritten or deleted.
"""

from __future__ import annotations

import math
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from annotations.errors import ProjectError
from annotations.schema import ArrayChunkRow, ArrayRow
from engine.structures import RunLengthMask

CHUNK_FRAMES = 64
DIGEST_SIZE = 16
CACHE_BYTES = 256 * 2**20
CHUNK_BYTES_LIMIT = 2**30
"""A chunk that says it is larger is not read."""
MASKS = "masks"
KINDS = "biuf"
"""Array kinds that may be stored: booleans, integers, floats. No objects: nothing is unpickled."""

Masks = tuple[tuple[RunLengthMask | None, ...], ...]


def digest_of(*parts: bytes) -> bytes:
    """BLAKE2b over the parts, each preceded by its length, so that no two lists of parts agree."""
    state = blake2b(digest_size=DIGEST_SIZE)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def pack(array: np.ndarray) -> bytes:
    """Contiguous bytes of the array, shuffled by significance and deflated."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    shuffled = raw.reshape(-1, array.dtype.itemsize).T
    return zlib.compress(np.ascontiguousarray(shuffled).tobytes(), level=6)


def unpack(data: bytes, dtype: np.dtype[Any], shape: Sequence[int]) -> np.ndarray:
    """Inverse of `pack`; reads no more bytes than the shape asks for."""
    size = dtype.itemsize * math.prod(shape)
    if not 0 <= size <= CHUNK_BYTES_LIMIT:
        raise ValueError(f"a chunk of {size} bytes")
    raw = zlib.decompressobj().decompress(data, max(size, 1))
    if len(raw) != size:
        raise ValueError(f"expected {size} bytes, received {len(raw)}")
    planes = np.frombuffer(raw, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(shape)


def _array_digest(chunk: np.ndarray) -> bytes:
    head = f"{chunk.dtype.str}{list(chunk.shape)}".encode()
    return digest_of(head, np.ascontiguousarray(chunk).tobytes())


def _bytes_as_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def digest_of_bytes(data: bytes) -> str:
    """The digest under which `ArrayStore.put_bytes` stores these bytes."""
    array = _bytes_as_array(data)
    return _reference_digest(array.dtype.str, [len(array)], None, _array_digest(array)).hex()


def _reference_digest(
    dtype: str, lengths: Sequence[int], frame_axis: int | None, packed: bytes
) -> bytes:
    return digest_of(f"{dtype}{list(lengths)}{frame_axis}".encode(), packed)


def _mask_words(block: Masks) -> np.ndarray:
    """Masks (P, frames) as uint32: P, frames, then height, width, number of runs of each, runs.

    A missing mask has height, width and number of runs 0.
    """
    flat = [mask for person in block for mask in person]
    sizes = [(*mask.size, len(mask.counts)) if mask else (0, 0, 0) for mask in flat]
    runs = [np.asarray(mask.counts, np.uint32) for mask in flat if mask]
    head = np.asarray([len(block), len(block[0])], np.uint32)
    return np.concatenate([head, np.asarray(sizes, np.uint32).ravel(), *runs])


def _masks_from_words(words: np.ndarray) -> Masks:
    """Inverse of `_mask_words`."""
    person_count, frame_count = int(words[0]), int(words[1])
    sizes = words[2 : 2 + 3 * person_count * frame_count].reshape(-1, 3)
    stops = np.cumsum(sizes[:, 2], dtype=np.int64) + 2 + sizes.size
    flat = [
        RunLengthMask((int(height), int(width)), tuple(words[stop - count : stop].tolist()))
        if count
        else None
        for (height, width, count), stop in zip(sizes.tolist(), stops.tolist(), strict=True)
    ]
    return tuple(
        tuple(flat[person * frame_count : (person + 1) * frame_count])
        for person in range(person_count)
    )


def _blocks(length: int) -> Iterator[slice]:
    for start in range(0, length, CHUNK_FRAMES):
        yield slice(start, min(start + CHUNK_FRAMES, length))


class ChunkCache:
    """Decoded chunks by digest, oldest use dropped first. Arrays in it are read-only."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._chunks: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()

    def get(self, digest: bytes) -> Any:
        if digest not in self._chunks:
            return None
        self._chunks.move_to_end(digest)
        return self._chunks[digest][0]

    def put(self, digest: bytes, value: Any, size: int) -> None:
        self._held += size - self._chunks.pop(digest, (None, 0))[1]
        self._chunks[digest] = (value, size)
        while self._held > self._limit and len(self._chunks) > 1:
            self._held -= self._chunks.popitem(last=False)[1][1]


class ArrayStore:
    """Reads and writes arrays in the transaction it is handed."""

    def __init__(self) -> None:
        self._cache = ChunkCache()

    def put(self, rows: Session, array: np.ndarray, frame_axis: int | None = None) -> ArrayRow:
        """Store an array; chunks that the project holds already are only referred to."""
        if array.dtype.kind not in KINDS:
            raise TypeError(f"expected numbers or booleans, received dtype {array.dtype}")
        blocks = [array]
        if frame_axis is not None:
            along = np.moveaxis(array, frame_axis, 0)
            blocks = [along[block] for block in _blocks(len(along))]
        digests = [_array_digest(block) for block in blocks]
        missing = _missing(rows, digests)
        _insert(rows, {d: pack(b) for d, b in zip(digests, blocks, strict=True) if d in missing})
        return _reference(rows, array.dtype.str, array.shape, frame_axis, digests)

    def put_bytes(self, rows: Session, data: bytes) -> str:
        """Store a file's bytes, once; their digest, by which `get_bytes` finds them."""
        return self.put(rows, _bytes_as_array(data)).digest.hex()

    def get_bytes(self, rows: Session, digest: str) -> bytes:
        """What `put_bytes` stored. Raises ProjectError where it is not whole."""
        row = rows.scalar(select(ArrayRow).where(ArrayRow.digest == bytes.fromhex(digest)))
        if row is None:
            raise damaged()
        return self.get(rows, row).tobytes()

    def get(self, rows: Session, reference: ArrayRow) -> np.ndarray:
        """A fresh array equal to what was put, bit for bit. Raises ProjectError where it is not."""
        dtype, axis = np.dtype(reference.dtype), reference.frame_axis
        if dtype.kind not in KINDS:
            raise damaged()
        digests, shape = _digests(reference), list(reference.shape)
        if axis is None:
            return self._chunk(rows, digests[0], dtype, shape).copy()
        blocks, rest = list(_blocks(shape[axis])), [n for i, n in enumerate(shape) if i != axis]
        if len(blocks) != len(digests):
            raise damaged()
        # Every chunk is read before the whole is allocated: a false shape costs nothing.
        parts = [
            self._chunk(rows, digest, dtype, [block.stop - block.start, *rest])
            for digest, block in zip(digests, blocks, strict=True)
        ]
        return np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, axis))

    def put_masks(self, rows: Session, masks: Masks, previous: ArrayRow | None = None) -> ArrayRow:
        """Store run-length coded masks [person][frame].

        Blocks that are the same as in `previous` are not coded again (comparing stops at the
        first mask that is another object).
        """
        old = _digests(previous) if previous is not None else []
        digests, new = [], {}
        for index, block in enumerate(_blocks(len(masks[0]))):
            part = tuple(person[block] for person in masks)
            if index < len(old) and self._cache.get(old[index]) == part:
                digests.append(old[index])
                continue
            words = _mask_words(part)
            digests.append(_array_digest(words))
            new[digests[-1]] = words
            self._cache.put(digests[-1], part, 16 * words.nbytes)
        missing = _missing(rows, digests)
        _insert(rows, {d: _packed_words(w) for d, w in new.items() if d in missing})
        return _reference(rows, MASKS, (len(masks), len(masks[0])), 1, digests)

    def get_masks(self, rows: Session, reference: ArrayRow) -> Masks:
        parts = [self._mask_chunk(rows, digest) for digest in _digests(reference)]
        return tuple(
            tuple(mask for part in parts for mask in part[person])
            for person in range(reference.shape[0])
        )

    def _chunk(
        self, rows: Session, digest: bytes, dtype: np.dtype[Any], shape: Sequence[int]
    ) -> np.ndarray:
        chunk = self._cache.get(digest)
        if chunk is None:
            try:
                chunk = unpack(_data(rows, digest), dtype, shape)
            except (ValueError, zlib.error) as error:
                raise damaged() from error
            if _array_digest(chunk) != digest:
                raise damaged()
            chunk.flags.writeable = False
            self._cache.put(digest, chunk, chunk.nbytes)
        return np.asarray(chunk)

    def _mask_chunk(self, rows: Session, digest: bytes) -> Masks:
        masks: Masks | None = self._cache.get(digest)
        if masks is None:
            data = _data(rows, digest)
            try:
                count = int.from_bytes(data[:4], "little")
                words = unpack(data[4:], np.dtype("<u4"), [count])
            except (ValueError, zlib.error) as error:
                raise damaged() from error
            if _array_digest(words) != digest:
                raise damaged()
            masks = _masks_from_words(words)
            self._cache.put(digest, masks, 16 * words.nbytes)
        return masks


def _packed_words(words: np.ndarray) -> bytes:
    return len(words).to_bytes(4, "little") + pack(words)


def damaged() -> ProjectError:
    return ProjectError(
        "A part of the project file is damaged",
        advice="Open a backup copy; other clips of this file may still be whole.",
    )


def _digests(reference: ArrayRow) -> list[bytes]:
    packed = reference.chunks
    return [packed[i : i + DIGEST_SIZE] for i in range(0, len(packed), DIGEST_SIZE)]


def _data(rows: Session, digest: bytes) -> bytes:
    data = rows.scalar(select(ArrayChunkRow.data).where(ArrayChunkRow.digest == digest))
    if data is None:
        raise damaged()
    return data


def _missing(rows: Session, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests that no stored chunk has."""
    missing = set(digests)
    for start in range(0, len(digests), 500):
        part = digests[start : start + 500]
        query = select(ArrayChunkRow.digest).where(ArrayChunkRow.digest.in_(part))
        missing -= set(rows.scalars(query))
    return missing


def _insert(rows: Session, chunks: dict[bytes, bytes]) -> None:
    if chunks:
        values = [{"digest": digest, "data": data} for digest, data in chunks.items()]
        rows.execute(insert(ArrayChunkRow), values)


def _reference(
    rows: Session,
    dtype: str,
    shape: Sequence[int],
    frame_axis: int | None,
    digests: Sequence[bytes],
) -> ArrayRow:
    """The row that names these chunks as one array: the old one where there is one."""
    lengths = [int(n) for n in shape]
    packed = b"".join(digests)
    digest = _reference_digest(dtype, lengths, frame_axis, packed)
    row = rows.scalar(select(ArrayRow).where(ArrayRow.digest == digest))
    if row is None:
        row = ArrayRow(
            digest=digest, dtype=dtype, shape=lengths, frame_axis=frame_axis, chunks=packed
        )
        rows.add(row)
        rows.flush()
    return row
