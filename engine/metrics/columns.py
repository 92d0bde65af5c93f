"""The names of the metrics, in the order of a row, with unit and one-line definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PCC_CENTIMETRES = (5, 10, 15, 20)


@dataclass(frozen=True)
class Metric:
    """One column."""

    unit: str
    """"1" is a share in 0..1."""
    says: str
    better: int = -1
    """1: more is better, -1: less is, 0: neither."""
    own: bool = False
    """The truth itself has some of it, which is worth knowing beside the prediction's."""


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "mpjpe_mm": Metric("mm", "joints, pelvis aligned, per person (24 of SMPL)"),
        "pa_mpjpe_mm": Metric("mm", "joints after Procrustes, per person and frame"),
        "mpvpe_mm": Metric("mm", "vertices, pelvis aligned, per person"),
        "pair_pa_mpjpe_mm": Metric("mm", "joints after one Procrustes for both people"),
        "inter_mm": Metric("mm", "distances from joints of one to joints of the other"),
        **{
            f"pcc_{r}cm": Metric("1", f"true contacts whose regions are nearer than {r} cm", 1)
            for r in PCC_CENTIMETRES
        },
        "contact_f1_regions": Metric("1", "F1, region pairs x frames that nobody labelled", 1),
        "contact_recall_labelled": Metric("1", "labelled true contacts that the bodies show", 1),
        "contact_f1_intervals": Metric("1", "F1, region pairs x intervals", 1),
        "contact_f1_vertices": Metric("1", "F1, vertices within 13 mm of the other", 1),
        "ordinal_depth": Metric("1", "who is in front, where the truth differs by 10 cm", 1),
        "relative_depth_mm": Metric("mm", "difference of the two pelvises' depths"),
        "root_error_mm": Metric("mm", "pelvis in the camera frame, nothing aligned"),
        "mpjpe_14_mm": Metric("mm", "as mpjpe_mm, 14 joints as in LSP"),
        "pa_mpjpe_14_mm": Metric("mm", "as pa_mpjpe_mm, 14 joints as in LSP"),
        "acceleration_error_m_s2": Metric("m/s²", "joints in the camera frame"),
        "foot_skating_mm_s": Metric("mm/s", "speed of feet that truly stand", own=True),
        "penetration_mean_mm": Metric("mm", "depth of vertices inside the other body", own=True),
        "penetration_max_mm": Metric("mm", "deepest of them", own=True),
        "penetration_frames": Metric("1", "frames with a vertex deeper than 20 mm", own=True),
        "idf1": Metric("1", "identities as named, by keypoints (OKS at least 0.3)", 1),
        "keypoint_error_px": Metric("px", "COCO's 17 keypoints inside the picture"),
        "pck_5": Metric("1", "of those, within 5 % of the box's longer side", 1),
        "frames": Metric("frames", "of the clip", 0),
        "frames_left_out": Metric("frames", "with a person unknown on either side", 0),
    }
)
