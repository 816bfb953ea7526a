"""What a LoRA file holds is named, and compared with the model: names, shapes, algorithms."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from prep.errors import UnreadableError
from train.lora.contents import by_module, faults, inspect, peft_scale
from train.lora.file import RawTensor, serialise
from train.lora.key_tables import sd15_full_size, shapes_of
from train.lora.layout import Shape
from train.networks.saved import raw

NAME = "lora_unet_mid_block_attentions_0_proj_in"
LINEAR = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
NORM = "lora_unet_mid_block_resnets_0_norm1"
LORA: dict[str, Shape] = {"lora_down.weight": (2, 3), "lora_up.weight": (3, 2)}
MODEL = {NAME: (3, 3, 1, 1), LINEAR: (3, 3), NORM: (3,)}


def named(leaves: Mapping[str, Shape], name: str = NAME) -> dict[str, RawTensor]:
    return {
        f"{name}.{leaf}": raw(torch.zeros(shape), torch.float32) for leaf, shape in leaves.items()
    }


def written(
    folder: Path, tensors: Mapping[str, RawTensor], metadata: Mapping[str, str] | None = None
) -> Path:
    path = folder / "a.safetensors"
    path.write_bytes(serialise(tensors, metadata or {}))
    return path


def told(tensors: Mapping[str, Shape], metadata: Mapping[str, str] | None = None) -> str:
    """Return all faults of a file with these keys and shapes, as one text."""
    return " ".join(faults(by_module(tensors), MODEL, metadata or {}))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_inspect(tmp_path: Path, dtype: torch.dtype) -> None:
    alpha = {f"{NAME}.alpha": raw(torch.tensor(1.5), dtype)}
    path = written(tmp_path, {**named(LORA), **alpha}, {"ss_network_dim": "2"})
    found = inspect(path)
    assert (found.family, found.algorithm, found.ranks, found.alpha) == ("sd15", "lora", (2,), 1.5)
    assert found.modules == {"unet": 1}
    assert found.unmatched == found.faults == ()
    assert found.metadata == {"ss_network_dim": "2"}
    compared = inspect(path, {"something else": (3, 3)})
    assert compared.unmatched == (NAME,)
    assert len(compared.faults) == 1
    assert inspect(path, MODEL).faults == ()


@pytest.mark.parametrize(
    ("content", "family", "algorithm"),
    [
        (named(LORA | {"lora_down.weight": (2, 3, 3, 3)}), "sd15", "locon"),
        (named(LORA | {"lora_down.weight": (2, 3, 1, 1)}), "sd15", "lora"),
        (named(LORA | {"alpha": (), "dora_scale": (3, 1)}), "sd15", "dora"),
        (named({f"hada_w{n}_{side}": (2, 3) for n in "12" for side in "ab"}), "sd15", "loha"),
        (named({"lokr_w1": (2, 3), "lokr_w2": (2, 3), "alpha": ()}), "sd15", "lokr"),
        (named(LORA | {"lora_mid.weight": (2, 2, 3, 3), "alpha": ()}), "sd15", "lora"),
        (named({"w_norm": (3,), "b_norm": (3,)}), "sd15", "norm"),
        (named({"diff": (3,), "diff_b": (3,)}), "sd15", "full"),
        (named(LORA, "lora_te1_text_model_encoder_layers_0_mlp_fc1"), "sdxl", "lora"),
        (named(LORA, "something"), "unknown", "lora"),
        (named(LORA, f"{LINEAR[:-10]}attn2_to_k"), "sd15", "lora"),
        (
            named(LORA | {"lora_down.weight": (2, 1024)}, f"{LINEAR[:-10]}attn2_to_k"),
            "sd2",
            "lora",
        ),
        (
            named(LORA | {"lora_down.weight": (2, 2048)}, f"{LINEAR[:-10]}attn2_to_v"),
            "sdxl",
            "lora",
        ),
        (named(LORA) | named({"lokr_w1": (2, 3)}, f"{NAME}_2"), "sd15", "lokr+lora"),
        (named(LORA) | named(LORA | {"new": ()}, f"{NAME}_2"), "sd15", "lora+unknown"),
    ],
)
def test_families_and_algorithms(
    tmp_path: Path, content: dict[str, RawTensor], family: str, algorithm: str
) -> None:
    found = inspect(written(tmp_path, content))
    assert (found.family, found.algorithm) == (family, algorithm)


@pytest.mark.parametrize("metadata", [{"ss_v2": "True"}, {"ss_base_model_version": "sd_v2_768_v"}])
def test_metadata_tell_the_family_too(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = written(tmp_path, named(LORA), metadata)
    assert inspect(path).family == "sd2"
    wrong = {f"{LINEAR}.lora_down.weight": (2, 9), f"{LINEAR}.lora_up.weight": (3, 2)}
    assert told(wrong, metadata).startswith("It was made for Stable Diffusion 2. ")


@pytest.mark.parametrize(
    "content", [b"", b"short", b"\xff" * 64, serialise({}, {}), serialise(named({"alpha": ()}), {})]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"a\.safetensors"):
        inspect(path)
    with pytest.raises(UnreadableError, match="no file"):
        inspect(tmp_path / "missing.safetensors")


def full(name: str, leaves: Mapping[str, Shape]) -> dict[str, Shape]:
    return {f"{name}.{leaf}": shape for leaf, shape in leaves.items()}


FITTING = full(LINEAR, LORA)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"bundle_emb.mochi.string_to_param.*": (2, 8)}, "textual inversion (the embedding mochi)"),
        ({"bundle_emb.a b.clip_l": (2, 8)}, "(the embedding a b)"),
        ({"emb_params": (2, 8)}, "a textual inversion"),
        ({"<mochi>": (8,)}, "a textual inversion"),
        ({"320.0.linear.0.weight": (8, 4)}, "a hypernetwork"),
        ({"diffusion_model.blocks.0.self_attn.q.lora_down.weight": (4, 8)}, "a LoRA for another"),
        ({"diffusion_model.input_blocks.0.0.weight": (4, 8)}, "a whole checkpoint"),
        ({"model.diffusion_model.out.2.weight": (4, 4)}, "a whole checkpoint"),
        ({"lora_te2_text_model_x.lora_up.weight": (2, 2)}, "SDXL"),
        ({"text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": (2, 2)}, "SDXL"),
        ({"lora_unet_input_blocks_4_1_proj_in.lora_up.weight": (2, 2)}, "SDXL"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": (2, 2)}, "Flux"),
        ({"control_model.input_blocks.0.0.weight": (2, 2)}, "a ControlNet"),
        ({"ip_adapter.1.to_k_ip.weight": (2, 2)}, "an IP-Adapter"),
        ({"base_model.model.mid_block.attentions.0.proj_in.oft_R.weight": (2, 2)}, "OFT of PEFT"),
        ({"base_model.model.mid_block.attentions.0.proj_in.ia3_l": (2, 2)}, "IA3 of PEFT"),
        ({"base_model.model.x.lora_A.weight": (2, 2)}, "an adapter of PEFT"),
        ({"strange": (2, 2)}, "1 of 2 modules of this LoRA do not exist"),
        (full("lora_unet_strange", LORA), "for example lora_unet_strange"),
        (
            full(
                NAME, {"a1.weight": (1,), "a2.weight": (1,), "b1.weight": (1,), "b2.weight": (1,)}
            ),
            "uses GLoRA",
        ),
        (full(NAME, {"oft_blocks": (1, 2, 2), "alpha": ()}), "uses OFT"),
        (full(NAME, {"oft_diag": (1, 2, 2), "alpha": ()}), "uses OFT"),
        (full(NAME, {"boft_blocks": (1, 2, 2)}), "uses BOFT"),
        (full(NAME, {"weight": (3,), "on_input": ()}), "uses IA3"),
        (full(NAME, {**LORA, "lora_B.bias": (3,)}), "uses LoRA with a bias of its own"),
        (
            full(NAME, {**LORA, "scale": ()}),
            "does not know (lora_down.weight, lora_up.weight, scale)",
        ),
        (full(NAME, {"lora_down.weight": (2, 3)}), "does not know (lora_down.weight)."),
        (full(NAME, LORA | {"lora_up.weight": (4, 2)}), "lora_up.weight is 4x2 instead of 3x2"),
        (full(NAME, {**LORA, "oft_blocks": (1, 2, 2)}), "has a mixture of LoRA, OFT (lora_down"),
        (full(NAME, {**LORA, "diff": (3, 3)}), "has a mixture of LoRA, full weight differences"),
        (full(NAME, {**LORA, "lokr_w1": (1, 1)}), "has a mixture of LoRA, LoKr"),
        (full(NORM, LORA), "LoRA cannot change a norm"),
        (full(NAME, {"w_norm": (3,)}), "it is no norm"),
    ],
)
def test_what_is_not_applied_is_called_by_its_name(tensors: dict[str, Shape], reason: str) -> None:
    assert told(FITTING) == ""
    assert reason in told({**FITTING, **tensors})


def test_a_file_without_weights_is_no_lora() -> None:
    assert told({}) == "The file holds no weights."


def test_a_file_that_is_no_lora_at_all_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"emb_params": raw(torch.zeros(2, 8))})
    with pytest.raises(UnreadableError, match=r"holds a textual inversion"):
        inspect(path)


def test_the_shapes_of_full_size_stable_diffusion_are_compared() -> None:
    model = shapes_of(sd15_full_size())
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    fits = {f"{name}.lora_down.weight": (4, 768), f"{name}.lora_up.weight": (320, 4)}
    assert faults(by_module(fits), model, {}) == []
    wide = fits | {f"{name}.lora_down.weight": (4, 1024)}
    assert faults(by_module(wide), model, {}) == [
        "It was made for Stable Diffusion 2.",
        f"{name} has another size in the base model: lora_down.weight is 4x1024 instead of 4x768.",
    ]


def test_alpha_of_peft_is_in_another_file(tmp_path: Path) -> None:
    file, keys = tmp_path / "adapter_model.safetensors", ["base_model.model.conv_in.lora_A.weight"]
    assert peft_scale(file, [f"{NAME}.lora_up.weight"], {}) is None
    with pytest.raises(UnreadableError, match="saved by PEFT, which keeps its alpha in"):
        peft_scale(file, keys, {})
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({"lora_alpha": 6, "r": 4}))
    scale = peft_scale(file, keys, {})
    assert scale is not None
    assert scale.alpha(NAME, 4) == 6.0
    config.write_text(json.dumps({"lora_alpha": 6, "use_rslora": True}))
    scale = peft_scale(file, keys, {})
    assert scale is not None
    assert scale.alpha(NAME, 4) == 12.0  # / 4 is 6 / sqrt(4)
    for broken in (
        "[]",
        "{",
        '{"lora_alpha": "x"}',
        '{"lora_alpha": 1, "alpha_pattern": {"a": 2}}',
    ):
        config.write_text(broken)
        with pytest.raises(UnreadableError, match=r"adapter_config\.json"):
            peft_scale(file, keys, {})


def test_diffusers_puts_alpha_into_the_metadata(tmp_path: Path) -> None:
    text = json.dumps({"unet.lora_alpha": 8, "unet.r": 4, "text_encoder.lora_alpha": 2})
    scale = peft_scale(tmp_path / "a.safetensors", [], {"lora_adapter_metadata": text})
    assert scale is not None
    assert (scale.alpha(NAME, 4), scale.alpha("lora_te_text_model_a", 4)) == (8.0, 2.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 60000.0, -1e-7])
def test_weights_that_are_not_finite_are_found(
    tmp_path: Path, dtype: torch.dtype, value: float
) -> None:
    up = torch.zeros(3, 2)
    up[2, 1] = value
    tensors = named(LORA) | {f"{NAME}.lora_up.weight": raw(up, dtype)}
    found = inspect(written(tmp_path, tensors), MODEL).faults
    finite = bool(torch.isfinite(up).all())
    assert (found == ()) is finite
    assert finite or f"NaN or infinite, for example in {NAME}.lora_up" in found[0]


def test_verifying_says_that_peft_keeps_alpha_elsewhere(tmp_path: Path) -> None:
    place = "base_model.model.mid_block.attentions.0.proj_in"
    tensors = {
        f"{place}.lora_A.weight": raw(torch.zeros(2, 3)),
        f"{place}.lora_B.weight": raw(torch.zeros(3, 2)),
    }
    path = written(tmp_path, tensors)
    assert "saved by PEFT" in inspect(path, MODEL).faults[0]
    (tmp_path / "adapter_config.json").write_text('{"lora_alpha": 2}')
    assert inspect(path, MODEL).faults == ()


def test_a_tensor_under_two_names_is_no_guess(tmp_path: Path) -> None:
    file = written(tmp_path, named({"lora_A.weight": (2, 3)} | LORA))
    with pytest.raises(UnreadableError, match=r"lora_down\.weight twice, under different names"):
        inspect(file)


def test_names_of_peft_in_modules_of_kohya_are_a_lora(tmp_path: Path) -> None:
    found = inspect(written(tmp_path, named({"lora_A.weight": (2, 3), "lora_B.weight": (3, 2)})))
    assert (found.algorithm, found.faults) == ("lora", ())
