"""Commands that take in what other tools found: people, masks, cameras.

Each writes a picture of what it read first, and takes it in only when told to.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_arguments import Clip, Project, chosen_clip, open_project
from app.cli_project import commands, say
from engine.errors import InputError

if TYPE_CHECKING:
    from annotations.importers import ImportOptions
    from annotations.records import ClipRecord
    from annotations.store import Store
    from app.import_preview import Look


class Scale:
    """`FACTOR`, or `WIDTHxHEIGHT` of the images that the file speaks of, as typed."""

    def __init__(self, text: str) -> None:
        size = re.fullmatch(r"(\d{1,6})\s*[xX×]\s*(\d{1,6})", text.strip())
        factor = re.fullmatch(r"\d+(?:\.\d+)?|\.\d+", text.strip())
        self.resolution: tuple[int, int] | None = None
        self.factors: tuple[float, float] | None = None
        if size is not None and min(int(size[1]), int(size[2])) > 0:
            self.resolution = int(size[1]), int(size[2])
        elif factor is not None and 0 < float(text) < 1000:
            self.factors = float(text), float(text)
        else:
            raise typer.BadParameter(f"{text!r} is neither a factor nor WIDTHxHEIGHT")


File = Annotated[Path, typer.Argument(metavar="FILE", help="A file or folder.")]
Format = Annotated[
    str | None, typer.Option("--format", metavar="F", help="Where the content leaves it open.")
]
Offset = Annotated[
    int | None,
    typer.Option("--offset", metavar="N", help="The file's number of the clip's first frame."),
]
Scaling = Annotated[
    Scale | None,
    typer.Option(
        "--scale", parser=Scale, metavar="S",
        help="A factor, or WIDTHxHEIGHT of the file's images (1x1 for coordinates in 0..1).",
    ),
]  # fmt: skip
Sequence = Annotated[
    str | None, typer.Option("--sequence", metavar="NAME", help="Of a file of several: which.")
]
Picture = Annotated[
    Path | None,
    typer.Option("--preview", metavar="FILE", help="Where the picture goes (PNG, WebP, JPEG)."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Take it in without asking.")]


@commands.command("import-detections")
def import_detections(
    file: File,
    project: Project,
    clip: Clip = None,
    format: Format = None,
    people: Annotated[
        str | None,
        typer.Option("--people", metavar="A,B", help="Tracks of person 1, 2; 3+7 joins two."),
    ] = None,
    offset: Offset = None,
    scale: Scaling = None,
    sequence: Sequence = None,
    picture: Picture = None,
    yes: Yes = False,
) -> None:
    """Take in people, boxes or masks that another tool found; shows a picture first."""
    from annotations.importers import ImportOptions

    named = tuple(name.strip() for name in people.split(",")) if people else ()
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        state = store.state(record.id)
        before = state.observations
        options = ImportOptions(
            person_count=len(state.identities),
            offset=offset,
            scale=scale.factors if scale else None,
            resolution=scale.resolution if scale else None,
            people=named,
            sequence=sequence,
            known_boxes=None if before is None or named else before.boxes,
        )
        look = _look(record, file, options, (format, "detections"))
        _take_in(store, record, look, picture or _default(project), yes)


@commands.command("import-camera")
def import_camera(
    file: File,
    project: Project,
    clip: Clip = None,
    format: Format = None,
    offset: Offset = None,
    scale: Scaling = None,
    sequence: Sequence = None,
    metres_per_unit: Annotated[
        float | None, typer.Option(min=1e-6, max=1e6, help="Of the file's world.")
    ] = None,
    picture: Picture = None,
    yes: Yes = False,
) -> None:
    """Take in a camera that was calibrated or reconstructed; shows a picture first."""
    from annotations.importers import ImportOptions

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        options = ImportOptions(
            offset=offset,
            scale=scale.factors if scale else None,
            resolution=scale.resolution if scale else None,
            sequence=sequence,
            metres_per_unit=metres_per_unit,
        )
        look = _look(record, file, options, (format, "camera"))
        _take_in(store, record, look, picture or _default(project), yes)


def _look(
    record: ClipRecord, file: Path, options: ImportOptions, kind: tuple[str | None, str]
) -> Look:
    from app import cli_progress
    from app.import_preview import look

    return cli_progress.run(look(file, record.video, options, *kind))


def _default(project: Path) -> Path:
    return project.with_name(f"{project.stem}-import.png")


def _take_in(store: Store, record: ClipRecord, look: Look, picture: Path, yes: bool) -> None:
    from annotations.importers.summary import summary_lines
    from annotations.importers.taking import effect, take_in
    from app.rendering import save_picture

    if picture.suffix.lower() not in (".png", ".webp", ".jpg", ".jpeg"):
        raise InputError("The picture's kind is unknown", expected=".png, .webp or .jpg")
    save_picture(picture, look.picture)
    has_detections = store.state(record.id).observations is not None
    print("\n".join(summary_lines(look.found)))
    print(f"Wrote {picture}")
    print(effect(look.found, has_detections))
    if not yes and sys.stdin.isatty():
        yes = typer.confirm(f"Take it into {record.name}?")
    if yes:
        say(take_in(store, record.id, look.found))
    else:
        print("Nothing was taken in. Look at the picture, then say --yes.")
