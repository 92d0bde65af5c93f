"""The command on the cache of a project's frames: the twin of what the window does by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_arguments import Clip, chosen_clip, open_project
from app.cli_project import commands
from engine.errors import InputError


@commands.command()
def proxies(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="The project, NAME.dyad.")],
    clip: Clip = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the pictures instead.")] = False,
    gigabytes: Annotated[
        float | None, typer.Option(min=0, help="The most that the cache may take. Default: 4.")
    ] = None,
) -> None:
    """Cache the frames of a project's clips beside it, so that any of them is shown at once."""
    from app import cli_progress
    from app.proxy_cache import CACHE_GIGABYTES, ProxyFolder, folder_beside
    from app.proxy_filling import fill

    limit = int((CACHE_GIGABYTES if gigabytes is None else gigabytes) * 1e9)
    folder = folder_beside(project)
    with open_project(project) as store:
        if clear:
            if clip is not None:
                raise InputError("--clear deletes the pictures of all clips, so it takes no --clip")
            print(f"Deleted {ProxyFolder(folder, limit).clear() / 1e6:.0f} MB of proxies.")
            return
        chosen = store.clips() if clip is None else (chosen_clip(store, clip),)
        for record in chosen:
            done = cli_progress.run(fill(record.video, folder, limit, evicts=clip is not None))
            count = sum(len(frames) for frames in done.frames)
            print(f"{record.name}: {count} of {record.video.frame_count} frames cached")
            if done.sentence:
                print(done.sentence)
    print(f"{ProxyFolder(folder, limit).used() / 1e6:.0f} MB in {folder}")
