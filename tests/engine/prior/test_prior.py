"""The prior at work: what it must do whatever it has learnt, on a network of random numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.body.joints import COCO17, HALPE26, SMPL_JOINTS, mirrored
from engine.errors import InputError
from engine.geometry.rotations import axis_angle_to_matrix
from engine.prior.denoiser import Denoiser, DenoiserConfig
from engine.prior.prior import EstimatedMotion, Prior
from engine.prior.proxemics import measure
from engine.prior.weight_file import write_weights
from engine.prior.windows import PairWindows, Seen
from tests.engine.prior.people import SKELETON, close, generator, people, seen, swapped

K = np.array([[900.0, 0, 320], [0, 900.0, 240], [0, 0, 1]])


def network(seed: int = 3) -> Denoiser:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Denoiser(DenoiserConfig(width=32, blocks=2, heads=4, modulation=16))
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return network


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior(network(), SKELETON)


def clip(persons: int = 2, frames: int = 20, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and confidence of people seen without error."""
    whole = seen(people(count=1, persons=persons, frames=frames, seed=seed))
    pixels = whole.rays[0].double().numpy() * 900 + [320, 240]
    return pixels, whole.confidence[0].double().numpy()


def estimated(
    prior: Prior, pixels: np.ndarray, confidence: np.ndarray, fps: float = 30.0, **more: object
) -> EstimatedMotion:
    times = np.arange(pixels.shape[1]) / fps + 3.0
    return prior.estimate(pixels, confidence, "halpe26", K, times, **more)  # type: ignore[arg-type]


def check(motion: EstimatedMotion, persons: int, frames: int) -> None:
    """Finite values of the right shapes."""
    shapes = {
        "global_orient": (persons, frames, 3),
        "body_pose": (persons, frames, 23, 3),
        "transl": (persons, frames, 3),
        "betas": (persons, 10),
        "up_camera": (3,),
        "log_variance": (persons, frames, 24),
        "evidence": (persons, frames),
    }
    for name, shape in shapes.items():
        value = getattr(motion, name)
        assert value.shape == shape, name
        assert np.isfinite(value).all(), name
    assert np.linalg.norm(motion.up_camera) == pytest.approx(1.0, abs=1e-5)


class TestEstimate:
    @pytest.mark.parametrize("persons", [1, 2, 3])
    @pytest.mark.parametrize("frames", [1, 10, 200])
    def test_any_number_of_people_and_frames(self, prior: Prior, persons: int, frames: int) -> None:
        motion = estimated(prior, *clip(persons, frames))
        check(motion, persons, frames)
        assert (motion.evidence == 1).all()

    @pytest.mark.parametrize("fps", [5.0, 24.0, 120.0])
    def test_any_rate(self, prior: Prior, fps: float) -> None:
        check(estimated(prior, *clip(), fps=fps), 2, 20)

    def test_irregular_times(self, prior: Prior) -> None:
        pixels, confidence = clip()
        times = np.cumsum(np.random.default_rng(1).uniform(0.001, 0.3, 20))
        check(prior.estimate(pixels, confidence, "halpe26", K, times), 2, 20)

    def test_other_layouts(self, prior: Prior) -> None:
        pixels, confidence = clip()
        slots = [HALPE26.index(name) for name in COCO17]
        times = np.arange(20) / 30
        motion = prior.estimate(pixels[:, :, slots], confidence[:, :, slots], "coco17", K, times)
        check(motion, 2, 20)
        assert (motion.evidence == 1).all()
        with pytest.raises(InputError, match="not halpe26"):
            prior.estimate(pixels[:, :, slots], confidence[:, :, slots], "halpe26", K, times)

    def test_keypoints_that_are_no_numbers_are_as_if_they_were_not_there(
        self, prior: Prior
    ) -> None:
        pixels, confidence = clip()
        hidden = np.random.default_rng(0).random(confidence.shape) < 0.3
        nowhere, unsure = pixels.copy(), confidence.copy()
        nowhere[hidden] = np.nan
        unsure[hidden] = 0
        motion = estimated(prior, nowhere, confidence)
        check(motion, 2, 20)
        expected = estimated(prior, pixels, unsure)
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(motion, name), value)
        assert motion.evidence == pytest.approx(1 - hidden.mean(-1), abs=1e-6)

    def test_a_person_who_is_never_seen_is_guessed_and_said_to_be(self, prior: Prior) -> None:
        pixels, confidence = clip()
        pixels[1] = np.nan
        motion = estimated(prior, pixels, confidence)
        check(motion, 2, 20)
        assert (motion.evidence[1] == 0).all() and (motion.evidence[0] == 1).all()

    def test_nobody_is_ever_seen(self, prior: Prior) -> None:
        pixels, confidence = clip()
        motion = estimated(prior, pixels * np.nan, confidence)
        check(motion, 2, 20)
        assert (motion.evidence == 0).all()

    def test_a_long_stretch_without_anybody_stays_where_people_are(self, prior: Prior) -> None:
        pixels, confidence = clip(frames=300)
        confidence[:, 80:220] = 0
        motion = estimated(prior, pixels, confidence)
        depth = motion.transl[..., 2]
        around = np.concatenate([depth[:, 40:60], depth[:, 240:260]], axis=1)
        inside = depth[:, 80:220]
        assert inside.min() > 0.5 * around.min() and inside.max() < 2 * around.max()

    def test_nobody_frames_and_times(self, prior: Prior) -> None:
        pixels, confidence = clip()
        with pytest.raises(InputError, match="nobody"):
            estimated(prior, pixels[:0], confidence[:0])
        with pytest.raises(InputError, match="nobody"):
            estimated(prior, pixels[:, :0], confidence[:, :0])
        with pytest.raises(InputError, match="by person"):
            estimated(prior, pixels, confidence, heights=[1.7, 1.7, 1.7])

    def test_three_people_are_each_looked_at_alone(self, prior: Prior) -> None:
        pixels, confidence = clip(persons=3)
        together = estimated(prior, pixels, confidence)
        alone = estimated(prior, pixels[1:2], confidence[1:2])
        np.testing.assert_allclose(together.transl[1], alone.transl[0], atol=1e-4)
        np.testing.assert_allclose(together.body_pose[1], alone.body_pose[0], atol=1e-3)

    def test_two_people_are_looked_at_together(self, prior: Prior) -> None:
        pixels, confidence = clip()
        together = estimated(prior, pixels, confidence)
        alone = estimated(prior, pixels[:1], confidence[:1])
        assert np.abs(together.body_pose[0] - alone.body_pose[0]).max() > 1e-3

    def test_heights_are_listened_to(self, prior: Prior) -> None:
        pixels, confidence = clip()
        unknown = estimated(prior, pixels, confidence)
        none = estimated(prior, pixels, confidence, heights=[None, None])
        tall = estimated(prior, pixels, confidence, heights=[2.1, None])
        np.testing.assert_array_equal(unknown.betas, none.betas)
        assert np.abs(tall.betas - unknown.betas).max() > 1e-3

    def test_people_in_the_other_order_get_the_same_bodies(self, prior: Prior) -> None:
        pixels, confidence = clip()
        first = estimated(prior, pixels, confidence)
        second = estimated(prior, pixels[::-1].copy(), confidence[::-1].copy())
        for name in ("transl", "betas", "log_variance"):
            np.testing.assert_allclose(getattr(second, name)[::-1], getattr(first, name), atol=1e-3)

    @settings(deadline=None, max_examples=5, derandomize=True)
    @given(seed=st.integers(0, 999))
    def test_a_mirrored_video_has_mirrored_people(self, prior: Prior, seed: int) -> None:
        pixels, confidence = clip(seed=seed)
        flipped = pixels[..., list(mirrored(HALPE26)), :].copy()
        flipped[..., 0] = 640 - flipped[..., 0]
        first = estimated(prior, pixels, confidence)
        second = estimated(prior, flipped, confidence)
        signs = np.array([-1.0, 1.0, 1.0])
        sides = list(mirrored(SMPL_JOINTS))
        np.testing.assert_allclose(second.up_camera, first.up_camera * signs, atol=1e-4)
        np.testing.assert_allclose(second.betas, first.betas, atol=1e-4)
        np.testing.assert_allclose(second.log_variance, first.log_variance[..., sides], atol=1e-3)
        turned, mirror_image = (
            axis_angle_to_matrix(torch.from_numpy(np.concatenate(
                [m.global_orient[:, :, None], m.body_pose], axis=2)))
            for m in (second, first)
        )  # fmt: skip
        flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
        torch.testing.assert_close(
            turned, flip @ mirror_image[:, :, sides] @ flip, atol=2e-3, rtol=0
        )

    def test_the_same_asked_twice_is_the_same(self, prior: Prior) -> None:
        first, second = (estimated(prior, *clip()) for _ in range(2))
        for name, value in vars(first).items():
            np.testing.assert_array_equal(getattr(second, name), value)


class TestInfill:
    def hidden(self) -> torch.Tensor:
        known = torch.rand(3, 2, 16, generator=generator()) < 0.6
        known[:, :, 0] = True
        return known

    @pytest.mark.parametrize("steps", [1, 3])
    def test_known_frames_stay_exactly(self, prior: Prior, steps: int) -> None:
        windows, known = people(), self.hidden()
        filled = prior.infill(windows, known, steps=steps)
        assert torch.equal(filled.rotations[known], windows.rotations[known])
        assert torch.equal(filled.pelvis[known], windows.pelvis[known])
        assert torch.isfinite(filled.rotations).all()
        product = filled.rotations @ filled.rotations.mT
        assert torch.allclose(product, torch.eye(3).expand_as(product), atol=1e-4)

    @pytest.mark.parametrize("instead", [float("nan"), float("inf"), 1e9])
    @pytest.mark.parametrize("whole_person", [False, True])
    def test_hidden_frames_are_not_looked_at(
        self, prior: Prior, instead: float, whole_person: bool
    ) -> None:
        windows, known = people(), self.hidden()
        betas = windows.betas.clone()
        if whole_person:
            known[:] = True
            known[:, 1] = False
        blind = PairWindows(
            torch.where(known[..., None, None, None], windows.rotations, torch.tensor(instead)),
            torch.where(known[..., None], windows.pelvis, torch.tensor(instead)),
            betas,
            windows.up,
        )
        assert close(prior.infill(blind, known), prior.infill(windows, known), atol=0)

    def test_the_shape_of_somebody_hidden_throughout_is_not_looked_at(self, prior: Prior) -> None:
        windows = people()
        known = torch.ones(3, 2, 16, dtype=torch.bool)
        known[:, 1] = False
        other = windows.betas.clone()
        other[:, 1] = 3.0
        stranger = replace(windows, betas=other)
        first, second = prior.infill(windows, known), prior.infill(stranger, known)
        assert torch.equal(first.rotations, second.rotations)
        assert torch.equal(first.pelvis, second.pelvis)

    def test_the_partner_helps_unless_cut(self, prior: Prior) -> None:
        windows = people()
        known = torch.ones(3, 2, 16, dtype=torch.bool)
        known[:, 1, 4:12] = False
        turned = windows.rotations.clone()
        turned[:, 0, 5:9] = windows.rotations[:, 0, :4]
        changed = replace(windows, rotations=turned)

        def filled(motion: PairWindows, partner: bool) -> torch.Tensor:
            return prior.infill(motion, known, partner=partner).rotations[:, 1]

        assert not torch.allclose(filled(windows, True), filled(changed, True), atol=1e-4)
        assert torch.allclose(filled(windows, False), filled(changed, False), atol=1e-6)

    def test_2d_of_hidden_frames_helps(self, prior: Prior) -> None:
        windows, known = people(), self.hidden()
        blind = prior.infill(windows, known)
        told = prior.infill(windows, known, seen=seen(windows))
        nothing = prior.infill(windows, known, seen=Seen.nothing(3, 2, 16))
        assert not close(blind, told)
        assert close(blind, nothing, atol=0)

    def test_two_people_in_the_other_order(self, prior: Prior) -> None:
        windows, known = people(), self.hidden()
        first = prior.infill(windows, known)
        second = prior.infill(swapped(windows), known.flip(1))
        assert close(swapped(second), first, atol=1e-3)

    def test_windows_of_which_nothing_is_known_or_of_odd_length(self, prior: Prior) -> None:
        known = self.hidden()
        known[1] = False
        with pytest.raises(InputError, match="Nothing is known"):
            prior.infill(people(), known)
        odd = people(frames=15)
        with pytest.raises(InputError, match="even number of frames"):
            prior.infill(odd, torch.ones(3, 2, 15, dtype=torch.bool))


class TestSample:
    def test_the_generator_decides(self, prior: Prior) -> None:
        first, again, other = (
            prior.sample(2, 16, generator=generator(seed), steps=4) for seed in (1, 1, 2)
        )
        assert close(first, again, atol=0)
        assert not close(first, other)

    @pytest.mark.parametrize("persons", [1, 2, 3])
    def test_bodies_come_out_upright_camera_ahead(self, prior: Prior, persons: int) -> None:
        drawn = prior.sample(2, 32, people=persons, generator=generator(), steps=3)
        assert drawn.rotations.shape == (2, persons, 32, 24, 3, 3)
        product = drawn.rotations @ drawn.rotations.mT
        assert torch.allclose(product, torch.eye(3).expand_as(product), atol=1e-4)
        assert (drawn.pelvis[..., 2] > 0).all()
        assert torch.equal(drawn.up, torch.tensor([[0.0, -1.0, 0.0]] * 2))

    def test_what_is_said_of_proxemics_is_heard(self, prior: Prior) -> None:
        wanted = measure(people(count=2), SKELETON)
        free = prior.sample(2, 16, generator=generator(), steps=2)
        told = prior.sample(2, 16, proxemics=wanted, generator=generator(), steps=2)
        assert not close(free, told)

    def test_an_odd_number_of_frames(self, prior: Prior) -> None:
        with pytest.raises(InputError, match="even number of frames; received 17"):
            prior.sample(1, 17, generator=generator())


class TestDenoisingLoss:
    def test_windows_are_compared_under_the_same_noise(self, prior: Prior) -> None:
        windows = people(count=4)
        together = prior.denoising_loss(windows, generator=generator())
        for index in range(4):
            alone = windows.select(lambda v, i=index: v[i : i + 1])
            loss = prior.denoising_loss(alone, generator=generator())
            assert torch.allclose(loss, together[index : index + 1], rtol=1e-4)

    def test_the_partner_counts_unless_cut(self, prior: Prior) -> None:
        windows, others = people(), people(seed=8)
        mixed = PairWindows(
            torch.stack([windows.rotations[:, 0], others.rotations[:, 1]], 1),
            torch.stack([windows.pelvis[:, 0], windows.pelvis[:, 1]], 1),
            windows.betas,
            windows.up,
        )
        with_partner = [prior.denoising_loss(w, generator=generator()) for w in (windows, mixed)]
        assert not torch.allclose(*with_partner)
        cut = prior.denoising_loss(windows, partner=False, generator=generator())
        assert torch.isfinite(cut).all() and (cut > 0).all()

    def test_the_camera_it_was_filmed_by_does_not_matter_sideways(self, prior: Prior) -> None:
        windows = people()
        yaw = axis_angle_to_matrix(torch.tensor([[0.0, 0.3, 0.0]] * 3))
        first = prior.denoising_loss(windows, generator=generator())
        second = prior.denoising_loss(windows.turned(yaw), generator=generator())
        assert torch.allclose(first, second, rtol=1e-3)


def test_a_prior_from_a_file_answers_as_the_one_that_was_written(tmp_path: Path) -> None:
    half = network()
    half.load_state_dict({name: v.half().float() for name, v in half.state_dict().items()})
    write_weights(tmp_path / "prior.safetensors", half, SKELETON)
    loaded = Prior.load(tmp_path / "prior.safetensors")
    first, second = (estimated(p, *clip()) for p in (Prior(half, SKELETON), loaded))
    np.testing.assert_array_equal(first.transl, second.transl)
