"""An avatar: what one person looks like, kept between fits and clips as a few bytes.

The file is safetensors with half-precision numbers: the latent planes, the decoder's weights, and
in its header the body and the density whose vertices carry the Gaussians. Nothing in it is run,
and what does not have exactly the expected tensors is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from engine.appearance.decoder import CHANNELS, RESOLUTION, Decoder, decode, new_latent, together
from engine.appearance.gaussians import Anchors, Gaussians
from engine.body.data import DENSITIES
from engine.errors import InputError

FORMAT = "dyad-avatar-1"
SIZE_LIMIT = 2**20
"""Bytes; an avatar has about 130 kB."""
_LATENT = "latent"
_DECODER = "decoder."
_HEADER = "avatar"
_LENGTH = 8
"""Bytes at the start of a safetensors file that say how long its header is."""


@dataclass(frozen=True, eq=False)
class Avatar:
    """What one person looks like. No two avatars share storage."""

    latent: Float[Tensor, "3 C R R"]
    decoder: Decoder
    body: str
    density: str

    @classmethod
    def new(cls, body: str, density: str, generator: torch.Generator) -> Avatar:
        """Of somebody nobody has seen: a grey body. The same generator state gives the same."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            decoder = Decoder()
        return cls(new_latent(generator), decoder, body, density)

    def gaussians(self, widen: float = 1.0) -> Gaussians:
        anchors = Anchors.load(self.body, self.density, self.latent.device)
        return decode(self.latent, self.decoder, anchors, widen)

    def on(self, device: torch.device) -> Avatar:
        """The same on a device, in storage of its own."""
        decoder = deepcopy(self.decoder).to(device)
        return replace(self, latent=self.latent.clone().to(device), decoder=decoder)


def gaussians_of(avatars: Sequence[Avatar], widen: float = 1.0) -> Gaussians:
    """Of several people of one body."""
    return together([avatar.gaussians(widen) for avatar in avatars])


def avatar_to_bytes(avatar: Avatar) -> bytes:
    """A safetensors file; the same avatar gives the same bytes."""
    tensors = {_LATENT: avatar.latent}
    tensors |= {_DECODER + name: value for name, value in avatar.decoder.state_dict().items()}
    halves = {name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}
    header = {"format": FORMAT, "body": avatar.body, "density": avatar.density}
    # One entry: safetensors writes several in any order.
    return save(halves, metadata={_HEADER: json.dumps(header, sort_keys=True)})


def avatar_from_bytes(content: bytes) -> Avatar:
    """The avatar of a file's bytes. Raises InputError where they are not exactly one avatar."""
    if len(content) > SIZE_LIMIT:
        raise _refused(f"{len(content) / 2**20:.1f} MB")
    header = _header(content)
    if header.get("format") != FORMAT:
        raise _refused(str(header.get("format", "a file without that mark"))[:80])
    density = str(header.get("density"))
    if density not in DENSITIES:
        raise _refused(f"Gaussians on a body of density {density[:40]!r}")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise _refused(str(error).splitlines()[0][:160]) from error
    latent, decoder = _checked(tensors)
    return Avatar(latent, decoder, str(header.get("body"))[:200], density)


def _header(content: bytes) -> Mapping[str, object]:
    """What a safetensors file says of itself."""
    length = int.from_bytes(content[:_LENGTH], "little")
    if not 0 < length <= len(content) - _LENGTH:
        raise _refused("a file that is cut short" if len(content) else "nothing")
    try:
        said = json.loads(content[_LENGTH : _LENGTH + length])
        header = json.loads(said["__metadata__"][_HEADER])
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _refused("a file without an avatar's header") from error
    return header if isinstance(header, dict) else {}


def _checked(tensors: dict[str, Tensor]) -> tuple[Tensor, Decoder]:
    decoder = Decoder()
    shapes = {_DECODER + name: value.shape for name, value in decoder.state_dict().items()}
    shapes[_LATENT] = torch.Size((3, CHANNELS, RESOLUTION, RESOLUTION))
    if {name: value.shape for name, value in tensors.items()} != shapes:
        raise _refused("tensors of other names or shapes")
    floats = {name: value.float() for name, value in tensors.items()}
    if not all(bool(torch.isfinite(value).all()) for value in floats.values()):
        raise _refused("values that are not numbers")
    latent = floats.pop(_LATENT)
    decoder.load_state_dict({name.removeprefix(_DECODER): v for name, v in floats.items()})
    return latent, decoder


def _refused(received: str) -> InputError:
    return InputError(
        "These bytes are not an avatar",
        expected=f"an avatar as a fit writes it, at most {SIZE_LIMIT // 2**20} MB",
        received=received,
        advice="Leave it away: it is learnt anew from the video.",
    )
