"""The stand-in for CUDA refuses what CUDA refuses, and computes what the CPU computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.far_device import FAR, MixedDevices, far_device


def test_it_computes_what_the_cpu_computes_gradients_too():
    values = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))

    def answer(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        x = values.to(device).requires_grad_()
        y = torch.einsum("ij,kj->ik", x, torch.eye(3, device=device)) @ x.new_tensor([1.0, 2, 3])
        total = y[[0, 2]].square().sum() + x[x > 0].norm()
        (gradient,) = torch.autograd.grad(total, x)
        return total.detach().cpu(), gradient.cpu()

    with far_device() as seen:
        far = answer(FAR)
    assert all(torch.equal(*pair) for pair in zip(far, answer(torch.device("cpu")), strict=True))
    assert seen.operations > 10 and seen.waits["nonzero.default"] == 0


def test_tensors_say_where_they_lie_and_what_is_made_of_them_lies_there():
    with far_device():
        x = torch.zeros(3, device=FAR)
        made = [x + 1, x.new_zeros(2), torch.zeros_like(x), x[1:], torch.tensor([1.0], device=FAR)]
        assert {tensor.device for tensor in made} == {FAR}
        assert x.cpu().device == torch.device("cpu") and float(made[0].sum()) == 3
        view = x[1:]
        view += 5
        assert x.tolist() == [0, 5, 5]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda x: x + torch.zeros(3),
        lambda x: torch.cat([x, torch.zeros(3)]),
        lambda x: torch.zeros(3)[x.long()],
        lambda x: torch.where(x > 0, x, torch.zeros(3)),
        lambda x: torch.searchsorted(torch.arange(3.0), x),
        lambda x: torch.stack([x.sum(), torch.tensor(0.0)]),
        lambda x: torch.randn(3, device=FAR, generator=torch.Generator()),
        lambda x: torch.nn.Linear(3, 2)(x),
    ],
)
def test_what_cuda_refuses_is_refused(mistake):
    with far_device(), pytest.raises(MixedDevices):
        mistake(torch.ones(3, device=FAR))


def test_numpy_gets_no_tensor_that_lies_elsewhere():
    with far_device(), pytest.raises((RuntimeError, TypeError)):
        torch.ones(3, device=FAR).numpy()


def test_what_cuda_takes_is_taken():
    with far_device():
        x = torch.ones(3, device=FAR)
        taken = [x + torch.tensor(2.0), x[torch.tensor([0, 2])], x[[0, 2]], x * 2, x.clamp_max(0.5)]
        x[[1]] = 4.0
        x.copy_(torch.from_numpy(np.arange(3, dtype=np.float32)))
        assert [one.sum().item() for one in taken] == [9, 2, 2, 6, 1.5] and x.tolist() == [0, 1, 2]


def test_waiting_for_numbers_is_counted():
    with far_device() as seen:
        x = torch.ones(3, device=FAR)
        float(x.sum()), bool((x > 0).all()), x.cpu(), torch.nonzero(x)
    assert dict(seen.waits) == {
        "_local_scalar_dense.default": 2,
        "_to_copy.default": 1,
        "nonzero.default": 1,
    }
