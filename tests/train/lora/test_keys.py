"""Names of modules and tensors, as kohya, diffusers, PEFT and LyCORIS write them."""

import pytest
import torch
from torch import nn

from train.lora.keys import canonical, is_sd15_module, module_shapes, sd15_shapes, split_key
from train.lora.layout import SD15_LAYOUT, SD15_TEXT, TextLayout, UNetLayout

TO_OUT = "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0"
UNET = "lora_unet_" + TO_OUT.replace(".", "_")
TEXT = "lora_te_text_model_encoder_layers_3_self_attn_q_proj"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"{UNET}.lora_down.weight", (UNET, "lora_down.weight")),
        (f"{UNET}.alpha", (UNET, "alpha")),
        (f"lycoris_{UNET[10:]}.hada_w1_a", (UNET, "hada_w1_a")),
        (f"unet.{TO_OUT}.lora_A.weight", (UNET, "lora_down.weight")),
        (f"unet.{TO_OUT}.lora.up.weight", (UNET, "lora_up.weight")),
        (f"unet.{TO_OUT}.alpha", (UNET, "alpha")),
        (f"unet.{TO_OUT[:-9]}.processor.to_out_lora.down.weight", (UNET, "lora_down.weight")),
        (f"{TO_OUT[:-9]}.processor.to_out_lora.up.weight", (UNET, "lora_up.weight")),
        (f"base_model.model.{TO_OUT}.lora_B.weight", (UNET, "lora_up.weight")),
        (f"base_model.model.{TO_OUT}.lora_B.default.weight", (UNET, "lora_up.weight")),
        (f"base_model.model.{TO_OUT}.lora_magnitude_vector", (UNET, "lora_magnitude_vector")),
        (
            f"base_model.model.{TO_OUT}.lora_magnitude_vector.default.weight",
            (UNET, "lora_magnitude_vector"),
        ),
        (f"base_model.model.unet.{TO_OUT}.hada_w2_b", (UNET, "hada_w2_b")),
        (f"base_model.model.{TO_OUT}.lora_B.bias", (UNET, "lora_B.bias")),
        (
            "text_encoder.text_model.encoder.layers.3.self_attn.q_proj.lora_linear_layer.up.weight",
            (TEXT, "lora_up.weight"),
        ),
        (
            "base_model.model.text_model.encoder.layers.3.self_attn.q_proj.lora_A.weight",
            (TEXT, "lora_down.weight"),
        ),
        (
            "text_encoder.encoder.layers.3.self_attn.q_proj.lora_A.weight",
            (TEXT, "lora_down.weight"),
        ),
        ("bundle_emb.mochi.string_to_param.*", ("bundle_emb", "mochi.string_to_param.*")),
        ("transformer.blocks.0.to_q.lora_A.weight", ("transformer", "blocks.0.to_q.lora_A.weight")),
        ("plain", ("plain", "")),
    ],
)
def test_keys_of_all_kinds(key: str, expected: tuple[str, str]) -> None:
    assert split_key(key) == expected


def weights(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights that are linear, convolutions or norms."""
    kinds = (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.GroupNorm)
    found = {n: m for n, m in model.named_modules() if isinstance(m, kinds)}
    return {name: tuple(module.weight.shape) for name, module in found.items()}


UNETS: list[dict[str, object]] = [
    {"cross_attention_dim": 768, "attention_head_dim": 8},
    {
        "cross_attention_dim": 1024,
        "layers_per_block": 1,
        "use_linear_projection": True,
        "transformer_layers_per_block": 2,
    },
    {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "in_channels": 9,
    },
]


@pytest.mark.parametrize("config", UNETS)
def test_shapes_are_those_of_the_libraries(config: dict[str, object]) -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
        text = CLIPTextModel(CLIPTextConfig(num_hidden_layers=3, hidden_size=64))
    expected = {f"lora_unet_{n.replace('.', '_')}": s for n, s in weights(unet).items()}
    for name, shape in weights(text).items():
        plain = name.removeprefix("text_model.").replace(".", "_")
        expected[f"lora_te_text_model_{plain}"] = shape
    layout = UNetLayout.from_config(unet.config)
    assert module_shapes(layout, TextLayout.from_config(text.config.to_dict())) == expected
    if config is UNETS[0]:
        assert layout == SD15_LAYOUT


def test_all_modules_of_stable_diffusion_are_recognised() -> None:
    names = sd15_shapes()
    assert all(map(is_sd15_module, names))
    assert TextLayout(12, 768, 3072) == SD15_TEXT
    assert not is_sd15_module("lora_unet_input_blocks_4_1_proj_in")


def test_the_only_text_encoder_may_be_called_the_first() -> None:
    key = "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha"
    name = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    sd15, sdxl = f"{UNET}.alpha", "lora_unet_input_blocks_4_1_proj_in.alpha"
    assert canonical([key, sd15])[key] == (name, "alpha")
    for other in ([], [sdxl], [sd15, "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha"]):
        assert canonical([key, *other])[key] == (key.removesuffix(".alpha"), "alpha")
