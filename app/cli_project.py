"""Commands that act on a project: the twins of what the window does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_arguments import (
    BodyRegion,
    Clip,
    Frames,
    NeededFrames,
    Person,
    PersonBox,
    Project,
    chosen_clip,
    open_project,
    span_of,
)
from engine.errors import CannotFitError, InputError

if TYPE_CHECKING:
    from annotations.records import Changes, ClipRecord
    from annotations.store import Store
    from engine.structures import Diagnostics

Region = Annotated[
    BodyRegion | None,
    typer.Argument(parser=BodyRegion, metavar="PERSON:REGION", help="For instance 1:left_palm."),
]
commands = typer.Typer(add_completion=False, rich_markup_mode=None)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    SENT_BACK = "sent-back"
    UNUSABLE = "unusable"


@commands.command("import")
def import_video(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video or a folder of images.")],
    project: Project,
    name: Annotated[str | None, typer.Option(help="Name of the clip.")] = None,
    body: Annotated[str, typer.Option(help="Body of a project that is made.")] = "open-body",
) -> None:
    """Add a video to a project. The project is made if there is none."""
    from annotations.store import Store
    from engine.video import probe

    info = probe(video)
    store = open_project(project) if project.exists() else Store.create(project, body=body)
    with store:
        changes = store.add_clip(info, name)
        clip = store.clip(_clip_of(changes))
    print(
        f"{clip.name}: {info.frame_count} frames, {info.width} x {info.height}, {info.fps:.4g} fps"
    )


@commands.command()
def show(project: Project) -> None:
    """List the clips of a project and how far each one is."""
    with open_project(project) as store:
        info = store.info()
        print(f"{info.path}: body {info.body}, {len(store.clips())} clips")
        splits = {split.clip_id: split.split for split in store.splits()}
        for clip in store.clips():
            split = splits.get(clip.id, "")
            length = f"{clip.video.frame_count} frames"
            print(f"{clip.id:>4}  {clip.name:<24} {clip.status:<10} {length:<14} {split}")


@commands.command()
def detect(
    project: Project,
    clip: Clip = None,
    frames: Frames = None,
    box: Annotated[
        list[PersonBox] | None,
        typer.Option(
            parser=PersonBox,
            metavar="PERSON@FRAME:x0,y0,x1,y1",
            help="Where a person is, in pixels; may be given several times.",
        ),
    ] = None,
) -> None:
    """Find the two people, their joints and masks."""
    from app import cli_progress, worker

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        request = {
            "frames": None if frames is None else span_of(frames, record),
            "boxes": {(b.person, b.frame): b.box for b in box or ()},
            "keypoint_edits": store.state(record.id).constraints.keypoint_edits,
        }
        observations = cli_progress.run(worker.perceive(record.video, request))
        _say(store.set_observations(record.id, observations, {"source": "perception"}))


def fit_project(project: Path, clip: str | None, frames: Frames) -> None:
    """Fit the bodies of a clip, or fit a range of it again, and keep the result."""
    from app import cli_progress, worker
    from app.fit_orders import fit_arguments
    from engine.structures import Outcome

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        state = store.state(record.id)
        if state.observations is None:
            raise InputError(
                f"Nobody was detected yet in {record.name}",
                advice=f"First: python3 main.py detect --project {project}",
            )
        base = store.head(record.id).id
        span = span_of(frames, record)
        part = None if frames is None or state.motion is None else span
        problem = fit_arguments(state, record.video, part, store.info().body)
        result = cli_progress.run(worker.fit(problem, {}))
        if result.outcome is Outcome.DIVERGED:
            raise CannotFitError("The fit did not settle", advice=result.advice)
        whole = span_of(None, record)
        _say(store.apply_fit(record.id, result, part or whole, base))
        for line in summary_lines(result.diagnostics, result.outcome.value):
            print(line)


@commands.command()
def swap(
    project: Project,
    frames: NeededFrames,
    clip: Clip = None,
    persons: Annotated[tuple[int, int], typer.Option(help="The two people.")] = (1, 2),
) -> None:
    """Swap two people over a range of frames: detections, bodies and contact ends."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        pair = (persons[0] - 1, persons[1] - 1)
        _say(store.swap(record.id, span_of(frames, record), pair))


@commands.command()
def contact(
    project: Project,
    first: Region = None,
    second: Region = None,
    frames: Frames = None,
    clip: Clip = None,
    no_contact: Annotated[bool, typer.Option("--no-contact", help="Surely no touch.")] = False,
    remove: Annotated[
        int | None, typer.Option(help="Take back a contact by its number in the list.")
    ] = None,
) -> None:
    """Mark that a region of one person touches a region of another; alone: list the marks."""
    from engine.structures import ContactLabel

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if remove is not None:
            _say(store.remove_contact(record.id, remove - 1))
        elif first is None or second is None:
            _list_contacts(store, record)
        else:
            _check_regions(first, second)
            label = ContactLabel(
                first.person, first.region, second.person, second.region,
                span_of(frames, record), "no_contact" if no_contact else "contact",
            )  # fmt: skip
            _say(store.add_contact(record.id, label))


@commands.command()
def review(
    verdict: Annotated[Verdict, typer.Argument(help="What you say of the frames.")],
    project: Project,
    clip: Clip = None,
    frames: Frames = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever corrects it.")] = "",
) -> None:
    """Accept frames, send them back with a reason, or call them unusable."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        words = "sent back" if verdict is Verdict.SENT_BACK else verdict.value
        _say(store.review(record.id, span_of(frames, record), words, reason))


@commands.command()
def height(project: Project, person: Person, metres: float, clip: Clip = None) -> None:
    """State how tall a person is; 0 forgets it. In one view height sets the distance."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        _say(store.set_height(record.id, person - 1, metres or None))


@commands.command()
def focal(project: Project, pixels: float, clip: Clip = None) -> None:
    """State the focal length in pixels; 0 forgets it."""
    with open_project(project) as store:
        _say(store.set_focal(chosen_clip(store, clip).id, pixels or None))


@commands.command()
def name(project: Project, person: Person, text: str, clip: Clip = None) -> None:
    """Say who a person is: the same name in two clips is the same person."""
    with open_project(project) as store:
        _say(store.rename_identity(chosen_clip(store, clip).id, person - 1, text))


@commands.command()
def freeze(
    project: Project,
    frames: NeededFrames,
    clip: Clip = None,
    off: Annotated[bool, typer.Option("--off", help="Let fits change the frames again.")] = False,
) -> None:
    """Frames that no fit may change."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        _say(store.set_frozen(record.id, span_of(frames, record), not off))


@commands.command()
def undo(project: Project, clip: Clip = None) -> None:
    """Take back the last step of a clip."""
    with open_project(project) as store:
        print("Undone: " + store.undo(chosen_clip(store, clip).id).label)


@commands.command()
def redo(project: Project, clip: Clip = None) -> None:
    """Do again what was undone last."""
    with open_project(project) as store:
        print("Done again: " + store.redo(chosen_clip(store, clip).id).label)


@commands.command()
def split(
    project: Project,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
    train: Annotated[float, typer.Option(help="Share of the frames.")] = 0.7,
    validation: float = 0.15,
    test: float = 0.15,
) -> None:
    """Assign clips to train, validation and test; a video or a person is never on two sides."""
    with open_project(project) as store:
        store.assign_splits(seed, {"train": train, "validation": validation, "test": test})
        names = {clip.id: clip.name for clip in store.clips()}
        for assignment in store.splits():
            print(f"{assignment.split:<12} {names[assignment.clip_id]}")


@commands.command()
def export(
    project: Project,
    format: Annotated[str, typer.Option(help="smpl-npz or coco-keypoints.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="An empty or new folder.")],
    clip: Clip = None,
) -> None:
    """Write the accepted frames in a format, with a manifest."""
    from annotations.exporters import export as write

    with open_project(project) as store:
        clips = None if clip is None else (chosen_clip(store, clip).id,)
        write(store, format, out, clips)
    print(f"Exported to {out}")


@commands.command()
def render(
    project: Project,
    out: Annotated[Path, typer.Option(help="NAME.mp4 for a video, .png or .webp for a sheet.")],
    clip: Clip = None,
    frames: Frames = None,
    rows: Annotated[int, typer.Option(min=1, max=100, help="Frames of a sheet.")] = 6,
) -> None:
    """Draw the bodies over the video, from the side and from the top."""
    from app.project_pictures import render_clip

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        render_clip(record, store.state(record.id), out, span_of(frames, record), rows)
    print(f"Wrote {out}")


def summary_lines(diagnostics: Diagnostics, outcome: str) -> list[str]:
    """A fit in a few lines for people."""
    import numpy as np

    lines = [f"outcome: {outcome}"]
    for person, error in enumerate(diagnostics.reprojection_px):
        if np.isfinite(error).any():
            middle = float(np.nanmedian(error))
            lines.append(f"person {person + 1}: reprojection error {middle:.1f} px (median)")
    if np.isfinite(diagnostics.penetration_m).any():
        deepest = 1000 * float(np.nanmax(diagnostics.penetration_m))
        lines.append(f"deepest penetration: {deepest:.0f} mm")
    return [*lines, *diagnostics.notes]


def _list_contacts(store: Store, record: ClipRecord) -> None:
    for number, label in enumerate(store.state(record.id).constraints.contacts, start=1):
        touch = "touches" if label.kind == "contact" else "does not touch"
        print(
            f"{number:>3}  {label.person_a + 1}:{label.region_a} {touch} "
            f"{label.person_b + 1}:{label.region_b}  {label.frames.start}:{label.frames.stop}"
        )


def _check_regions(*regions: BodyRegion) -> None:
    import difflib

    from engine.body.regions import region_names

    for given in regions:
        if given.region not in region_names():
            near = difflib.get_close_matches(given.region, region_names(), 3, cutoff=0.4)
            raise InputError(
                "There is no such region of the body",
                expected=" or ".join(near) or "one of " + ", ".join(region_names()[:6]) + ", ...",
                received=given.region[:60],
            )


def _clip_of(changes: Changes) -> int:
    if changes.clip_id is None:
        raise AssertionError("an import names its clip")
    return changes.clip_id


def _say(changes: Changes) -> None:
    print(changes.label if changes.parts else "Nothing changed.")
