import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.utils import USE_PEFT_BACKEND
from torch import Tensor

from prep.errors import UserError
from train.arithmetic.precision import choose
from train.families.base_model import BaseModel
from train.families.sd15 import StableDiffusion15
from train.networks.base import Network
from train.networks.build import fresh_network, network_of_file
from train.networks.ranks import Ranks
from train.networks.saved import load_lora, save_lora

CPU = torch.device("cpu")


def load(base: Path) -> StableDiffusion15:
    return StableDiffusion15.load(BaseModel.open(base), choose("fp32", CPU))


def stirred(network: Network, seed: int = 1) -> Network:
    """Give ``up`` values, so that the network does something."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network


def prediction(model: StableDiffusion15) -> Tensor:
    torch.manual_seed(5)
    noisy = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        context = model.encode_tokens(model.tokenize(["mochi, hat", "cat"]))
        return model.predict(noisy, torch.tensor([10, 900]), context)


@pytest.mark.parametrize("conv_rank", [0, 2])
def test_before_the_first_step_the_model_is_the_base_model(base: Path, conv_rank: int) -> None:
    model = load(base)
    before = prediction(model)
    targets = model.targets(parts=model.parts, conv=conv_rank > 0)
    network = fresh_network(targets, Ranks(4, 2.0, conv_rank)).attach(targets)
    assert torch.equal(prediction(model), before)
    stirred(network)
    assert not torch.allclose(prediction(model), before)
    network.strength = 0.0
    assert torch.equal(prediction(model), before)
    network.strength = 1.0
    network.detach()
    assert torch.equal(prediction(model), before)


def test_strength_is_linear_in_the_weights() -> None:
    targets = {"lora_unet_mid_block_attentions_0_proj_in": torch.nn.Conv2d(4, 4, 1)}
    network = stirred(fresh_network(targets, Ranks(2, 1.0))).attach(targets)
    (layer,) = targets.values()
    x = torch.randn(1, 4, 3, 3)
    network.strength = 0.0
    base_out = layer(x)
    network.strength = 1.0
    full = layer(x) - base_out
    network.strength = 0.25
    assert torch.allclose(layer(x) - base_out, full / 4, atol=1e-6)
    lora: Any = next(iter(network.adapters.values()))
    merged = (lora.up.weight.flatten(1) @ lora.down.weight.flatten(1)) * 0.5
    expected = torch.einsum("oi,bihw->bohw", merged, x)
    assert torch.allclose(full, expected, atol=1e-5)


def test_networks_stack(base: Path) -> None:
    model = load(base)
    targets = model.targets(parts=["unet"], conv=False)
    first = stirred(fresh_network(targets, Ranks(2, 2.0)), 1).attach(targets)
    alone = prediction(model)
    second = stirred(fresh_network(targets, Ranks(3, 3.0)), 2).attach(targets)
    assert not torch.allclose(prediction(model), alone)
    second.strength = 0.0
    assert torch.equal(prediction(model), alone)
    first.detach()


def test_files_go_round(base: Path, tmp_path: Path) -> None:
    model = load(base)
    targets = model.targets(parts=model.parts, conv=True)
    network = stirred(fresh_network(targets, Ranks(4, 3.0, 2, 1.5))).attach(targets)
    expected = prediction(model)
    path = tmp_path / "a.safetensors"
    save_lora(path, network, {}, "fp32")
    network.detach()
    again = network_of_file(targets, load_lora(path)).attach(targets)
    assert torch.equal(prediction(model), expected)
    again.detach()
    assert {key.partition(".")[0] for key in load_lora(path)} == set(targets)


def test_diffusers_draws_the_same_with_our_file(base: Path, tmp_path: Path) -> None:
    model = load(base)
    targets = model.targets(parts=model.parts, conv=True)
    network = stirred(fresh_network(targets, Ranks(4, 2.0, 4, 2.0))).attach(targets)
    ours = prediction(model)
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
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
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_clip_skip_reads_an_earlier_layer(base: Path) -> None:
    model = load(base)
    tokens = model.tokenize(["mochi"])
    last, skipped = model.encode_tokens(tokens, 1), model.encode_tokens(tokens, 2)
    assert last.context.shape == skipped.context.shape == (1, 77, 16)
    encoder: Any = model.texts[0].encoder
    states = encoder(tokens[0, 0], output_hidden_states=True).hidden_states
    root = getattr(encoder, "text_model", encoder)
    assert torch.equal(root.final_layer_norm(states[-1]), last.context)
    assert torch.equal(root.final_layer_norm(states[-2]), skipped.context)


def test_long_prompts_are_chunked_or_cut(base: Path) -> None:
    model = load(base)
    long = "a " * 100
    assert model.tokenize([long, "b"]).shape == (2, 1, 2, 77)
    assert model.tokenize([long], max_token_length=75).shape == (1, 1, 1, 77)
    row = model.tokenize([long])[0, 0]
    begin, end = model.texts[0].tokenizer.begin, model.texts[0].tokenizer.end
    assert row[:, 0].tolist() == [begin, begin]
    assert row[0, -1] == end
    assert row[1, 26] == end
    assert model.encode_tokens(model.tokenize([long])).context.shape == (1, 154, 16)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "scheduler"])
def test_incomplete_models_are_named(base: Path, tmp_path: Path, part: str) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(base, copy)
    shutil.rmtree(copy / part)
    with pytest.raises(UserError, match=part):
        load(copy)


def test_broken_weights_are_no_traceback(base: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(base, copy)
    (copy / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match="cannot be loaded"):
        load(copy)
    with pytest.raises(UserError, match="no base model"):
        load(tmp_path / "nowhere")
    (copy / "text_encoder_2").mkdir()
    with pytest.raises(UserError, match=r"text_encoder_2/config\.json is missing"):
        load(copy)
