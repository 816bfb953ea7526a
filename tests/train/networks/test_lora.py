import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.errors import UserError
from train.arithmetic.precision import choose
from train.families.base_model import BaseModel
from train.families.sd15 import StableDiffusion15
from train.lora.keys import is_sd15_module, text_key, unet_key
from train.lora.layout import SD15_LAYOUT, SD15_TEXT, UNetLayout, text_modules, unet_modules
from train.networks.base import Network
from train.networks.build import fresh_network, network_of_file
from train.networks.lora import LoraModule
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


def full_size_unet() -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)


def test_full_size_stable_diffusion_has_its_known_modules() -> None:
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    unet = full_size_unet()
    layout = UNetLayout.from_config(unet.config)
    assert layout == SD15_LAYOUT
    plain, conv = unet_modules(layout), unet_modules(layout, conv=True)
    assert (len(plain), len(conv)) == (192, 278)
    with torch.device("meta"):
        config = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12)
        text = CLIPTextModel(config)
    assert len(text_modules(SD15_TEXT)) == 72
    root = getattr(text, "text_model", text)
    targets = {unet_key(path): unet.get_submodule(path) for path in plain}
    assert parameters(targets) == 423_936
    assert (
        parameters({text_key(p): root.get_submodule(p) for p in text_modules(SD15_TEXT)}) == 165_888
    )


def parameters(targets: dict[str, torch.nn.Module]) -> int:
    """Count the weights of a LoRA of rank 1."""
    count = 0
    for base in targets.values():
        lora = LoraModule(base, 1, 1.0)
        count += sum(parameter.numel() for parameter in lora.parameters())
    return count


def test_the_tables_miss_nothing() -> None:
    """Every module of the kinds that kohya trains is in the table, and nothing else."""
    unet = full_size_unet()
    blocks = ("Transformer2DModel", "ResnetBlock2D", "Downsample2D", "Upsample2D")
    expected = {
        f"{name}.{inner}"
        for name, module in unet.named_modules()
        if type(module).__name__ in blocks
        for inner, child in module.named_modules()
        if isinstance(child, torch.nn.Linear | torch.nn.Conv2d)
    }
    assert set(unet_modules(SD15_LAYOUT, conv=True)) == expected


def test_known_names() -> None:
    names = {unet_key(path) for path in unet_modules(SD15_LAYOUT, conv=True)}
    assert "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0" in names
    assert "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj" in names
    assert "lora_unet_down_blocks_1_resnets_0_conv_shortcut" in names
    name = text_key(text_modules(SD15_TEXT)[0])
    assert name == "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    assert all(map(is_sd15_module, [*names, *map(text_key, text_modules(SD15_TEXT))]))
    assert not is_sd15_module("lora_unet_input_blocks_4_1_proj_in")


def test_other_unets_are_refused() -> None:
    config = {**full_size_unet().config, "down_block_types": ("AttnDownBlock2D",) * 4}
    with pytest.raises(UserError, match=r"Stable Diffusion 1\.5"):
        UNetLayout.from_config(config)


@pytest.mark.parametrize("conv_rank", [0, 2])
def test_before_the_first_step_the_model_is_the_base_model(base: Path, conv_rank: int) -> None:
    model = load(base)
    before = prediction(model)
    targets = model.targets(text=True, conv=conv_rank > 0)
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
    targets = model.targets(text=False, conv=False)
    first = stirred(fresh_network(targets, Ranks(2, 2.0)), 1).attach(targets)
    alone = prediction(model)
    second = stirred(fresh_network(targets, Ranks(3, 3.0)), 2).attach(targets)
    assert not torch.allclose(prediction(model), alone)
    second.strength = 0.0
    assert torch.equal(prediction(model), alone)
    first.detach()


def test_files_go_round(base: Path, tmp_path: Path) -> None:
    model = load(base)
    targets = model.targets(text=True, conv=True)
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
    pytest.importorskip("peft")
    model = load(base)
    targets = model.targets(text=True, conv=True)
    network = stirred(fresh_network(targets, Ranks(4, 2.0, 4, 2.0))).attach(targets)
    ours = prediction(model)
    save_lora(tmp_path / "a.safetensors", network, {}, "fp32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained(base, safety_checker=None)
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
    encoder: Any = model.text_encoder
    states = encoder(tokens[0], output_hidden_states=True).hidden_states
    root = getattr(encoder, "text_model", encoder)
    assert torch.equal(root.final_layer_norm(states[-1]), last.context)
    assert torch.equal(root.final_layer_norm(states[-2]), skipped.context)


def test_long_prompts_are_chunked_or_cut(base: Path) -> None:
    model = load(base)
    long = "a " * 100
    assert model.tokenize([long, "b"]).shape == (2, 2, 77)
    assert model.tokenize([long], max_token_length=75).shape == (1, 1, 77)
    row = model.tokenize([long])[0]
    begin, end = model.tokenizer.bos_token_id, model.tokenizer.eos_token_id
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
    with pytest.raises(UserError, match="SDXL"):
        load(copy)
