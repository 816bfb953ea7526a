"""Which LoRA files go together, and with which model; nothing is added up."""

from pathlib import Path

import pytest
import torch

from prep.errors import ConfigError, UserError
from prep.project import Project
from tests.train.merging.loras import pair, save
from train.families.base_model import BaseModel
from train.lora.layout import Shapes
from train.merging.inputs import LoraInput, base_of, shapes_for
from train.merging.written import describe

SD15 = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
SDXL: Shapes = {
    f"lora_unet_input_blocks_4_1_{name}": (640, 640) for name in ("proj_in", "proj_out")
}
NEITHER = {"ss_output_name": "a"}


@pytest.fixture
def sd15(tmp_path: Path) -> Path:
    return save(tmp_path / "one.safetensors", {SD15: pair((320, 320))}, NEITHER)


@pytest.fixture
def sdxl(tmp_path: Path) -> Path:
    return save(tmp_path / "two.safetensors", {n: pair(s) for n, s in SDXL.items()}, NEITHER)


def test_files_of_two_families_are_refused_by_name(sd15: Path, sdxl: Path) -> None:
    told = "one.safetensors for sd15, two.safetensors for sdxl"
    with pytest.raises(ConfigError, match=f"for different models: {told}"):
        shapes_for([sd15, sdxl], None)
    assert shapes_for([sdxl, sdxl], None)[next(iter(SDXL))] == (640, 640)
    assert shapes_for([sd15], None)[SD15] == (320, 320)


def test_the_modules_are_those_of_the_model_where_it_is_known(sd15: Path, base: Path) -> None:
    model = BaseModel.open(base)
    assert shapes_for([sd15], model) == model.module_shapes()


def test_what_is_read_of_a_file(sd15: Path, sdxl: Path) -> None:
    found = LoraInput.open(sd15, 0.5, {SD15: (320, 320)})
    assert (found.path, found.strength, found.family) == (sd15, 0.5, "sd15")
    assert found.metadata == NEITHER
    assert found.modules[SD15]["alpha"].dtype == torch.float32
    assert LoraInput.open(sdxl, 1.0, SDXL).family == "sdxl"


@pytest.mark.parametrize(("wrong", "more"), [(1, ""), (2, " (1 more)")])
def test_the_first_fault_is_told_and_how_many_there_are(sdxl: Path, wrong: int, more: str) -> None:
    with pytest.raises(UserError) as caught:
        LoraInput.open(sdxl, 1.0, SDXL | dict.fromkeys([*SDXL][:wrong], (640, 64)))
    assert caught.value.message == (
        "two.safetensors cannot be used: lora_unet_input_blocks_4_1_proj_in has another size in the"
        f" base model: lora_down.weight is 2x640 instead of 2x64.{more}"
    )
    assert "lora verify" in caught.value.hint


def opened(folder: Path, base: str) -> Project:
    (folder / "shikomi.toml").write_text(f"[train]\nbase = {base!r}\n")
    return Project.open(folder)


def test_the_model_of_the_project_counts_if_it_is_of_the_family(
    tmp_path: Path, sd15: Path, sdxl: Path, base: Path
) -> None:
    project = opened(tmp_path, str(base))
    found = base_of(project, "", [sd15])
    assert found is not None
    assert found.path == base
    assert base_of(project, "", [sd15, sdxl]) is None
    for absent in ("", str(tmp_path / "nowhere"), "owner/not-downloaded"):
        assert base_of(opened(tmp_path, absent), "", [sd15]) is None
        named = base_of(opened(tmp_path, absent), str(base), [sd15])
        assert named is not None
        assert named.path == base
    with pytest.raises(UserError, match="no base model at"):
        base_of(project, str(tmp_path / "nowhere"), [sd15])


def test_a_new_file_says_what_it_is_for() -> None:
    """Unless the files that it was made of said it."""
    small, large = pair((8, 8), 2), pair((8, 8), 4)
    bias = {"diff_b": torch.zeros(8)}
    for modules, rank in (
        ({"a": small, "b": small, "c": bias}, "2"),
        ({"a": small, "b": large}, "Dynamic"),
        ({"c": bias}, "0"),
    ):
        found = describe(Path("new.safetensors"), modules, "sd15", {"ss_v2": "False"})
        assert found["ss_network_dim"] == found["ss_network_alpha"] == rank
        assert found["ss_base_model_version"] == "sd_v1"
        assert found["modelspec.architecture"] == "stable-diffusion-v1/lora"
        assert (found["ss_v2"], found["ss_output_name"]) == ("False", "new")
    origin = {"ss_base_model_version": "sdxl_base_v1-0_v", "sshs_model_hash": "0"}
    found = describe(Path("new.safetensors"), {"a": small}, "sdxl", origin)
    assert found["ss_base_model_version"] == "sdxl_base_v1-0_v"
    assert "sshs_model_hash" not in found
