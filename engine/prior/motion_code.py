"""The prior's state: numbers near zero with a spread near one, and back to bodies.

Per person and frame 160 values, in a virtual camera that is turned, without roll, onto the mean
viewing ray of all people in the window, and whose image is measured in the people's mean extent
there: so neither the focal length, nor the place in the image, nor the distance matter, and 2D
keypoints alone determine that camera. In this order:

    144  the 24 joints' orientations in the virtual camera, 6D (Zhou et al. 2019)
     10  betas
      2  offset of the pelvis from the ray, in extents
      1  logarithm of depth times extent: log depth over focal length, whatever the focal length
      3  metric offset to the partner (to the mean of the others, where there are more)

What is known of a state is known in 26 groups: each joint, the shape, the placement.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from engine.geometry.rotations import matrix_to_6d, sixd_to_matrix
from engine.prior.windows import PairWindows, Seen

ROTATION, SHAPE, PLACE, OFFSET = 144, 10, 3, 3
SIZE = ROTATION + SHAPE + PLACE + OFFSET
GROUPS = 24 + 1 + 1
"""Joints, shape, placement."""
MEAN_LOG_EXTENT = -1.02
"""Near the mean of log(depth) + log(extent): a person's keypoints are 0.36 m from their centre."""
_ROTATION_SPREAD, _DEPTH_SPREAD, _OFFSET_SPREAD = 0.6, 0.25, 0.5
_MINIMUM_DEPTH = 0.05
_SMALLEST_EXTENT = 0.012
"""Of a person 30 m away; less is a few keypoints of somebody nearer."""
_FURTHEST_OFFSET = 8.0
"""Of what 2D alone says about how far the partner is: 4 m."""


@dataclass(frozen=True)
class View:
    """A virtual camera for each of B windows."""

    R_virtual_camera: Float[Tensor, "B 3 3"]
    log_extent: Float[Tensor, "B"]
    """Logarithm of the people's mean extent in it, at unit depth."""

    def where(self, chosen: Tensor, other: View) -> View:
        """This view for the chosen windows (B,), the other one for the rest."""
        return View(
            torch.where(chosen[:, None, None], self.R_virtual_camera, other.R_virtual_camera),
            torch.where(chosen, self.log_extent, other.log_extent),
        )


def view_along(ray: Float[Tensor, "B 3"], log_extent: Float[Tensor, "B"]) -> View:
    """The camera turned onto a ray; its x axis stays in the x-z plane of the real one."""
    forward = F.normalize(ray + ray.new_tensor([0.0, 0.0, 1e-6]), dim=-1)
    down = forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward)
    right = F.normalize(torch.linalg.cross(down, forward), dim=-1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    return View(rotation, log_extent)


def view_of_seen(seen: Seen) -> View:
    """Onto the mean ray of everybody seen, each person counting the same."""
    weight = _weights(seen.confidence)
    directions = F.normalize(F.pad(seen.rays, (0, 1), value=1.0), dim=-1)
    each = (directions * weight[..., None]).sum((2, 3))
    view = view_along(each.sum(1), seen.rays.new_zeros(len(seen.rays)))
    _, log_extent = _centre_and_extent(seen, view)
    there = seen.confidence.sum((2, 3))
    mean = (log_extent * there).sum(1) / there.sum(1).clamp_min(1e-6)
    return View(view.R_virtual_camera, mean)


def view_of_windows(windows: PairWindows) -> View:
    """Onto people whose motion is known: the mean pelvis in the middle of the window."""
    middle = windows.pelvis[:, :, windows.pelvis.shape[2] // 2].mean(1)
    return view_along(middle, MEAN_LOG_EXTENT - middle.norm(dim=-1).clamp_min(0.2).log())


def view_of(seen: Seen, windows: PairWindows) -> View:
    """Onto everybody seen; in windows where nobody is, onto where `windows` say that people are."""
    has_2d = seen.confidence.sum((1, 2, 3)) > 0
    return view_of_seen(seen).where(has_2d, view_of_windows(windows))


@dataclass(frozen=True)
class SeenInView:
    """2D keypoints as the network gets them, and the place that they give a body of mean size."""

    features: Float[Tensor, "B P F 82"]
    """Per keypoint (x, y) around the person's own centre, in the person's own extents, and
    confidence; then the centre in extents of the view (2), the logarithm of the person's extent
    over the view's, and that of the view's extent."""
    place: Float[Tensor, "B P 3"]
    """`PLACE` of a body of mean size at that centre and of that extent; 0 for who is not seen."""
    there: Float[Tensor, "B P"]
    """1 for people who are seen at all in the window."""


def seen_in_view(seen: Seen, view: View) -> SeenInView:
    planar = _planar(seen, view)
    centre, own = _centre_and_extent(seen, view)
    there = (seen.confidence.sum((2, 3)) > 0).float()
    ratio = ((own - view.log_extent[:, None]) * there).clamp(-1.5, 1.5)
    relative = (planar - centre[:, :, None, None]) / own.exp()[:, :, None, None, None]
    relative = relative.clamp(-8, 8) * (seen.confidence > 0)[..., None]
    in_extents = centre / view.log_extent.exp()[:, None, None] * there[..., None]
    keypoints = torch.cat([relative, seen.confidence[..., None]], dim=-1).flatten(3)
    constants = torch.cat(
        [
            in_extents,
            ratio[..., None],
            (view.log_extent[:, None, None] + 2.5).expand(*there.shape, 1) * there[..., None],
        ],
        dim=-1,
    )
    frames = keypoints.shape[2]
    spread = constants[:, :, None].expand(-1, -1, frames, -1)
    place = torch.cat([in_extents, -ratio[..., None] / _DEPTH_SPREAD], dim=-1)
    return SeenInView(torch.cat([keypoints, spread], dim=-1), place, there)


def pack(windows: PairWindows, view: View) -> Float[Tensor, "B P F 160"]:
    """The state of windows of motion."""
    turned = windows.turned(view.R_virtual_camera)
    sixd = matrix_to_6d(turned.rotations).flatten(3) / _ROTATION_SPREAD
    frames = windows.pelvis.shape[2]
    betas = windows.betas[:, :, None].expand(-1, -1, frames, -1)
    z = turned.pelvis[..., 2:].clamp_min(_MINIMUM_DEPTH)
    extent = view.log_extent[:, None, None, None]
    planar = turned.pelvis[..., :2] / z / extent.exp()
    depth = (z.log() + extent - MEAN_LOG_EXTENT) / _DEPTH_SPREAD
    return torch.cat([sixd, betas, planar, depth, offsets(turned.pelvis)], dim=-1)


def offsets(pelvis: Float[Tensor, "B P F 3"]) -> Float[Tensor, "B P F 3"]:
    """From each pelvis to the mean of the others', scaled; 0 for people who are alone."""
    people = pelvis.shape[1]
    if people < 2:
        return torch.zeros_like(pelvis)
    others = (pelvis.sum(1, keepdim=True) - pelvis) / (people - 1)
    return (others - pelvis) / _OFFSET_SPREAD


def unpack(code: Float[Tensor, "B P F 160"], view: View, up: Float[Tensor, "B 3"]) -> PairWindows:
    """Bodies in the real camera's frame. `up` there, which the state does not contain.

    Shape is the mean over the frames. The rays are those of the placement; how far apart in depth
    people are is what the metric offsets say, and where they are together is the mean of depths.
    """
    sixd, betas, place, offset = code.split([ROTATION, SHAPE, PLACE, OFFSET], dim=-1)
    rotations = rotations_of(sixd)
    pelvis = pelvis_of(place, offset, view)
    back = view.R_virtual_camera.mT
    return PairWindows(
        back[:, None, None, None] @ rotations,
        pelvis @ back[:, None].mT,
        betas.mean(2),
        up,
    )


def rotations_of(sixd: Float[Tensor, "*batch 144"]) -> Float[Tensor, "*batch 24 3 3"]:
    """Orientations in the virtual camera's frame, of the state's first values."""
    return sixd_to_matrix(sixd.unflatten(-1, (24, 6)) * _ROTATION_SPREAD)


def shown_to(partner: Float[Tensor, "B"]) -> Float[Tensor, "B 1 1 160"]:
    """1 for the values of the state that people may know: who is alone (0 in `partner`) is told
    nothing of where the partner is."""
    shown = partner.new_ones(SIZE)
    shown[-OFFSET:] = 0
    return shown + (1 - shown) * partner[:, None, None, None]


def pelvis_of(
    place: Float[Tensor, "B P F 3"], offset: Float[Tensor, "B P F 3"], view: View
) -> Float[Tensor, "B P F 3"]:
    """Pelvises in the virtual camera's frame, metres."""
    extent = view.log_extent[:, None, None, None]
    log_depth = (place[..., 2:] * _DEPTH_SPREAD + MEAN_LOG_EXTENT - extent).clamp(-3, 5)
    z = log_depth.exp()
    people = place.shape[1]
    if people > 1:
        behind = offset[..., 2:] * _OFFSET_SPREAD * (people - 1) / people
        z = z.mean(1, keepdim=True) - (behind - behind.mean(1, keepdim=True))
        z = z.clamp_min(_MINIMUM_DEPTH)
    return torch.cat([place[..., :2] * extent.exp() * z, z], dim=-1)


def expected_offset(place: Float[Tensor, "B P 3"], view: View) -> Float[Tensor, "B P 3"]:
    """The offsets that follow from placements alone."""
    pelvis = pelvis_of(place[:, :, None], place.new_zeros(*place.shape[:2], 1, 3), view)
    # Without metric offsets everybody is at the mean depth; here each has an own one.
    extent = view.log_extent[:, None, None, None]
    z = (place[:, :, None, 2:] * _DEPTH_SPREAD + MEAN_LOG_EXTENT - extent).clamp(-3, 5).exp()
    apart = offsets(pelvis / pelvis[..., 2:].clamp_min(_MINIMUM_DEPTH) * z)[:, :, 0]
    return apart.clamp(-_FURTHEST_OFFSET, _FURTHEST_OFFSET)


def spread_groups(groups: Float[Tensor, "*batch 26"]) -> Float[Tensor, "*batch 160"]:
    """A number of every group for every value of the state."""
    joints = groups[..., :24].repeat_interleave(6, dim=-1)
    shape = groups[..., 24:25].expand(*groups.shape[:-1], SHAPE)
    place = groups[..., 25:26].expand(*groups.shape[:-1], PLACE + OFFSET)
    return torch.cat([joints, shape, place], dim=-1)


def _weights(confidence: Float[Tensor, "B P F K"]) -> Float[Tensor, "B P F K"]:
    return confidence / confidence.sum((2, 3), keepdim=True).clamp_min(1e-6)


def _planar(seen: Seen, view: View) -> Float[Tensor, "B P F K 2"]:
    turned = torch.einsum(
        "bij,bpfkj->bpfki", view.R_virtual_camera, F.pad(seen.rays, (0, 1), value=1.0)
    )
    return turned[..., :2] / turned[..., 2:].clamp_min(_MINIMUM_DEPTH)


def _centre_and_extent(
    seen: Seen, view: View
) -> tuple[Float[Tensor, "B P 2"], Float[Tensor, "B P"]]:
    """Each person's mean place in the view, and the logarithm of the mean distance of a keypoint
    from its frame's centre; both at unit depth."""
    planar, weight = _planar(seen, view), _weights(seen.confidence)
    centre = (planar * weight[..., None]).sum((2, 3))
    in_frame = seen.confidence / seen.confidence.sum(3, keepdim=True).clamp_min(1e-6)
    middle = (planar * in_frame[..., None]).sum(3, keepdim=True)
    distance = (planar - middle).norm(dim=-1)
    return centre, (distance * weight).sum((2, 3)).clamp_min(_SMALLEST_EXTENT).log()
