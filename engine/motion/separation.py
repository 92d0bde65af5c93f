"""Takes bodies out of each other: captured people on other people's bodies interpenetrate.

The poses are changed as little as keeps the bodies apart: closest points are found anew a few
times, and between them a penalty on depth is minimised together with the change of the joints, of
the rotations, and of both from frame to frame.

A limb leaves along the line between the bones (engine.geometry.hits).

Only spans of frames with contact are solved, in windows that begin with the solved frames of the
one before, so that memory and time follow the contact, not the length of the motion.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree
from torch import Tensor

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.smpl import BodyModel, PosedBody
from engine.geometry.hits import (
    Hit,
    Search,
    depth_of,
    find_hits,
    still_held,
    to_one_side,
    used_vertices,
)
from engine.geometry.proximity import Parts, penetration_depth
from engine.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from engine.structures import BodyMotion, FrameRange

DENSITY = "2k5"
SLACK = 0.001
"""Metres of penetration that are left alone: flesh gives way."""
JOINT_SIGMA, TURN_SIGMA = 0.03, 0.15
DEPTH_SIGMA = 0.003, 0.0002
"""What weighs alike: metres that a joint moves, radians, and metres that a vertex is too deep: at
first, and in the last round."""
UNSTEADY_JOINT, UNSTEADY_TURN = 0.003, 0.02
"""Change of these from one frame to the next that weighs as much."""
ROUNDS, ITERATIONS = 9, 12
STUCK, EASED, EASED_ROUNDS = 0.006, 0.2, 5
"""Depth in metres that asks for more rounds, in which steadiness counts so much less: a limb that a
capture leads through another one has to go around it within a few frames."""
WINDOW, OVERLAP, PADDING = 96, 12, 12
"""Frames solved at a time, frames of it that the one before has solved, and frames around contact
over which a change begins and ends."""
SIDE_FRAMES = 4.0
"""Standard deviation, in frames, of the smoothing of the line between two bones."""


@dataclass(frozen=True)
class Separated:
    motion: BodyMotion
    displacement_m: Float[np.ndarray, "P F"]
    """Mean distance that the joints were moved."""


def separate(
    motion: BodyMotion,
    skin_offsets: Sequence[Float[np.ndarray, "V 3"]] | None = None,
    starts: tuple[int, ...] = (),
) -> Separated:
    """The motion with its bodies (their skins included) taken out of each other.

    `skin_offsets` are those of the 7,000-vertex body's vertices (see engine.synthesis.figures);
    None: bare bodies. `starts` are frames that do not follow from the one before.
    """
    work = separating(motion, skin_offsets, starts)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            separated: Separated = stop.value
            return separated


def separating(
    motion: BodyMotion,
    skin_offsets: Sequence[Float[np.ndarray, "V 3"]] | None = None,
    starts: tuple[int, ...] = (),
) -> Generator[float, None, Separated]:
    """`separate` as a generator that yields the share that is done."""
    bodies = _Bodies.of(motion, skin_offsets)
    search = Search.of(bodies.models[0])
    frames = motion.frame_count
    valid = np.asarray(motion.valid.all(axis=0))
    touching = np.zeros(frames, bool)
    for start in range(0, frames, WINDOW):
        yield 0.3 * start / frames
        part = np.arange(start, min(start + WINDOW, frames))
        part = part[valid[part]]
        touching[part] = _touching(bodies.window(part, 0), search)
    spans = _spans(touching & valid, (0, *starts, frames), round(PADDING * bodies.rate / 30))
    batches = list(_batches([window for span in spans for window in _windows(span)]))
    for index, (part, solved) in enumerate(batches):
        yield 0.3 + 0.7 * index / len(batches)
        bodies.keep(part, _settled(bodies.window(part, solved), search))
    return bodies.separated(motion)


@dataclass(frozen=True)
class _Bodies:
    """Poses and places of the people, and how they have been changed so far."""

    models: list[BodyModel]
    """One a person, with the person's skin."""
    betas: Float[Tensor, "P 10"]
    start: Float[Tensor, "P F 24 3 3"]
    place: Float[Tensor, "P F 3"]
    turn: Float[Tensor, "P F 24 3"]
    """Axis-angle, applied before `start`."""
    shift: Float[Tensor, "P F 3"]
    rate: float
    """Frames a second."""

    @classmethod
    def of(
        cls, motion: BodyMotion, skin_offsets: Sequence[Float[np.ndarray, "V 3"]] | None
    ) -> _Bodies:
        bare = BodyModel.load(OPEN_BODY, DENSITY)
        models = [bare] * motion.person_count
        if skin_offsets is not None:
            models = [_with_skin(offsets) for offsets in skin_offsets]
        poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
        start = axis_angle_to_matrix(torch.from_numpy(np.nan_to_num(poses).astype(np.float32)))
        place = torch.from_numpy(np.nan_to_num(motion.transl).astype(np.float32))
        betas = torch.from_numpy(np.asarray(motion.betas, np.float32))
        turn, shift = torch.zeros(start.shape[:-1]), torch.zeros(place.shape)
        rate = 1 / float(np.median(np.diff(motion.time))) if motion.frame_count > 1 else 30.0
        return cls(models, betas, start, place, turn, shift, rate)

    def window(self, frames: Int[np.ndarray, "W"], solved: int) -> _Window:
        index = torch.from_numpy(frames)
        free = torch.ones(len(frames), 1, 1)
        free[:solved] = 0
        follows = torch.from_numpy((np.diff(frames) == 1).astype(np.float32))
        return _Window(
            self.models,
            self.betas,
            self.start[:, index],
            self.place[:, index],
            free,
            # Changes in key poses, which are further apart, may differ more.
            follows[:, None, None] * min(1.0, self.rate / 30),
            SIDE_FRAMES * self.rate / 30,
            self.turn[:, index],
            self.shift[:, index],
        )

    def keep(self, frames: Int[np.ndarray, "W"], window: _Window) -> None:
        index = torch.from_numpy(frames)
        self.turn[:, index] = window.turn.detach()
        self.shift[:, index] = window.shift.detach()

    def separated(self, motion: BodyMotion) -> Separated:
        model = self.models[0]
        with torch.no_grad():
            rotmats = self.start @ axis_angle_to_matrix(self.turn)
            place = self.place + self.shift
            before = model.joints(self.betas, self.start, self.place)
            moved = (model.joints(self.betas, rotmats, place) - before).norm(dim=-1).mean(dim=-1)
            turned = matrix_to_axis_angle(rotmats).numpy()
        # Untouched frames stay as they are, to the bit.
        same = (self.turn.abs().amax(dim=(2, 3)) + self.shift.abs().amax(dim=2) == 0).numpy()
        poses = np.concatenate([motion.global_orient[:, :, None], motion.body_pose], axis=2)
        poses = np.where(same[..., None, None], poses, turned)
        changed = replace(
            motion,
            global_orient=poses[:, :, 0],
            body_pose=poses[:, :, 1:],
            transl=np.where(same[..., None], motion.transl, place.numpy()),
        )
        moved = np.where(same, 0.0, moved.numpy().astype(np.float64))
        return Separated(changed, np.where(motion.valid, moved, np.nan))


@dataclass
class _Window:
    """Frames of the people, of one sequence or several; the first may be solved already and
    stay."""

    models: list[BodyModel]
    betas: Float[Tensor, "P 10"]
    start: Float[Tensor, "P F 24 3 3"]
    place: Float[Tensor, "P F 3"]
    free: Float[Tensor, "F 1 1"]
    steady: Float[Tensor, "G 1 1"]
    """How much a change from one frame to the next counts; 0 between sequences."""
    side_frames: float
    turn: Float[Tensor, "P F 24 3"]
    shift: Float[Tensor, "P F 3"]

    def posed(self, turn: Tensor, shift: Tensor) -> list[PosedBody]:
        rotmats = self.start @ axis_angle_to_matrix(turn)
        place = self.place + shift
        return [
            model.pose(self.betas[p : p + 1], rotmats[p : p + 1], place[p : p + 1])
            for p, model in enumerate(self.models)
        ]

    def skins(self) -> list[np.ndarray]:
        with torch.no_grad():
            return [body.vertices()[0].numpy() for body in self.posed(self.turn, self.shift)]

    def joints(self) -> Float[np.ndarray, "P F 24 3"]:
        with torch.no_grad():
            bodies = self.posed(self.turn, self.shift)
            return torch.cat([body.joints for body in bodies]).numpy()

    def runs(self) -> tuple[list[np.ndarray], float]:
        """Frames of each sequence, and over how many the lines between bones are smoothed."""
        ends = np.flatnonzero(self.steady == 0) + 1
        return np.split(np.arange(len(self.free)), ends), self.side_frames

    def settle(self, hits: list[Hit], sigma: float) -> None:
        """A few steps towards less depth and less change."""
        before = torch.cat([b.joints for b in self.posed(self.turn * 0, self.shift * 0)]).detach()
        used, hits = used_vertices(hits, len(self.models))
        turn = torch.zeros_like(self.turn, requires_grad=True)
        shift = torch.zeros_like(self.shift, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [turn, shift], max_iter=ITERATIONS, line_search_fn="strong_wolfe"
        )

        def cost() -> Tensor:
            optimiser.zero_grad()
            turned, shifted = self._changed(turn, shift)
            bodies = self.posed(turned, shifted)
            moved = torch.cat([body.joints for body in bodies]) - before
            total = _change(moved, turned, self.steady)
            skins = [body.vertices(rows)[0] for body, rows in zip(bodies, used, strict=True)]
            for hit in hits:
                total = total + ((depth_of(hit, skins) - SLACK).clamp_min(0) / sigma).square().sum()
            total.backward()
            return total

        optimiser.step(cost)
        with torch.no_grad():
            self.turn, self.shift = self._changed(turn, shift)

    def _changed(self, turn: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        return self.turn + self.free * turn, self.shift + self.free[..., 0] * shift


def _settled(window: _Window, search: Search) -> _Window:
    """Apart, and steady; where that is not enough, apart and less steady."""
    _rounds(window, search, np.geomspace(*DEPTH_SIGMA, ROUNDS).tolist())
    if _deepest(window, search) > STUCK:
        eased = replace(window, steady=window.steady * EASED, side_frames=0.25)
        _rounds(eased, search, [DEPTH_SIGMA[1]] * EASED_ROUNDS)
        window.turn, window.shift = eased.turn, eased.shift
    return window


def _rounds(window: _Window, search: Search, sigmas: list[float]) -> None:
    hits: list[Hit] = []
    watched = np.arange(len(window.free))
    for index, sigma in enumerate(sigmas):
        joints = window.joints()
        found = [
            to_one_side(hit, joints, window.runs(), search)
            for hit in find_hits(window.skins(), watched, search)
        ]
        hits = found + still_held(hits, found)
        if not hits:
            return
        watched = np.unique(torch.cat([hit.frame for hit in hits]).numpy())
        if index % 4 == 3:
            watched = np.arange(len(window.free))
        window.settle(hits, sigma)


def _deepest(window: _Window, search: Search) -> float:
    """Metres, in the frames that are free."""
    skins = [torch.from_numpy(skin) for skin in window.skins()]
    frames = np.flatnonzero(window.free.flatten().numpy())
    depths = [depth_of(hit, skins).max() for hit in find_hits(window.skins(), frames, search)]
    return max((float(depth) for depth in depths), default=0.0)


def _change(
    moved: Float[Tensor, "P F 24 3"],
    turn: Float[Tensor, "P F 24 3"],
    steady: Float[Tensor, "G 1 1"],
) -> Tensor:
    total = (moved / JOINT_SIGMA).square().sum() + (turn / TURN_SIGMA).square().sum()
    total = total + (steady * moved.diff(dim=1) / UNSTEADY_JOINT).square().sum()
    return total + (steady * turn.diff(dim=1) / UNSTEADY_TURN).square().sum()


def _touching(window: _Window, search: Search) -> Bool[np.ndarray, "F"]:
    """Frames in which any vertex is too deep."""
    skins = window.skins()
    found = np.zeros(len(window.free), bool)
    for hit in find_hits(skins, np.arange(len(found)), search):
        deep = depth_of(hit, [torch.from_numpy(skin) for skin in skins]) > SLACK
        found[hit.frame[deep].numpy()] = True
    return found


def _spans(
    touching: Bool[np.ndarray, "F"], bounds: tuple[int, ...], padding: int
) -> Iterator[FrameRange]:
    """Frames with contact and some around them, within sequences."""
    for first, last in pairwise(bounds):
        wide = touching[first:last]
        if padding and wide.any():
            wide = binary_dilation(wide, iterations=padding)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], wide, [0]])))
        for start, stop in edges.reshape(-1, 2).tolist():
            yield FrameRange(first + start, first + stop)


def _windows(span: FrameRange) -> Iterator[tuple[FrameRange, int]]:
    """Windows of a span, and how many of their first frames are solved."""
    start = span.start
    while start < span.stop:
        solved = min(OVERLAP, start - span.start)
        stop = min(start + WINDOW, span.stop)
        yield FrameRange(start - solved, stop), solved
        start = stop


def _batches(
    windows: list[tuple[FrameRange, int]],
) -> Iterator[tuple[Int[np.ndarray, "W"], int]]:
    """Short windows that do not depend on each other, solved together."""
    batch: list[np.ndarray] = []
    for window, solved in windows:
        if batch and (solved or sum(map(len, batch)) + len(window) > WINDOW):
            yield np.concatenate(batch), 0
            batch = []
        frames = np.arange(window.start, window.stop)
        if solved:
            yield frames, solved
        else:
            batch.append(frames)
    if batch:
        yield np.concatenate(batch), 0


def deepest(motion: BodyMotion, density: str = "7k") -> Float[np.ndarray, "F"]:
    """Deepest penetration (metres) of any two bare bodies in each frame; 0 in frames that are not
    valid for both."""
    model = BodyModel.load(OPEN_BODY, density)
    parts = Parts(model.data.weights.argmax(axis=1))
    depth = np.zeros(motion.frame_count)
    bodies = _Bodies.of(motion, None)
    for start in range(0, motion.frame_count, WINDOW):
        part = np.arange(start, min(start + WINDOW, motion.frame_count))
        index = torch.from_numpy(part)
        with torch.no_grad():
            posed = model.pose(bodies.betas, bodies.start[:, index], bodies.place[:, index])
            skins = posed.vertices().numpy()
        for a, b in combinations(range(len(skins)), 2):
            usable = part[motion.valid[[a, b]][:, part].all(axis=0)]
            found = penetration_depth(
                skins[a, usable - start], skins[b, usable - start], model.data.faces.copy(), parts
            )
            depth[usable] = np.maximum(depth[usable], found)
    return depth


def _with_skin(offsets: Float[np.ndarray, "V 3"]) -> BodyModel:
    model = BodyModel.load(OPEN_BODY, DENSITY)
    fine, coarse = load_body_data(OPEN_BODY, "7k"), load_body_data(OPEN_BODY, DENSITY)
    _, index = cKDTree(fine.v_template).query(coarse.v_template)
    moved = torch.from_numpy(np.asarray(offsets[index], np.float32))
    return replace(model, v_template=model.v_template + moved)
