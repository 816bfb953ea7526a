"""One step of the weights, and every optimiser resumed from its state."""

from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from tests.train.optim.weights import (
    EACH,
    parameters,
    settings_of,
    step,
    stepper_over,
    values,
)
from train.optim.stepper import Stepper


def saved(stepper: Stepper) -> tuple[dict[str, torch.Tensor], str]:
    """Return a state, through bytes and back, as a file does it."""
    tensors, text = stepper.state()
    return load(save({name: tensor.contiguous() for name, tensor in tensors.items()})), text


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("interrupted", [0, 1, 4])
def test_a_resumed_optimiser_goes_on_bit_for_bit(name: str, interrupted: int) -> None:
    settings = settings_of(name, weight_decay=0.1)
    whole = parameters()
    stepper = stepper_over(whole, settings)
    for number in range(8):
        stepper.set_rate(0.5 + number / 20)
        step(stepper, whole, number, max_norm=5.0)

    first = parameters()
    stepper = stepper_over(first, settings)
    for number in range(interrupted):
        stepper.set_rate(0.5 + number / 20)
        step(stepper, first, number, max_norm=5.0)
    tensors, text = saved(stepper)
    second = parameters(seed=9)
    again = stepper_over(second, settings)
    with torch.no_grad():
        for mine, kept in zip(second, first, strict=True):
            mine.copy_(kept)
    again.restore({**tensors, "lora.other": torch.zeros(1)}, text)
    for number in range(interrupted, 8):
        again.set_rate(0.5 + number / 20)
        step(again, second, number, max_norm=5.0)
    assert torch.equal(values(second), values(whole))
    assert not torch.equal(values(second), values(first))
    assert again.state()[1] == _text_of(whole, settings)


def _text_of(weights: list[torch.nn.Parameter], settings: Any) -> str:
    """Return what is kept besides tensors after the whole run."""
    fresh = parameters()
    stepper = stepper_over(fresh, settings)
    for number in range(8):
        stepper.set_rate(0.5 + number / 20)
        step(stepper, fresh, number, max_norm=5.0)
    return stepper.state()[1]


def test_a_group_that_begins_with_a_single_number_resumes() -> None:
    """What the group has once, such as the count of steps, has the shape of that weight."""
    whole, settings = parameters(), settings_of("adamw")
    stepper = stepper_over(whole, settings, split=3)
    assert stepper.groups[1].parameters[0].shape == ()
    for number in range(3):
        step(stepper, whole, number)
    tensors, text = saved(stepper)
    second = parameters()
    with torch.no_grad():
        for mine, kept in zip(second, whole, strict=True):
            mine.copy_(kept)
    again = stepper_over(second, settings, split=3)
    again.restore(tensors, text)
    for each, weights in ((stepper, whole), (again, second)):
        step(each, weights, 3)
    assert torch.equal(values(second), values(whole))


def test_a_state_of_other_weights_is_refused() -> None:
    stepper = stepper_over(parameters(), settings_of("adamw"))
    step(stepper, [w for group in stepper.groups for w in group.parameters], 0)
    tensors, text = saved(stepper)
    fewer = stepper_over(parameters()[:2], settings_of("adamw"))
    with pytest.raises(ValueError, match=r"shorter|longer"):
        fewer.restore(tensors, text)


def test_states_are_kept_weight_by_weight() -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of("adamw"))
    step(stepper, weights, 0)
    tensors, _ = stepper.state()
    for number, weight in enumerate(weights):
        assert tensors[f"optimizer.{number}.exp_avg"].shape == weight.shape
    # The gradient of the first step, of which AdamW takes a tenth.
    rng = torch.Generator().manual_seed(1000)
    targets = [torch.randn(w.shape, generator=rng) for w in weights]
    expected = 0.1 * 2 * (parameters()[0].detach() - targets[0])
    assert torch.allclose(tensors["optimizer.0.exp_avg"], expected, rtol=1e-4)
    # What a whole group has once stands with its first weight.
    assert sorted(name for name in tensors if name.endswith(".step")) == [
        "optimizer.0.step",
        "optimizer.2.step",
    ]


@pytest.mark.parametrize("name", ["adamw8bit", "lion8bit"])
def test_states_of_8_bits_stay_so(name: str) -> None:
    pytest.importorskip("bitsandbytes")
    weights = parameters()
    stepper = stepper_over(weights, settings_of(name))
    step(stepper, weights, 0)
    tensors, _ = stepper.state()
    kept = tensors["optimizer.0.state1"]
    assert (kept.dtype, kept.shape) == (torch.uint8, weights[0].shape)
    assert tensors["optimizer.1.state1"].shape == weights[1].shape


def test_a_state_of_single_weights_is_taken_by_a_flat_optimiser() -> None:
    """Earlier versions gave AdamW the single weights: each had its own step."""
    weights = parameters()
    stepper = stepper_over(weights, settings_of("adamw"))
    for number in range(3):
        step(stepper, weights, number)
    tensors, _ = stepper.state()
    single = {key: tensor for key, tensor in tensors.items() if not key.endswith(".step")}
    single |= {f"optimizer.{number}.step": torch.tensor(3.0) for number in range(len(weights))}
    other = parameters()
    again = stepper_over(other, settings_of("adamw"))
    with torch.no_grad():
        for mine, kept in zip(other, weights, strict=True):
            mine.copy_(kept)
    again.restore(single, "")
    step(stepper, weights, 3)
    step(again, other, 3)
    assert torch.equal(values(other), values(weights))


# ---- a step --------------------------------------------------------------------------------------


def plain(weights: list[torch.nn.Parameter]) -> Stepper:
    stepper = stepper_over(
        weights, settings_of("torch.optim.SGD", learning_rate=1.0, weight_decay=0.0)
    )
    stepper.optimizer.param_groups[1]["lr"] = 1.0
    return stepper


def test_gradients_are_summed_over_processes_before_they_are_clipped() -> None:
    weights, before = parameters(), values(parameters())
    stepper = plain(weights)
    torch.autograd.backward(torch.stack([w.sum() for w in weights]).sum())
    stepper.step(1.0, lambda tensor: tensor.mul_(1000.0))
    moved = before - values(weights)
    assert float(moved.norm()) == pytest.approx(1.0, rel=1e-4)
    assert torch.allclose(moved, moved[0].expand_as(moved))


def test_gradients_are_summed_over_processes_in_every_group() -> None:
    weights, before = parameters(), values(parameters())
    stepper = plain(weights)
    torch.autograd.backward(torch.stack([w.sum() for w in weights]).sum())
    stepper.step(0.0, lambda tensor: tensor.mul_(3.0))
    assert torch.allclose(before - values(weights), torch.full((1,), 3.0), atol=1e-5)


def test_short_gradients_and_a_limit_of_zero_change_nothing() -> None:
    for limit in (0.0, 1e6):
        weights, before = parameters(), values(parameters())
        stepper = plain(weights)
        torch.autograd.backward(torch.stack([w.sum() for w in weights]).sum())
        stepper.step(limit, lambda tensor: tensor)
        assert torch.allclose(before - values(weights), torch.ones(1), atol=1e-5)


def test_gradients_are_forgotten_after_the_step() -> None:
    weights = parameters()
    stepper = plain(weights)
    step(stepper, weights, 0)
    assert not any(group.gradients.any() for group in stepper.groups)
    before = values(weights)
    stepper.step(1.0, lambda tensor: tensor)
    assert torch.equal(values(weights), before)


def test_a_step_that_overflows_in_fp16_is_left_out() -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of("adamw"))
    stepper.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = values(weights)
    stepper.backward(torch.stack([(w * float("inf")).sum() for w in weights]).sum())
    stepper.step(1.0, lambda tensor: tensor)
    assert torch.equal(values(weights), before)
    assert stepper.scaler.get_scale() == 2.0
    stepper.backward(torch.stack([w.sum() for w in weights]).sum())
    assert torch.equal(
        stepper.groups[0].gradients, torch.full_like(stepper.groups[0].gradients, 2.0)
    )
    stepper.step(0.0, lambda tensor: tensor)
    assert not torch.equal(values(weights), before)
    assert torch.isfinite(values(weights)).all()


# ---- averaging optimisers ------------------------------------------------------------------------


def test_schedule_free_delivers_averages_and_trains_on_unchanged() -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of("schedulefree"))
    for number in range(3):
        step(stepper, weights, number)
    trained, state = values(weights), stepper.state()
    with stepper.inference_weights():
        delivered = values(weights)
        assert not any(group["train_mode"] for group in stepper.optimizer.param_groups)
    assert not torch.allclose(delivered, trained, atol=1e-3)
    # Every bit is back, and the state is that of training.
    assert torch.equal(values(weights), trained)
    assert stepper.state()[1] == state[1]
    assert all(group["train_mode"] for group in stepper.optimizer.param_groups)
    # By hand: the average x from what is trained, y = 0.9 x + 0.1 z.
    (group, *_), z = stepper.groups, stepper.optimizer.state[stepper.groups[0].values]["z"]
    with stepper.inference_weights():
        mixed = 0.9 * group.values.detach() + 0.1 * z
    assert torch.allclose(mixed, group.values.detach(), atol=1e-5)


def test_an_error_while_looking_brings_the_trained_weights_back() -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of("schedulefree"))
    step(stepper, weights, 0)
    trained = values(weights)
    with pytest.raises(OSError, match="full"), stepper.inference_weights():
        raise OSError("disk full")
    assert torch.equal(values(weights), trained)
    step(stepper, weights, 1)  # refuses outside of training mode


def test_other_optimisers_deliver_what_they_train() -> None:
    weights = parameters()
    stepper = stepper_over(weights, settings_of("adamw"))
    step(stepper, weights, 0)
    trained = values(weights)
    with stepper.inference_weights():
        assert torch.equal(values(weights), trained)
