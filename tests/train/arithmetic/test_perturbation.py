"""Noise that is more than white: its statistics, and that options do not disturb each other."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from prep.seeding import seed_of
from train.arithmetic import perturbation
from train.arithmetic.perturbation import input_noise, training_noise
from train.settings.objective import ObjectiveSettings

SHAPE = (64, 4, 16, 12)


def draws(purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(5, purpose))


def noise(latents: Tensor | None = None, **settings: Any) -> Tensor:
    clean = torch.zeros(SHAPE) if latents is None else latents
    return training_noise(clean, ObjectiveSettings(**settings), draws)


def test_without_options_it_is_white() -> None:
    plain = noise()
    assert float(plain.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(plain.std()) == pytest.approx(1.0, abs=0.01)
    assert input_noise(plain, ObjectiveSettings(), draws) is plain


def test_an_offset_shifts_whole_channels_in_proportion() -> None:
    shift = noise(noise_offset=0.25) - noise()
    assert torch.allclose(shift, shift[:, :, :1, :1].expand_as(shift), atol=1e-6)
    one = shift[:, :, 0, 0]
    assert len(set(one.flatten().tolist())) == one.numel()
    assert float(one.std()) == pytest.approx(0.25, rel=0.1)
    assert torch.allclose(noise(noise_offset=0.5) - noise(), 2 * shift, atol=1e-6)


def test_the_strength_of_an_offset_is_drawn_for_each_image() -> None:
    fixed = (noise(noise_offset=0.4) - noise())[:, :, 0, 0]
    drawn = (noise(noise_offset=0.4, noise_offset_random_strength=True) - noise())[:, :, 0, 0]
    shares = drawn / fixed
    assert torch.allclose(shares, shares[:, :1].expand_as(shares), atol=1e-4)
    assert float(shares.min()) >= 0
    assert float(shares.max()) <= 1.0001
    assert float(shares[:, 0].mean()) == pytest.approx(0.5, abs=0.15)
    assert len(set(shares[:, 0].tolist())) == len(shares)


@pytest.mark.parametrize(
    ("scale", "expected"), [(0.5, 0.1 + 0.5 * 3), (-0.02, 0.1 - 0.06), (-1, 0)]
)
def test_an_adaptive_offset_grows_with_the_mean_of_the_channel(
    scale: float, expected: float
) -> None:
    latents = torch.zeros(SHAPE)
    latents[:, 1] = torch.linspace(-4, -2, 12).expand(64, 16, 12)  # mean -3
    settings = {"noise_offset": 0.1, "adaptive_noise_scale": scale}
    adapted = (noise(latents, **settings) - noise(latents))[:, :, 0, 0]
    fixed = (noise(latents, noise_offset=0.1) - noise(latents))[:, :, 0, 0]
    ratios = (adapted / fixed).mean(dim=0)
    assert ratios.tolist() == pytest.approx([1.0, expected / 0.1, 1.0, 1.0], abs=1e-3)


def test_an_adaptive_scale_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="set noise_offset"):
        ObjectiveSettings(adaptive_noise_scale=0.5)


def smoothness(values: Tensor) -> float:
    """Return how alike neighbouring pixels are: 0 for white noise, towards 1 for smooth ones."""
    one, other = values[..., :-1].flatten(), values[..., 1:].flatten()
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])


def test_a_pyramid_adds_coarse_noise_and_keeps_the_deviation() -> None:
    weak = noise(multires_noise_iterations=6, multires_noise_discount=0.3)
    strong = noise(multires_noise_iterations=6, multires_noise_discount=0.8)
    assert smoothness(noise()) == pytest.approx(0.0, abs=0.02)
    assert 0.02 < smoothness(weak) < smoothness(strong) < 1
    for found in (weak, strong):
        deviations = found.flatten(1).std(dim=1)
        assert torch.allclose(deviations, torch.ones(64), atol=1e-5)
    one = noise(multires_noise_iterations=1)
    # The first level has the full resolution: white noise again.
    assert smoothness(one) == pytest.approx(0.0, abs=0.02)
    assert not torch.allclose(one, noise())


def test_a_pyramid_ends_at_one_pixel() -> None:
    few = noise(multires_noise_iterations=5)
    assert torch.equal(noise(multires_noise_iterations=16), few)
    assert not torch.equal(noise(multires_noise_iterations=2), few)


def _seeded(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(seed, purpose))


def test_each_level_is_two_to_four_times_as_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse: list[tuple[int, ...]] = []

    def noted(added: Tensor, **given: Any) -> Tensor:
        coarse.append(tuple(added.shape[2:]))
        return interpolate(added, **given)

    monkeypatch.setattr(perturbation, "interpolate", noted)
    settings = ObjectiveSettings(multires_noise_iterations=2)
    for seed in range(60):
        fixed = partial(_seeded, seed)
        training_noise(torch.zeros(1, 1, 400, 800), settings, fixed)
    assert set(coarse[::2]) == {(400, 800)}
    sides = [high for high, _ in coarse[1::2]]
    assert (100 <= min(sides) < 115, 170 < max(sides) <= 200) == (True, True)
    assert all(abs(2 * high - wide) <= 1 for high, wide in coarse[1::2])


def test_a_discount_of_zero_leaves_the_first_level() -> None:
    found = noise(multires_noise_iterations=6, multires_noise_discount=0.0)
    assert torch.allclose(found, noise(multires_noise_iterations=1))


def test_input_perturbation_is_mixed_in_and_not_predicted() -> None:
    plain = noise()
    added = input_noise(plain, ObjectiveSettings(ip_noise_gamma=0.1), draws) - plain
    assert float(added.std()) == pytest.approx(0.1, rel=0.05)
    cosine = torch.nn.functional.cosine_similarity(added.flatten(), plain.flatten(), dim=0)
    assert abs(float(cosine)) < 0.02
    settings = ObjectiveSettings(ip_noise_gamma=0.1, ip_noise_gamma_random_strength=True)
    drawn = input_noise(plain, settings, draws) - plain
    shares = (drawn * added).sum(dim=(1, 2, 3), keepdim=True) / (added**2).sum(
        dim=(1, 2, 3), keepdim=True
    )
    assert torch.allclose(drawn, shares * added, atol=1e-5)
    assert float(shares.max()) <= 1.001
    assert float(shares.std()) == pytest.approx(0.29, abs=0.08)


OPTIONS: list[Mapping[str, Any]] = [
    {"noise_offset": 0.1},
    {"noise_offset": 0.1, "noise_offset_random_strength": True},
    {"noise_offset": 0.1, "adaptive_noise_scale": 0.2},
    {"multires_noise_iterations": 4},
    {"ip_noise_gamma": 0.1},
    {"ip_noise_gamma": 0.1, "ip_noise_gamma_random_strength": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_changes_no_draws_of_others(options: Mapping[str, Any]) -> None:
    """What each purpose draws is seen in the state of its generator."""
    asked: dict[str, list[int]] = {}

    def noted(purpose: str) -> torch.Generator:
        rng = draws(purpose)
        asked.setdefault(purpose, []).append(rng.initial_seed())
        return rng

    latents = torch.ones(SHAPE)
    settings = ObjectiveSettings(**options)
    found = input_noise(training_noise(latents, settings, noted), settings, noted)
    assert asked.pop("noise") == [draws("noise").initial_seed()]
    assert len(asked) == sum(1 for name in options if name != "adaptive_noise_scale")
    # No two purposes share a stream, and none is asked for twice.
    seeds = [seed for several in asked.values() for seed in several]
    assert len(set(seeds)) == len(seeds)
    assert not torch.equal(found, noise())
