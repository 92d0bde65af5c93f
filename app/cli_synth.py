"""`synth`: clips with known truth from the motion of people. See engine.synthesis."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_arguments import FrameSpan
from app.cli_edits import commands
from app.output_place import check_folder

if TYPE_CHECKING:
    from engine.synthesis.truth import Truth


class SceneryName(StrEnum):
    ROOM = "room"
    HALL = "hall"
    OUTDOOR = "outdoor"
    STUDIO = "studio"


@commands.command()
def synth(
    motion: Annotated[
        Path, typer.Option(metavar="MOTION.npz", help="Captured or prepared motion, or a fit.npz.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the clip's four files go.")],
    seed: Annotated[int, typer.Option(min=0, help="Clothes, place, light, camera, noise.")] = 0,
    frames: Annotated[
        FrameSpan | None,
        typer.Option(metavar="A:B", parser=FrameSpan, help="Frames of the motion. Default: all."),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames a second, from 1 to 240. Default: the motion's own."),
    ] = None,
    variable_rate: Annotated[
        bool, typer.Option("--variable-rate", help="Uneven presentation times, as phones give.")
    ] = False,
    camera: Annotated[
        str,
        typer.Option(
            metavar="NAME=NUMBER,...",
            help="width, height (pixels); focal (longer sides); elevation, azimuth, roll, shake "
            "(degrees); distance, motion (metres). What is not said is drawn at random.",
        ),
    ] = "",
    scenery: Annotated[SceneryName | None, typer.Option(help="Default: any.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="A photograph without people to put behind them.")
    ] = None,
    similar: Annotated[
        bool, typer.Option("--similar", help="All people wear the same clothes.")
    ] = False,
    shape_residual: Annotated[
        bool | None,
        typer.Option(
            "--shape-residual/--no-shape-residual",
            help="Skins beyond the ten shape components. Default: unless the motion is prepared.",
        ),
    ] = None,
    as_captured: Annotated[
        bool, typer.Option("--as-captured", help="Leave bodies in each other where they are.")
    ] = False,
    others: Annotated[
        int, typer.Option(min=0, max=6, help="Passers-by, whom the clip is not about.")
    ] = 0,
    others_motion: Annotated[
        Path | None,
        typer.Option(metavar="MOTION.npz", help="How they move; needed with --others."),
    ] = None,
    leaving: Annotated[
        bool, typer.Option("--leaving", help="The last person walks off and comes back.")
    ] = False,
    cut: Annotated[bool, typer.Option("--cut", help="Another camera from mid clip on.")] = False,
    vertices: Annotated[
        bool, typer.Option("--vertices", help="Write the bodies' vertices into truth.npz too.")
    ] = False,
    crf: Annotated[
        int | None, typer.Option(min=0, max=51, help="H.264's quality. Default: 18 to 28.")
    ] = None,
) -> None:
    """Draw a clip with known truth: video.mp4, truth.npz, observations-clean and -detector.npz."""
    from app import cli_progress
    from engine.synthesis.cameras import CameraOrder
    from engine.synthesis.clip import synthesize
    from engine.synthesis.motion_files import motion_length
    from engine.synthesis.order import SynthesisOrder

    check_folder(out)
    order = SynthesisOrder(
        motion=motion,
        out=out,
        seed=seed,
        frames=None if frames is None else frames.within(motion_length(motion)),
        fps=fps,
        variable_rate=variable_rate,
        camera=CameraOrder.parse(camera),
        scenery=None if scenery is None else scenery.value,
        picture=picture,
        similar=similar,
        shape_residual=shape_residual,
        separate=not as_captured,
        others=others,
        others_motion=others_motion,
        leaving=leaving,
        cut=cut,
        vertices=vertices,
        crf=crf,
    )
    print("\n".join(_summary(cli_progress.run(synthesize(order)))))
    print(f"Wrote {out}")


def _summary(truth: Truth) -> list[str]:
    people, frames = truth.fit.motion.valid.shape
    deepest = 1000 * float(truth.fit.diagnostics.penetration_m.max())
    lines = [
        f"{_counted(people, 'person', 'people')}, {_counted(frames, 'frame', 'frames')} "
        f"at {truth.fps:.3g} a second",
        f"{100 * (truth.visibility == 3).mean():.0f} % of the joints in sight, "
        f"{_counted(len(truth.contacts), 'contact', 'contacts')} of regions, "
        f"penetration at most {deepest:.0f} mm",
    ]
    if truth.retarget_error_m.any():
        error = 1000 * float(truth.retarget_error_m.mean())
        moved = 1000 * float(truth.separation_m.mean())
        lines.append(
            f"Joints {error:.0f} mm from the captured ones on average, and then moved by "
            f"{moved:.0f} mm to take the bodies out of each other"
        )
    return lines


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
