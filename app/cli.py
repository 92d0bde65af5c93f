"""The command line. Without a command: the window, or the bundled sample where there is no display.

Exit codes: 0 done, 2 bad input (one sentence on stderr), 3 could not fit. Commands import what
they need when they run, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from app import (
    cli_annotator,  # noqa: F401  registers its command
    cli_bench,  # noqa: F401  registers its commands
    cli_edits,
    cli_evaluate,  # noqa: F401  registers its command
    cli_generate,  # noqa: F401  registers its command
    cli_import,  # noqa: F401  registers its commands
    cli_motion,  # noqa: F401  registers its commands
    cli_proxies,  # noqa: F401  registers its command
    cli_statements,  # noqa: F401  registers its commands
    cli_synth,  # noqa: F401  registers its command
    cli_train_prior,  # noqa: F401  registers its command
)
from app.cli_arguments import Clip, ComputeOn, Frames, Part
from app.cli_project import fit_project
from engine.errors import CannotFitError, EngineError, InputError
from engine.perception.request import BUILT_IN

commands = cli_edits.commands
PROGRAM = "python3 main.py"
DONE, UNFORESEEN, BAD_INPUT, COULD_NOT_FIT, INTERRUPTED = 0, 1, 2, 3, 130
SAMPLE_FOLDER = Path(__file__).resolve().parent.parent / "output"


@commands.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Annotate and review close human interaction in 3D: videos in, curated bodies out.

    Without a command the window opens. `test` runs the tests, `--no-system` installs no system
    libraries at set-up.
    """
    if context.invoked_subcommand is None:
        raise typer.Exit(_window([]))


@commands.command()
def window(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="A project, a video.")
    ] = None,
) -> None:
    """Open the window, on a project, or on a video that is imported."""
    raise typer.Exit(_window(files or []))


@commands.command()
def sample(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = SAMPLE_FOLDER,
) -> None:
    """Run the bundled sample without a window: detect, fit, draw, export."""
    from app.headless import run_sample

    run_sample(out)


@commands.command()
def doctor() -> None:
    """Say what was found, what is missing and what to do about it."""
    from app.doctor import examine, report

    findings = examine()
    print(report(findings))
    if any(finding.state == "missing" and finding.needed for finding in findings):
        raise typer.Exit(UNFORESEEN)


@commands.command()
def plugins(
    check: Annotated[bool, typer.Option("--check", help="Load each one, and say what fails.")] = (
        False
    ),
) -> None:
    """List the detectors, trackers and other parts that may be chosen, built in or installed."""
    from app.plugin_list import broken_plugins, plugin_lines

    print("\n".join(plugin_lines()))
    if check:
        broken = broken_plugins()
        print("\n".join(["", *broken]) if broken else "\nEvery plugin can be loaded.")
        if broken:
            raise typer.Exit(UNFORESEEN)


@commands.command()
def fit(
    project: Annotated[
        Path | None, typer.Option("--project", metavar="FILE", help="Fit a clip of a project.")
    ] = None,
    clip: Clip = None,
    frames: Frames = None,
    observations: Annotated[
        Path | None, typer.Option(metavar="OBS.npz", help="Fit what a file holds instead.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="The observations' video: its presentation times are used.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FIT.npz", help="Where to write.")] = None,
    body: Annotated[str, typer.Option(help="Body of a fit from file to file.")] = "open-body",
    initializer: Part = BUILT_IN,
    appearance: Annotated[
        bool,
        typer.Option(
            "--appearance",
            help="Learn how each person looks, compare the pictures too: about ten times as long.",
        ),
    ] = False,
    device: ComputeOn = "cpu",
) -> None:
    """Fit two bodies: of a project's clip, or from an obs.npz to a fit.npz."""
    from engine.perception.plugins import require

    require("body_initializer", initializer)
    if observations is not None and out is not None and project is None:
        from app.cli_project import summary_lines
        from app.fit_command import fit_files
        from app.fit_orders import fit_config

        if appearance and video is None:
            raise InputError("Pictures can only be compared where they are", expected="--video")
        config = fit_config(initializer, appearance=appearance, device=device)
        result = fit_files(observations, out, video, body, config)
        print("\n".join(summary_lines(result.diagnostics, result.outcome.value)))
        print(f"Wrote {out}")
    elif project is not None and observations is None and out is None:
        fit_project(project, clip, frames, initializer, appearance=appearance, device=device)
    else:
        raise InputError(
            "Say what to fit", expected="--project FILE, or --observations OBS.npz --out FIT.npz"
        )


def has_display() -> bool:
    """Whether a window could be seen."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _window(files: Sequence[Path]) -> int:
    if has_display():
        from app.window_start import run_window

        projects = [path for path in files if path.suffix.lower() == ".dyad"]
        videos = [path for path in files if path not in projects]
        if len(projects) > 1 or len(videos) > 1:
            raise InputError("The window opens one project and imports one video at a time")
        return run_window(next(iter(projects), None), next(iter(videos), None))
    if files:
        raise InputError(
            "There is no display to open a window on",
            advice=f"Work on the command line: {PROGRAM} --help",
        )
    from app.headless import run_sample

    print("No display: the bundled sample is run without a window.")
    run_sample(SAMPLE_FOLDER)
    return DONE


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Bad input is one sentence on stderr."""
    try:
        code = commands(args=list(arguments), prog_name=PROGRAM, standalone_mode=False)
        if code == INTERRUPTED:  # typer has caught the KeyboardInterrupt
            return _failed("Stopped.", INTERRUPTED)
        return code if isinstance(code, int) else DONE
    except CannotFitError as error:
        return _failed(str(error), COULD_NOT_FIT)
    except EngineError as error:
        return _failed(str(error), BAD_INPUT)
    except typer.TyperException as error:
        message = getattr(error, "format_message", lambda: str(error))()
        return _failed(f"{message.rstrip('.')}. See {PROGRAM} --help.", BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("Stopped.", INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  whoever read us has left
        return DONE
    except OSError as error:  # a full disk, a missing permission: the user's to mend
        place = f"{error.filename}: " if error.filename else ""
        return _failed(f"{place}{error.strerror or error}.", BAD_INPUT)
    except Exception as error:
        traceback.print_exc()
        return _failed(f"Something unforeseen happened: {error}", UNFORESEEN)


def _failed(sentence: str, code: int) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return code
