"""Algorithms that are applied and not trained: by hand, and against PEFT."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prep.errors import UnreadableError, UserError
from train.lora.algorithms import APPLIED
from train.lora.file import serialise
from train.networks.build import ADAPTERS, network_of_file
from train.networks.delta import DeltaModule, weight_change
from train.networks.lora import LoraModule
from train.networks.saved import load_lora, raw

NAME = "lora_unet_mid_block_attentions_0_proj_in"


def noise(*shape: int) -> Tensor:
    return torch.randn(shape)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def conv() -> nn.Conv2d:
    return nn.Conv2d(6, 8, 3, stride=2, padding=1)


PAIR: dict[str, Tensor] = {
    "lora_down.weight": torch.randn(2, 6, 3, 3),
    "lora_up.weight": torch.randn(8, 2, 1, 1),
    "alpha": torch.tensor(3.0),
}


def product(pair: dict[str, Tensor]) -> Tensor:
    """Return the change that two matrices stand for: alpha 3 at rank 2."""
    down, up = pair["lora_down.weight"], pair["lora_up.weight"]
    return torch.einsum("orxy,rikl->oikl", up, down) * 1.5


def kron(left: Tensor, right: Tensor) -> Tensor:
    """Return the Kronecker product of a matrix and a kernel, axis by axis."""
    whole = torch.einsum("ac,bdkl->abcdkl", left, right)
    return whole.reshape(len(left) * len(right), -1, *right.shape[2:])


def by_hand(kind: str) -> tuple[dict[str, Tensor], Tensor]:
    """Return the tensors of an algorithm, and the change of a (8, 6, 3, 3) weight they mean."""
    a, b, c, d = noise(8, 2), noise(2, 54), noise(8, 2), noise(2, 54)
    alpha = torch.tensor(3.0)
    if kind == "scalar":
        return {**PAIR, "scalar": torch.tensor([0.5])}, product(PAIR) * 0.5
    if kind == "tucker":
        core, down, up = noise(2, 2, 3, 3), noise(2, 6, 1, 1), noise(8, 2, 1, 1)
        change = torch.einsum("oa,abkl,bi->oikl", up[:, :, 0, 0], core, down[:, :, 0, 0])
        names = ("lora_mid.weight", "lora_down.weight", "lora_up.weight")
        return dict(zip(names, (core, down, up), strict=True)), change
    if kind == "loha":
        tensors = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d, "alpha": alpha}
        return tensors, ((a @ b) * (c @ d) * 1.5).view(8, 6, 3, 3)
    if kind == "lokr":
        left, right = noise(2, 3), noise(4, 2, 3, 3)  # both whole: alpha does not count
        return {"lokr_w1": left, "lokr_w2": right, "alpha": alpha}, kron(left, right)
    if kind == "lokr factors":
        left, rows, columns = noise(2, 3), noise(4, 2), noise(2, 2 * 9)
        right = (rows @ columns).view(4, 2, 3, 3)
        tensors = {"lokr_w1": left, "lokr_w2_a": rows, "lokr_w2_b": columns, "alpha": alpha}
        return tensors, kron(left, right) * 1.5
    change = noise(8, 6, 3, 3)
    return {"diff": change}, change


@pytest.mark.parametrize("kind", ["scalar", "tucker", "loha", "lokr", "lokr factors", "full"])
def test_changes_of_weights(kind: str) -> None:
    layer, x = conv(), noise(2, 6, 9, 9)
    tensors, change = by_hand(kind)
    expected = nn.functional.conv2d(x, layer.weight + 0.5 * change, layer.bias, 2, 1)
    network = network_of_file({NAME: layer}, {f"{NAME}.{k}": t for k, t in tensors.items()})
    network.strength = 0.5
    network.attach({NAME: layer})
    assert torch.allclose(layer(x), expected, atol=1e-5)
    network.detach()
    assert isinstance(network.adapters[NAME], DeltaModule)
    assert list(network.parameters()) == []


@pytest.mark.parametrize("axis", [0, 1])
def test_dora_gives_each_output_or_input_its_magnitude(axis: int) -> None:
    weight = conv().weight.detach()
    magnitude = noise(8, 1, 1, 1) if axis == 0 else noise(1, 6, 1, 1)
    merged = weight + product(PAIR)
    length = merged.transpose(0, axis).flatten(1).norm(dim=1).view(magnitude.shape)
    change = weight_change({**PAIR, "dora_scale": magnitude}, weight)
    assert torch.allclose(weight + change, merged / length * magnitude, atol=1e-5)


def test_a_square_weight_has_magnitudes_of_outputs_where_they_come_first() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    nothing = {"lora_down.weight": torch.zeros(1, 2), "lora_up.weight": torch.zeros(2, 1)}
    rows = weight_change({**nothing, "dora_scale": torch.tensor([[10.0], [1.0]])}, weight) + weight
    assert torch.allclose(rows, torch.tensor([[6.0, 8.0], [0.0, 1.0]]))
    columns = weight_change({**nothing, "dora_scale": torch.tensor([[6.0, 1.0]])}, weight) + weight
    assert torch.allclose(columns, torch.tensor([[6.0, 4 / 17**0.5], [0.0, 1 / 17**0.5]]))


@pytest.mark.parametrize("layer", [nn.LayerNorm(6), nn.GroupNorm(2, 6)])
@pytest.mark.parametrize("leaves", [("w_norm", "b_norm"), ("diff", "diff_b")])
def test_norms(layer: Any, leaves: tuple[str, str]) -> None:
    x = noise(2, 6)
    weight, bias = noise(6), noise(6)
    name = "lora_unet_mid_block_resnets_0_norm1"
    tensors = {f"{name}.{leaves[0]}": weight, f"{name}.{leaves[1]}": bias}
    network = network_of_file({name: layer}, tensors).attach({name: layer})
    ours = layer(x)
    network.detach()
    with torch.no_grad():
        layer.weight += weight
        layer.bias += bias
    assert torch.allclose(ours, layer(x), atol=1e-5)


def test_a_bias_alone() -> None:
    layer, x = nn.Linear(6, 8), noise(3, 6)
    plain = layer(x)
    tensors = {f"{NAME}.diff_b": torch.arange(8.0)}
    network = network_of_file({NAME: layer}, tensors).attach({NAME: layer})
    assert torch.allclose(layer(x) - plain, torch.arange(8.0).expand(3, 8), atol=1e-5)
    network.detach()


def test_a_lora_of_a_1x1_convolution_may_be_saved_as_matrices() -> None:
    layer, x = nn.Conv2d(6, 8, 1), noise(2, 6, 4, 4)
    down, up = noise(2, 6), noise(8, 2)
    tensors = {f"{NAME}.lora_down.weight": down, f"{NAME}.lora_up.weight": up}
    network = network_of_file({NAME: layer}, tensors).attach({NAME: layer})
    ours = layer(x)
    network.detach()
    assert torch.allclose(ours, layer(x) + torch.einsum("oi,bihw->bohw", up @ down, x), atol=1e-5)
    assert isinstance(network.adapters[NAME], LoraModule)


def test_a_lora_of_a_linear_layer_may_be_saved_as_convolutions() -> None:
    layer, x = nn.Linear(6, 8), noise(2, 6)
    down, up = noise(2, 6, 1, 1), noise(8, 2, 1, 1)
    tensors = {f"{NAME}.lora_down.weight": down, f"{NAME}.lora_up.weight": up}
    network = network_of_file({NAME: layer}, tensors).attach({NAME: layer})
    added = x @ (up[..., 0, 0] @ down[..., 0, 0]).T
    assert torch.allclose(layer(x), nn.functional.linear(x, layer.weight, layer.bias) + added)
    network.detach()


def test_tensors_go_round_and_shapes_are_compared() -> None:
    module = DeltaModule.of_file(conv(), PAIR)
    other = DeltaModule.of_file(conv(), {leaf: torch.zeros_like(t) for leaf, t in PAIR.items()})
    other.load(module.file_tensors())
    assert all(torch.equal(other.file_tensors()[leaf], tensor) for leaf, tensor in PAIR.items())
    with pytest.raises(RuntimeError, match="lora_up"):
        other.load({**PAIR, "lora_up.weight": torch.zeros(8, 1, 1, 1)})


def test_every_algorithm_that_is_applied_has_one_adapter() -> None:
    for algorithm in APPLIED:
        assert [algorithm in kind.ALGORITHMS for kind in ADAPTERS].count(True) == 1


def test_one_sentence_says_what_does_not_fit() -> None:
    layer = nn.Linear(6, 8)
    tensors = {f"{NAME}.lora_down.weight": noise(2, 5), f"{NAME}.lora_up.weight": noise(8, 2)}
    with pytest.raises(UserError, match=r"lora_down\.weight is 2x5 instead of 2x6") as caught:
        network_of_file({NAME: layer}, tensors)
    assert "lora verify" in caught.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.safetensors"
    weight = torch.zeros(8, 2)
    weight[3, 1] = value
    tensors = {f"{NAME}.lora_down.weight": noise(2, 6), f"{NAME}.lora_up.weight": weight}
    path.write_bytes(serialise({name: raw(t, torch.float16) for name, t in tensors.items()}, {}))
    with pytest.raises(UnreadableError, match=rf"NaN or infinite.*{NAME}\.lora_up"):
        load_lora(path)


def nested(layer: nn.Module) -> nn.Module:
    """Return a model with one layer, at the path of the name that the tests use."""
    root = place = nn.Module()
    for part in ("mid_block", "attentions", "0"):
        child = nn.Module()
        place.add_module(part, child)
        place = child
    place.add_module("proj_in", layer)
    root.forward = layer.forward
    return root


PEFT_KINDS: list[tuple[str, dict[str, Any]]] = [
    ("LoraConfig", {}),
    ("LoraConfig", {"use_rslora": True}),
    ("LoraConfig", {"use_dora": True}),
    ("LoHaConfig", {}),
    ("LoHaConfig", {"use_effective_conv2d": True}),
    ("LoKrConfig", {}),
    ("LoKrConfig", {"decompose_both": True, "decompose_factor": 2, "use_effective_conv2d": True}),
]


@pytest.mark.parametrize(("kind", "options"), PEFT_KINDS)
@pytest.mark.parametrize("wide", [False, True])
def test_files_of_peft_act_as_in_peft(
    tmp_path: Path, kind: str, options: dict[str, Any], *, wide: bool
) -> None:
    peft = pytest.importorskip("peft")
    layer: nn.Module = conv() if wide else nn.Linear(6, 8)
    x = noise(2, 6, 9, 9) if wide else noise(2, 6)
    alpha = {"lora_alpha": 3} if kind == "LoraConfig" else {"alpha": 3}
    config = getattr(peft, kind)(r=2, target_modules=["proj_in"], **alpha, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(nested(layer), config)
        with torch.no_grad():
            for parameter in (p for p in model.parameters() if p.requires_grad):
                parameter += 0.3 * torch.randn_like(parameter)
            theirs = model.base_model.model.mid_block.attentions.get_submodule("0").proj_in(x)
            plain = layer(x)
        model.save_pretrained(tmp_path)
    network = network_of_file({NAME: layer}, load_lora(tmp_path / "adapter_model.safetensors"))
    network.attach({NAME: layer})
    assert torch.allclose(layer(x), theirs, atol=1e-5)
    assert not torch.allclose(theirs, plain, atol=1e-2)
    network.detach()
