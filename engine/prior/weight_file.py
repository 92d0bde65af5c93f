"""The prior's weight file: safetensors in half precision, its header says what it was made for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from engine.body.data import OPEN_BODY, SHAPE_COUNT
from engine.errors import InputError
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.skeleton import Skeleton

FORMAT = "dyad-prior-1"
_BODY = "body"
_REST, _CHANGE = "skeleton.J_template", "skeleton.J_shapedirs"
_SIZE_LIMIT = 256 * 2**20


def write_weights(path: Path, network: Denoiser, skeleton: Skeleton) -> None:
    """Write the network and the skeleton that it was trained on, complete or not at all.

    Raises OSError where it cannot be written.
    """
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    tensors[_REST] = skeleton.J_template.contiguous()
    tensors[_CHANGE] = skeleton.J_shapedirs.contiguous()
    header = {"format": FORMAT, _BODY: OPEN_BODY, **network.config.as_text()}
    replace_file(path, save(tensors, metadata=header))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def read_weights(path: Path) -> tuple[Denoiser, Skeleton]:
    """The network, ready to answer, and its skeleton.

    Raises InputError for a file that is no prior's, of another architecture, or of another body.
    """
    if not path.is_file():
        raise InputError(f"There is no weight file {path.name}", expected="a .safetensors file")
    try:
        if path.stat().st_size > _SIZE_LIMIT:
            raise _refused(path, f"a file of {path.stat().st_size / 2**20:.0f} MB")
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise _refused(path, header.get("format", "a file without that mark")[:80])
            if header.get(_BODY) != OPEN_BODY:
                raise InputError(
                    f"{path.name} is a prior for another body",
                    expected=OPEN_BODY,
                    received=header.get(_BODY, "none")[:80],
                )
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _refused(path, str(error).splitlines()[0][:160]) from error
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise InputError(f"{path.name} holds weights that are not numbers")
    try:
        rest, change = (tensors.pop(name) for name in (_REST, _CHANGE))
        if rest.shape != (24, 3) or change.shape != (24, 3, SHAPE_COUNT):
            raise ValueError(f"a skeleton of {tuple(rest.shape)} and {tuple(change.shape)}")
        # Without memory of its own: a header may ask for any amount.
        with torch.device("meta"):
            network = Denoiser(DenoiserConfig.from_text(header))
        network.load_state_dict(tensors, assign=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path.name} is a prior of another architecture",
            expected="the tensors that train-prior writes",
            received=str(error).splitlines()[0][:160],
        ) from error
    return network.eval(), Skeleton(rest, change)


def _refused(path: Path, received: str) -> InputError:
    return InputError(
        f"{path.name} is not a weight file of the prior",
        expected="safetensors as train-prior writes them",
        received=received,
    )
