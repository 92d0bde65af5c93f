"""What clips are called in the window: as in the project, with the folder where files share a name.

Editors do so with their tabs: "video" is enough until there is another video.mp4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from annotations.records import ClipRecord


def clip_titles(clips: Sequence[ClipRecord]) -> dict[int, str]:
    """Title of each clip by id. A name that somebody gave stays; titles never coincide."""
    stems = Counter(_stem(clip) for clip in clips)
    titles = {
        clip.id: _with_folder(clip) if stems[_stem(clip)] > 1 and _is_of_file(clip) else clip.name
        for clip in clips
    }
    shared = Counter(titles.values())
    return {
        clip.id: titles[clip.id] if shared[titles[clip.id]] == 1 else clip.name for clip in clips
    }


def clip_title(clip: ClipRecord, clips: Sequence[ClipRecord]) -> str:
    """Title of one clip among all of the project."""
    return clip_titles(clips).get(clip.id, clip.name)


def _stem(clip: ClipRecord) -> str:
    return " ".join(Path(clip.video.path).stem.split())


def _with_folder(clip: ClipRecord) -> str:
    folder = Path(clip.video.path).parent.name
    return f"{folder}/{_stem(clip)}" if folder else clip.name


def _is_of_file(clip: ClipRecord) -> bool:
    """Whether the name is that of the file, with the number that tells it from an earlier one."""
    rest = clip.name.removeprefix(_stem(clip))
    return rest == "" or (rest != clip.name and rest[1:].isdigit() and rest[0] == " ")
