"""The weights of a model itself as what is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.errors import ConfigError
from train.arithmetic.precision import choose
from train.config import TrainSettings, validated
from train.families.base_model import BaseModel
from train.families.opening import load_family
from train.networks.full import FullWeights, full_weights
from train.optim.flat import flat_groups


def made(base: Path, precision: Any = "bf16", **settings: Any) -> tuple[Any, FullWeights]:
    model = load_family(BaseModel.open(base), choose(precision, torch.device("cpu")))
    return model, full_weights(model, TrainSettings(method="full", **settings))


def predicted(model: Any) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    noisy = torch.randn((2, 4, 8, 8), generator=rng)
    with torch.no_grad():
        context = model.encode_tokens(model.tokenize(["mochi", "cat"]))
    result: Tensor = model.predict(noisy, torch.tensor([3, 900]), context)
    return result


def masters(network: FullWeights) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state().items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_of_batches_add_up_in_fp32(base: Path, precision: str) -> None:
    model, network = made(base, precision)
    (groups,) = [flat_groups(w, 1.0) for w in network.weights("lora_unet_").values()]
    (group,) = groups
    network.begin(torch.zeros(2))
    torch.autograd.backward(predicted(model).float().square().sum())
    once = group.gradients.clone()
    assert once.dtype == torch.float32
    assert once.any()
    network.begin(torch.zeros(2))
    torch.autograd.backward(predicted(model).float().square().sum())
    assert torch.allclose(group.gradients, 2 * once, rtol=1e-3)
    if precision == "bf16":
        assert all(weight.grad is None for weight in model.unet.parameters())


def test_the_model_computes_with_what_the_optimiser_moved(base: Path) -> None:
    model, network = made(base)
    before = predicted(model).detach()
    (weights,) = network.weights("lora_unet_").values()
    (group,) = flat_groups(weights, 1.0)
    with torch.no_grad():
        group.values.add_(0.1)
    network.after_step(1)
    assert torch.equal(predicted(model), before), "moved weights are copied once, when needed"
    network.begin(torch.zeros(2))
    after = predicted(model).detach()
    assert not torch.allclose(after, before)
    network.detach()
    assert torch.equal(predicted(model), after)
    assert not predicted(model).requires_grad


def test_in_use_it_is_the_average_and_afterwards_what_it_was(base: Path) -> None:
    model, network = made(base, ema_decay=0.5)
    (weights,) = network.weights("lora_unet_").values()
    (group,) = flat_groups(weights, 1.0)
    first = predicted(model).detach()
    with torch.no_grad():
        group.values.add_(0.1)
    network.after_step(1)
    network.begin(torch.zeros(2))
    live, kept = predicted(model).detach(), masters(network)
    with network.in_use():
        average = predicted(model).detach()
        held = masters(network)
    share = 2 / 11
    name = "unet.conv_in.weight"
    assert torch.allclose(held[name], kept[name] - 0.1 * share, atol=1e-6)
    assert not torch.allclose(average, live)
    assert not torch.allclose(average, first)
    network.begin(torch.zeros(2))
    assert torch.equal(predicted(model), live)
    assert all(torch.equal(kept[n], t) for n, t in network.state().items())


def test_what_is_copied_after_other_weights_were_looked_at(base: Path) -> None:
    """A schedule-free optimiser puts its own weights back only when nobody looks any more."""
    model, network = made(base)
    (weights,) = network.weights("lora_unet_").values()
    (group,) = flat_groups(weights, 1.0)
    before, trained = predicted(model).detach(), group.values.detach().clone()
    with torch.no_grad():
        group.values.add_(0.1)
        with network.in_use():
            assert not torch.allclose(predicted(model), before)
        group.values.copy_(trained)
    network.begin(torch.zeros(2))
    assert torch.equal(predicted(model), before)


def test_blocks_may_learn_at_rates_of_their_own(base: Path) -> None:
    factors = {"mid_block": 0.5, "*norm*": 0.1}
    model, network = made(base, block_learning_rates=factors, train_text_encoder=True)
    found = network.weights("lora_unet_")
    assert list(found) == [1.0, 0.1, 0.5]
    names = {id(w.master): w.name for w in network._weights}
    for factor, weights in found.items():
        for weight in weights:
            name = names[id(weight)]
            wanted = 0.5 if name.startswith("mid_block") else 1.0
            assert factor == (0.1 if "norm" in name else wanted), name
    everything = [weight for part in model.parts.values() for w in network.weights(part).values() for weight in w]  # fmt: skip  # noqa: E501
    count = sum(len(list(m.parameters())) for m in (model.unet, model.texts[0].encoder))
    assert len({id(weight) for weight in everything}) == len(everything) == count


def test_states_of_other_weights_are_refused(base: Path) -> None:
    _, network = made(base)
    _, averaged = made(base, ema_decay=0.9)
    state = masters(network)
    with pytest.raises(KeyError):
        averaged.load_state(state)
    state["unet.conv_in.bias"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match="another shape"):
        network.load_state(state)


def test_nothing_to_train(base: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing is trained"):
        made(base, train_unet=False)


@pytest.mark.parametrize(
    "values",
    [
        {"network": "dora"},
        {"rank": 8},
        {"conv_rank": 4},
        {"block_ranks": {"mid_block": 4}},
        {"dropout": 0.1},
        {"max_norm": 1.0},
        {"start_from": "mochi"},
        {"train_feed_forward": False},
    ],
)
def test_settings_of_loras_are_refused_by_name(values: dict[str, Any]) -> None:
    (name,) = values
    assert getattr(validated(values, "[train]"), name) == values[name]
    with pytest.raises(ConfigError, match=rf"{name}.* is for LoRAs"):
        validated({"method": "full", **values}, "[train]")


def test_text_encoders_stay_as_they_are_unless_asked_for() -> None:
    assert TrainSettings(method="full").rates("sd15")["text_encoder"] == 0.0
    assert TrainSettings(method="full", train_text_encoder=True).rates("sd15")["text_encoder"]
