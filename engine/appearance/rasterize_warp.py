"""The rasteriser on the CPU, in Warp kernels with a backward pass of their own.

Pictures do not depend on each other, so threads may draw one each; gradients to what pictures share
are added in the order of the pictures, whoever drew them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from engine.appearance.projection import Scene
from engine.appearance.splat_kernels import ACROSS, DOWN, Block, kernels, offsets, wp


def rasterize_warp(
    scene: Scene, threads: int = 1
) -> tuple[Float[Tensor, "B H W C"], Float[Tensor, "B H W"]]:
    """Colours over zeros, and alphas. Takes float32 on the CPU."""
    drawn: tuple[Tensor, Tensor] = _Blend.apply(
        scene.means, scene.scales, scene.opacities, scene.colors, _Task(scene, threads)
    )
    return drawn


class _Blend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *given, task = arguments
        tensors = [tensor.detach().contiguous() for tensor in given]
        light, still_open = task.plane(1.0), task.plane(1.0)
        blocks, seen = task.picture(), torch.zeros_like(tensors[1])
        outputs = [_array(each, Block) for each in (light, still_open, blocks)]
        task.run(0, [*task.inputs(tensors), *outputs, _array(seen)])
        ctx.task = task
        ctx.save_for_backward(*tensors, light, blocks, seen)
        alphas = 1 - task.to_pixels(light[:, :, :, None])[..., 0]
        return task.to_pixels(blocks).contiguous(), alphas

    @staticmethod
    def backward(ctx: Any, *pulls: Tensor) -> tuple[Tensor | None, ...]:
        task: _Task = ctx.task
        *tensors, light, blocks, seen = ctx.saved_tensors
        pull, to_alphas = (task.to_blocks(each) for each in (pulls[0], pulls[1][..., None]))
        rest = (blocks * pull).sum(dim=3) - light * to_alphas[:, :, :, 0]
        room = (pull, task.plane(1.0), task.plane(1.0), rest, pull.new_zeros(task.sums))
        means, scales, opacities, colors = tensors
        shared = opacities.expand_as(scales), colors.expand(task.pictures, *colors.shape)
        to = [torch.zeros_like(each) for each in (means, scales, *shared)]
        outputs = [_array(to[0], wp.vec3), *(_array(each) for each in to[1:])]
        blocks_of_pixels = [_array(each, Block) for each in room]
        task.run(1, [*task.inputs(tensors), _array(seen), *blocks_of_pixels, *outputs])
        return to[0], to[1], to[2].sum(dim=0), to[3].sum(dim=0), None


class _Task:
    """What both passes need besides the tensors with gradients."""

    def __init__(self, scene: Scene, threads: int) -> None:
        self.pictures = len(scene.means)
        self._channels = scene.colors.shape[1]
        self._width, self._height = scene.width, scene.height
        self._rows, self._columns = -(-scene.height // DOWN), -(-scene.width // ACROSS)
        self._threads = max(1, min(threads, self.pictures))
        K = scene.Ks
        self._cameras = torch.stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]], dim=-1)
        self._order = torch.argsort(scene.means[..., 2].detach(), dim=1, stable=True)
        self.sums = self.pictures, self._channels, ACROSS * DOWN

    def inputs(self, tensors: list[Tensor]) -> list[Any]:
        """What both kernels are given, from means, scales, opacities and colors."""
        means, *others = tensors
        size = wp.vec2i(self._width, self._height)
        return [
            _array(self._order, wp.int64), _array(means, wp.vec3), *map(_array, others),
            _array(self._cameras, wp.vec4), size, *offsets(),
        ]  # fmt: skip

    def plane(self, value: float) -> Float[Tensor, "B Y X L"]:
        return torch.full((self.pictures, self._rows, self._columns, ACROSS * DOWN), value)

    def picture(self) -> Float[Tensor, "B Y X C L"]:
        shape = self.pictures, self._rows, self._columns, self._channels, ACROSS * DOWN
        return torch.zeros(shape)

    def run(self, which: int, inputs: list[Any]) -> None:
        """The forward (0) or backward (1) kernel, the pictures shared out among the threads."""
        kernel = kernels(self._channels)[which]
        if self._threads == 1:
            wp.launch(kernel, dim=self.pictures, inputs=[0, *inputs], device="cpu")
            return
        kernel.module.load("cpu")  # not by two at once

        def share(thread: int) -> None:
            for picture in range(thread, self.pictures, self._threads):
                wp.launch(kernel, dim=1, inputs=[picture, *inputs], device="cpu")

        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(share, range(self._threads)))

    def to_blocks(self, pixels: Float[Tensor, "B H W C"]) -> Float[Tensor, "B Y X C L"]:
        below = self._rows * DOWN - self._height
        right = self._columns * ACROSS - self._width
        whole = pad(pixels, (0, 0, 0, right, 0, below)) if right or below else pixels
        cut = whole.reshape(
            self.pictures, self._rows, DOWN, self._columns, ACROSS, pixels.shape[-1]
        )
        return cut.permute(0, 1, 3, 5, 2, 4).flatten(-2).contiguous()

    def to_pixels(self, blocks: Float[Tensor, "B Y X C L"]) -> Float[Tensor, "B H W C"]:
        cut = blocks.unflatten(-1, (DOWN, ACROSS)).permute(0, 1, 4, 2, 5, 3)
        whole = cut.reshape(
            self.pictures, self._rows * DOWN, self._columns * ACROSS, blocks.shape[3]
        )
        shown: Tensor = whole[:, : self._height, : self._width]
        return shown


def _array(tensor: Tensor, kind: Any = wp.float32) -> Any:
    """Warp's view of a tensor."""
    return wp.from_torch(tensor, dtype=kind, requires_grad=False, return_ctype=True)
