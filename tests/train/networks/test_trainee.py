"""What training does with a network besides moving its weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from train.networks.build import fresh_network
from train.networks.ranks import Ranks
from train.networks.trained import Drops
from train.networks.trainee import Trainee, Upkeep, rank_mask

UNET, TEXT = "lora_unet_a", "lora_te_a"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(6)


def network(rank: int = 4, drops: Drops | None = None, **upkeep: Any) -> tuple[Trainee, Any]:
    """Return a stirred network over one layer of each part, attached, and the UNet's layer."""
    layers = {UNET: nn.Linear(6, 5), TEXT: nn.Linear(6, 5)}
    made = fresh_network(
        layers,
        Ranks(rank, float(rank)),
        drops=drops or Drops(),
        upkeep=Upkeep(noisy_prefix="lora_unet_", **upkeep),
    )
    stir(made)
    return made.attach(layers), layers[UNET]


def stir(made: Trainee) -> None:
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter))


def copies(made: Trainee) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in made.parameters()]


# ---- T-LoRA ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "share", "counts"),
    [
        (8, 0.5, [8, 7, 6, 5, 4]),
        (8, 0.25, [8, 6, 5, 3, 2]),
        (4, 0.01, [4, 3, 2, 1, 1]),
        (1, 0.5, [1, 1, 1, 1, 1]),
    ],
)
def test_fewer_ranks_learn_from_noisier_images(rank: int, share: float, counts: list[int]) -> None:
    mask = rank_mask(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]), rank, share)
    assert mask.sum(1).tolist() == counts
    for row, count in zip(mask, counts, strict=True):
        assert row.tolist() == [1.0] * count + [0.0] * (rank - count)


@pytest.mark.parametrize("half", [False, True])
def test_ranks_are_masked_image_by_image_in_the_unet_and_in_training_only(half: bool) -> None:
    made, layer = network(4, noisy_share=0.5)
    adapter: Any = made.trained()[UNET]
    text: Any = made.trained()[TEXT]
    made.strength = 0.0
    x = torch.randn(2, 3, 6)
    plain = layer(x)
    made.strength = 1.0
    with torch.no_grad():
        whole = adapter(x)
        half_rank = (x @ adapter.down.weight[:2].T) @ adapter.up.weight[:, :2].T
    if half:
        layer.to(torch.bfloat16)
    made.train().begin(torch.tensor([0.0, 1.0]))
    added = layer(x).float() - plain
    close = 0.1 if half else 1e-5
    assert torch.allclose(added[0], whole[0], atol=close)
    assert torch.allclose(added[1], half_rank[1], atol=close)
    assert not torch.allclose(whole[1], half_rank[1], atol=0.5)
    assert text.rank_mask is None
    with made.in_use():
        assert torch.allclose(layer(x).float() - plain, whole, atol=close)


def test_masked_ranks_get_no_gradient() -> None:
    made, layer = network(4, noisy_share=0.5)
    adapter: Any = made.trained()[UNET]
    made.begin(torch.ones(2))
    layer(torch.randn(2, 6)).sum().backward()
    assert adapter.down.weight.grad[:2].abs().sum() > 0
    assert not adapter.down.weight.grad[2:].any()
    assert not adapter.up.weight.grad[:, 2:].any()


def test_without_t_lora_nothing_is_masked() -> None:
    made, _ = network(4)
    made.begin(torch.ones(2))
    assert made.trained()[UNET].rank_mask is None


# ---- the longest change ----------------------------------------------------------------------


def test_changes_are_limited_after_the_step() -> None:
    made, _ = network(4, max_norm=0.5)
    adapters: list[Any] = list(made.trained().values())
    assert all(float(adapter.norm()) > 1.0 for adapter in adapters)
    made.after_step(1)
    for adapter in adapters:
        assert float(adapter.norm()) == pytest.approx(0.5, rel=1e-4)
    with torch.no_grad():
        for adapter in adapters:
            adapter.up.weight.mul_(0.1)
    before = copies(made)
    made.after_step(2)
    assert all(map(torch.equal, before, copies(made)))


# ---- the moving average ----------------------------------------------------------------------


def averaged(decay: float = 0.9) -> tuple[Trainee, Any]:
    made, layer = network(2, decay=decay)
    made.keep_average()
    return made, layer


def seen(made: Trainee) -> list[Tensor]:
    with made.in_use():
        return copies(made)


def test_the_average_keeps_its_share_at_every_step() -> None:
    made, _ = averaged(0.4)
    kept = copies(made)
    for step in range(1, 9):
        stir(made)
        made.after_step(step)
        share = min(0.4, (1 + step) / (10 + step))
        kept = [
            share * old + (1 - share) * new for old, new in zip(kept, copies(made), strict=True)
        ]
        assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(seen(made), kept, strict=True))
    assert share == 0.4, "the first steps alone were seen"


def test_the_average_is_in_place_only_while_the_network_is_in_use() -> None:
    made, layer = averaged()
    stir(made)
    made.after_step(1)
    live, x = copies(made), torch.randn(2, 6)
    before = layer(x)
    with made.in_use():
        during, learning = copies(made), made.training
        outside = layer(x)
    assert not learning
    assert not torch.equal(live[0], during[0])
    assert not torch.allclose(before, outside)
    assert made.training
    assert all(map(torch.equal, live, copies(made)))
    assert torch.equal(layer(x), before)
    with pytest.raises(ZeroDivisionError), made.in_use():
        raise ZeroDivisionError
    assert all(map(torch.equal, live, copies(made)))
    assert made.training


def test_without_an_average_the_weights_themselves_are_in_use() -> None:
    made, _ = network(2, drops=Drops(inner=0.5))
    made.keep_average()
    live = copies(made)
    assert all(map(torch.equal, live, seen(made)))
    assert set(made.state()) == set(made.tensors())


def test_states_hold_weights_and_average_and_go_back_bit_for_bit() -> None:
    made, _ = averaged()
    for step in range(1, 4):
        stir(made)
        made.after_step(step)
    state = {name: tensor.clone() for name, tensor in made.state().items()}
    live, average = copies(made), seen(made)
    assert len(state) == len(made.tensors()) + len(live)
    other, _ = averaged()
    other.load_state(state)
    assert all(map(torch.equal, live, copies(other)))
    assert all(map(torch.equal, average, seen(other)))
    for both in (made, other):  # and they go on alike
        with torch.no_grad():
            for parameter in both.parameters():
                parameter.mul_(0.5)
        both.after_step(4)
    assert all(map(torch.equal, seen(made), seen(other)))


def test_states_of_another_kind_are_refused() -> None:
    with_average, _ = averaged()
    without, _ = network(2)
    for one, other in ((with_average, without), (without, with_average)):
        before = copies(other)
        with pytest.raises(KeyError):
            other.load_state(one.state())
        assert all(map(torch.equal, before, copies(other)))


# ---- what is held ----------------------------------------------------------------------------


def test_dropout_comes_back_after_use() -> None:
    made, layer = network(4, drops=Drops(inner=0.5))
    x = torch.randn(2, 6)
    with made.in_use():
        assert torch.equal(layer(x), layer(x))
    assert not torch.equal(layer(x), layer(x))


def test_one_cast_serves_several_passes_and_gradients_add_up() -> None:
    made, layer = network(4)
    adapter: Any = made.trained()[UNET]
    layer.to(torch.bfloat16).requires_grad_(False)
    x = torch.randn(2, 6)
    made.begin(torch.zeros(2))
    held = adapter.weight("lora_up.weight")
    layer(x).sum().backward()
    once = adapter.up.weight.grad.clone()
    made.begin(torch.zeros(2))
    assert adapter.weight("lora_up.weight") is not held
    layer(x).sum().backward()
    assert torch.equal(adapter.up.weight.grad, 2 * once)
    assert made.trained()[TEXT].leaves()["lora_up.weight"].grad is None


def test_weights_of_a_state_count_at_once() -> None:
    """Also where the step before left copies of others in the format of the model."""
    layer = nn.Linear(3, 3).bfloat16()
    network = fresh_network({"lora_unet_a": layer}, Ranks(2, 1.0)).attach({"lora_unet_a": layer})
    x = torch.ones(1, 3).bfloat16()
    network.begin(torch.zeros(1))
    before = layer(x)
    network.load_state({n: torch.ones_like(t) for n, t in network.state().items()})
    assert not torch.equal(layer(x), before)
