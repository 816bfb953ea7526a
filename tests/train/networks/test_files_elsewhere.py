"""Files of the trained kinds in the programs that read them: LyCORIS and diffusers."""

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.utils import USE_PEFT_BACKEND
from torch import Tensor, nn

from tests.train.networks.test_lora import load, prediction
from tests.train.networks.test_trained import KINDS, LAYERS, NAME, fresh, leaves, stirred
from train.lora.contents import inspect
from train.networks.build import fresh_network
from train.networks.delta import weight_change
from train.networks.ranks import Ranks
from train.networks.saved import load_lora, save_lora
from train.settings.network import NetworkSettings

PUBLIC = [kind for kind in KINDS if kind != "dora by input"]
"""LyCORIS reads DoRA files on the output axis only; diffusers none for SD 1.5 and SDXL."""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(9)


def comfy_change(tensors: dict[str, Tensor], weight: Tensor) -> Tensor:
    """Return what ComfyUI makes of a DoRA file on the input axis, by its published formula."""
    plain = {leaf: tensor for leaf, tensor in tensors.items() if leaf != "dora_scale"}
    merged = weight + weight_change(plain, weight)
    columns = merged.transpose(0, 1).flatten(1).norm(dim=1)
    scale = tensors["dora_scale"].flatten() / (columns + torch.finfo(torch.float32).eps)
    changed: Tensor = merged * scale.view(1, -1, *[1] * (weight.ndim - 2))
    return changed - weight


@pytest.mark.parametrize("place", LAYERS)
def test_dora_by_input_is_drawn_by_comfyui_as_it_was_trained(place: str) -> None:
    make, shape = LAYERS[place]
    layer: Any = make()
    x = torch.randn(shape)
    network = stirred(fresh(layer, "dora by input")).attach({NAME: layer})
    ours = layer(x)
    network.detach()
    with torch.no_grad():
        layer.weight += comfy_change(leaves(network), layer.weight.detach())
    assert torch.allclose(ours, layer(x), atol=1e-4)


@pytest.mark.parametrize("kind", PUBLIC)
@pytest.mark.parametrize("place", LAYERS)
@pytest.mark.parametrize("stabilised", [False, True])
def test_lycoris_reads_every_tensor_and_does_the_same(
    tmp_path: Path, kind: str, place: str, stabilised: bool
) -> None:
    modules = pytest.importorskip("lycoris.modules")
    make, shape = LAYERS[place]
    layer: Any = make()
    x = torch.randn(shape)
    ranks = Ranks(3, 2.0, 3, 2.0, stabilised=stabilised)
    settings = NetworkSettings(**KINDS[kind])
    network = stirred(fresh_network({NAME: layer}, ranks, kind=settings)).attach({NAME: layer})
    ours = layer(x)
    network.detach()
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
    tensors = load_lora(tmp_path / "a.safetensors")
    algorithm, found = modules.get_module(tensors, NAME)
    theirs = modules.make_module(algorithm, found, NAME, layer)
    read = {leaf for leaf, t in zip(algorithm.weight_list, found, strict=True) if t is not None}
    assert {f"{NAME}.{leaf}" for leaf in read} == set(tensors), "a key that LyCORIS does not know"
    theirs.eval().apply_to()
    assert torch.allclose(layer(x), ours, atol=1e-4)
    theirs.restore()


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_lycoris_loads_a_whole_file(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As sd-scripts has it done: the network is made of the file, and draws the same.

    LyCORIS 4.0 to 4.1.3 takes on no UNet of SD 1.5, whatever the file: its lists name the class
    ``TimestepEmbedding`` for Anima and the two layers in it, and it objects to having them twice.
    """
    kohya = pytest.importorskip("lycoris.kohya")
    lists = kohya.LycorisNetworkKohya
    model = load(base)
    unet = model.component("unet")
    plain = prediction(model)
    classes = lists.UNET_TARGET_REPLACE_MODULE
    if "TimestepEmbedding" in classes:
        with pytest.raises(
            AssertionError, match="duplicated lora name: lora_unet_time_embedding_l"
        ):
            lists(None, unet)
        others = [name for name in classes if name != "TimestepEmbedding"]
        monkeypatch.setattr(lists, "UNET_TARGET_REPLACE_MODULE", others)
    # How LoKr split a kernel is a guess of LyCORIS, which is right for the widths of real models.
    targets = model.targets(parts=["unet"], conv=kind == "loha")
    settings = NetworkSettings(network=kind)
    network = stirred(fresh_network(targets, Ranks(3, 2.0, 3, 2.0), kind=settings)).attach(targets)
    ours = prediction(model)
    network.detach()
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
    theirs, _ = kohya.create_network_from_weights(
        1.0, str(tmp_path / "a.safetensors"), None, None, unet
    )
    assert {module.lora_name for module in theirs.unet_loras} == set(targets)
    theirs.eval().apply_to(None, unet, apply_text_encoder=False, apply_unet=True)
    assert float((ours - plain).abs().max()) > 1e-2
    assert torch.allclose(prediction(model), ours, atol=1e-4)


def test_diffusers_draws_the_same_with_a_rank_stabilised_file(base: Path, tmp_path: Path) -> None:
    model = load(base)
    targets = model.targets(parts=model.parts, conv=False)
    network = fresh_network(targets, Ranks(4, 3.0, stabilised=True))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    plain = prediction(model)
    network.attach(targets)
    ours = prediction(model)
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
    assert inspect(tmp_path / "a.safetensors").unmatched == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(base, safety_checker=None)
        assert USE_PEFT_BACKEND
        pipe.load_lora_weights(tmp_path, weight_name="a.safetensors")
        torch.manual_seed(5)
        noisy = torch.randn(2, 4, 8, 8)
        tokens = pipe.tokenizer(
            ["mochi, hat", "cat"], padding="max_length", max_length=77, return_tensors="pt"
        )
        with torch.no_grad():
            context = pipe.text_encoder(tokens.input_ids)[0]
            theirs = pipe.unet(noisy, torch.tensor([10, 900]), context).sample
    assert float((ours - plain).abs().max()) > 1e-2
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_an_alpha_that_the_format_cannot_hold_is_saved_wider(
    tmp_path: Path, precision: str
) -> None:
    layer = nn.Linear(12, 20)
    for stabilised, alpha in ((True, 16.0 * math.sqrt(32)), (False, 16.0)):
        network = fresh_network({NAME: layer}, Ranks(32, 16.0, stabilised=stabilised))
        save_lora(tmp_path / "a.safetensors", network, {}, precision)
        found = load_lora(tmp_path / "a.safetensors")
        assert float(found[f"{NAME}.alpha"]) == pytest.approx(alpha, rel=1e-6)
