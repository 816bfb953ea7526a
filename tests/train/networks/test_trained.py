"""The kinds of adapters that are trained, on single layers: what they add, learn and save.

The oracle of each change is ``train.networks.delta``, which reads files and shares no code.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from train.lora.algorithms import algorithm_of
from train.lora.fitting import misfit
from train.networks.build import fresh_network, network_of_file
from train.networks.delta import weight_change
from train.networks.lokr import split_size
from train.networks.ranks import Ranks
from train.networks.trained import Drops, TrainedAdapter
from train.networks.trainee import Trainee
from train.settings.network import NetworkSettings

NAME = "lora_unet_mid_block_attentions_0_proj_in"
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"network": "lora"},
    "dora by input": {"network": "dora"},
    "dora by output": {"network": "dora", "dora_axis": "output"},
    "loha": {"network": "loha"},
    "lokr of factors": {"network": "lokr", "lokr_factor": 2},
    "lokr of whole matrices": {"network": "lokr", "lokr_factor": -1},
}
DORAS = ("dora by input", "dora by output")
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 20), (3, 5, 12)),
    "linear of vectors": (lambda: nn.Linear(12, 20, bias=False), (3, 12)),
    "1x1": (lambda: nn.Conv2d(12, 20, 1), (2, 12, 5, 5)),
    "3x3": (lambda: nn.Conv2d(12, 20, 3, stride=2, padding=1), (2, 12, 7, 7)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_layer = pytest.mark.parametrize("place", LAYERS)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(4)


def fresh(layer: nn.Module, kind: str, alpha: float = 4.5, **more: Any) -> Trainee:
    """Return a network of rank 3 over one layer."""
    settings = NetworkSettings(**KINDS[kind])
    return fresh_network({NAME: layer}, Ranks(3, alpha, 3, alpha), kind=settings, **more)


def stirred(network: Trainee) -> Trainee:
    """Move every weight, as training would."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return network


def leaves(network: Trainee) -> dict[str, Tensor]:
    return {key.partition(".")[2]: tensor for key, tensor in network.tensors().items()}


def with_weight(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(x, weight, layer.bias)
    return nn.functional.conv2d(x, weight, layer.bias, layer.stride, layer.padding)


@every_kind
@every_layer
def test_a_fresh_adapter_changes_nothing(kind: str, place: str) -> None:
    make, shape = LAYERS[place]
    layer, x = make(), torch.randn(shape)
    plain = layer(x)
    fresh(layer, kind, seed=1).attach({NAME: layer})
    assert torch.equal(layer(x), plain)


@every_kind
@every_layer
@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_what_is_added_is_the_change_that_its_file_stands_for(
    kind: str, place: str, strength: float
) -> None:
    make, shape = LAYERS[place]
    layer: Any = make()
    x = torch.randn(shape)
    network = stirred(fresh(layer, kind, seed=1)).attach({NAME: layer})
    network.strength = strength
    ours = layer(x)
    network.detach()
    weight = layer.weight.detach()
    change = weight_change(leaves(network), weight)
    assert float(change.norm()) > 0.1
    expected = with_weight(layer, x, weight + strength * change)
    assert torch.allclose(ours, expected, atol=1e-4)


@every_kind
@every_layer
def test_files_are_of_their_kind_fit_and_act_the_same(kind: str, place: str) -> None:
    make, shape = LAYERS[place]
    layer: Any = make()
    x = torch.randn(shape)
    network = stirred(fresh(layer, kind)).attach({NAME: layer})
    ours = layer(x)
    network.detach()
    found = leaves(network)
    algorithm = algorithm_of(found)
    assert algorithm is not None
    assert algorithm.name == kind.split()[0]
    shapes = {leaf: tuple(tensor.shape) for leaf, tensor in found.items()}
    assert misfit(algorithm, shapes, tuple(layer.weight.shape)) == ""
    network_of_file({NAME: layer}, network.tensors()).attach({NAME: layer})
    assert torch.allclose(layer(x), ours, atol=1e-4)


@every_kind
def test_weights_go_round_bit_for_bit(kind: str) -> None:
    layer = nn.Conv2d(12, 20, 3)
    source, target = stirred(fresh(layer, kind)), fresh(layer, kind)
    target.load(source.tensors())
    assert len(source.tensors()) == len(list(source.parameters())) + 1
    for key, tensor in source.tensors().items():
        assert torch.equal(target.tensors()[key], tensor), key
    for leaf in leaves(source).keys() - {"alpha"}:
        short = {k: t for k, t in source.tensors().items() if not k.endswith(f".{leaf}")}
        with pytest.raises(KeyError):
            target.load(short)
        with pytest.raises(RuntimeError, match=leaf):
            target.load({**short, f"{NAME}.{leaf}": torch.zeros(1)})


@every_kind
@every_layer
def test_gradients_are_those_of_the_changed_weight(kind: str, place: str) -> None:
    """Through the oracle's formula; DoRA's norm takes no part in the gradient."""
    make, shape = LAYERS[place]
    layer: Any = make().requires_grad_(False)
    x = torch.randn(shape, requires_grad=True)
    network = stirred(fresh(layer, kind)).attach({NAME: layer})
    adapter = network.trained()[NAME]
    wanted = torch.randn_like(layer(x))
    parameters = [x, *adapter.leaves().values()]
    ours = torch.autograd.grad((layer(x) * wanted).sum(), parameters)
    network.detach()
    tensors: dict[str, Tensor] = {"alpha": torch.tensor(adapter.alpha), **adapter.leaves()}
    magnitude = tensors.pop("dora_scale", None)
    weight = layer.weight + weight_change(tensors, layer.weight)
    if magnitude is not None:
        others = [dim for dim in range(weight.ndim) if magnitude.shape[dim] == 1]
        length = torch.linalg.vector_norm(weight.detach(), dim=others, keepdim=True)
        weight = weight / length * magnitude
    theirs = torch.autograd.grad((with_weight(layer, x, weight) * wanted).sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        assert float(other.norm()) > 1e-3
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.0])
@every_layer
def test_lora_in_fp32_is_bit_for_bit_scale_times_up_of_down(place: str, alpha: float) -> None:
    """The scale is multiplied in where it is cheapest, and that must not change a bit."""
    make, shape = LAYERS[place]
    layer: Any = make().requires_grad_(False)
    network = stirred(fresh(layer, "lora", alpha))
    adapter: Any = network.trained()[NAME]
    x, wanted = torch.randn(shape, requires_grad=True), torch.randn_like(layer(torch.randn(shape)))
    parameters = [x, *adapter.leaves().values()]
    expected = layer(x) + adapter.up(adapter.down(x)) * (alpha / 3)
    theirs = torch.autograd.grad((expected * wanted).sum(), parameters)
    network.attach({NAME: layer})
    ours = layer(x)
    assert torch.equal(ours, expected)
    mine = torch.autograd.grad((ours * wanted).sum(), parameters)
    assert all(map(torch.equal, mine, theirs))


@every_kind
@every_layer
@pytest.mark.parametrize("held", [False, True])
def test_in_bf16_weights_stay_in_fp32_and_gradients_reach_them(
    kind: str, place: str, held: bool
) -> None:
    make, shape = LAYERS[place]
    layer: Any = make().requires_grad_(False)
    network = stirred(fresh(layer, kind))
    x = torch.randn(shape)
    wanted = torch.randn_like(layer(x))
    network.attach({NAME: layer})
    exact = layer(x)
    expected = torch.autograd.grad((exact * wanted).sum(), list(network.parameters()))
    network.strength = 0.7
    weaker = layer(x)
    layer.to(torch.bfloat16)
    if held:
        network.begin(torch.zeros(len(x)))
    rounded = layer(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    most = 0.1 * float(exact.detach().abs().max())
    assert torch.allclose(rounded.float(), weaker, atol=most)
    network.strength = 1.0
    rounded = layer(x)  # of the autocast kind: a layer is given wider values than it computes in
    assert torch.allclose(rounded.float(), exact, atol=most)
    (rounded * wanted.bfloat16()).sum().backward()
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert parameter.dtype == parameter.grad.dtype == torch.float32  # type: ignore[union-attr]
        assert parameter.grad is not None
        cosine = torch.cosine_similarity(parameter.grad.flatten(), gradient.flatten(), dim=0)
        assert float(cosine) > 0.99
        assert float(parameter.grad.norm()) == pytest.approx(float(gradient.norm()), rel=0.1)


@every_kind
def test_what_is_held_is_cast_once_and_forgotten_after_the_step(kind: str) -> None:
    layer: Any = nn.Linear(12, 20).to(torch.bfloat16)
    network = stirred(fresh(layer, kind)).attach({NAME: layer})
    x = torch.randn(3, 12).bfloat16()
    before = layer(x)
    network.begin(torch.zeros(3))
    assert torch.equal(layer(x), before)
    stirred(network)
    stale = layer(x)
    network.after_step(1)
    assert not torch.equal(layer(x), before)
    if kind not in DORAS:  # magnitudes are never cast
        assert torch.equal(stale, before)


@pytest.mark.parametrize("kind", DORAS)
def test_doras_norm_is_that_of_the_weights_as_they_are(kind: str) -> None:
    layer: Any = nn.Linear(12, 20)
    network, x = stirred(fresh(layer, kind)).attach({NAME: layer}), torch.randn(3, 12)
    for hold_again in (True, False):
        network.begin(torch.zeros(3))
        layer(x)
        network.after_step(1)
        stirred(network)
        if hold_again:
            network.begin(torch.zeros(3))
        weight = layer.weight.detach()
        expected = with_weight(layer, x, weight + weight_change(leaves(network), weight))
        assert torch.allclose(layer(x), expected, atol=1e-4)


@pytest.mark.parametrize("kind", DORAS)
def test_dora_leaves_rows_and_columns_of_zeros_alone(kind: str) -> None:
    layer: Any = nn.Linear(12, 20)
    with torch.no_grad():
        layer.weight[3] = 0.0
        layer.weight[:, 4] = 0.0
    x = torch.randn(3, 12)
    plain = layer(x)
    network = fresh(layer, kind).attach({NAME: layer})
    assert torch.equal(layer(x), plain)
    layer(x).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@every_kind
def test_norms_are_those_of_the_change_and_are_limited(kind: str) -> None:
    layer: Any = nn.Conv2d(12, 20, 3)
    network = stirred(fresh(layer, kind))
    adapter: TrainedAdapter = network.trained()[NAME]

    def change() -> Tensor:
        plain = {leaf: t for leaf, t in leaves(network).items() if leaf != "dora_scale"}
        return weight_change(plain, layer.weight.detach())

    before, length = change(), float(change().norm())
    assert float(adapter.norm()) == pytest.approx(length, rel=1e-4)
    tensors = {key: tensor.clone() for key, tensor in network.tensors().items()}
    adapter.limit(length * 1.01)
    assert all(torch.equal(tensors[key], t) for key, t in network.tensors().items())
    adapter.limit(length / 3)
    assert torch.allclose(change(), before / 3, atol=1e-5)
    if "dora" in kind:
        assert torch.equal(tensors[f"{NAME}.dora_scale"], leaves(network)["dora_scale"])


def test_rank_stabilised_files_act_with_alpha_over_the_root_of_the_rank() -> None:
    layer = nn.Linear(12, 20)
    ranks = Ranks(9, 6.0, stabilised=True)
    network = stirred(fresh_network({NAME: layer}, ranks))
    adapter: Any = network.trained()[NAME]
    assert adapter.scale == pytest.approx(2.0)
    tensors = network.tensors()
    assert float(tensors[f"{NAME}.alpha"]) == pytest.approx(18.0)
    again: Any = network_of_file({NAME: layer}, tensors).adapters[NAME]
    assert again.scale == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["lokr of factors", "lokr of whole matrices"])
def test_alpha_counts_in_lokr_only_where_a_factor_is_a_product(kind: str) -> None:
    small, large = (fresh(nn.Linear(12, 20), kind, alpha) for alpha in (1.5, 6.0))
    scales = [network.trained()[NAME].scale for network in (small, large)]
    assert scales == ([0.5, 2.0] if kind == "lokr of factors" else [1.0, 1.0])
    whole = fresh(nn.Linear(12, 20), "lokr of whole matrices").tensors()
    assert {key.partition(".")[2] for key in whole} == {"alpha", "lokr_w1", "lokr_w2"}


@pytest.mark.parametrize(
    ("size", "factor", "parts"),
    [
        (1280, 8, (8, 160)),
        (320, -1, (16, 20)),
        (12, -1, (3, 4)),
        (250, 8, (5, 50)),
        (127, 4, (1, 127)),
        (8, 16, (2, 4)),
        (8, 4, (2, 4)),
    ],
)
def test_sizes_are_split_like_lycoris_does(size: int, factor: int, parts: tuple[int, int]) -> None:
    assert split_size(size, factor) == parts
    general = pytest.importorskip("lycoris.functional.general")
    for other in (*range(1, 200), 320, 640, 768, 1280, 2048, 2560, 3072, 5120, 10240):
        for number in (-1, *range(2, 20)):
            assert split_size(other, number) == general.factorization(other, number)


@every_kind
def test_module_dropout_switches_whole_adapters_off_in_training(kind: str) -> None:
    layer: Any = nn.Linear(12, 20)
    network = fresh(layer, kind, drops=Drops(modules=0.4))
    stirred(network).attach({NAME: layer})
    x = torch.randn(3, 12)
    network.strength = 0.0
    plain = layer(x)
    network.strength = 1.0
    network.eval()
    full = layer(x)
    network.train()
    found = [layer(x) for _ in range(200)]
    off = sum(torch.equal(one, plain) for one in found)
    assert 50 < off < 110
    assert off + sum(torch.equal(one, full) for one in found) == 200


@pytest.mark.parametrize("place", LAYERS)
@pytest.mark.parametrize("half", [False, True])
def test_rank_dropout_takes_ranks_from_whole_images_and_keeps_the_mean(
    place: str, half: bool
) -> None:
    make, (_, *shape) = LAYERS[place]
    layer: Any = make()
    network = fresh_network({NAME: layer}, Ranks(3, 3.0, 3, 3.0), drops=Drops(ranks=0.25)).train()
    adapter: Any = network.trained()[NAME]
    stirred(network)
    layer.to(torch.bfloat16 if half else torch.float32)
    x = torch.randn(1, *shape).expand(1000, *shape)
    inner = adapter._inner(x.to(adapter.dtype), adapter.weight("lora_down.weight"))
    network.eval()
    whole = adapter._inner(x.to(adapter.dtype), adapter.weight("lora_down.weight"))
    network.train()
    axis = 1 if place in ("1x1", "3x3") else -1
    ratio = (inner / whole).detach().float().movedim(axis, 1)[..., None].flatten(2)
    assert torch.allclose(ratio, ratio[:, :, :1].expand_as(ratio), atol=0.02)
    values = ratio[:, :, 0]
    kept = values > 0.5
    assert torch.allclose(values[kept], torch.tensor(4 / 3), atol=0.02)
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.03)
    assert len(kept.unique(dim=0)) == 8, "each rank is dropped on its own, for each image"
