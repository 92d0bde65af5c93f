"""All metrics of a prediction against the truth as one flat row of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool

from engine.metrics import contacts, depth, joints, keypoints, smoothness
from engine.metrics.bodies import Bodies, check_comparable
from engine.metrics.columns import METRICS, PCC_CENTIMETRES
from engine.metrics.identity import better_order, identity_counts
from engine.metrics.penetration import penetration_of
from engine.structures import ContactLabel

SAME_OKS = 0.3
"""A row is of the person whom its keypoints fit best, if they reach this similarity. True people
who hug reach 0.31 with each other, keypoints as detectors find them 0.35 to 0.6 with their own."""
_MM = 1000.0


def score(
    prediction: Bodies,
    truth: Bodies,
    *,
    labelled: tuple[ContactLabel, ...] = (),
    quick: bool = False,
) -> dict[str, float]:
    """Every metric of `METRICS`, in that order; NaN where there is nothing to measure.

    A person-frame counts where both sides know the person; pair metrics need both people. The
    others are left out and counted in `frames_left_out`. `labelled` are contacts (of either kind)
    that somebody stated: they are left out of `contact_f1_regions` and reported apart. `quick`
    looks at no mesh: the numbers of surfaces are NaN.

    Raises InputError where the two are not of the same people, frames, times, body and mesh.
    """
    check_comparable(prediction, truth)
    compared = _Compared(prediction, truth, prediction.valid & truth.valid)
    row = dict.fromkeys(METRICS, float("nan"))
    row |= _joint_numbers(compared) | _pair_numbers(compared) | _motion_numbers(compared)
    row |= _picture_numbers(compared)
    if not quick and prediction.vertices is not None and truth.vertices is not None:
        row |= _surface_numbers(compared) | _contact_numbers(compared, labelled)
    row["frames"] = truth.frame_count
    row["frames_left_out"] = int((~compared.everybody).sum())
    return row


def truth_row(truth: Bodies, quick: bool = False) -> dict[str, float]:
    """The truth against itself: no error, and the contact, penetration and skating of its own."""
    return score(truth, truth, quick=quick)


def other_order(prediction: Bodies, truth: Bodies) -> tuple[int, ...] | None:
    """For each true person the row of the prediction that fits it better over the whole clip,
    where that is not the given order; None where the given order is the best."""
    check_comparable(prediction, truth)
    return better_order(_similarity(prediction, truth))


@dataclass(frozen=True)
class _Compared:
    """The two sides over the same person-frames."""

    prediction: Bodies
    truth: Bodies
    both: Bool[np.ndarray, "P F"]

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Joints (P, F, 24, 3) of the prediction and of the truth, NaN where one is unknown."""
        known = self.both[..., None, None]
        mine, true = self.prediction.joints, self.truth.joints
        return np.where(known, mine, np.nan), np.where(known, true, np.nan)

    @property
    def everybody(self) -> np.ndarray:
        """(F,): frames in which all people are known on both sides."""
        return np.asarray(self.both.all(axis=0))

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(sorted({*self.prediction.cuts, *self.truth.cuts}))


def _joint_numbers(compared: _Compared) -> dict[str, float]:
    mine, true = compared.sides
    roots = mine[:, :, joints.PELVIS], true[:, :, joints.PELVIS]
    lsp = list(joints.LSP14)
    apart = joints.root_aligned_errors(mine, true, roots)
    return {
        "mpjpe_mm": _mean(apart, _MM),
        "pa_mpjpe_mm": _mean(joints.aligned_errors(mine, true), _MM),
        "mpjpe_14_mm": _mean(apart[:, :, lsp], _MM),
        "pa_mpjpe_14_mm": _mean(joints.aligned_errors(mine[:, :, lsp], true[:, :, lsp]), _MM),
        "root_error_mm": _mean(joints.root_errors(mine, true), _MM),
    }


def _pair_numbers(compared: _Compared) -> dict[str, float]:
    mine, true = compared.sides

    def over_pairs(measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        pairs = combinations(range(len(mine)), 2)
        measured = [measure(mine[[a, b]], true[[a, b]]) for a, b in pairs]
        return np.stack(measured) if measured else np.full(1, np.nan)

    return {
        "pair_pa_mpjpe_mm": _mean(over_pairs(joints.pair_aligned_errors), _MM),
        "inter_mm": _mean(over_pairs(joints.interaction_errors), _MM),
        "ordinal_depth": _mean(over_pairs(depth.ordinal_hits)),
        "relative_depth_mm": _mean(over_pairs(depth.relative_depth_errors), _MM),
    }


def _motion_numbers(compared: _Compared) -> dict[str, float]:
    mine, true = compared.sides
    times, cuts = compared.truth.times, compared.cuts
    if camera := compared.truth.camera:
        T = camera.T_camera_world
        my_still, true_still = (smoothness.in_still_frame(side, T) for side in (mine, true))
    else:
        my_still, true_still = mine, true
    return {
        "acceleration_error_m_s2": _mean(smoothness.acceleration_errors(mine, true, times, cuts)),
        "foot_skating_mm_s": _mean(
            smoothness.skating_speeds(my_still, true_still, times, cuts), _MM
        ),
    }


def _picture_numbers(compared: _Compared) -> dict[str, float]:
    prediction, truth = compared.prediction, compared.truth
    error = keypoints.keypoint_errors(prediction.keypoints2d, truth.keypoints2d)
    counted = _in_picture(truth) & compared.both[..., None]
    error = np.where(counted, error, np.nan)
    share = error / keypoints.longer_sides(truth.boxes)[..., None]
    fits = _similarity(prediction, truth)
    matches = (fits >= SAME_OKS) & (fits == fits.max(axis=0))
    seen = _in_picture(truth).any(axis=-1)  # whoever has left it can be nobody's error
    counts = identity_counts(matches, truth.valid & seen, prediction.valid & seen, named=True)
    right = np.where(counted, share <= keypoints.RIGHT, np.nan)  # what is missing is wrong
    return {"idf1": counts.idf1, "keypoint_error_px": _mean(error), "pck_5": _mean(right)}


def _similarity(prediction: Bodies, truth: Bodies) -> np.ndarray:
    """OKS (P, P, F) of true people with the prediction's rows."""
    return keypoints.object_keypoint_similarity(
        truth.keypoints2d, _in_picture(truth), truth.boxes, prediction.keypoints2d
    )


def _in_picture(truth: Bodies) -> np.ndarray:
    """(P, F, 17): true keypoints that are known and inside the picture, hidden ones too."""
    points = truth.keypoints2d
    inside = np.isfinite(points).all(axis=-1)
    if truth.camera is not None:
        inside &= (points >= 0).all(axis=-1) & (points < truth.camera.image_size).all(axis=-1)
    return np.asarray(inside)


def _surface_numbers(compared: _Compared) -> dict[str, float]:
    mine, true = compared.prediction.vertices, compared.truth.vertices
    assert mine is not None and true is not None
    (my_joints, true_joints), known = compared.sides, compared.both
    errors = [
        joints.root_aligned_errors(
            mine[[p]][:, known[p]],
            true[[p]][:, known[p]],
            (
                my_joints[[p]][:, known[p], joints.PELVIS],
                true_joints[[p]][:, known[p], joints.PELVIS],
            ),
        ).ravel()
        for p in range(len(known))
    ]
    depths = penetration_of(compared.prediction.touches, compared.everybody)
    return {
        "mpvpe_mm": _mean(np.concatenate(errors), _MM),
        "penetration_mean_mm": depths.mean_m * _MM,
        "penetration_max_mm": depths.deepest_m * _MM,
        "penetration_frames": depths.deep_frames,
    }


def _contact_numbers(compared: _Compared, labelled: tuple[ContactLabel, ...]) -> dict[str, float]:
    prediction, truth = compared.prediction, compared.truth
    if truth.person_count < 2:
        return {}
    assert prediction.vertices is not None and truth.data is not None
    counted = compared.everybody
    found, true, stated = (
        contacts.over_frames(labels, counted)
        for labels in (_touching_regions(prediction), _touching_regions(truth), labelled)
    )
    mine, theirs, asked = (
        contacts.contact_keys(labels, truth.person_count, truth.frame_count)
        for labels in (found, true, stated)
    )
    reached = contacts.region_distances(prediction.vertices[:, counted], truth.data, true)
    counts = [
        contacts.vertex_counts(p.vertices[:, counted], t.vertices[:, counted])
        for p, t in zip(prediction.touches, truth.touches, strict=True)
    ]
    return {f"pcc_{r}cm": _mean(reached < r / 100) for r in PCC_CENTIMETRES} | {
        "contact_f1_regions": contacts.region_f1(mine, theirs, asked),
        "contact_recall_labelled": contacts.labelled_recall(mine, theirs, asked),
        "contact_f1_intervals": contacts.interval_f1(found, true),
        "contact_f1_vertices": contacts.f1_score(*np.sum(counts, axis=0).tolist()),
    }


def _touching_regions(bodies: Bodies) -> list[ContactLabel]:
    return [label for touch in bodies.touches for label in touch.labels]


def _mean(values: np.ndarray, factor: float = 1.0) -> float:
    """Over what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) * factor if known.size else float("nan")
