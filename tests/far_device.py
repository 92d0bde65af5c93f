"""A device that this machine does not have, so that code for CUDA can be run without one.

Tensors on `FAR` say that they lie elsewhere and compute on the CPU. What CUDA would refuse because
tensors lie on different devices is refused here too, so a whole fit can be run, control flow
included, and show that it keeps its tensors together. What is not seen: kernels that round
otherwise, and how long they take.

    with far_device() as seen:
        x = torch.zeros(3, device=FAR)
        x + torch.zeros(3)  # raises MixedDevices

torch's device "meta", whose tensors have no numbers, stands in: here they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

FAR = torch.device("meta")
_aten = torch.ops.aten
_TO_CPU = _aten._local_scalar_dense.default
_COPIES = {_aten._to_copy.default, _aten.copy_.default, _TO_CPU}
"""May be given tensors of both devices."""
_BY_INDEX = {
    _aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default,
    _aten._index_put_impl_.default, _aten._unsafe_index.Tensor,
}  # fmt: skip
"""Take indices from the CPU as well, and copy them."""
_SIZED_BY_NUMBERS = {
    _aten.nonzero.default, _aten._unique2.default, _aten.unique_consecutive.default,
}  # fmt: skip
"""The CPU waits to learn how large the result is."""


class MixedDevices(RuntimeError):
    """Tensors of two devices met, or random numbers for one were to come from the other."""


@dataclass
class Seen:
    """What went on while the device was there."""

    operations: int = 0
    """On the device."""
    waits: Counter[str] = field(default_factory=Counter)
    """Times that the CPU needed numbers of the device and waited for them, by operation."""


_MAKERS = {"tensor": torch.tensor, "as_tensor": torch.as_tensor}
_seen: list[Seen] = [Seen()]


class FarTensor(Tensor):
    """A tensor of the far device; `inner` has its numbers."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> FarTensor:
        made: FarTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=FAR,
        )
        made.inner = inner
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"FarTensor({self.inner!r})"

    # What torch does outside its dispatcher, where it would find no numbers:

    def tolist(self) -> Any:
        _seen[-1].waits["tolist"] += 1
        return self.inner.tolist()

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype).to(FAR)

    def __getitem__(self, index: Any) -> Tensor:
        chosen: Tensor = super().__getitem__(_with_tensors(index))
        return chosen

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_with_tensors(index), value)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _with_tensors(index: Any) -> Any:
    """Lists of rows as tensors."""
    if isinstance(index, tuple):
        return tuple(torch.tensor(i) if isinstance(i, (list, tuple)) else i for i in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = list(_tensors((args, tuple(kwargs.values()))))
    far = [one for one in given if isinstance(one, FarTensor)]
    near = [one for one in given if not isinstance(one, FarTensor)]
    assert not any(one.is_meta for one in near), f"{func} was given a tensor without numbers"
    wanted, result_far = kwargs.get("device"), bool(far) and func is not _TO_CPU
    if wanted is not None:
        result_far = torch.device(wanted) == FAR
    _check(func, args, kwargs.get("generator") is not None and result_far, far, near)
    if (far and not result_far) or func in _SIZED_BY_NUMBERS:
        _seen[-1].waits[func.__name__] += 1
    _seen[-1].operations += result_far
    there = {name: _inner(value) for name, value in kwargs.items()}
    if wanted is not None:
        there["device"] = torch.device("cpu")
    result = func(*_inner(args), **there)
    if not result_far:
        return result
    result = _wrapped(result)
    return return_and_correct_aliasing(func, args, kwargs, result) if far else result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _tensors(one)


def _inner(value: Any) -> Any:
    if isinstance(value, FarTensor):
        return value.inner
    return type(value)(map(_inner, value)) if type(value) in (tuple, list) else value


def _wrapped(value: Any) -> Any:
    if isinstance(value, Tensor):
        return FarTensor(value)
    return type(value)(map(_wrapped, value)) if type(value) in (tuple, list) else value


def _check(
    func: Any, args: Any, random_numbers: bool, far: list[FarTensor], near: list[Tensor]
) -> None:
    """Raise MixedDevices where CUDA would refuse."""
    if random_numbers:
        raise MixedDevices(f"{func} was given a generator of the CPU")
    if not far or func in _COPIES:
        return
    if func in _BY_INDEX:
        near = [one for one in near if not any(one is index for index in args[1])]
    # A number without axes may come from the CPU where an operation broadcasts.
    broadcasts = torch.Tag.pointwise in func.tags or func in _BY_INDEX
    near = [one for one in near if one.ndim or not broadcasts]
    if near:
        shapes = ", ".join(str(tuple(one.shape)) for one in near)
        raise MixedDevices(f"{func} was given tensors of the CPU, {shapes}, beside far ones")


class _Dispatch(TorchDispatchMode):
    """What is made without a tensor of the device at hand."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _with_numbers(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`torch.tensor` and the like: of Python's numbers torch would make a tensor without any."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        tensor = make(*args, **kwargs)
        return tensor if device is None else tensor.to(device)

    return made


@contextmanager
def far_device() -> Iterator[Seen]:
    """`FAR` is a device while this lasts, in this thread."""
    seen = Seen()
    _seen.append(seen)
    try:
        with (
            _Dispatch(),
            patch.multiple(torch, **{n: _with_numbers(m) for n, m in _MAKERS.items()}),
        ):
            yield seen
    finally:
        _seen.pop()
