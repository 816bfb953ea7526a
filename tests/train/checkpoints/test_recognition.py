"""What is not trained here is refused by its name, before anything is loaded."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from prep.errors import ConfigError, UserError
from tests.train.checkpoints.single import parts, tensors_of
from train.families.base_model import BaseModel

UNET = "model.diffusion_model."


@pytest.fixture(scope="module")
def tensors() -> dict[str, dict[str, Tensor]]:
    return {family: tensors_of(parts(family)) for family in ("sd15", "sdxl")}


def written(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def only(*names: str) -> dict[str, Tensor]:
    return {name: torch.zeros(2, 2) for name in names}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"], "Stable Diffusion 3"),
        (["double_blocks.0.img_attn.qkv.weight"], "Flux"),
        (["model.diffusion_model.double_blocks.0.img_attn.qkv.weight"], "Flux"),
        (["net.blocks.0.self_attn.q_proj.weight"], "Anima"),
        (["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"], "a LoRA"),
        (["unet.conv_in.lora_A.weight"], "a LoRA"),
        (["down_blocks.0.resnets.0.conv1.weight"], "the UNet of a diffusers folder"),
        (["encoder.down.0.block.0.conv1.weight"], "a VAE"),
        (["control_model.input_blocks.0.0.weight"], "a ControlNet"),
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "a text encoder"),
        (["emb_params"], "a textual inversion"),
        (["something.else"], "no model that shikomi knows"),
    ],
)
def test_other_models_by_name(tmp_path: Path, names: list[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        BaseModel.open(written(tmp_path / "a.safetensors", only(*names)))


@pytest.mark.parametrize(
    ("family", "name", "shape", "reason"),
    [
        ("sd15", f"{UNET}input_blocks.0.0.weight", (32, 9, 3, 3), "an inpainting model"),
        ("sdxl", f"{UNET}input_blocks.0.0.weight", (32, 9, 3, 3), "an inpainting model"),
        ("sd15", f"{UNET}input_blocks.0.0.weight", (32, 8, 3, 3), "InstructPix2Pix"),
        ("sdxl", f"{UNET}label_emb.0.0.weight", (128, 2560), "the refiner of SDXL"),
        ("sd15", "cond_stage_model.model.ln_final.weight", (8,), "a Stable Diffusion 2 model"),
        ("sdxl", "edm_vpred.sigma_max", (), "an EDM model"),
    ],
)
def test_relatives_by_name(
    tmp_path: Path,
    tensors: dict[str, dict[str, Tensor]],
    family: str,
    name: str,
    shape: tuple[int, ...],
    reason: str,
) -> None:
    path = written(tmp_path / "a.safetensors", tensors[family] | {name: torch.zeros(shape)})
    with pytest.raises(UserError, match=reason):
        BaseModel.open(path)


@pytest.mark.parametrize(
    ("family", "prefix", "reason"),
    [
        ("sd15", "cond_stage_model.", "a UNet and no text encoder"),
        ("sdxl", "conditioner.embedders.0.", r"nothing under conditioner\.embedders\.0"),
        ("sd15", f"{UNET}input_blocks.1.0.out_layers", "is incomplete"),
        ("sd15", "first_stage_model.encoder.down.1.block.0.conv2", "VAE of .* is incomplete"),
        ("sdxl", "conditioner.embedders.1.model.positional", "is incomplete"),
    ],
)
def test_files_that_lack_a_part(
    tmp_path: Path,
    tensors: dict[str, dict[str, Tensor]],
    family: str,
    prefix: str,
    reason: str,
) -> None:
    kept = {k: t for k, t in tensors[family].items() if not k.startswith(prefix)}
    assert len(kept) < len(tensors[family])
    with pytest.raises(UserError, match=reason):
        BaseModel.open(written(tmp_path / "a.safetensors", kept))


def test_a_missing_weight_is_found_before_the_start(
    tmp_path: Path, tensors: dict[str, dict[str, Tensor]]
) -> None:
    name = f"{UNET}middle_block.1.proj_in.weight"
    kept = {key: tensor for key, tensor in tensors["sdxl"].items() if key != name}
    with pytest.raises(
        UserError, match=r"lacks 1 tensors?, for example .*middle_block\.1\.proj_in"
    ):
        BaseModel.open(written(tmp_path / "a.safetensors", kept))


def test_a_deeper_model_is_not_of_the_family(
    tmp_path: Path, tensors: dict[str, dict[str, Tensor]]
) -> None:
    extra = {f"{UNET}output_blocks.9.0.in_layers.2.weight": torch.zeros(32, 32, 3, 3)}
    with pytest.raises(UserError, match="1 tensor more than SDXL has"):
        BaseModel.open(written(tmp_path / "a.safetensors", tensors["sdxl"] | extra))


def test_quantised_files_are_refused(tmp_path: Path, tensors: dict[str, dict[str, Tensor]]) -> None:
    small = {k: t.to(torch.float8_e4m3fn) for k, t in tensors["sd15"].items()}
    with pytest.raises(UserError, match=r"quantised weights \(F8_E4M3\)"):
        BaseModel.open(written(tmp_path / "a.safetensors", small))
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(UserError, match="is a GGUF file"):
        BaseModel.open(gguf)
    renamed = gguf.rename(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="is a GGUF file"):
        BaseModel.open(renamed)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no base model at"):
        BaseModel.open(tmp_path / "nowhere.safetensors")
    for name, content in (("a.safetensors", b"short"), ("b.ckpt", b"PK\x03\x04"), ("c.ckpt", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=name):
            BaseModel.open(path)
    text = tmp_path / "model.txt"
    text.write_text("x")
    with pytest.raises(UserError, match="is no checkpoint"):
        BaseModel.open(text)


def test_folders_of_other_pipelines(base: Path, tmp_path: Path) -> None:
    import shutil

    for name in ("StableDiffusion3Pipeline", "FluxPipeline"):
        copy = tmp_path / name
        shutil.copytree(base, copy)
        index = (copy / "model_index.json").read_text()
        (copy / "model_index.json").write_text(index.replace("StableDiffusionPipeline", name))
        with pytest.raises(UserError, match=f"a model for {name}"):
            BaseModel.open(copy)
