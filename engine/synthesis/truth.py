"""truth.npz: what is known of a synthetic clip.

It has the keys of fit.npz (`engine.files.read_fit` reads it as a fit; bodies and joints in the
camera frame, metres, radians), and besides:

    keypoints2d        (P, F, 26, 2)  pixels of the true keypoints, also where they are hidden
    visibility         (P, F, 26)     0 outside the picture, 1 behind another person, 2 behind the
                                      person's own body, 3 visible
    masks              (P, F, H, W)   pixels in which the person (clothed) is seen
    in_front           (P, P, F)      share of the pixels that two people both cover in which the
                                      first is nearer; NaN where they cover none in common
    depth_order        (F, P)         people from the nearest pelvis to the furthest
    skin_offsets       (P, V, 3)      rest-pose displacement of the vertices beyond `betas`
    heights            (P,)           metres, standing, without shoes and hair
    contact_people     (C, 2)         pairs of people
    contact_vertices   (C, 2, F, V)   vertices of the first and of the second that touch the other
    label_people       (L, 2)         region contacts: whose regions,
    label_regions      (L, 2)         their names,
    label_frames       (L, 2)         and from which frame up to which
    present            (P, F)         whether any of the person is to be seen
    others_keypoints2d (N, F, 26, 2)  keypoints of passers-by, whom the clip is not about
    others_visibility  (N, F, 26)
    cuts               (S,)           frames from which another camera films
    fps                ()             frames per second
    source             ()             name of the motion file
    seed               ()
    retarget_error_m   (P, F)         mean distance of the joints to those of the captured motion
    separation_m       (P, F)         by which they were then moved to take bodies out of each other
    vertices           (P, F, V, 3)   only where they were asked for: the bare bodies in the camera
                                      frame, metres

V counts the vertices of the open body of 7,000; `body_vertices` poses them. A vertex touches when
it is within 13 mm of the other's bare surface, or inside it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from engine.body.regions import region_names
from engine.file_checks import Checks
from engine.files import FitFile, read_fit
from engine.npz import NpzArchive, write_npz
from engine.structures import ContactLabel, FrameRange, RunLengthMask
from engine.synthesis.figures import bare_body

KIND = "a truth file"
Masks = tuple[tuple[RunLengthMask, ...], ...]


@dataclass(frozen=True)
class Truth:
    """The content of truth.npz; see the module."""

    fit: FitFile
    keypoints2d: Float[np.ndarray, "P F 26 2"]
    visibility: UInt8[np.ndarray, "P F 26"]
    masks: Masks
    in_front: Float[np.ndarray, "P P F"]
    depth_order: Int[np.ndarray, "F P"]
    skin_offsets: Float[np.ndarray, "P V 3"]
    heights: Float[np.ndarray, "P"]
    contact_people: Int[np.ndarray, "C 2"]
    contact_vertices: Bool[np.ndarray, "C 2 F V"]
    contacts: tuple[ContactLabel, ...]
    present: Bool[np.ndarray, "P F"]
    others_keypoints2d: Float[np.ndarray, "N F 26 2"]
    others_visibility: UInt8[np.ndarray, "N F 26"]
    cuts: tuple[int, ...]
    fps: float
    source: str
    seed: int
    retarget_error_m: Float[np.ndarray, "P F"]
    separation_m: Float[np.ndarray, "P F"]


def body_vertices(truth: Truth, person: int, frames: FrameRange) -> Float[np.ndarray, "F V 3"]:
    """Vertices of a bare body in the camera frame, metres."""
    motion, span = truth.fit.motion, frames.as_slice()
    body = bare_body(truth.skin_offsets[person])
    return body.vertices(
        motion.betas[person],
        motion.global_orient[person, span],
        motion.body_pose[person, span],
        motion.transl[person, span],
    )


def write_truth(path: Path | str, truth: Truth, *, vertices: bool = False) -> None:
    """Write a truth.npz, complete or not at all; the same truth gives the same bytes.

    `vertices` are 2.5 MB for a second of a person (30 frames) before they are compressed.
    """
    labels = truth.contacts
    arrays = _fit_arrays(truth.fit) | {
        "keypoints2d": truth.keypoints2d,
        "visibility": truth.visibility,
        "in_front": truth.in_front,
        "depth_order": truth.depth_order,
        "skin_offsets": truth.skin_offsets,
        "heights": truth.heights,
        "contact_people": truth.contact_people,
        "contact_vertices": truth.contact_vertices,
        "label_people": np.array([(c.person_a, c.person_b) for c in labels], int).reshape(-1, 2),
        "label_regions": np.array([(c.region_a, c.region_b) for c in labels], "U24").reshape(-1, 2),
        "label_frames": np.array([(c.frames.start, c.frames.stop) for c in labels], int).reshape(
            -1, 2
        ),
        "present": truth.present,
        "others_keypoints2d": truth.others_keypoints2d,
        "others_visibility": truth.others_visibility,
        "cuts": np.array(truth.cuts, int),
        "fps": np.array(truth.fps),
        "source": np.array(truth.source),
        "seed": np.array(truth.seed),
        "retarget_error_m": truth.retarget_error_m,
        "separation_m": truth.separation_m,
    }

    def pieces(archive: zipfile.ZipFile) -> None:
        _write_masks(archive, truth.masks)
        if vertices:
            _write_vertices(archive, truth)

    write_npz(path, arrays, pieces)


def read_truth(path: Path | str) -> Truth:
    """Read and check a truth.npz. Raises InputError with what was expected and received."""
    fit = read_fit(path)
    people, frames = fit.motion.valid.shape
    width, height = fit.camera.image_size
    with NpzArchive(path, KIND) as archive:
        checks = Checks(archive, KIND)
        checks.expect_names(required=_NAMES, optional=("vertices",))
        pairs = people * (people - 1) // 2
        checks.shape("contact_vertices", (pairs, 2, frames, "V"), kinds="b")
        count = archive.headers["contact_vertices"].shape[3]
        passing = archive.headers["others_keypoints2d"].shape[0]
        checks.shape("masks", (people, frames, height, width), kinds="b")
        coded = [RunLengthMask.encode(mask) for mask in archive.slices("masks", axes=2)]
        return Truth(
            fit=fit,
            keypoints2d=checks.floats("keypoints2d", (people, frames, 26, 2)),
            visibility=_levels(checks, "visibility", (people, frames, 26)),
            masks=tuple(tuple(coded[p * frames : (p + 1) * frames]) for p in range(people)),
            in_front=checks.floats("in_front", (people, people, frames), nan=True),
            depth_order=_people(checks, "depth_order", (frames, people), people),
            skin_offsets=checks.floats("skin_offsets", (people, count, 3)),
            heights=checks.floats("heights", (people,)),
            contact_people=_people(checks, "contact_people", (pairs, 2), people),
            contact_vertices=archive.array("contact_vertices"),
            contacts=_contacts(checks, people, frames),
            present=checks.booleans("present", (people, frames)),
            others_keypoints2d=checks.floats("others_keypoints2d", (passing, frames, 26, 2)),
            others_visibility=_levels(checks, "others_visibility", (passing, frames, 26)),
            cuts=_cuts(checks, frames),
            fps=checks.number("fps", 0.1, 10_000.0),
            source=checks.text("source"),
            seed=int(checks.number("seed", 0.0, 2.0**53)),
            retarget_error_m=checks.floats("retarget_error_m", (people, frames)),
            separation_m=checks.floats("separation_m", (people, frames)),
        )


_NAMES = (
    "keypoints2d", "visibility", "masks", "in_front", "depth_order", "skin_offsets", "heights",
    "contact_people", "contact_vertices", "label_people", "label_regions", "label_frames",
    "present", "others_keypoints2d", "others_visibility", "cuts", "fps", "source", "seed",
    "retarget_error_m", "separation_m",
)  # fmt: skip


def _fit_arrays(fit: FitFile) -> dict[str, np.ndarray]:
    motion, camera = fit.motion, fit.camera
    return {
        "betas": motion.betas,
        "global_orient": motion.global_orient,
        "body_pose": motion.body_pose,
        "transl": motion.transl,
        "joints": fit.joints,
        "keypoints2d_reprojected": fit.keypoints2d_reprojected,
        "body": np.array(motion.body),
        "frame": np.array("camera"),
        "outcome": np.array(fit.outcome.value),
        "layout": np.array(fit.layout),
        "valid": motion.valid,
        "times": motion.time,
        "gravity": np.array(motion.gravity),
        "K": camera.K,
        "image_size": np.array(camera.image_size),
        "T_camera_world": camera.T_camera_world,
        "focal_source": np.array(camera.focal_source),
        "reprojection_px": fit.diagnostics.reprojection_px,
        "penetration_m": fit.diagnostics.penetration_m,
    }


def _levels(checks: Checks, name: str, shape: tuple[int, int, int]) -> UInt8[np.ndarray, "P F 26"]:
    levels = checks.integers(name, shape)
    if levels.size and not (levels.min() >= 0 and levels.max() <= 3):
        raise checks.refusal(name, "0 to 3", f"{levels.min()} to {levels.max()}")
    return levels.astype(np.uint8)


def _cuts(checks: Checks, frames: int) -> tuple[int, ...]:
    count = checks.archive.headers["cuts"].shape[0]
    cuts = checks.integers("cuts", (count,))
    if cuts.size and not (cuts.min() > 0 and cuts.max() < frames):
        raise checks.refusal("cuts", f"1 to {frames - 1}", f"{cuts.min()} to {cuts.max()}")
    return tuple(cuts.tolist())


def _people(checks: Checks, name: str, shape: tuple[int, int], people: int) -> np.ndarray:
    index = checks.integers(name, shape)
    if index.size and not (index.min() >= 0 and index.max() < people):
        raise checks.refusal(name, f"0 to {people - 1}", f"{index.min()} to {index.max()}")
    return index


def _contacts(checks: Checks, people: int, frames: int) -> tuple[ContactLabel, ...]:
    count = checks.archive.headers["label_people"].shape[0]
    who = _people(checks, "label_people", (count, 2), people)
    spans = checks.integers("label_frames", (count, 2))
    checks.shape("label_regions", (count, 2), kinds="U")
    names = checks.archive.array("label_regions").tolist()
    known = set(region_names())
    for (start, stop), pair in zip(spans.tolist(), names, strict=True):
        if not 0 <= start < stop <= frames:
            raise checks.refusal("label_frames", f"0 <= A < B <= {frames}", f"{start}:{stop}")
        if not known.issuperset(pair):
            raise checks.refusal("label_regions", "names of regions", str(pair)[:80])
    return tuple(
        ContactLabel(a, first, b, second, FrameRange(start, stop))
        for (a, b), (first, second), (start, stop) in zip(
            who.tolist(), names, spans.tolist(), strict=True
        )
    )


def _write_masks(archive: zipfile.ZipFile, masks: Masks) -> None:
    height, width = masks[0][0].size
    with _member(archive, "masks", "|b1", (len(masks), len(masks[0]), height, width)) as member:
        for mask in (mask for row in masks for mask in row):
            member.write(np.ascontiguousarray(mask.decode(), bool).tobytes())


def _write_vertices(archive: zipfile.ZipFile, truth: Truth) -> None:
    people, frames = truth.fit.motion.valid.shape
    shape = people, frames, truth.skin_offsets.shape[1], 3
    with _member(archive, "vertices", "<f4", shape) as member:
        for person in range(people):
            for frame in range(frames):
                vertices = body_vertices(truth, person, FrameRange(frame, frame + 1))
                member.write(np.ascontiguousarray(vertices, "<f4").tobytes())


@contextmanager
def _member(
    archive: zipfile.ZipFile, name: str, kind: str, shape: tuple[int, ...]
) -> Iterator[IO[bytes]]:
    """An array of the archive that is written piece by piece."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        yield member
