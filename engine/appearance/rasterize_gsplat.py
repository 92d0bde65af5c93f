"""The rasteriser on CUDA: gsplat (Ye et al. 2025), which builds itself at its first use.

It needs the CUDA toolkit and a C++ compiler then, and some minutes.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from engine.appearance.projection import BLUR, NEAR, Scene


@cache
def gsplat_trouble() -> str:
    """Why gsplat cannot be used here; empty where it can. The first question may build it."""
    if not torch.cuda.is_available():
        return "torch finds no CUDA device"
    try:
        from gsplat.cuda._backend import _C
    except Exception as error:  # whatever a compiler and a linker may fail with
        return f"gsplat could not be built ({str(error).strip().splitlines()[0][:200]})"
    return "" if _C is not None else "gsplat finds no CUDA toolkit (nvcc) to build itself with"


def rasterize_gsplat(
    scene: Scene,
) -> tuple[Float[Tensor, "B H W C"], Float[Tensor, "B H W"]]:
    """Colours over zeros, and alphas. Takes float32 on CUDA."""
    from gsplat.rendering import rasterization

    drawn, alphas, _ = rasterization(**gsplat_arguments(scene))
    return drawn[:, 0], alphas[:, 0, ..., 0]


def gsplat_arguments(scene: Scene) -> dict[str, Tensor | float | int | bool | str]:
    """A scene in gsplat's words: every picture is a batch of its own with one camera."""
    pictures, count = scene.scales.shape
    upright = scene.means.new_tensor([1, 0, 0, 0]).expand(pictures, count, 4)
    still = torch.eye(4).to(scene.means).expand(pictures, 1, 4, 4)
    return {
        "means": scene.means,
        "quats": upright.contiguous(),
        "scales": scene.scales[..., None].expand(-1, -1, 3).contiguous(),
        "opacities": scene.opacities.expand(pictures, -1).contiguous(),
        "colors": scene.colors.expand(pictures, -1, -1).contiguous(),
        "viewmats": still.contiguous(),
        "Ks": scene.Ks[:, None].contiguous(),
        "width": scene.width,
        "height": scene.height,
        "near_plane": NEAR,
        "eps2d": BLUR,
        "packed": False,
        "render_mode": "RGB",
        "rasterize_mode": "classic",
    }
