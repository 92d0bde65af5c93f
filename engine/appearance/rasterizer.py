"""Gaussians into pictures, differentiably: one signature, three backends.

| backend | file | serves |
|---|---|---|
| `warp` | `rasterize_warp.py` | the CPU, float32 |
| `gsplat` | `rasterize_gsplat.py` | CUDA where gsplat can be built |
| `torch` | `rasterize_torch.py` | the reference: any device and type, and CUDA without gsplat |

All draw the same picture (docs/decisions/0014-one-rasterizer.md).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from engine.appearance.projection import Scene
from engine.appearance.rasterize_gsplat import gsplat_trouble, rasterize_gsplat
from engine.appearance.rasterize_torch import rasterize_torch
from engine.errors import InputError

Backend = Literal["auto", "torch", "warp", "gsplat"]


@dataclass(frozen=True)
class Rendered:
    """B pictures."""

    colors: Float[Tensor, "B H W C"]
    """Over the background; over zeros where none was given."""
    alphas: Float[Tensor, "B H W"]
    """How much of the background is covered, 0..1."""


def rasterize(
    means: Float[Tensor, "B N 3"],
    scales: Float[Tensor, "N"] | Float[Tensor, "B N"],
    opacities: Float[Tensor, "N"],
    colors: Float[Tensor, "N C"],
    Ks: Float[Tensor, "B 3 3"],
    width: int,
    height: int,
    backgrounds: Float[Tensor, "B H W C"] | None = None,
    backend: Backend = "auto",
    threads: int = 1,
) -> Rendered:
    """Draw isotropic Gaussians, all of them sorted by depth together, front to back.

    Args:
        means: metres, in the camera of each picture (x right, y down, z forward).
        scales: standard deviations in metres, positive.
        opacities: 0 to 1, at the middle of a Gaussian.
        colors: any number of channels: colour, identity of each person, depth.
        Ks: pixels; (0.5, 0.5) is the middle of the first pixel; no skew, no distortion.
        width, height: of the pictures, in pixels.
        backgrounds: seen where alpha is less than 1.
        backend: "auto" takes what is fastest for the tensors' device and type.
        threads: of `warp`, which then draws so many pictures at once; no result depends on it.

    Gradients reach means, scales, opacities, colors and backgrounds, not Ks. Gaussians nearer than
    1 cm to the camera's plane, or behind it, are not drawn and have gradients of zero. On the CPU
    the same input gives the same output and gradients, bit for bit.

    The splats are those of gsplat's "classic" mode: EWA projection, 0.3 px² of blur, alpha at most
    0.999, nothing drawn below 1/255, and a pixel ends before less than 1e-4 of what is behind it
    would be left.

    Raises InputError where shapes, types or devices do not fit together, a value is not finite, or
    the backend asked for cannot draw these tensors.
    """
    if scales.shape not in (means.shape[:2], means.shape[1:2]):
        raise InputError(
            "The scales of the Gaussians do not fit their means",
            expected=f"{tuple(means.shape[1:2])} or {tuple(means.shape[:2])}",
            received=f"{tuple(scales.shape)}",
        )
    each = scales.expand(means.shape[:2])
    scene = Scene(means, each, opacities, colors, Ks.detach(), width, height)
    _check(scene)
    drawn, alphas = _draw(scene, _chosen(backend, scene), threads)
    if backgrounds is not None:
        if backgrounds.shape != drawn.shape:
            raise InputError(
                "The backgrounds do not fit the pictures",
                expected=f"{tuple(drawn.shape)}",
                received=f"{tuple(backgrounds.shape)}",
            )
        drawn = drawn + (1 - alphas[..., None]) * backgrounds
    return Rendered(drawn, alphas)


def fastest(device: torch.device, dtype: torch.dtype) -> tuple[Backend, str]:
    """What "auto" takes, and a sentence where that is slower than need be, else ""."""
    if dtype != torch.float32 or device.type not in ("cpu", "cuda"):
        return "torch", ""
    if device.type == "cpu":
        return "warp", ""
    reason = gsplat_trouble()
    if not reason:
        return "gsplat", ""
    return "torch", f"Gaussians are drawn by plain torch, which is slower: {reason}"


def _chosen(backend: Backend, scene: Scene) -> Backend:
    """The backend by name. Raises InputError where it cannot draw these tensors."""
    device, dtype = scene.means.device, scene.means.dtype
    if backend == "auto":
        backend, note = fastest(device, dtype)
        _say_once(note)
        return backend
    fits = {
        "torch": True,
        "warp": device.type == "cpu" and dtype == torch.float32,
        "gsplat": device.type == "cuda" and dtype == torch.float32,
    }
    if backend not in fits:
        names = ", ".join(("auto", *fits))
        raise InputError("There is no such rasteriser", expected=names, received=f"{backend}")
    if not fits[backend]:
        place = {"warp": "on the CPU", "gsplat": "on CUDA"}[backend]
        raise InputError(
            f"The rasteriser {backend} cannot draw these Gaussians",
            expected=f"float32 {place}",
            received=f"{dtype} on {device}",
        )
    if backend == "gsplat" and (reason := gsplat_trouble()):
        raise InputError(f"gsplat cannot be used: {reason}")
    return backend


@cache
def _say_once(note: str) -> None:
    if note:
        warnings.warn(note, stacklevel=4)


def _draw(
    scene: Scene, backend: Backend, threads: int
) -> tuple[Float[Tensor, "B H W C"], Float[Tensor, "B H W"]]:
    if backend == "warp":
        from engine.appearance.rasterize_warp import rasterize_warp  # compiled at first use

        return rasterize_warp(scene, threads)
    if backend == "gsplat" and scene.means.numel():
        return rasterize_gsplat(scene)
    return rasterize_torch(scene)


def _check(scene: Scene) -> None:
    """Refuse what would draw nonsense or crash a backend."""
    pictures, count = scene.means.shape[:2]
    tensors = {"means": scene.means, "scales": scene.scales, "opacities": scene.opacities}
    tensors |= {"colors": scene.colors, "Ks": scene.Ks}
    lengths = {"opacities": count, "colors": count, "Ks": pictures}
    for name, tensor in tensors.items():
        if len(tensor) != lengths.get(name, pictures):
            raise InputError(
                f"The {name} of the Gaussians do not fit their means",
                expected=f"{lengths[name]} of them",
                received=f"{len(tensor)}",
            )
        if tensor.dtype != scene.means.dtype or tensor.device != scene.means.device:
            raise InputError(
                "All Gaussians must be of one type and on one device",
                expected=f"{scene.means.dtype} on {scene.means.device}",
                received=f"{tensor.dtype} on {tensor.device} for {name}",
            )
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"The {name} of the Gaussians must be finite numbers")
    least, most = scene.opacities.aminmax() if count else (0, 1)
    if least < 0 or most > 1:
        raise InputError(
            "Opacities must be between 0 and 1", received=f"{float(least):.3g} to {float(most):.3g}"
        )
    if bool((scene.Ks[:, (0, 1), (0, 1)] <= 0).any()):
        raise InputError("Focal lengths must be positive")
    if scene.width < 1 or scene.height < 1:
        raise InputError(
            "A picture must have pixels", received=f"{scene.width} x {scene.height} of them"
        )
