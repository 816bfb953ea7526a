"""Adapters and networks on single layers, where everything can be worked out by hand."""

from typing import Any

import pytest
import torch
from torch import nn

from prep.errors import UserError
from train.networks.base import Network
from train.networks.build import fresh_network, network_of_file
from train.networks.lora import LoraModule
from train.networks.ranks import Ranks
from train.networks.trained import Drops

NAME = "lora_unet_a"


def conv(**shape: Any) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, 5, bias=False, **shape)


def delta(adapter: Any) -> torch.Tensor:
    """Return the change of the layer's weight that an adapter stands for."""
    up, down = adapter.up.weight.flatten(1), adapter.down.weight
    found: torch.Tensor = (up @ down.flatten(1)).view(len(up), *down.shape[1:]) * adapter.scale
    return found


@pytest.mark.parametrize(
    "shape",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": (1, 3), "padding": (0, 1)},
    ],
)
def test_an_adapter_of_a_convolution_is_a_change_of_its_weight(shape: dict[str, Any]) -> None:
    layer, x = conv(**shape), torch.randn(2, 3, 9, 9)
    adapter = LoraModule(layer, 2, 3.0)
    nn.init.normal_(adapter.up.weight)  # type: ignore[arg-type]
    changed = conv(**shape)
    with torch.no_grad():
        changed.weight.copy_(layer.weight + delta(adapter))
        assert torch.allclose(layer(x) + adapter(x), changed(x), atol=1e-5)


def test_an_adapter_of_a_linear_layer_is_a_change_of_its_weight() -> None:
    layer, x = nn.Linear(4, 6), torch.randn(3, 4)
    adapter: Any = LoraModule(layer, 2, 5.0)
    nn.init.normal_(adapter.up.weight)
    assert adapter.scale == 2.5
    with torch.no_grad():
        assert torch.allclose(adapter(x), x @ delta(adapter).T, atol=1e-6)


def test_other_layers_have_no_adapter() -> None:
    with pytest.raises(TypeError, match="LayerNorm"):
        LoraModule(nn.LayerNorm(4), 2, 2.0)


def test_the_first_weights_are_kohyas_and_depend_on_seed_and_module() -> None:
    layers = {NAME: nn.Linear(4, 6), "lora_unet_b": nn.Linear(4, 6)}

    def downs(seed: int) -> list[torch.Tensor]:
        adapters: Any = fresh_network(layers, Ranks(3, 3.0), seed=seed).adapters.values()
        assert all(not adapter.up.weight.any() for adapter in adapters)
        return [adapter.down.weight.detach() for adapter in adapters]

    (a, b), (again, _), (other, _) = downs(1), downs(1), downs(2)
    assert torch.equal(a, again)
    assert not torch.equal(a, b)
    assert not torch.equal(a, other)
    # kaiming_uniform with a = sqrt 5 is uniform within 1 / sqrt(fan in).
    wide: Any = LoraModule(nn.Linear(400, 2), 50, 1.0)
    wide.initialise(torch.Generator().manual_seed(0))
    bound = 1 / 400**0.5
    weight = wide.down.weight.detach()
    assert float(weight.abs().max()) == pytest.approx(bound, rel=1e-2)
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=2e-2)


def test_dropout_acts_in_training_only() -> None:
    adapter: Any = LoraModule(nn.Linear(64, 1, bias=False), 64, 64.0, Drops(0.5))
    nn.init.ones_(adapter.up.weight)
    adapter.down.weight.data = torch.eye(64)
    x = torch.ones(1, 64)
    with torch.no_grad():
        assert adapter.eval()(x).item() == 64.0
        torch.manual_seed(0)
        values = {adapter.train()(x).item() for _ in range(5)}
    # What stays is doubled: an even number around 64 each time.
    assert len(values) > 1
    assert all(value % 2 == 0 and 20 < value < 110 for value in values)


def test_ranks_tell_wide_convolutions_from_all_others() -> None:
    ranks = Ranks(4, 2.0, 8, 1.0)
    assert ranks.of("", nn.Linear(1, 1)) == (4, 2.0)
    assert ranks.of("", conv(kernel_size=1)) == (4, 2.0)
    assert ranks.of("", conv(kernel_size=3)) == (8, 1.0)
    layers = {NAME: nn.Linear(2, 2), "lora_unet_c": conv(kernel_size=3)}
    assert list(fresh_network(layers, Ranks(4, 2.0)).adapters) == [NAME]


def file_of(layer: nn.Module, rank: int = 2, alpha: float | None = 3.0) -> dict[str, torch.Tensor]:
    network = fresh_network({NAME: layer}, Ranks(rank, alpha or 1.0, rank, alpha or 1.0))
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    tensors = network.tensors()
    if alpha is None:
        del tensors[f"{NAME}.alpha"]
    return tensors


@pytest.mark.parametrize("alpha", [3.0, None])
def test_a_file_without_alpha_acts_with_its_rank(alpha: float | None) -> None:
    layer = nn.Linear(4, 6)
    tensors = file_of(layer, 2, alpha)
    adapter: Any = network_of_file({NAME: layer}, tensors).adapters[NAME]
    assert adapter.scale == (1.5 if alpha else 1.0)
    assert torch.equal(adapter.down.weight, tensors[f"{NAME}.lora_down.weight"])
    assert torch.equal(adapter.up.weight, tensors[f"{NAME}.lora_up.weight"])


@pytest.mark.parametrize("leaf", ["lora_down.weight", "lora_up.weight"])
def test_each_matrix_must_have_the_size_of_the_layer(leaf: str) -> None:
    layer = nn.Linear(4, 6)
    tensors = file_of(layer)
    wrong = tensors[f"{NAME}.{leaf}"]
    tensors[f"{NAME}.{leaf}"] = torch.zeros(*(side + 1 for side in wrong.shape))
    with pytest.raises(UserError, match="has another size"):
        network_of_file({NAME: layer}, tensors)


def test_modules_that_the_model_lacks_are_counted_and_one_is_named() -> None:
    layer = nn.Linear(4, 6)
    mine = file_of(layer)
    others = {
        key.replace(NAME, f"lora_unet_{letter}"): tensor
        for key, tensor in mine.items()
        for letter in "yz"
    }
    with pytest.raises(UserError, match=r"2 of 3 modules .* for example lora_unet_y"):
        network_of_file({NAME: layer}, {**others, **mine})


def test_strength_and_attachment() -> None:
    layer, x = nn.Linear(4, 6), torch.randn(2, 4)
    network = network_of_file({NAME: layer}, file_of(layer))
    plain = layer(x)
    network.attach({NAME: layer})
    added = (layer(x) - plain).detach()
    assert float(added.abs().max()) > 0.1
    network.strength = -0.5
    assert torch.allclose(layer(x), plain - 0.5 * added, atol=1e-5)
    network.strength = 0.0
    assert torch.equal(layer(x), plain)
    network.strength = 1.0
    network.detach()
    assert torch.equal(layer(x), plain)
    network.detach()  # nothing is left to detach
    network.attach({NAME: layer})
    assert torch.allclose(layer(x), plain + added, atol=1e-5)


def test_networks_come_off_in_any_order() -> None:
    layer, x = nn.Linear(4, 6), torch.randn(2, 4)
    plain = layer(x)
    networks = [network_of_file({NAME: layer}, file_of(layer)) for _ in range(3)]
    parts = []
    for network in networks:
        network.attach({NAME: layer})
        parts.append(layer(x) - plain)
        network.detach()
        assert "forward" not in vars(layer)
    for network in networks:
        network.attach({NAME: layer})
    assert torch.allclose(layer(x), plain + sum(parts), atol=1e-5)
    networks[1].detach()
    assert torch.allclose(layer(x), plain + parts[0] + parts[2], atol=1e-5)
    networks[0].detach()
    networks[1].attach({NAME: layer})
    networks[2].detach()
    assert torch.allclose(layer(x), plain + parts[1], atol=1e-5)
    networks[1].detach()
    assert torch.equal(layer(x), plain)
    assert "forward" not in vars(layer)


def test_a_forward_that_somebody_else_replaced_is_given_back() -> None:
    layer: Any = nn.Linear(4, 6)
    original = layer.forward

    def doubled(x: torch.Tensor) -> Any:
        return original(x) * 2

    layer.forward = doubled
    x = torch.randn(2, 4)
    network = network_of_file({NAME: layer}, file_of(layer)).attach({NAME: layer})
    added = layer(x) - doubled(x)
    assert float(added.detach().abs().max()) > 0.1
    network.detach()
    assert layer.forward is doubled


def test_an_output_keeps_its_format() -> None:
    layer = nn.Linear(4, 6)
    network = network_of_file({NAME: layer}, file_of(layer)).attach({NAME: layer.bfloat16()})
    assert layer(torch.randn(2, 4)).dtype == torch.bfloat16
    network.detach()


def test_weights_belong_to_the_part_that_their_names_begin_with() -> None:
    layers = {NAME: nn.Linear(2, 2), "lora_te_b": nn.Linear(2, 2), "lora_te_c": nn.Linear(2, 2)}
    network = fresh_network(layers, Ranks(1, 1.0))
    found = [network.weights(prefix) for prefix in ("lora_unet_", "lora_te_", "lora_x_")]
    assert [{rate: len(some) for rate, some in one.items()} for one in found] == [
        {1.0: 2},
        {1.0: 4},
        {},
    ]
    adapter: Any = network.adapters[NAME]
    assert network.weights("lora_unet_")[1.0][0] is adapter.down.weight


def test_loading_is_exact_and_complete() -> None:
    layer = nn.Linear(4, 6)
    source, target = (network_of_file({NAME: layer}, file_of(layer)) for _ in range(2))
    assert not torch.equal(*(n.tensors()[f"{NAME}.lora_up.weight"] for n in (source, target)))
    target.load(source.tensors())
    for key, tensor in source.tensors().items():
        assert torch.equal(target.tensors()[key], tensor)
    with pytest.raises(KeyError):
        Network(dict(target.items())).load({})


def weights(rank: int, across: int, out: int) -> dict[str, torch.Tensor]:
    return {"lora_down.weight": torch.ones(rank, across), "lora_up.weight": torch.ones(out, rank)}


def test_a_file_that_does_not_fit_says_how_much_does_not() -> None:
    layers = {"lora_unet_a": nn.Linear(4, 6), "lora_unet_b": nn.Linear(4, 6)}
    narrow = {f"lora_unet_a.{leaf}": t for leaf, t in weights(2, 3, 6).items()}
    with pytest.raises(UserError, match=r"^This LoRA does not fit: lora_unet_a[^(]*$") as fault:
        network_of_file(layers, narrow)
    assert fault.value.hint.endswith("shikomi lora verify FILE --base BASE_MODEL")
    strange = {f"lora_unet_x.{leaf}": t for leaf, t in weights(2, 4, 6).items()}
    with pytest.raises(UserError, match=r"1 of 2 modules .* \(1 more\)"):
        network_of_file(layers, narrow | strange)
