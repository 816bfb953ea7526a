"""Names of modules and tensors, as kohya, diffusers, PEFT and LyCORIS write them."""

import pytest

from train.lora.keys import canonical, split_key

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
        (f"{UNET}.lora_A.weight", (UNET, "lora_down.weight")),
        (f"{UNET}.lora_B.default.weight", (UNET, "lora_up.weight")),
        (f"{UNET}.lora_magnitude_vector.weight", (UNET, "lora_magnitude_vector")),
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


def test_the_only_text_encoder_may_be_called_the_first() -> None:
    key = "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha"
    name = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    sd15, sdxl = f"{UNET}.alpha", "lora_unet_input_blocks_4_1_proj_in.alpha"
    assert canonical([key, sd15])[key] == (name, "alpha")
    for other in ([], [sdxl], [sd15, "lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha"]):
        assert canonical([key, *other])[key] == (key.removesuffix(".alpha"), "alpha")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("lora_unet_down_blocks_1_attentions_0_proj_in", "lora_unet_input_blocks_4_1_proj_in"),
        ("lora_unet_up_blocks_0_upsamplers_0_conv", "lora_unet_output_blocks_2_2_conv"),
        ("lora_unet_mid_block_resnets_1_conv1", "lora_unet_middle_block_2_in_layers_2"),
        (
            "unet.up_blocks.1.attentions.2.transformer_blocks.1.ff.net.2",
            "lora_unet_output_blocks_5_1_transformer_blocks_1_ff_net_2",
        ),
        (
            "text_encoder.text_model.encoder.layers.0.mlp.fc1",
            "lora_te1_text_model_encoder_layers_0_mlp_fc1",
        ),
        ("text_encoder_2.encoder.layers.0.mlp.fc1", "lora_te2_text_model_encoder_layers_0_mlp_fc1"),
    ],
)
def test_names_of_diffusers_become_those_of_sdxl(given: str, name: str) -> None:
    leaf = "lora_A.weight" if "." in given else "lora_down.weight"
    key, second = f"{given}.{leaf}", "lora_te2_text_model_encoder_layers_0_mlp_fc2.alpha"
    assert canonical([key, second])[key] == (name, "lora_down.weight")


def test_sdxl_is_known_by_its_deep_attention() -> None:
    block = "lora_unet_down_blocks_1_attentions_0_transformer_blocks"
    first, second = f"{block}_0_attn1_to_q.alpha", f"{block}_1_attn1_to_q.alpha"
    assert canonical([first])[first] == (first.removesuffix(".alpha"), "alpha")
    sgm = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    assert canonical([first, second])[first] == (sgm, "alpha")
