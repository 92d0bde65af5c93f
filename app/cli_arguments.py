"""What commands take: frames, people, regions, a project and one of its clips."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.errors import InputError
from engine.structures import BoxEdit, FrameRange

if TYPE_CHECKING:
    from annotations.records import ClipRecord
    from annotations.store import Store


class FrameSpan:
    """`A:B` as typed; its ends are filled in when the clip is known."""

    def __init__(self, text: str) -> None:
        match = re.fullmatch(r"(\d*):(\d*)|(\d+)", text.strip())
        if not match:
            raise typer.BadParameter(f"{text!r} is not a range of frames such as 120:180")
        start, stop, single = match.groups()
        if single is not None:
            start, stop = single, str(int(single) + 1)
        self.start = int(start) if start else 0
        self.stop = int(stop) if stop else None

    def within(self, frame_count: int) -> FrameRange:
        stop = frame_count if self.stop is None else self.stop
        if not 0 <= self.start < stop <= frame_count:
            raise InputError(
                "These frames are not a part of the clip",
                expected=f"A:B with 0 <= A < B <= {frame_count}",
                received=f"{self.start}:{stop}",
            )
        return FrameRange(self.start, stop)


class BodyRegion:
    """`PERSON:REGION` as typed, for instance 1:left_palm."""

    def __init__(self, text: str) -> None:
        person, separator, region = text.partition(":")
        if not separator or not person.isdigit() or not region:
            raise typer.BadParameter(f"{text!r} is not PERSON:REGION such as 1:left_palm")
        self.person = int(person) - 1
        self.region = region


class PersonBox:
    """`PERSON@FRAME:x0,y0,x1,y1` as typed."""

    def __init__(self, text: str) -> None:
        number = r"(-?\d+(?:\.\d+)?)"
        match = re.fullmatch(rf"(\d+)@(\d+):{number},{number},{number},{number}", text)
        if not match:
            raise typer.BadParameter(f"{text!r} is not PERSON@FRAME:x0,y0,x1,y1 in pixels")
        x0, y0, x1, y1 = (float(match[group]) for group in range(3, 7))
        self.edit = BoxEdit(int(match[2]), (x0, y0, x1, y1), "person", int(match[1]) - 1)


Project = Annotated[Path, typer.Option("--project", metavar="FILE", help="The project, NAME.dyad.")]
Clip = Annotated[
    str | None,
    typer.Option("--clip", metavar="NAME", help="Name or number; not needed if there is one."),
]
Frames = Annotated[
    FrameSpan | None,
    typer.Option(
        "--frames",
        metavar="A:B",
        parser=FrameSpan,
        help="From frame A up to, not including, frame B, counted from 0. Default: all.",
    ),
]
NeededFrames = Annotated[
    FrameSpan,
    typer.Option(
        "--frames",
        metavar="A:B",
        parser=FrameSpan,
        help="From frame A up to, not including, frame B, counted from 0.",
    ),
]
Part = Annotated[
    str, typer.Option(metavar="NAME", help="A part of Dyad or a plugin; `plugins` lists them.")
]
ComputeOn = Annotated[
    Literal["cpu", "cuda", "auto"],
    typer.Option(
        "--device", help="Where to compute: a GPU through CUDA; auto: where there is one."
    ),
]
Person = Annotated[int, typer.Option("--person", min=1, help="1 or 2.")]


def open_project(path: Path) -> Store:
    """An existing project, open."""
    from annotations.store import Store

    return Store.open(path)


def chosen_clip(store: Store, wanted: str | None) -> ClipRecord:
    """The clip of a name or number; the only one where none is named."""
    clips = store.clips()
    if not clips:
        raise InputError(
            "The project has no clips",
            advice="Add one: python3 main.py import VIDEO --project FILE",
        )
    if wanted is None:
        if len(clips) > 1:
            names = ", ".join(clip.name for clip in clips[:12])
            raise InputError(
                "The project has several clips", expected=f"--clip with one of {names}"
            )
        return clips[0]
    found = [clip for clip in clips if clip.name == wanted or str(clip.id) == wanted]
    if not found:
        names = ", ".join(clip.name for clip in clips[:12])
        raise InputError("There is no such clip", expected=names, received=wanted[:80])
    return found[0]


def span_of(frames: FrameSpan | None, clip: ClipRecord) -> FrameRange:
    """The typed frames, or the whole clip."""
    return (frames or FrameSpan(":")).within(clip.video.frame_count)
