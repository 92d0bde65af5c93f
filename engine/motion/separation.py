"""Takes bodies out of each other: captured people on other people's bodies interpenetrate.

The poses are changed as little as keeps the bodies apart: closest points are found anew a few
times, and between them a penalty on depth is minimised together with the change of the joints, of
the rotations, and of both from frame to frame.

A vertex leaves a body where it lies least deep. With a limb that is wrong for half of the vertices:
where two forearms cross, some would leave to one side and some to the other, and nothing moves. So
a limb leaves along the shortest line between the two bones, smoothed over time, and vertices that
would leave against it wait.

Only spans of frames with contact are solved, in windows that begin with the solved frames of the
one before, so that memory and time follow the contact, not the length of the motion.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, permutations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import binary_dilation, gaussian_filter1d
from scipy.spatial import cKDTree
from torch import Tensor

from engine.body.data import OPEN_BODY, load_body_data
from engine.body.joints import SMPL_JOINTS, SMPL_PARENTS
from engine.body.smpl import BodyModel, PosedBody
from engine.geometry.proximity import MeshQuery, Parts, box_overlap, penetration_depth
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
NEIGHBOURHOOD = 0.02
"""Metres outside a body within which vertices are watched, so that what parts does not go on."""
ROUNDS, ITERATIONS = 9, 12
STUCK, EASED, EASED_ROUNDS = 0.006, 0.2, 5
"""Depth in metres that asks for more rounds, in which steadiness counts so much less: a limb that a
capture leads through another one has to go around it within a few frames."""
WINDOW, OVERLAP, PADDING = 96, 12, 12
"""Frames solved at a time, frames of it that the one before has solved, and frames around contact
over which a change begins and ends."""
SIDE_FRAMES = 4.0
"""Standard deviation, in frames, of the smoothing of the line between two bones."""
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar")
_THIN = np.array([name not in _TRUNK for name in SMPL_JOINTS])
_ENDS = np.array(
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 10, 11, 15, 16, 17, 15, 18, 19, 20, 21, 22, 23, 22, 23]
)
"""The joint at the other end of each joint's bone; head, hands and feet end in themselves."""


@dataclass(frozen=True)
class Separated:
    motion: BodyMotion
    displacement_m: Float[np.ndarray, "P F"]
    """Mean distance that the joints were moved."""


@dataclass(frozen=True)
class _Hit:
    """Vertices of one body inside another, or just outside it, in all frames."""

    inner: int
    outer: int
    frame: Int[Tensor, "N"]
    vertex: Int[Tensor, "N"]
    corners: Int[Tensor, "N 3"]
    """Of the face of the outer body that is closest."""
    barycentric: Float[Tensor, "N 3"]
    outwards: Float[Tensor, "N 3"]
    inside: Bool[Tensor, "N"]

    def kept(self, rows: Bool[Tensor, "N"]) -> _Hit:
        names = ("frame", "vertex", "corners", "barycentric", "outwards", "inside")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


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
    search = _Search.of(bodies.models[0])
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
class _Search:
    query: MeshQuery
    parts: Parts
    part_of_vertex: Int[np.ndarray, "V"]
    faces: Int[Tensor, "T 3"]

    @classmethod
    def of(cls, model: BodyModel) -> _Search:
        part = model.data.weights.argmax(axis=1)
        query = MeshQuery(model.data.faces, model.vertex_count)
        return cls(query, Parts(part), part, model.faces)


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

    def settle(self, hits: list[_Hit], sigma: float) -> None:
        """A few steps towards less depth and less change."""
        before = torch.cat([b.joints for b in self.posed(self.turn * 0, self.shift * 0)]).detach()
        used, hits = _used(hits, len(self.models))
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
                total = total + ((_depth(hit, skins) - SLACK).clamp_min(0) / sigma).square().sum()
            total.backward()
            return total

        optimiser.step(cost)
        with torch.no_grad():
            self.turn, self.shift = self._changed(turn, shift)

    def _changed(self, turn: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        return self.turn + self.free * turn, self.shift + self.free[..., 0] * shift


def _settled(window: _Window, search: _Search) -> _Window:
    """Apart, and steady; where that is not enough, apart and less steady."""
    _rounds(window, search, np.geomspace(*DEPTH_SIGMA, ROUNDS).tolist())
    if _deepest(window, search) > STUCK:
        eased = replace(window, steady=window.steady * EASED, side_frames=0.25)
        _rounds(eased, search, [DEPTH_SIGMA[1]] * EASED_ROUNDS)
        window.turn, window.shift = eased.turn, eased.shift
    return window


def _rounds(window: _Window, search: _Search, sigmas: list[float]) -> None:
    hits: list[_Hit] = []
    watched = np.arange(len(window.free))
    for index, sigma in enumerate(sigmas):
        joints = window.joints()
        found = [
            _to_one_side(hit, joints, window, search) for hit in _hits(window, watched, search)
        ]
        hits = found + _still_held(hits, found)
        if not hits:
            return
        watched = np.unique(torch.cat([hit.frame for hit in hits]).numpy())
        if index % 4 == 3:
            watched = np.arange(len(window.free))
        window.settle(hits, sigma)


def _still_held(before: list[_Hit], found: list[_Hit]) -> list[_Hit]:
    """Hits of frames in which the bodies are clear of each other now: without them the change alone
    would draw the bodies back into each other; with them, until they touch."""
    frames = torch.cat([torch.zeros(0, dtype=torch.long), *(hit.frame for hit in found)])
    return [hit.kept(~torch.isin(hit.frame, frames)) for hit in before]


def _deepest(window: _Window, search: _Search) -> float:
    """Metres, in the frames that are free."""
    skins = [torch.from_numpy(skin) for skin in window.skins()]
    frames = np.flatnonzero(window.free.flatten().numpy())
    depths = [_depth(hit, skins).max() for hit in _hits(window, frames, search)]
    return max((float(depth) for depth in depths), default=0.0)


def _change(
    moved: Float[Tensor, "P F 24 3"],
    turn: Float[Tensor, "P F 24 3"],
    steady: Float[Tensor, "G 1 1"],
) -> Tensor:
    total = (moved / JOINT_SIGMA).square().sum() + (turn / TURN_SIGMA).square().sum()
    total = total + (steady * moved.diff(dim=1) / UNSTEADY_JOINT).square().sum()
    return total + (steady * turn.diff(dim=1) / UNSTEADY_TURN).square().sum()


def _depth(hit: _Hit, skins: Sequence[Tensor]) -> Float[Tensor, "N"]:
    """Metres inside along the way out, both bodies free to move; negative outside."""
    inside = skins[hit.inner][hit.frame, hit.vertex]
    outer = skins[hit.outer][hit.frame[:, None], hit.corners]
    surface = (outer * hit.barycentric[..., None]).sum(dim=1)
    return ((surface - inside) * hit.outwards).sum(dim=-1)


def _used(hits: list[_Hit], people: int) -> tuple[list[Tensor], list[_Hit]]:
    """The vertices of each person that any hit names, and the hits with indices into those."""
    names: list[list[Tensor]] = [[torch.zeros(0, dtype=torch.long)] for _ in range(people)]
    for hit in hits:
        names[hit.inner].append(hit.vertex)
        names[hit.outer].append(hit.corners.flatten())
    used = [torch.cat(rows).unique() for rows in names]
    renamed = [
        replace(
            hit,
            vertex=torch.searchsorted(used[hit.inner], hit.vertex),
            corners=torch.searchsorted(used[hit.outer], hit.corners),
        )
        for hit in hits
    ]
    return used, renamed


def _hits(window: _Window, frames: np.ndarray, search: _Search) -> list[_Hit]:
    skins = window.skins()
    hits = []
    for inner, outer in permutations(range(len(skins)), 2):
        near = np.flatnonzero(box_overlap(skins[inner], skins[outer], NEIGHBOURHOOD))
        found = [
            _hits_in_frame(frame, skins[inner][frame], skins[outer][frame], search)
            for frame in np.intersect1d(near, frames).tolist()
        ]
        if any(len(vertex) for _, vertex, *_ in found):
            hits.append(_Hit(inner, outer, *map(torch.cat, zip(*found, strict=True))))
    return hits


def _hits_in_frame(
    frame: int, points: Float[np.ndarray, "V 3"], mesh: Float[np.ndarray, "V 3"], search: _Search
) -> tuple[Tensor, ...]:
    """What a _Hit says of each vertex."""
    candidates = search.parts.around(mesh, points)
    if not len(candidates):
        none = torch.zeros(0, dtype=torch.long)
        points_none = torch.zeros(0, 3)
        return none, none, none.reshape(-1, 3), points_none, points_none, none.bool()
    search.query.move(mesh)
    closest = search.query.closest(points[candidates])
    corners, weights = search.faces[closest.face], closest.barycentric
    surface = (torch.from_numpy(mesh)[corners] * weights[..., None]).sum(dim=1)
    away = surface - torch.from_numpy(points[candidates])
    sign = torch.where(closest.inside, 1.0, -1.0)[:, None]
    kept = closest.found & (closest.inside | (away.norm(dim=-1) < NEIGHBOURHOOD))
    vertex = torch.from_numpy(candidates)[kept]
    outwards = torch.nn.functional.normalize(sign * away, dim=-1)[kept]
    frames = torch.full_like(vertex, frame)
    return frames, vertex, corners[kept], weights[kept], outwards, closest.inside[kept]


def _to_one_side(
    hit: _Hit, joints: Float[np.ndarray, "P F 24 3"], window: _Window, search: _Search
) -> _Hit:
    """Without the vertices that would leave to the other side of the bone."""
    part = search.part_of_vertex
    inner, outer = part[hit.vertex.numpy()], part[hit.corners[:, 0].numpy()]
    frame, kept = hit.frame.numpy(), np.ones(len(inner), bool)
    one_sided = _THIN[inner] | _THIN[outer]
    runs = np.split(np.arange(len(window.free)), np.flatnonzero(window.steady == 0) + 1)
    for pair in np.unique(np.stack([inner, outer], axis=1)[one_sided], axis=0).tolist():
        rows = np.flatnonzero((inner == pair[0]) & (outer == pair[1]))
        line = _between(joints[hit.inner], joints[hit.outer], (pair[0], pair[1]))
        for run in runs:
            line[run] = gaussian_filter1d(line[run], window.side_frames, axis=0, mode="nearest")
        at, inside = frame[rows], hit.inside.numpy()[rows]
        agree = (hit.outwards.numpy()[rows] * line[at]).sum(axis=1) > 0
        # Where all would leave against the line, they agree, and it is the line that is wrong.
        decided = np.bincount(at[agree & inside], minlength=len(line)) > 0
        kept[rows] = agree | ~decided[at]
    return hit.kept(torch.from_numpy(kept))


def _between(
    inner: Float[np.ndarray, "F 24 3"], outer: Float[np.ndarray, "F 24 3"], bones: tuple[int, int]
) -> Float[np.ndarray, "F 3"]:
    """The shortest line from the outer body's bone to the inner one's (Ericson 2004, 5.1.9)."""
    (p, d), (r, e) = _bone(inner, bones[0]), _bone(outer, bones[1])
    gap = p - r
    dd, ee, de = ((x * y).sum(axis=1) for x, y in ((d, d), (e, e), (d, e)))
    dg, eg = (d * gap).sum(axis=1), (e * gap).sum(axis=1)
    s = np.clip((de * eg - dg * ee) / np.maximum(dd * ee - de * de, 1e-9), 0, 1)
    t = np.clip((de * s + eg) / np.maximum(ee, 1e-9), 0, 1)
    s = np.clip((de * t - dg) / np.maximum(dd, 1e-9), 0, 1)
    line: np.ndarray = gap + d * s[:, None] - e * t[:, None]
    return line


def _bone(
    joints: Float[np.ndarray, "F 24 3"], joint: int
) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, "F 3"]]:
    """Where it begins, and the way to its end; hands and feet go on as their parents point."""
    end = _ENDS[joint]
    begin = joints[:, joint]
    return begin, joints[:, end] - begin if end != joint else begin - joints[:, SMPL_PARENTS[joint]]


def _touching(window: _Window, search: _Search) -> Bool[np.ndarray, "F"]:
    """Frames in which any vertex is too deep."""
    skins = window.skins()
    found = np.zeros(len(window.free), bool)
    for hit in _hits(window, np.arange(len(found)), search):
        deep = _depth(hit, [torch.from_numpy(skin) for skin in skins]) > SLACK
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
