"""What perception has found out so far, kept on disk, so that interrupted work goes on.

A stage works through the frames in order; every CHUNK of them is one file, a checksum and a NumPy
archive, complete or not there at all. What is damaged is simply found out again. Nothing is
unpickled.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar, cast

import numpy as np

from engine.perception import plugins
from engine.perception.detection import Detections
from engine.perception.looks import Heard, SoftMask, Source, Witnesses
from engine.perception.request import PerceptionRequest
from engine.perception.runtime import CORES
from engine.structures import VideoInfo

VERSION = 1
"""Raised whenever the same video would give something else."""
CHUNK = 32
_DIGEST = hashlib.sha256().digest_size

Item = TypeVar("Item")
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Codec(Generic[Item]):
    """How the items of a stage become arrays and back."""

    pack: Callable[[Sequence[Item]], Arrays]
    unpack: Callable[[Arrays], list[Item]]


def key_of(video: VideoInfo, request: PerceptionRequest) -> str:
    """Equal only where the work would be the same."""
    asked = replace(request, motion=None, camera=None, keypoint_edits=(), mask_edits=())
    parts = [
        info
        for kind, name in vars(request.parts).items()
        for info in plugins.available(cast(plugins.Kind, kind))
        if info.name == name
    ]
    text = repr((VERSION, video.sha256, video.path, video.frame_count, astuple(asked), parts))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Checkpoint:
    """A folder of finished chunks."""

    folder: Path

    def stage(
        self, name: str, codec: Codec[Item], count: int, work: Callable[[int, list[Item]], Item]
    ) -> Generator[int, None, list[Item]]:
        """Work through items 0..count, yielding how many are done; `work` sees those before."""

        def chunk(numbers: range, done: list[Item]) -> Generator[int, None, None]:
            for number in numbers:
                done.append(work(number, done))
                yield len(done)

        return (yield from self._chunks(name, codec, count, chunk))

    def independent_stage(
        self, name: str, codec: Codec[Item], count: int, work: Callable[[int], Item]
    ) -> Generator[int, None, list[Item]]:
        """As `stage`, of items that need no other: one for each core at a time."""
        with ThreadPoolExecutor(CORES) as pool:

            def chunk(numbers: range, done: list[Item]) -> Generator[int, None, None]:
                waiting = [pool.submit(work, number) for number in numbers]
                try:
                    for future in waiting:
                        done.append(future.result())
                        yield len(done)
                finally:
                    for future in waiting:
                        future.cancel()

            return (yield from self._chunks(name, codec, count, chunk))

    def _chunks(
        self,
        name: str,
        codec: Codec[Item],
        count: int,
        work: Callable[[range, list[Item]], Generator[int, None, None]],
    ) -> Generator[int, None, list[Item]]:
        done: list[Item] = []
        while len(done) < count:
            start = len(done)
            part = self._read(name, start, codec)
            if part is not None and len(part) == min(CHUNK, count - start):
                done += part
                yield len(done)
                continue
            yield from work(range(start, min(start + CHUNK, count)), done)
            self._write(name, start, codec.pack(done[start:]))
        return done

    def _path(self, name: str, start: int) -> Path:
        return self.folder / f"{name}-{start:07d}.chunk"

    def _read(self, name: str, start: int, codec: Codec[Item]) -> list[Item] | None:
        try:
            raw = self._path(name, start).read_bytes()
        except OSError:
            return None
        digest, content = raw[:_DIGEST], raw[_DIGEST:]
        # zipfile does not notice every damage, and says of the rest in a dozen ways.
        if hashlib.sha256(content).digest() != digest:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return codec.unpack({key: archive[key] for key in archive.files})

    def _write(self, name: str, start: int, arrays: Arrays) -> None:
        """Best effort: on a full disk the work goes on, only it cannot be taken up again."""
        path = self._path(name, start)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        content = buffer.getvalue()
        try:
            partial.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(partial, path)
        except OSError:
            with suppress(OSError):
                partial.unlink()


def _joined(parts: Sequence[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    """Arrays of different length one after another; `empty` is the shape of one row."""
    return np.concatenate([*parts, np.zeros((0, *empty))])


def _parted(whole: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    return np.split(whole, np.cumsum(counts)[:-1]) if len(counts) else []


# Detections ------------------------------------------------------------------------------------


def _pack_detections(items: Sequence[Detections]) -> Arrays:
    variants = [variant for found in items for variant in found.variants]
    return {
        "counts": np.array([len(found) for found in items], np.int64),
        "keypoints": _joined([found.keypoints for found in items], (17, 3)),
        "boxes": _joined([found.boxes for found in items], (4,)),
        "scores": _joined([found.scores for found in items], ()),
        "colors": _joined([found.colors for found in items], (10, 4)),
        "variants": _joined(variants, (17, 3)),
        "variant_counts": np.array([len(variant) for variant in variants], np.int64),
    }


def _unpack_detections(arrays: Arrays) -> list[Detections]:
    counts = arrays["counts"]
    variants = _parted(arrays["variants"], arrays["variant_counts"])
    starts = np.concatenate([[0], np.cumsum(counts)])
    names = ("keypoints", "boxes", "scores", "colors")
    keypoints, boxes, scores, colors = (_parted(arrays[name], counts) for name in names)
    return [
        Detections(
            keypoints[i], boxes[i], scores[i], colors[i], tuple(variants[starts[i] : starts[i + 1]])
        )
        for i in range(len(counts))
    ]


DETECTIONS = Codec(_pack_detections, _unpack_detections)


# Witnesses -------------------------------------------------------------------------------------


def _pack_heard(items: Sequence[Heard]) -> Arrays:
    there = [w for heard in items for w in heard if w is not None]
    masks = [w.mask for w in there if w.mask is not None]
    return {
        "there": np.array([[w is not None for w in heard] for heard in items], bool),
        "box": np.stack([w.box for w in there]) if there else np.zeros((0, 4)),
        "detected": np.array([w.detected for w in there], bool),
        "counts": np.array([len(w.points) for w in there], np.int64),
        "points": _joined([w.points for w in there], (17, 3)),
        "sources": np.array([s for w in there for s in w.sources], np.int64),
        "colors": _joined([w.colors for w in there], (10, 4)),
        "looks": np.array([len(w.presence) for w in there], np.int64),
        "presence": _joined([w.presence for w in there], ()),
        "landmarks": _joined([w.landmarks for w in there], (33, 3)),
        "masked": np.array([w.mask is not None for w in there], bool),
        "windows": np.array([m.window for m in masks], np.int64).reshape(-1, 4),
        "shapes": np.array([m.values.shape for m in masks], np.int64).reshape(-1, 2),
        "values": np.concatenate([np.zeros(0, np.uint8), *(m.values.ravel() for m in masks)]),
    }


def _unpack_heard(arrays: Arrays) -> list[Heard]:
    counts, looks = arrays["counts"], arrays["looks"]
    pieces = _parted(arrays["values"], arrays["shapes"].prod(axis=1))
    masks = iter(
        SoftMask((int(x), int(y), int(w), int(h)), piece.reshape(*shape).astype(np.uint8))
        for (x, y, w, h), shape, piece in zip(
            arrays["windows"], arrays["shapes"], pieces, strict=True
        )
    )
    rows = zip(
        arrays["box"],
        arrays["detected"],
        _parted(arrays["points"], counts),
        _parted(arrays["sources"], counts),
        _parted(arrays["presence"], looks),
        _parted(arrays["landmarks"], looks),
        _parted(arrays["colors"], counts),
        arrays["masked"],
        strict=True,
    )
    there = iter(
        [
            Witnesses(
                box=box,
                detected=bool(detected),
                points=points,
                sources=tuple(Source(int(s)) for s in sources),
                presence=presence,
                landmarks=landmarks,
                colors=colors,
                mask=next(masks) if masked else None,
            )
            for box, detected, points, sources, presence, landmarks, colors, masked in rows
        ]
    )
    return [[next(there) if is_there else None for is_there in row] for row in arrays["there"]]


HEARD = Codec(_pack_heard, _unpack_heard)
