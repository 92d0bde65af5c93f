"""Commands that correct detections: boxes, marks, tracks, masks. The next `detect` honours them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from app.cli_arguments import (
    Clip,
    Frames,
    FrameSpan,
    Project,
    chosen_clip,
    open_project,
    span_of,
)
from app.cli_project import commands, say
from engine.errors import InputError
from engine.structures import Box, BoxEdit, MaskEdit, RunLengthMask

if TYPE_CHECKING:
    from annotations.people import NobodyKind, Source
    from annotations.records import ClipRecord
    from annotations.store import Store
    from engine.structures import VideoInfo

MINUS_IS_A_NUMBER = {"ignore_unknown_options": True}
"""So that a box may begin with a place left of the picture."""
PNG_LIMIT = 64 << 20
"""Bytes; a larger file is no mask."""


class Corners:
    """`x0,y0,x1,y1` as typed, in pixels."""

    def __init__(self, text: str) -> None:
        number = r"(-?\d+(?:\.\d+)?)"
        match = re.fullmatch(",".join([number] * 4), text.strip())
        if not match:
            raise typer.BadParameter(f"{text!r} is not x0,y0,x1,y1 in pixels")
        x0, y0, x1, y1 = map(float, match.groups())
        self.box: Box = (x0, y0, x1, y1)


WhichPerson = Annotated[int | None, typer.Argument(min=1, metavar="PERSON", help="1 or 2.")]
WhichFrame = Annotated[int | None, typer.Argument(min=0, metavar="FRAME", help="From 0.")]
WhichBox = Annotated[
    Corners | None, typer.Argument(parser=Corners, metavar="x0,y0,x1,y1", help="In pixels.")
]
Track = Annotated[int | None, typer.Option("--person", min=1, help="What was found as a person.")]
OtherTrack = Annotated[
    int | None, typer.Option("--other", min=1, help="Somebody among the others: see `assign`.")
]
Remove = Annotated[bool, typer.Option("--remove", help="Take it back.")]


@commands.command(context_settings=MINUS_IS_A_NUMBER)
def box(
    project: Project,
    person: WhichPerson = None,
    frame: WhichFrame = None,
    corners: WhichBox = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Say who is seen there; the box is only about right.")
    ] = False,
    remove: Remove = False,
    clip: Clip = None,
) -> None:
    """Draw a person's box in a frame; alone: list what was said of places."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if person is None:
            _list_boxes(store, record)
        elif frame is None:
            raise InputError("A box is in a frame", expected="PERSON FRAME x0,y0,x1,y1")
        elif remove:
            _remove_box(store, record, person - 1, frame)
        elif corners is None:
            raise InputError("A box has four corners", expected="PERSON FRAME x0,y0,x1,y1")
        else:
            kind = "identity" if pin else "person"
            say(store.edit_box(record.id, BoxEdit(frame, corners.box, kind, person - 1)))


@commands.command(context_settings=MINUS_IS_A_NUMBER)
def not_a_person(
    project: Project,
    frame: WhichFrame = None,
    corners: WhichBox = None,
    person: Track = None,
    other: OtherTrack = None,
    frames: Frames = None,
    remove: Remove = False,
    clip: Clip = None,
) -> None:
    """Say that nobody is in a box of a frame, or that a track is nobody over a range."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        meant = _Meant(_place(frame, corners), _track(person, other), frames, remove)
        _say_nobody(store, record, "not_a_person", meant)


@commands.command(context_settings=MINUS_IS_A_NUMBER)
def someone_else(
    project: Project,
    frame: WhichFrame = None,
    corners: WhichBox = None,
    person: Track = None,
    other: OtherTrack = None,
    frames: Frames = None,
    remove: Remove = False,
    clip: Clip = None,
) -> None:
    """Say that somebody whom the clip is not about is in a box of a frame, or is a track."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        meant = _Meant(_place(frame, corners), _track(person, other), frames, remove)
        _say_nobody(store, record, "someone_else", meant)


@commands.command()
def assign(
    project: Project,
    person: WhichPerson = None,
    other: Annotated[
        int | None, typer.Argument(min=1, metavar="OTHER", help="As listed, from 1.")
    ] = None,
    frames: Frames = None,
    clip: Clip = None,
) -> None:
    """Choose somebody else who was found to be a person; alone: list who else was found."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if person is None:
            _list_others(store, record)
        elif other is None:
            raise InputError("Say who else it is", expected="PERSON OTHER, as `assign` lists them")
        else:
            say(store.assign(record.id, person - 1, other - 1, span_of(frames, record)))


@commands.command()
def mask(
    project: Project,
    person: Annotated[int, typer.Argument(min=1, metavar="PERSON", help="1 or 2.")],
    frame: Annotated[int, typer.Argument(min=0, metavar="FRAME", help="From 0.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.png", help="As large as the video; 0 is not the person."),
    ] = None,
    clear: Annotated[
        bool, typer.Option("--clear", help="Let the detected mask count again.")
    ] = False,
    clip: Clip = None,
) -> None:
    """Give a person's mask in a frame as a picture, or take it back."""
    if (file is None) != clear:
        raise InputError("Say what the mask is", expected="FILE.png, or --clear")
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if file is None:
            say(store.clear_mask(record.id, person - 1, frame))
        else:
            painted = MaskEdit(person - 1, frame, read_mask(file, record.video))
            say(store.edit_mask(record.id, painted))


def read_mask(path: Path, video: VideoInfo) -> RunLengthMask:
    """The pixels of a PNG that are not black, not palette entry 0 and not transparent.

    Its header is checked before it is decoded. Raises InputError for any other file.
    """
    from PIL import Image

    try:
        if not path.is_file() or path.stat().st_size > PNG_LIMIT:
            raise InputError(f"{path} is no mask", expected=f"a PNG below {PNG_LIMIT >> 20} MiB")
        with Image.open(path, formats=("PNG",)) as image:
            if image.size != video.image_size:
                raise InputError(
                    f"{path.name} is of another size than the video",
                    expected="{} x {}".format(*video.image_size),
                    received="{} x {}".format(*image.size),
                )
            if image.mode == "P":
                return RunLengthMask.encode(np.asarray(image) != 0)
            pixels = np.asarray(image.convert("RGBA") if image.mode[-1] == "A" else image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path.name} cannot be read as a PNG", received=str(error)[:80]) from None
    if pixels.ndim == 3:
        opaque = pixels[..., 3] != 0 if pixels.shape[2] == 4 else True
        pixels = pixels[..., :3].any(-1) & opaque
    return RunLengthMask.encode(pixels != 0)


def _place(frame: int | None, corners: Corners | None) -> tuple[int, Box] | None:
    if (frame is None) != (corners is None):
        raise InputError("A place is a box in a frame", expected="FRAME x0,y0,x1,y1")
    return None if frame is None or corners is None else (frame, corners.box)


def _track(person: int | None, other: int | None) -> Source | None:
    if person is not None and other is not None:
        raise InputError("Say it of one track", expected="--person or --other")
    if person is not None:
        return "person", person - 1
    return None if other is None else ("other", other - 1)


@dataclass(frozen=True)
class _Meant:
    """What somebody is said not to be: what is at a place, or a track over frames."""

    place: tuple[int, Box] | None
    track: Source | None
    frames: FrameSpan | None
    remove: bool


def _say_nobody(store: Store, record: ClipRecord, kind: NobodyKind, meant: _Meant) -> None:
    place, track = meant.place, meant.track
    if (place is None) == (track is None) or (meant.remove and place is None):
        raise InputError(
            "Say what is meant", expected="FRAME x0,y0,x1,y1, or --person or --other with --frames"
        )
    if track is not None:
        say(store.dismiss(record.id, track, span_of(meant.frames, record), kind))
    elif place is not None and meant.remove:
        _remove_mark(store, record, BoxEdit(*place, kind))
    elif place is not None:
        say(store.edit_box(record.id, BoxEdit(*place, kind)))


def _remove_box(store: Store, record: ClipRecord, person: int, frame: int) -> None:
    said = store.state(record.id).constraints.box_edits
    found = [edit for edit in said if (edit.person, edit.frame) == (person, frame)]
    if not found:
        raise InputError(f"No box of person {person + 1} was drawn in frame {frame}")
    say(store.remove_box_edit(record.id, found[0]))


def _remove_mark(store: Store, record: ClipRecord, mark: BoxEdit) -> None:
    from annotations.statements import iou

    said = store.state(record.id).constraints.box_edits
    near = [
        e for e in said if (e.frame, e.kind) == (mark.frame, mark.kind) and iou(e.box, mark.box)
    ]
    if not near:
        raise InputError(f"There is no such mark near this place in frame {mark.frame}")
    say(store.remove_box_edit(record.id, max(near, key=lambda e: iou(e.box, mark.box))))


def _list_boxes(store: Store, record: ClipRecord) -> None:
    words = {"someone_else": "someone else", "not_a_person": "not a person"}
    for edit in store.state(record.id).constraints.box_edits:
        who = words.get(edit.kind) or f"person {(edit.person or 0) + 1}"
        how = " (who it is)" if edit.kind == "identity" else ""
        print(f"frame {edit.frame:>5}  {','.join(f'{v:g}' for v in edit.box)}  {who}{how}")


def _list_others(store: Store, record: ClipRecord) -> None:
    observations = store.state(record.id).observations
    others = observations.others if observations is not None else None
    if others is None:
        print("Nobody else was found.")
        return
    for number, boxes in enumerate(others.boxes, start=1):
        known = np.flatnonzero(np.isfinite(boxes).all(-1))
        if known.size:
            first, last = int(known[0]), int(known[-1])
            corners = ",".join(f"{value:.0f}" for value in boxes[first])
            print(f"{number:>3}  frames {first}-{last}, seen in {known.size}, first at {corners}")
        else:
            print(f"{number:>3}  no box in any frame")
