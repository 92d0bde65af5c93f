"""Other people's detectors, pose estimators, trackers, segmenters and body initialisers.

A plugin is an installed distribution that names a class (or a function) under one of the entry
point groups in `GROUPS`; called without arguments, it makes an object that follows the protocol of
its kind. docs/plugins.md shows one. `available` reads what is installed and imports nothing, so the
window may ask too; `load` imports and makes the plugin, and what it returns checks every result
(`engine.perception.plugins.checks`), so that a plugin's mistake is one sentence and nobody's crash.

A plugin is code and runs with all the rights of the user who installed it. It is loaded in the
worker's process, or a script's, never in the window's.

Any plugin may also have

- `begin(video: VideoInfo, frames: FrameRange) -> None`, called before the first frame of a run.
  The frames then come in order, each once; a plugin with a memory starts afresh. (A body
  initialiser is called once and has no need of it.)
- `close() -> None`, called after the run, also where it failed or was cancelled.

A plugin must not change the arrays that it is given. Those that it returns may be of any numeric
type that NumPy can read.
"""

from engine.perception.plugins.checks import (
    Checked,
    CheckedBodyInitializer,
    CheckedDetector,
    CheckedPoseEstimator,
    CheckedSegmenter,
    CheckedTracker,
)
from engine.perception.plugins.discovery import PluginInfo, available, load, names, require
from engine.perception.plugins.protocols import (
    GROUPS,
    BodyInitializer,
    Detector,
    FoundPeople,
    InitialBodies,
    Kind,
    PluginError,
    PoseEstimator,
    Segmenter,
    Tracker,
    spoken,
)

__all__ = [
    "GROUPS",
    "BodyInitializer",
    "Checked",
    "CheckedBodyInitializer",
    "CheckedDetector",
    "CheckedPoseEstimator",
    "CheckedSegmenter",
    "CheckedTracker",
    "Detector",
    "FoundPeople",
    "InitialBodies",
    "Kind",
    "PluginError",
    "PluginInfo",
    "PoseEstimator",
    "Segmenter",
    "Tracker",
    "available",
    "load",
    "names",
    "require",
    "spoken",
]
