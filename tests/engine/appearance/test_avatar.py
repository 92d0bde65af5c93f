"""Avatars as files: everything in, nothing hostile out."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load, save

from engine.appearance.avatar import SIZE_LIMIT, Avatar, avatar_from_bytes, avatar_to_bytes
from engine.errors import InputError


def avatar(seed: int = 0) -> Avatar:
    made = Avatar.new("open-body", "1k2", torch.Generator().manual_seed(seed))
    made.latent.mul_(5.0)
    return made


def test_an_avatar_comes_back_as_it_was() -> None:
    """The decoder too: what it looks like is the same, to the digits that are kept."""
    before = avatar()
    after = avatar_from_bytes(avatar_to_bytes(before))
    assert (after.body, after.density) == ("open-body", "1k2")
    one, other = before.gaussians(), after.gaussians()
    assert torch.allclose(one.colors, other.colors, atol=2e-3)
    assert torch.allclose(one.offsets, other.offsets, atol=2e-4)
    assert not torch.allclose(one.colors, avatar(1).gaussians().colors, atol=2e-3)


def test_the_same_avatar_gives_the_same_bytes_and_few() -> None:
    content = avatar_to_bytes(avatar())
    assert content == avatar_to_bytes(avatar())
    assert content == avatar_to_bytes(avatar_from_bytes(content))
    assert len(content) < SIZE_LIMIT / 4


def header(**changes: str) -> dict[str, str]:
    said = {"format": "dyad-avatar-1", "body": "open-body", "density": "1k2", **changes}
    return {"avatar": json.dumps(said)}


def altered(**tensors: torch.Tensor | None) -> bytes:
    kept = {**load(avatar_to_bytes(avatar())), **tensors}
    return save({k: v for k, v in kept.items() if v is not None}, metadata=header())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        avatar_to_bytes(avatar())[:-100],
        avatar_to_bytes(avatar())[:40],
        pickle.dumps({"latent": 1}),
        (10).to_bytes(8, "little") + b"[" * 10,
        bytes(SIZE_LIMIT + 1),
        save({"latent": torch.zeros(2)}),
        save(load(avatar_to_bytes(avatar())), metadata=header(format="dyad-prior-1")),
        save(load(avatar_to_bytes(avatar())), metadata=header(density="../../etc")),
        altered(latent=torch.zeros(3, 8, 4, 4)),
        altered(latent=torch.full((3, 8, 48, 48), torch.nan)),
        altered(**{"decoder.layers.0.weight": None}),
        altered(extra=torch.zeros(3)),
    ],
    ids=[
        "nothing", "noise", "cut short", "cut in its header", "a pickle", "a bad header",
        "too large", "other tensors", "another format", "another density", "another shape",
        "not numbers", "without a part of its decoder", "with something more",
    ],
)  # fmt: skip
def test_what_is_not_an_avatar_is_refused_in_one_sentence(content: bytes) -> None:
    with pytest.raises(InputError, match="not an avatar") as refused:
        avatar_from_bytes(content)
    assert "\n" not in str(refused.value)
