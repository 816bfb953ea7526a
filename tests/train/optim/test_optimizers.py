"""Optimisers by name and by class path: what they are given, what they refuse, what they do."""

from typing import Any

import pytest
import torch

from prep.errors import ConfigError, MissingExtraError
from tests.train.optim.weights import (
    CPU,
    EACH,
    SETTINGS,
    parameters,
    settings_of,
    step,
    stepper_over,
    values,
)
from train import extra
from train.config import validated
from train.optim import lion
from train.optim.flat import FlatGroup
from train.optim.lion import Lion
from train.optim.optimizers import description, make_optimizer
from train.settings.optimization import OptimizationSettings
from train.settings.optimizers import OPTIMIZERS


def made(name: str = "adamw", **changes: Any) -> torch.optim.Optimizer:
    groups = [FlatGroup(parameters(), 0.5)]
    return make_optimizer(groups, settings_of(name, **changes), CPU)


def test_every_optimiser_of_the_settings_is_tried_here() -> None:
    assert OPTIMIZERS.keys() <= SETTINGS.keys()


@pytest.mark.parametrize("name", EACH)
def test_every_optimiser_learns(name: str) -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of(name, weight_decay=0.0))
    target = [torch.ones_like(w) for w in weights]

    def distance() -> float:
        with stepper.inference_weights():
            pairs = zip(weights, target, strict=True)
            return float(sum(((w.detach() - t) ** 2).sum() for w, t in pairs))

    before = distance()
    for _ in range(40):
        pairs = zip(weights, target, strict=True)
        stepper.backward(torch.stack([((w - t) ** 2).sum() for w, t in pairs]).sum())
        stepper.step(0.0, lambda tensor: tensor)
    assert distance() < 0.7 * before


def test_adamw_is_fused_and_decays_as_set() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = make_optimizer(
        [FlatGroup([weight], 0.5)], settings_of("adamw", weight_decay=0.2), CPU
    )
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["fused"]
    optimizer.step()
    # Without a gradient only the decay acts: 1 - rate x decay.
    assert torch.allclose(weight.detach(), torch.full((2,), 0.9))


def test_weights_are_given_flat_unless_shapes_matter() -> None:
    flat, single = made("adamw"), made("adafactor")
    assert [len(p) for g in flat.param_groups for p in g["params"]] == [
        sum(p.numel() for p in parameters())
    ]
    shapes = [tuple(p.shape) for g in single.param_groups for p in g["params"]]
    assert shapes == [tuple(p.shape) for p in parameters()]
    assert len(made("torch.optim.RAdam").param_groups[0]["params"]) == len(parameters())


@pytest.mark.parametrize("name", ["adamw", "lion", "prodigy", "schedulefree"])
def test_a_flat_step_is_that_of_the_single_weights(name: str) -> None:
    """Also for prodigy, whose step depends on sums over all weights."""
    flat, single = parameters(), parameters()
    settings = settings_of(name, weight_decay=0.1)
    stepper = stepper_over(flat, settings)
    (given,) = {type(stepper.optimizer)}
    arguments = {k: v for k, v in stepper.optimizer.defaults.items() if k in _names(given)}
    rates = [group["lr"] for group in stepper.optimizer.param_groups]
    parts = [{"params": single[:2], "lr": rates[0]}, {"params": single[2:], "lr": rates[1]}]
    alone: Any = given(parts, **arguments)
    if name == "schedulefree":
        alone.train()
    for number in range(6):
        step(stepper, flat, number)
        alone.zero_grad()
        rng = torch.Generator().manual_seed(1000 + number)
        losses = [((w - torch.randn(w.shape, generator=rng)) ** 2).sum() for w in single]
        torch.autograd.backward(torch.stack(losses).sum())
        alone.step()
    assert torch.allclose(values(flat), values(single), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(values(flat), values(parameters()), atol=1e-3)


def _names(kind: Any) -> set[str]:
    import inspect

    return set(inspect.signature(kind.__init__).parameters)


def test_lion_by_hand() -> None:
    usual = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0}
    assert Lion([torch.nn.Parameter(torch.zeros(1))]).defaults == usual
    weight = torch.nn.Parameter(torch.tensor([1.0, -1.0, 0.0]))
    optimizer = Lion([weight], lr=0.1, betas=(0.5, 0.75), weight_decay=0.5)
    weight.grad = torch.tensor([4.0, -4.0, 0.0])
    optimizer.step()
    # Decay first: x 0.95; then a step of 0.1 against the sign.
    assert weight.tolist() == pytest.approx([0.85, -0.85, 0.0])
    assert optimizer.state[weight]["exp_avg"].tolist() == [1.0, -1.0, 0.0]
    weight.grad = torch.tensor([-0.5, 3.0, 0.0])
    optimizer.step()
    # 0.5 x 1 + 0.5 x -0.5 > 0: the past wins; -0.5 + 1.5 > 0: the present does.
    assert weight.tolist() == pytest.approx([0.95 * 0.85 - 0.1, -0.95 * 0.85 - 0.1, 0.0])
    assert optimizer.state[weight]["exp_avg"].tolist() == pytest.approx([0.625, 0.0, 0.0])


def test_lion_moves_a_large_tensor_in_pieces_as_it_moves_it_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, slopes = torch.randn(2, 10, 7), torch.randn(3, 2, 10, 7)
    moved = []
    for pieces in (1 << 25, 32):
        monkeypatch.setattr(lion, "_AT_ONCE", pieces)
        weight = torch.nn.Parameter(start.clone())
        optimizer = Lion([weight], lr=0.1, weight_decay=0.1)
        for slope in slopes:
            weight.grad = slope
            optimizer.step()
        moved.append((weight, optimizer.state[weight]["exp_avg"]))
    for whole, parts in zip(*moved, strict=True):
        assert torch.equal(whole, parts)


def test_rates_are_shares_of_the_initial_ones_however_often_they_are_set() -> None:
    stepper = stepper_over(parameters(), settings_of("adamw", learning_rate=0.4))
    for share in (0.5, 0.25, 1.0):
        assert stepper.set_rate(share) == 0.4 * share
        rates = [group["lr"] for group in stepper.optimizer.param_groups]
        assert rates == [0.4 * share, 0.2 * share]


# ---- arguments -----------------------------------------------------------------------------------


def test_settings_and_arguments_reach_the_optimiser() -> None:
    first = made("adamw", betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3)
    found = [first.defaults[name] for name in ("betas", "eps", "weight_decay")]
    assert found == [(0.8, 0.95), 1e-6, 0.3]
    second = made("adamw", weight_decay=0.3, optimizer_args={"weight_decay": 0.4, "amsgrad": True})
    assert (second.defaults["weight_decay"], second.defaults["amsgrad"]) == (0.4, True)
    assert made("adamw").defaults["betas"] == (0.9, 0.999)
    assert made("lion").defaults["betas"] == (0.9, 0.99)
    third = made("torch.optim.RAdam", weight_decay=0.3)
    assert third.defaults["weight_decay"] == 0.3


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        ("1e-3", 1e-3),
        ("2", 2),
        (2, 2),
        ("[0.5, 0.25]", (0.5, 0.25)),
        ("(0.5, 0.25)", (0.5, 0.25)),
        ([0.5, 0.25], (0.5, 0.25)),
        ("odd one", "odd one"),
        ("'odd one'", "odd one"),
        ("None", "None"),
        ("{'a': 1}", "{'a': 1}"),
        ("1\nb = 2", "1\nb = 2"),
        ("(" * 500, "(" * 500),
    ],
)
def test_what_a_form_or_a_file_gives_is_typed(given: Any, value: Any) -> None:
    (found,) = OptimizationSettings(optimizer_args={"x": given}).optimizer_args.values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("given", [None, {"a": 1}, "{ a = 1 }", [[1]]])
def test_arguments_that_are_no_values_are_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"optimizer_args.x: must be a number, a text.*these$"):
        validated({"optimizer_args": {"x": given}}, "--set")


def test_adafactor_and_prodigy_begin_with_what_suits_loras() -> None:
    adafactor, prodigy = made("adafactor").defaults, made("prodigy").defaults
    assert (adafactor["scale_parameter"], adafactor["relative_step"]) == (False, False)
    assert (prodigy["use_bias_correction"], prodigy["safeguard_warmup"]) == (False, True)
    assert prodigy["betas"] == (0.9, 0.99)
    assert made("prodigy", betas=(0.8, 0.95)).defaults["betas"] == (0.8, 0.95)
    changed = made("prodigy", optimizer_args={"safeguard_warmup": False, "d_coef": 2})
    assert (changed.defaults["safeguard_warmup"], changed.defaults["d_coef"]) == (False, 2)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("adamw", {"optimizer_args": {"amsgard": True}}, "Did you mean amsgrad"),
        ("adamw", {"optimizer_args": {"zzzz": True}}, "It has: betas, eps"),
        ("adamw", {"optimizer_args": {"lr": 1.0}}, "The learning rate is learning_rate"),
        ("lion", {"eps": 1e-6}, "lion has no argument eps"),
        ("adafactor", {"betas": (0.9, 0.99)}, "adafactor has no argument betas"),
        ("torch.optim.SGD", {"betas": (0.9, 0.99)}, "torch.optim.SGD has no argument betas"),
        ("adamw", {"optimizer_args": {"betas": (0.5, 2.0)}}, "arguments: Invalid beta"),
        ("adafactor", {"optimizer_args": {"warmup_init": True}}, "refuses .* requires .relative"),
        ("torch.optim.Adm", {}, "torch.optim.Adm cannot be loaded"),
        ("torch.nope.Adam", {}, "torch.nope.Adam cannot be loaded"),
        ("torch.nn.Linear", {}, "torch.nn.Linear is not an optimizer"),
        ("torch.nn.init", {}, "torch.nn.init is not an optimizer"),
        ("no_such_package.Adam", {}, "package no_such_package .* is not installed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(name, **changes)


@pytest.mark.parametrize("name", ["adamw8bit", "lion8bit", "prodigy", "schedulefree"])
def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=OPTIMIZERS[name].package) as caught:
        made(name)
    assert "shikomi[optimizers]" in caught.value.hint


def test_files_say_which_optimiser_it_was() -> None:
    optimizer = made("lion", weight_decay=0.1)
    assert description(optimizer) == "train.optim.lion.Lion(betas=(0.9, 0.99),weight_decay=0.1)"
    told = "torch.optim.adamw.AdamW(betas=(0.9, 0.999),eps=1e-08,weight_decay=0.01,fused=True)"
    assert description(made("adamw")) == told
    changed = description(made("adamw", optimizer_args={"amsgrad": True}))
    assert changed == told.replace("fused", "amsgrad=True,fused")


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimizer": "adamv"}, "there is no optimizer adamv .did you mean adamw"),
        ({"optimizer": "?"}, "known: adamw, adamw8bit"),
        ({"optimizer": "a..b"}, "there is no optimizer"),
        ({"optimizer": "prodigy"}, "learning_rate = 1 .*not 0.0001"),
        ({"optimizer": "prodigy", "learning_rate": 11}, "not 11"),
        (
            {"optimizer": "prodigy", "learning_rate": 1, "text_encoder_learning_rate": 0.5},
            "text_encoder_learning_rate .* 0 or 1",
        ),
        (
            {"optimizer": "prodigy", "learning_rate": 1, "text_encoder_2_learning_rate": 0.5},
            "text_encoder_2_learning_rate .* 0 or 1",
        ),
        ({"optimizer": "schedulefree"}, 'set scheduler = "constant"'),
        ({"optimizer": "schedulefree", "scheduler": "linear"}, 'set scheduler = "constant"'),
        ({"betas": (0.9, 1.0)}, "below 1"),
        ({"betas": (-0.1, 0.9)}, "at least 0"),
        ({"scheduler": "cosin"}, "scheduler"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OptimizationSettings(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer": "prodigy", "learning_rate": 0.1},
        {"optimizer": "prodigy", "learning_rate": 10},
        {"optimizer": "prodigy", "learning_rate": 2, "text_encoder_learning_rate": 2},
        {"optimizer": "prodigy", "learning_rate": 2, "text_encoder_learning_rate": 0},
        {"optimizer": "schedulefree", "scheduler": "constant", "warmup_steps": 10},
        {"optimizer": "package.module.Class"},
        {"betas": (0.0, 0.999)},
    ],
)
def test_settings_that_can_work_are_taken(values: dict[str, Any]) -> None:
    settings = OptimizationSettings(**values)
    assert all(getattr(settings, name) == value for name, value in values.items())


def test_adafactor_finds_its_own_rate_with_relative_step() -> None:
    own = {"relative_step": True, "scale_parameter": False}
    optimizer = made("adafactor", weight_decay=0.0, optimizer_args=own)
    assert optimizer.defaults["lr"] is None
    weight = optimizer.param_groups[0]["params"][0]
    before = weight.detach().clone()
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    # The least of 0.01 and 1 / sqrt(step), whatever the learning rate is.
    assert torch.allclose(before - weight, torch.full_like(weight, 0.01), atol=1e-5)
