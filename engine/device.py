"""Where tensors lie and are computed with: the CPU, or a GPU through CUDA.

A computation is told a device at its borders alone, where NumPy becomes torch and back. In between
every new tensor lies where those lie that it is made for.
"""

from __future__ import annotations

import gc
import time
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from engine.errors import InputError

Value = TypeVar("Value")


def chosen(device: str) -> Literal["cpu", "cuda"]:
    """The device that a name stands for; "auto" is CUDA where torch can use it, else the CPU.

    Raises InputError where CUDA is asked for and there is none, or for another name.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            "There is no such device to compute on",
            expected="auto, cpu or cuda",
            received=device,
        )
    if device == "cpu":
        return "cpu"
    trouble = cuda_trouble()
    if trouble and device == "cuda":
        raise InputError(
            f"CUDA was asked for and cannot be used: {trouble}",
            advice="Fit on the CPU, or install torch for CUDA and a driver that it knows.",
        )
    if not trouble:
        torch.backends.cudnn.allow_tf32 = False  # else convolutions keep ten bits of 24
    return "cpu" if trouble else "cuda"


def cuda_trouble() -> str:
    """Why torch cannot compute on CUDA here; empty where it can."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) was built without it"
    if not torch.cuda.is_available():
        return "torch finds no GPU"
    try:
        torch.zeros(1, device="cuda").add_(1).cpu()
    except Exception as error:  # a driver, or a GPU that this build has no code for
        return str(error).strip().splitlines()[0][:200]
    return ""


def on(value: Value, device: torch.device | str) -> Value:
    """The same on a device: tensors, and whatever of dataclasses, tuples, lists and dicts has some.

    What lies there already is not copied.
    """
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, (tuple, list)):
        each = [on(one, device) for one in value]
        if any(new is not old for new, old in zip(each, value, strict=True)):
            moved = type(value)(each)
    elif isinstance(value, dict):
        items = {key: on(one, device) for key, one in value.items()}
        if any(items[key] is not one for key, one in value.items()):
            moved = items
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        changed = {name: on(one, device) for name, one in parts.items()}
        changed = {name: one for name, one in changed.items() if one is not parts[name]}
        if changed:
            moved = replace(value, **changed)
    result: Value = moved
    return result


def out_of_memory(error: BaseException) -> bool:
    """Whether it says that memory ran out: torch says so in several ways."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)


_OUT_OF_MEMORY = (
    "can't allocate memory",  # torch on the CPU
    "not enough memory",
    "CUDA error: out of memory",  # CUDA itself, past torch's allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def free_cache() -> None:
    """Give back the memory that nothing uses any more."""
    gc.collect()
    torch.cuda.empty_cache()  # does nothing where CUDA was not used


def seconds_on(device: str) -> float:
    """For differences: of the processor, or of the clock once a GPU has done all it was told."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
