"""Which frame of the clip a file means by "frame_000123.jpg", 123, or 124.

Nothing is guessed where two readings are possible: then the sentence says which offsets there are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from annotations.importers.imported import FrameKey, ImportOptions, Reading
from annotations.importers.values import OffsetNeeded, refusal
from engine.image_folder import image_paths
from engine.structures import VideoInfo


@dataclass(frozen=True)
class Numbering:
    """From the file's frames to the clip's."""

    frames: Mapping[FrameKey, int]
    """Frames of the file that are in the clip."""
    offset: int
    """The file's number of the clip's frame 0."""
    note: str = ""


def plain_name(name: str) -> str:
    """The last part of an image's path, whichever way its slashes lean."""
    return PurePosixPath(name.replace("\\", "/")).name


def numbered(reading: Reading, video: VideoInfo, options: ImportOptions) -> Numbering:
    """Put the file's frames on the clip's. Raises InputError naming both counts."""
    if not reading.frames:
        raise refusal(reading.source, "the number of people", "people in some frames", "none")
    by_name = _by_image_name(reading, video) if options.offset is None else None
    if by_name is not None:
        return by_name
    numbers = dict(reading.exact) or numbers_of(reading.frames, reading.source)
    return _placed(numbers, reading, video, options)


def _by_image_name(reading: Reading, video: VideoInfo) -> Numbering | None:
    """Where the clip is a folder of images, their names decide."""
    folder = Path(video.path)
    names = [key for key in reading.frames if isinstance(key, str)]
    if not names or not folder.is_dir():
        return None
    places = {path.stem: index for index, path in enumerate(image_paths(folder))}
    frames: dict[FrameKey, int] = {
        name: places[stem] for name in names if (stem := _stem(name)) in places
    }
    if not frames:
        return None
    missing = len(reading.frames) - len(frames)
    note = f"{missing} images of the file are not in the clip's folder." if missing else ""
    return Numbering(frames, 0, note)


def _stem(name: str) -> str:
    stem = plain_name(name).rpartition(".")[0] or plain_name(name)
    return re.sub(r"_keypoints$", "", stem)


def numbers_of(keys: Collection[FrameKey], source: str) -> dict[FrameKey, int]:
    """The number in each name: the last group of digits that tells the names apart."""
    numbers: dict[FrameKey, int] = {key: key for key in keys if isinstance(key, int)}
    names = [key for key in keys if isinstance(key, str)]
    groups = {name: re.findall(r"\d{1,12}", _stem(name)) for name in names}
    for name, found in groups.items():
        if not found:
            raise refusal(source, "an image's name", "a number in it", name)
    if names:
        shortest = min(len(found) for found in groups.values())
        distinct = [
            (len({found[-place] for found in groups.values()}), -place)
            for place in range(1, shortest + 1)
        ]
        place = -max(distinct)[1]
        numbers.update({name: int(found[-place]) for name, found in groups.items()})
    if len(set(numbers.values())) < len(numbers):
        raise refusal(
            source, "the numbering of its images", "a number of its own for each",
            f"{len(numbers)} images with {len(set(numbers.values()))} numbers",
        )  # fmt: skip
    return numbers


def _placed(
    numbers: Mapping[FrameKey, int], reading: Reading, video: VideoInfo, options: ImportOptions
) -> Numbering:
    count = video.frame_count
    first, last = min(numbers.values()), max(numbers.values())
    note = ""
    if options.offset is not None:
        offset = options.offset
    elif reading.frame_count is not None and reading.frame_count != count:
        raise refusal(
            reading.source, "the length of its video", f"{count} frames, as the clip has",
            f"{reading.frame_count} frames", _advice(reading.first or 0),
        )  # fmt: skip
    else:
        offset, note = _offset(numbers, reading, count)
    frames = {key: n - offset for key, n in numbers.items() if 0 <= n - offset < count}
    outside = len(numbers) - len(frames)
    if outside and options.offset is None:
        raise refusal(
            reading.source, "the number of frames", f"frames within the clip's {count}",
            f"{len(numbers)} frames numbered {first} to {last}", _advice(first),
        )  # fmt: skip
    if not frames:
        raise refusal(
            reading.source, "the offset", f"some of frames {first} to {last} in the clip",
            f"--offset {offset} for a clip of {count} frames",
        )  # fmt: skip
    if outside:
        note = f"{outside} frames of the file lie outside the clip."
    return Numbering(frames, offset, note)


def _offset(numbers: Mapping[FrameKey, int], reading: Reading, count: int) -> tuple[int, str]:
    """The file's number of the first frame, where it can be told."""
    first, last, listed = min(numbers.values()), max(numbers.values()), len(numbers)
    if reading.first is not None:
        return _by_rule(reading.first, first, last, count)
    if first == 0 and last < count:
        return 0, ""
    if first >= 1 and last == count:
        return 1, "The frames are numbered from 1."
    if listed == count and last - first == count - 1:
        return first, f"The frames are numbered from {first}."
    if last < count:
        raise OffsetNeeded(
            f"{reading.source}: it is not clear which frame is the clip's first",
            expected=f"frames 0 to {count - 1}, or 1 to {count}",
            received=f"{listed} frames numbered {first} to {last}",
            advice="State the file's number of the clip's first frame (--offset 0 or --offset 1).",
        )
    raise OffsetNeeded(
        f"{reading.source}: the number of frames is wrong",
        expected=f"the clip's {count} frames",
        received=f"{listed} frames numbered {first} to {last}",
        advice=_advice(first),
    )


def _by_rule(rule: int, first: int, last: int, count: int) -> tuple[int, str]:
    """Where the format says what the first frame is called, unless the file plainly differs."""
    if rule == 1 and first == 0:
        return 0, "The frames are numbered from 0 though the format counts from 1."
    if rule == 0 and first >= 1 and last == count:
        return 1, "The frames are numbered from 1."
    note = f"The file begins with frame {first}; its format counts from {rule}."
    return rule, note if first != rule else ""


def _advice(first: int) -> str:
    return (
        "If it is of this clip, state the file's number of the clip's first frame "
        f"(--offset {first})."
    )
