"""Commands on a whole clip or project, from a video to an export; edits are in app.cli_edits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_arguments import (
    Clip,
    ComputeOn,
    Frames,
    Part,
    PersonBox,
    Project,
    chosen_clip,
    open_project,
    span_of,
)
from engine.errors import CannotFitError, InputError
from engine.perception.request import BUILT_IN

if TYPE_CHECKING:
    from annotations.records import Changes, ClipRecord
    from engine.structures import Diagnostics, Observations, SwapProposal

commands = typer.Typer(add_completion=False, rich_markup_mode=None)


@commands.command("import")
def import_video(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video or a folder of images.")],
    project: Project,
    name: Annotated[str | None, typer.Option(help="Name of the clip.")] = None,
    body: Annotated[str, typer.Option(help="Body of a project that is made.")] = "open-body",
) -> None:
    """Add a video to a project. The project is made if there is none."""
    from annotations.store import Store
    from engine.body.user_body import body_choice
    from engine.video import probe

    info = probe(video)
    if not project.exists():
        body_choice(body)  # a project on a body that is not there could never be fitted
    store = open_project(project) if project.exists() else Store.create(project, body=body)
    with store:
        changes = store.add_clip(info, name)
        clip = store.clip(_clip_of(changes))
    print(
        f"{clip.name}: {info.frame_count} frames, {info.width} x {info.height}, {info.fps:.4g} fps"
    )
    if info.note:
        print(info.note)


@commands.command()
def show(project: Project) -> None:
    """List the clips of a project, how far each one is, and what is odd about it."""
    with open_project(project) as store:
        info = store.info()
        print(f"{info.path}: body {info.body}, {len(store.clips())} clips")
        splits = {split.clip_id: split.split for split in store.splits()}
        for clip in store.clips():
            split = splits.get(clip.id, "")
            length = f"{clip.video.frame_count} frames"
            print(f"{clip.id:>4}  {clip.name:<24} {clip.status:<10} {length:<14} {split}".rstrip())
            for note in _notes(clip, store.state(clip.id).observations):
                print(f"      {note}")


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
    detector: Part = BUILT_IN,
    pose_estimator: Part = BUILT_IN,
    tracker: Part = BUILT_IN,
    segmenter: Part = BUILT_IN,
) -> None:
    """Find the two people, their joints and masks."""
    from app import cli_progress, worker
    from app.fit_orders import detect_arguments, detected_again, detection_provenance
    from app.proxy_cache import folder_beside
    from engine.perception.plugins import require
    from engine.perception.request import PerceptionParts

    parts = PerceptionParts(detector, pose_estimator, tracker, segmenter)
    for kind, name in asdict(parts).items():
        require(kind, name)
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        state = store.state(record.id)
        part = None if frames is None else span_of(frames, record)
        request = detect_arguments(state, part, tuple(b.edit for b in box or ()), parts)
        scratch = folder_beside(project) / "perception"
        observations = cli_progress.run(worker.perceive(record.video, request, scratch))
        if part is not None:
            observations = detected_again(state.observations, observations, part)
        say(store.set_observations(record.id, observations, detection_provenance(parts)))
        print("\n".join(found_lines(observations)))


def fit_project(
    project: Path,
    clip: str | None,
    frames: Frames,
    initializer: str = BUILT_IN,
    *,
    appearance: bool = False,
    device: ComputeOn = "cpu",
) -> None:
    """Fit the bodies of a clip, or fit a range of it again, and keep the result."""
    from app import cli_progress, worker
    from app.fit_orders import fit_arguments, fit_config
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
        avatars = store.avatars(record.id) if appearance else {}
        body = store.info().body
        problem = fit_arguments(state, record.video, part, body, avatars=avatars)
        config = fit_config(initializer, appearance=appearance, device=device)
        result = cli_progress.run(worker.fit(problem, config))
        if result.outcome is Outcome.DIVERGED:
            raise CannotFitError("The fit did not settle", advice=result.advice)
        whole = span_of(None, record)
        say(store.apply_fit(record.id, result, part or whole, base))
        for line in summary_lines(result.diagnostics, result.outcome.value):
            print(line)
        for number, proposal in enumerate(store.state(record.id).open_swaps, start=1):
            print(swap_line(number, proposal))


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
        report = write(store, format, out, clips)
    print(f"Exported {report.frame_count} frames of {', '.join(report.clips)} to {report.folder}")
    for skipped, reason in report.skipped.items():
        print(f"Left out {skipped}: {reason}")


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


def found_lines(observations: Observations) -> list[str]:
    """Who was found, and what is to be known about it."""
    import numpy as np

    lines = []
    for person, boxes in enumerate(observations.boxes):
        seen = int(np.isfinite(boxes).all(axis=-1).sum())
        lines.append(f"person {person + 1}: found in {seen} of {len(boxes)} frames")
    if observations.others is not None:
        lines.append(f"others in view: {observations.others.person_count} (`assign` lists them)")
    return [*lines, *observations.notes]


def _notes(clip: ClipRecord, observations: Observations | None) -> list[str]:
    """What is odd about a clip's video, and about what was found in it."""
    said = [clip.video.note] if clip.video.note else []
    return said if observations is None else [*said, *observations.notes]


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


def swap_line(number: int, proposal: SwapProposal) -> str:
    """A proposal to exchange two people, for people."""
    frames = proposal.frames
    return (
        f"{number:>3}  people {proposal.person_a + 1} and {proposal.person_b + 1} may be exchanged "
        f"in frames {frames.start}:{frames.stop}, cost {proposal.cost_before:.1f} -> "
        f"{proposal.cost_after:.1f}"
    )


def _clip_of(changes: Changes) -> int:
    if changes.clip_id is None:
        raise AssertionError("an import names its clip")
    return changes.clip_id


def say(changes: Changes) -> None:
    """What a command did."""
    print(changes.label if changes.parts else "Nothing changed.")
