"""The modules of base models: counted, compared with the libraries', and named."""

from typing import Any

import pytest
import torch
from torch import nn

from prep.errors import UserError
from train.lora.key_tables import KeyTable, sd15_full_size, sd15_table, sdxl_full_size, sdxl_table
from train.lora.layout import (
    CLIP_BIG_G,
    CLIP_L,
    SD15_LAYOUT,
    SDXL_LAYOUT,
    TextLayout,
    UNetLayout,
    unet_layers,
)
from train.networks.lora import LoraModule

SDXL_UNET: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UNETS: list[dict[str, Any]] = [
    {"cross_attention_dim": 768, "attention_head_dim": 8},
    SDXL_UNET,
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


def unet_of(config: dict[str, Any]) -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(**config)


def text_model(layout: TextLayout) -> Any:
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    config = CLIPTextConfig(
        num_hidden_layers=layout.layers,
        hidden_size=layout.width,
        intermediate_size=layout.inner,
        num_attention_heads=layout.width // 64,
    )
    with torch.device("meta"):
        model = CLIPTextModel(config)
    return getattr(model, "text_model", model)


def weights(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights that are linear, convolutions or norms."""
    kinds = (nn.Linear, nn.Conv2d, nn.LayerNorm, nn.GroupNorm)
    found = {n: m for n, m in model.named_modules() if isinstance(m, kinds)}
    return {name: tuple(module.weight.shape) for name, module in found.items()}


@pytest.mark.parametrize("config", UNETS)
def test_shapes_are_those_of_the_libraries(config: dict[str, Any]) -> None:
    text = TextLayout(3, 64, 128)
    unet = unet_of(config)
    table = sd15_table(UNetLayout.from_config(unet.config), text)
    found: dict[str, dict[str, tuple[int, ...]]] = {"unet": {}, "text_encoder": {}}
    for module in table.values():
        found[module.part][module.path] = module.shape
    assert found == {"unet": weights(unet), "text_encoder": weights(text_model(text))}


def test_the_layouts_at_full_size_are_those_of_their_configurations() -> None:
    assert UNetLayout.from_config(unet_of(UNETS[0]).config) == SD15_LAYOUT
    assert UNetLayout.from_config(unet_of(SDXL_UNET).config) == SDXL_LAYOUT
    assert TextLayout(12, 768, 3072) == CLIP_L
    assert TextLayout(32, 1280, 5120) == CLIP_BIG_G


def chosen(table: KeyTable, part: str, *kinds: str) -> int:
    return sum(module.part == part and module.kind in kinds for module in table.values())


def test_the_known_numbers_of_modules() -> None:
    sd15, sdxl = sd15_full_size(), sdxl_full_size()
    assert chosen(sd15, "unet", "attention") == 192
    assert chosen(sd15, "unet", "attention", "convolution") == 278
    assert chosen(sd15, "text_encoder", "attention") == 72
    assert chosen(sdxl, "unet", "attention") == 722
    assert chosen(sdxl, "unet", "attention", "convolution") == 788
    assert chosen(sdxl, "text_encoder", "attention") == 72
    assert chosen(sdxl, "text_encoder_2", "attention") == 192


def trained_weights(table: KeyTable, part: str, root: nn.Module) -> int:
    """Count the weights of a LoRA of rank 1."""
    modules = [m for m in table.values() if m.part == part and m.kind == "attention"]
    loras = [LoraModule(root.get_submodule(module.path), 1, 1.0) for module in modules]
    return sum(p.numel() for lora in loras for p in lora.parameters())


def test_the_known_numbers_of_weights() -> None:
    """Those of files in the wild: FP16 at rank 32 is 37.7 MB for SD 1.5, 228 MB for SDXL."""
    sd15, sdxl = sd15_full_size(), sdxl_full_size()
    assert trained_weights(sd15, "unet", unet_of(UNETS[0])) == 423_936
    assert trained_weights(sd15, "text_encoder", text_model(CLIP_L)) == 165_888
    assert trained_weights(sdxl, "unet", unet_of(SDXL_UNET)) == 2_659_840
    assert trained_weights(sdxl, "text_encoder", text_model(CLIP_L)) == 165_888
    assert trained_weights(sdxl, "text_encoder_2", text_model(CLIP_BIG_G)) == 737_280


@pytest.mark.parametrize("config", UNETS[:2])
def test_every_module_that_kohya_trains_is_trained(config: dict[str, Any]) -> None:
    unet = unet_of(config)
    blocks = ("Transformer2DModel", "ResnetBlock2D", "Downsample2D", "Upsample2D")
    expected = {
        f"{name}.{inner}"
        for name, module in unet.named_modules()
        if type(module).__name__ in blocks
        for inner, child in module.named_modules()
        if isinstance(child, nn.Linear | nn.Conv2d)
    }
    layers = unet_layers(UNetLayout.from_config(unet.config))
    assert {path for kind, path, _ in layers if kind != "other"} == expected


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("sd15", "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0"),
        ("sd15", "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj"),
        ("sd15", "lora_unet_down_blocks_1_resnets_0_conv_shortcut"),
        ("sd15", "lora_te_text_model_encoder_layers_0_self_attn_q_proj"),
        ("sdxl", "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"),
        ("sdxl", "lora_unet_input_blocks_8_1_transformer_blocks_9_ff_net_0_proj"),
        ("sdxl", "lora_unet_middle_block_1_proj_out"),
        ("sdxl", "lora_unet_output_blocks_5_1_transformer_blocks_1_attn2_to_k"),
        ("sdxl", "lora_unet_input_blocks_3_0_op"),
        ("sdxl", "lora_unet_output_blocks_2_2_conv"),
        ("sdxl", "lora_unet_output_blocks_8_0_skip_connection"),
        ("sdxl", "lora_unet_input_blocks_1_0_emb_layers_1"),
        ("sdxl", "lora_te1_text_model_encoder_layers_11_mlp_fc2"),
        ("sdxl", "lora_te2_text_model_encoder_layers_31_self_attn_out_proj"),
    ],
)
def test_known_names(table: str, name: str) -> None:
    assert name in {"sd15": sd15_full_size, "sdxl": sdxl_full_size}[table]()


def test_the_tables_of_the_families_share_no_name() -> None:
    assert not sd15_full_size().keys() & sdxl_full_size().keys()
    assert len(sdxl_table(SDXL_LAYOUT, CLIP_L, CLIP_BIG_G)) == 1050 + 97 + 257


def test_other_unets_are_refused() -> None:
    config = {**unet_of(UNETS[0]).config, "down_block_types": ("AttnDownBlock2D",) * 4}
    with pytest.raises(UserError, match=r"Stable Diffusion 1\.5"):
        UNetLayout.from_config(config)
