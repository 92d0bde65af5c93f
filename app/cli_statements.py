"""Commands that say how people stand, whom not to believe, and what of proposals to swap people."""

from __future__ import annotations

import re
from enum import StrEnum
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
from app.number_rows import Row, print_table, write_json
from app.output_place import check_place
from engine.errors import InputError
from engine.structures import ZONES, ProxemicsStatement, Trust

if TYPE_CHECKING:
    from annotations.records import ClipRecord, ClipState
    from annotations.store import Store
    from engine.structures import FrameRange, PairProxemics, SwapProposal

FACINGS = {"towards": 1.0, "sideways": 0.0, "away": -1.0}
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write them here too.")]
Off = Annotated[bool, typer.Option("--off", help="Take it back.")]
Number = Annotated[int | None, typer.Option(min=1, metavar="N", help="By its number in the list.")]
HallZone = StrEnum("HallZone", {zone.upper(): zone for zone in ZONES})


class Facing:
    """`PERSON:HOW` as typed: towards, sideways, away, or the cosine itself."""

    def __init__(self, text: str) -> None:
        person, _, how = text.strip().partition(":")
        number = re.fullmatch(r"-?\d*\.?\d+", how)
        if not person.isdigit() or not (how in FACINGS or number):
            raise typer.BadParameter(f"{text!r} is not PERSON:HOW such as 1:towards or 2:-0.5")
        self.person = int(person) - 1
        self.cosine = FACINGS[how] if how in FACINGS else float(how)


@commands.command()
def trust(
    project: Project,
    person: Annotated[int | None, typer.Option("--person", min=1, help="Whose detections.")] = None,
    frames: Frames = None,
    weight: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="From 0, not at all, to 1, as they are.")
    ] = 0.0,
    off: Off = False,
    clip: Clip = None,
) -> None:
    """Say how far a person's detections are believed, by default not at all; alone: list it."""
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if person is None:
            _list_trust(store, record)
            return
        said = Trust(person - 1, _needed(frames, record), 1.0 if off else weight)
        say(store.set_trust(record.id, said))


@commands.command()
def proxemics(
    project: Project,
    frames: Frames = None,
    zone: Annotated[HallZone | None, typer.Option(help="By the distance of the heads.")] = None,
    heads: Annotated[float | None, typer.Option(help="Metres between the heads.")] = None,
    pelvises: Annotated[float | None, typer.Option(help="Metres between the pelvises.")] = None,
    facing: Annotated[
        list[Facing] | None,
        typer.Option(
            parser=Facing,
            metavar="PERSON:HOW",
            help="towards, sideways, away, or a cosine; may be given for each person.",
        ),
    ] = None,
    persons: Annotated[tuple[int, int], typer.Option(help="The two people.")] = (1, 2),
    off: Off = False,
    json: Json = None,
    clip: Clip = None,
) -> None:
    """Say how two people stand to each other; alone: list what was said and found."""
    check_place(json)
    pair = (persons[0] - 1, persons[1] - 1)
    values = zone, heads, pelvises, facing
    if json is not None and (off or any(value is not None for value in values)):
        raise InputError("--json is for the list: nothing can be said along with it")
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        if off:
            say(store.clear_proxemics(record.id, pair, _needed(frames, record)))
        elif any(value is not None for value in values):
            said = ProxemicsStatement(
                *pair, _needed(frames, record), None if zone is None else zone.value,
                heads, pelvises, _facings(facing or [], pair),
            )  # fmt: skip
            say(store.set_proxemics(record.id, said))
        else:
            _list_proxemics(store.state(record.id), json)


@commands.command()
def swaps(
    project: Project,
    clip: Clip = None,
    accept: Number = None,
    dismiss: Number = None,
    json: Json = None,
) -> None:
    """List where a fit thinks that two people are exchanged; swap them there, or say they are not.

    Costs are what the identities cost as they are and exchanged, in nats.
    """
    check_place(json)
    if accept is not None and dismiss is not None:
        raise InputError("A proposal is accepted or dismissed", expected="--accept or --dismiss")
    with open_project(project) as store:
        record = chosen_clip(store, clip)
        proposals = store.state(record.id).open_swaps
        if accept is not None:
            chosen = _chosen(proposals, accept)
            say(store.swap(record.id, chosen.frames, (chosen.person_a, chosen.person_b)))
            print("Fit these frames again: the bodies follow who was who before.")
        elif dismiss is not None:
            chosen = _chosen(proposals, dismiss)
            say(store.keep_apart(record.id, chosen.frames, (chosen.person_a, chosen.person_b)))
        else:
            _report([_swap_row(n, p) for n, p in enumerate(proposals, 1)], json,
                    "Nobody seems to be exchanged.")  # fmt: skip


def _needed(frames: FrameSpan | None, record: ClipRecord) -> FrameRange:
    if frames is None:
        raise InputError("Say in which frames", expected="--frames A:B")
    return span_of(frames, record)


def _chosen(proposals: tuple[SwapProposal, ...], number: int) -> SwapProposal:
    if number > len(proposals):
        raise InputError(
            "There is no such proposal",
            expected=f"1 to {len(proposals)}" if proposals else "a clip with proposals",
            received=str(number),
        )
    return proposals[number - 1]


def _facings(said: list[Facing], pair: tuple[int, int]) -> tuple[float | None, float | None]:
    """Of the first and of the second of the pair."""
    cosines = {each.person: each.cosine for each in said}
    if not set(cosines) <= set(pair):
        raise InputError(
            "Facing is said of one of the two", expected=f"{pair[0] + 1} or {pair[1] + 1}"
        )
    return cosines.get(pair[0]), cosines.get(pair[1])


def _report(rows: list[Row], json: Path | None, nothing: str) -> None:
    if rows:
        print_table(rows)
    else:
        print(nothing)
    if json is not None:
        write_json(json, rows)


def _swap_row(number: int, proposal: SwapProposal) -> Row:
    return {
        "number": number,
        "person_a": proposal.person_a + 1,
        "person_b": proposal.person_b + 1,
        "start": proposal.frames.start,
        "stop": proposal.frames.stop,
        "cost_before_nats": proposal.cost_before,
        "cost_after_nats": proposal.cost_after,
    }


def _list_trust(store: Store, record: ClipRecord) -> None:
    for each in store.state(record.id).constraints.trust:
        how = "not believed" if each.weight == 0 else f"believed by {100 * each.weight:.0f} %"
        print(f"frames {each.frames.start}:{each.frames.stop}  person {each.person + 1}  {how}")


def _list_proxemics(state: ClipState, json: Path | None) -> None:
    from annotations.ranges import from_mask
    from annotations.step_names import proxemics_words

    for said in state.constraints.proxemics:
        print(f"said   {said.frames.start}:{said.frames.stop}  {proxemics_words(said)}")
    for pair in state.proxemics:
        stretches = [(f, z) for z in range(len(ZONES)) for f in from_mask(pair.zone == z)]
        for frames, zone in sorted(stretches, key=lambda stretch: stretch[0].start):
            heads = float(np.median(pair.head_distance[frames.as_slice()]))
            who = f"people {pair.person_a + 1} and {pair.person_b + 1}"
            words = f"{ZONES[zone]}, heads {heads:.2f} m, {who}"
            print(f"found  {frames.start}:{frames.stop}  {words}")
    if not state.constraints.proxemics and not state.proxemics:
        print("Nothing was said, and no fit has found anything.")
    if json is not None:
        write_json(json, [row for pair in state.proxemics for row in _frame_rows(state, pair)])


def _frame_rows(state: ClipState, pair: PairProxemics) -> list[Row]:
    """A row per frame: what the fit found, and what was said beside it."""
    from annotations.proxemics import at

    rows: list[Row] = []
    for frame, zone in enumerate(pair.zone.tolist()):
        said = at(state.constraints.proxemics, (pair.person_a, pair.person_b), frame)
        rows.append(
            {
                "frame": frame,
                "person_a": pair.person_a + 1,
                "person_b": pair.person_b + 1,
                "zone": ZONES[zone] if zone >= 0 else None,
                "head_m": pair.head_distance[frame],
                "head_deviation_m": pair.head_deviation[frame],
                "pelvis_m": pair.pelvis_distance[frame],
                "pelvis_deviation_m": pair.pelvis_deviation[frame],
                "facing_a": pair.facing[0, frame],
                "facing_a_deviation": pair.facing_deviation[0, frame],
                "facing_b": pair.facing[1, frame],
                "facing_b_deviation": pair.facing_deviation[1, frame],
                "said_zone": None if said is None else said.zone,
                "said_head_m": None if said is None else said.head_distance,
                "said_pelvis_m": None if said is None else said.pelvis_distance,
                "said_facing_a": None if said is None else said.facing[0],
                "said_facing_b": None if said is None else said.facing[1],
            }
        )
    return rows
