"""The frozen NumPy values that cross borders between engine, annotations and app.

Axes: P persons, F frames, K keypoints, H height, W width. Metres, radians, pixels, seconds.
Frame ranges are half open: `start` is the first frame, `stop` the first frame after it.
This module imports neither torch, nor Qt, nor SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int8, UInt8

Layout = Literal["coco17", "halpe26"]
BoxKind = Literal["person", "identity", "someone_else", "not_a_person"]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""
FocalSource = Literal["file", "user", "assumed"]
GravitySource = Literal["known", "estimated"]


@dataclass(frozen=True)
class FrameRange:
    """Frames `start <= frame < stop` of a clip."""

    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int | np.integer) and bool(self.start <= frame < self.stop)

    def as_slice(self) -> slice:
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video (or a folder of images) before a frame of it is shown."""

    path: str
    """Absolute path of the file or folder."""
    width: int
    """Pixels, after the display rotation that the file asks for."""
    height: int
    times: Float[np.ndarray, "F"]
    """Presentation time of each frame in seconds, strictly increasing, the first one 0."""
    sha256: str
    """Hash of the file's bytes (for a folder: of names, sizes and bytes of its images)."""
    focal_px: float | None = None
    """Focal length in pixels where the file's metadata states one."""
    note: str = ""
    """What the user should know of the file, in one sentence: that it is cut short."""

    @property
    def frame_count(self) -> int:
        return len(self.times)

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @property
    def fps(self) -> float:
        """Median frame rate in frames per second; 30 for a single frame."""
        return float(1.0 / np.median(np.diff(self.times))) if len(self.times) > 1 else 30.0


@dataclass(frozen=True)
class RunLengthMask:
    """A binary mask (height, width) as COCO's uncompressed run lengths: by columns, zeros first."""

    size: tuple[int, int]
    counts: tuple[int, ...]

    @classmethod
    def encode(cls, mask: np.ndarray) -> RunLengthMask:
        flat = np.asarray(mask, bool).ravel(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        bounds = np.concatenate([[0], edges, [flat.size]])
        counts = np.diff(bounds).tolist()
        if flat.size and flat[0]:
            counts = [0, *counts]
        return cls((int(mask.shape[0]), int(mask.shape[1])), tuple(int(c) for c in counts))

    def decode(self) -> np.ndarray:
        """Boolean array (height, width)."""
        values = np.arange(len(self.counts)) % 2 == 1
        flat = np.repeat(values, self.counts)
        return flat.reshape(self.size, order="F")


@dataclass(frozen=True)
class Track:
    """One person through a clip. A frame where the person was not found is NaN, never invented."""

    boxes: Float[np.ndarray, "F 4"]
    """x0, y0, x1, y1 in pixels."""
    score: Float[np.ndarray, "F"]
    """Detection confidence in 0..1, 0 in gaps."""


@dataclass(frozen=True)
class Observations:
    """2D evidence of P people over F frames."""

    keypoints2d: Float[np.ndarray, "P F K 2"]
    """Pixels; NaN where there is nothing."""
    confidence: Float[np.ndarray, "P F K"]
    """0..1; 0 where there is nothing or a person hid the joint."""
    layout: Layout
    boxes: Float[np.ndarray, "P F 4"]
    """x0, y0, x1, y1 in pixels; NaN in gaps."""
    times: Float[np.ndarray, "F"]
    """Presentation time in seconds."""
    image_size: tuple[int, int]
    """(width, height) in pixels."""
    masks: tuple[tuple[RunLengthMask | None, ...], ...] | None = None
    """masks[p][f]; None in gaps."""
    others: Observations | None = None
    """People in view whom the clip is not about, a row each (its own `others` and `masks` are
    None): shown, and one of them can be chosen in place of a person. None: nobody."""
    cuts: tuple[int, ...] = ()
    """Frames that begin another shot: nothing is continuous from the frame before."""
    notes: tuple[str, ...] = ()
    """Sentences about the whole clip: a cut, a camera that moves, who was lost and when."""

    @property
    def person_count(self) -> int:
        return int(self.keypoints2d.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.keypoints2d.shape[1])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: OpenCV axes (x right, y down, z forward)."""

    K: Float[np.ndarray, "3 3"]
    image_size: tuple[int, int]
    T_camera_world: Float[np.ndarray, "F 4 4"]
    focal_source: FocalSource
    distortion: Float[np.ndarray, "5"] = field(default_factory=lambda: np.zeros(5))
    """OpenCV's k1, k2, p1, p2, k3."""


class Provenance(IntEnum):
    """Where a person's pose in a frame comes from."""

    MISSING = 0
    INITIAL = 1
    FITTED = 2
    INFILLED = 3
    EDITED = 4


@dataclass(frozen=True)
class BodyMotion:
    """Two (or P) bodies over F frames, in a gravity-aligned world: y up, floor at y = 0.

    `transl` is added after skinning, as in smplx. `betas` belong to the person, not to a frame.
    """

    body: str
    """Name of the body model, e.g. "open-body" (see engine.body)."""
    betas: Float[np.ndarray, "P B"]
    global_orient: Float[np.ndarray, "P F 3"]
    body_pose: Float[np.ndarray, "P F 23 3"]
    transl: Float[np.ndarray, "P F 3"]
    valid: Bool[np.ndarray, "P F"]
    provenance: UInt8[np.ndarray, "P F"]
    time: Float[np.ndarray, "F"]
    gravity: GravitySource = "estimated"

    @property
    def person_count(self) -> int:
        return int(self.betas.shape[0])

    @property
    def frame_count(self) -> int:
        return int(self.transl.shape[1])


ContactKind = Literal["contact", "no_contact"]


@dataclass(frozen=True)
class ContactLabel:
    """A region of one person touches (or surely does not touch) a region of another for a while."""

    person_a: int
    region_a: str
    person_b: int
    region_b: str
    frames: FrameRange
    kind: ContactKind = "contact"


@dataclass(frozen=True)
class KeypointEdit:
    """A joint that a person placed, or said to be hidden. Stronger than any detection."""

    person: int
    frame: int
    keypoint: int
    """Index in the observations' layout."""
    x: float
    y: float
    visible: bool = True


@dataclass(frozen=True)
class BoxEdit:
    """What a person said of a place in one frame: who is there, or that it is none of the people.

    Perception takes it as the truth and keeps it in every later run.
    """

    frame: int
    box: Box
    kind: BoxKind
    """person: `person` is exactly in this box. identity: whoever is seen here is `person`; the box
    only says where. someone_else: a person, but none of the clip's. not_a_person: nobody."""
    person: int | None = None
    """None for someone_else and not_a_person."""


@dataclass(frozen=True)
class MaskEdit:
    """The mask of a person in a frame as a person painted it, whole. Stronger than any detection,
    and trusted also where the people overlap."""

    person: int
    frame: int
    mask: RunLengthMask


@dataclass(frozen=True)
class DepthOrder:
    """`front` is nearer to the camera than `back` over the frames."""

    front: int
    back: int
    frames: FrameRange


@dataclass(frozen=True)
class Trust:
    """How far what was detected of a person is believed over some frames."""

    person: int
    frames: FrameRange
    weight: float
    """0: not at all; 1: as it is. What a person placed by hand is believed in any case."""


Zone = Literal["intimate", "personal", "social", "public"]
"""Hall 1966: heads nearer than 0.45, 1.2 and 3.6 m, or further."""
ZONES: tuple[Zone, ...] = ("intimate", "personal", "social", "public")
ZONE_EDGES = 0.45, 1.2, 3.6
"""Metres between the heads at which one zone ends and the next begins."""


@dataclass(frozen=True)
class ProxemicsStatement:
    """What a person said of how two people stand to each other for a while; None is unsaid."""

    person_a: int
    person_b: int
    frames: FrameRange
    zone: Zone | None = None
    head_distance: float | None = None
    """Metres between the heads."""
    pelvis_distance: float | None = None
    """Metres between the pelvises."""
    facing: tuple[float | None, float | None] = (None, None)
    """Of a and of b: cosine between where the person faces, on the floor, and the way to the
    other; 1 towards, -1 away."""

    @property
    def says_how_far(self) -> bool:
        """Whether it is about distance, and not about facing alone."""
        said = self.zone, self.head_distance, self.pelvis_distance
        return any(value is not None for value in said)


@dataclass(frozen=True)
class Constraints:
    """What people said. Identity swaps are not here: they are applied to the observations."""

    keypoint_edits: tuple[KeypointEdit, ...] = ()
    contacts: tuple[ContactLabel, ...] = ()
    depth_orders: tuple[DepthOrder, ...] = ()
    heights: tuple[float | None, ...] = ()
    """Metres per person, None where unknown; an empty tuple means all unknown."""
    focal_px: float | None = None
    floor_height: float | None = None
    """World y of the floor where it is stated; None lets the fit estimate it."""
    frozen: tuple[FrameRange, ...] = ()
    """Frames that the solver must leave exactly as they are."""
    box_edits: tuple[BoxEdit, ...] = ()
    mask_edits: tuple[MaskEdit, ...] = ()
    trust: tuple[Trust, ...] = ()
    """Where several speak of one frame, the last one counts."""
    proxemics: tuple[ProxemicsStatement, ...] = ()
    camera: Camera | None = None
    """A camera that was measured or calibrated, in any world; None where none was imported."""


class Outcome(StrEnum):
    CONVERGED = "converged"
    STEP_LIMIT = "step limit"
    DIVERGED = "diverged"
    CANCELLED = "cancelled"


Reason = Literal[
    "reprojection",
    "silhouette",
    "contact",
    "touch",
    "penetration",
    "jerk",
    "depth flip",
    "identity",
    "prior",
]
"""Why a frame is suspicious."""


@dataclass(frozen=True)
class Diagnostics:
    """Evidence per person and frame, and why a frame is suspicious, in words."""

    reprojection_px: Float[np.ndarray, "P F"]
    """Confidence-weighted mean distance of projected joints to keypoints; NaN without evidence."""
    penetration_m: Float[np.ndarray, "F"]
    """Deepest penetration between the bodies in metres (0 = none)."""
    notes: tuple[str, ...] = ()
    """Sentences about the whole fit: assumed focal length, estimated floor, heights used."""
    reasons: Mapping[Reason, Float[np.ndarray, "P F"]] = field(default_factory=dict)
    """How suspicious each person and frame is for each reason: 1 at the threshold, more is worse,
    NaN where nothing can be said. A reason that was not looked at is absent."""
    expected_error: Float[np.ndarray, "P F"] | None = None
    """Metres by which joints are believed to be off: what the frames are ranked by. None: not
    estimated."""


@dataclass(frozen=True)
class SwapProposal:
    """Two people who are probably each other over some frames."""

    person_a: int
    person_b: int
    frames: FrameRange
    cost_before: float
    """What the identities cost as they are, summed over the frames, in nats."""
    cost_after: float
    """The same with the two exchanged."""


@dataclass(frozen=True)
class PairProxemics:
    """How two people of a fit stand to each other, with standard deviations (NaN: unknown)."""

    person_a: int
    person_b: int
    zone: Int8[np.ndarray, "F"]
    """Index in `ZONES`."""
    head_distance: Float[np.ndarray, "F"]
    """Metres."""
    head_deviation: Float[np.ndarray, "F"]
    pelvis_distance: Float[np.ndarray, "F"]
    """Metres."""
    pelvis_deviation: Float[np.ndarray, "F"]
    facing: Float[np.ndarray, "2 F"]
    """Of a and of b, as in `ProxemicsStatement`."""
    facing_deviation: Float[np.ndarray, "2 F"]


@dataclass(frozen=True)
class FitProgress:
    """Posted by the solver a few times a second; only the newest matters."""

    stage: str
    fraction: float
    """0..1 of the whole job."""
    remaining_seconds: float | None
    costs: Mapping[str, float] = field(default_factory=dict)
    motion: BodyMotion | None = None
    """A preview of the bodies as they are now, where there is one."""
    camera: Camera | None = None


@dataclass(frozen=True)
class FitResult:
    motion: BodyMotion
    camera: Camera
    diagnostics: Diagnostics
    outcome: Outcome
    advice: str = ""
    contacts: tuple[ContactLabel, ...] = ()
    """Contacts measured on the fitted bodies."""
    appearance: Mapping[int, bytes] = field(default_factory=dict)
    """The avatar of each person that was learnt, as a file's bytes (engine.appearance.avatar_file);
    given to a later fit it need not be learnt again."""
    proxemics: tuple[PairProxemics, ...] = ()
    """Of every two people."""
    swaps: tuple[SwapProposal, ...] = ()
    """Identities that are probably exchanged, the surest first."""
    masks: tuple[tuple[RunLengthMask | None, ...], ...] | None = None
    """The observations' masks divided anew by which body is in front; None: left as they were."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Engine version, configuration, body checksum, seconds: strings for the record."""


@dataclass(frozen=True)
class PerceptionProgress:
    """Posted by perception a few times a second."""

    stage: str
    fraction: float
    remaining_seconds: float | None
    observations: Observations | None = None
    """What is known so far, for display while it runs."""
