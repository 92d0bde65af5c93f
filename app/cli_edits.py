"""Commands that say something of a clip: the twins of the window's edits, one undo step each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_arguments import (
    BodyRegion,
    Clip,
    Frames,
    NeededFrames,
    Person,
    Project,
    chosen_clip,
    open_project,
    span_of,
)
from app.cli_corrections import commands
from app.cli_project import say
from engine.errors import InputError

if TYPE_CHECKING:
    from annotations.records import ClipRecord, ClipState
    from annotations.store import Store

Region = Annotated[
    BodyRegion | None,
    typer.Argument(parser=BodyRegion, metavar="PERSON:REGION", help="For instance 1:left_palm."),
]


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    SENT_BACK = "sent-back"
    UNUSABLE = "unusable"


class Gender(StrEnum):
    NEUTRAL = "neutral"
    FEMALE = "female"
    MALE = "male"


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
        say(store.swap(record.id, span_of(frames, record), pair))


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
            say(store.remove_contact(record.id, remove - 1))
        elif first is None or second is None:
            _list_contacts(store, record)
        else:
            _check_regions(first, second)
            label = ContactLabel(
                first.person, first.region, second.person, second.region,
                span_of(frames, record), "no_contact" if no_contact else "contact",
            )  # fmt: skip
            say(store.add_contact(record.id, label))


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
        say(store.review(record.id, span_of(frames, record), words, reason))


@commands.command()
def height(project: Project, person: Person, metres: float, clip: Clip = None) -> None:
    """State how tall a person is; 0 forgets it. In one view height sets the distance."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        say(store.set_height(record.id, person - 1, metres or None))


@commands.command()
def focal(project: Project, pixels: float, clip: Clip = None) -> None:
    """State the focal length in pixels; 0 forgets it."""
    with open_project(project) as store:
        say(store.set_focal(chosen_clip(store, clip).id, pixels or None))


@commands.command(context_settings={"ignore_unknown_options": True})
def floor(
    project: Project,
    metres: Annotated[float | None, typer.Argument(help="Its height, y up.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Let the fit find it.")] = False,
    clip: Clip = None,
) -> None:
    """State the height of the floor in the world of the clip's camera."""
    if (metres is None) != forget:
        raise InputError("Say where the floor is", expected="METRES, or --forget")
    with open_project(project) as store:
        say(store.set_floor(chosen_clip(store, clip).id, metres))


@commands.command()
def gender(project: Project, person: Person, which: Gender, clip: Clip = None) -> None:
    """Say which gender's body a person has in exports."""
    with open_project(project) as store:
        say(store.set_gender(chosen_clip(store, clip).id, person - 1, which.value))


@commands.command()
def name(project: Project, person: Person, text: str, clip: Clip = None) -> None:
    """Say who a person is: the same name in two clips is the same person."""
    with open_project(project) as store:
        say(store.rename_identity(chosen_clip(store, clip).id, person - 1, text))


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
        say(store.set_frozen(record.id, span_of(frames, record), not off))


@commands.command()
def joint(
    project: Project,
    person: Person,
    frame: Annotated[int, typer.Option("--frame", min=0, help="Counted from 0.")],
    name: Annotated[str, typer.Argument(metavar="JOINT", help="For instance left_wrist.")],
    x: Annotated[float | None, typer.Option(help="Pixels from the left.")] = None,
    y: Annotated[float | None, typer.Option(help="Pixels from the top.")] = None,
    hide: Annotated[bool, typer.Option("--hide", help="The joint cannot be seen.")] = False,
    clip: Clip = None,
) -> None:
    """Place a joint by hand, or hide it; without a place, let the detection count again."""
    from engine.body.joints import HALPE26
    from engine.structures import KeypointEdit

    if name not in HALPE26:
        raise InputError("There is no such joint", expected=", ".join(HALPE26), received=name)
    index, who = HALPE26.index(name), person - 1
    if (x is None) != (y is None):
        raise InputError("A joint needs a place in the picture", expected="--x and --y")
    with open_project(project) as store:
        clip_id = chosen_clip(store, clip).id
        if hide and x is None:
            x, y = _seen_at(store.state(clip_id), (who, frame, index))
        if x is not None and y is not None:
            say(store.edit_keypoint(clip_id, KeypointEdit(who, frame, index, x, y, not hide)))
        else:
            say(store.clear_keypoint(clip_id, who, frame, index))


@commands.command()
def depth(
    project: Project,
    frames: NeededFrames,
    front: Annotated[int, typer.Option(min=1, help="Who is nearer to the camera.")],
    back: Annotated[int, typer.Option(min=1, help="Who is further away.")],
    off: Annotated[bool, typer.Option("--off", help="Take it back.")] = False,
    clip: Clip = None,
) -> None:
    """Say who is nearer to the camera."""
    from engine.structures import DepthOrder

    with open_project(project) as store:
        record = chosen_clip(store, clip)
        span = span_of(frames, record)
        if off:
            say(store.clear_depth_order(record.id, (front - 1, back - 1), span))
        else:
            say(store.set_depth_order(record.id, DepthOrder(front - 1, back - 1, span)))


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


def _seen_at(state: ClipState, place: tuple[int, int, int]) -> tuple[float, float]:
    """Where a joint (person, frame, keypoint) was detected, in pixels."""
    observations = state.observations
    if observations is not None and all(
        index < count for index, count in zip(place, observations.confidence.shape, strict=True)
    ):
        x, y = observations.keypoints2d[place].tolist()
        if x == x and y == y:
            return x, y
    raise InputError(
        "The joint was not detected, so its place is not known", expected="--x and --y"
    )


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
