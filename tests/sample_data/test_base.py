"""The demo base model's folder: ordinary diffusers, SD 1.5's module names, any text tokenises."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from sample_data.make.unet import build_scheduler, build_unet

BASE = Path(__file__).parents[2] / "sample_data" / "base"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(BASE, safety_checker=None)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_folder_is_small_and_ordinary() -> None:
    index = json.loads((BASE / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == [None, None]
    assert sum(path.stat().st_size for path in BASE.rglob("*") if path.is_file()) < 13_000_000


@pytest.mark.parametrize(
    "text", ["mochi", "餅ちゃん", "^_^, >_<, :d", "Zażółć 🦊 42!", "\\m/ (a:1.2)"]
)
def test_any_text_tokenises(text: str) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(BASE / "tokenizer")
    tokens = tokenizer(text).input_ids
    assert tokens[0] == tokenizer.bos_token_id
    assert tokens.index(tokenizer.eos_token_id) == len(tokens) - 1
    spoken = tokenizer.decode(tokens, skip_special_tokens=True)
    assert spoken.replace(" ", "") == text.lower().replace(" ", "")


@pytest.mark.parametrize(
    "name",
    [
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0",
        "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.0.proj",
    ],
)
def test_module_names_are_those_of_sd15(name: str) -> None:
    assert isinstance(build_unet().get_submodule(name), torch.nn.Linear)


def test_projections_are_convolutions_as_in_sd15() -> None:
    projection = build_unet().get_submodule("down_blocks.0.attentions.0.proj_in")
    assert isinstance(projection, torch.nn.Conv2d)


def test_schedule_ends_in_nothing_but_noise(pipeline: StableDiffusionPipeline) -> None:
    for scheduler in (build_scheduler(), pipeline.scheduler):
        assert scheduler.alphas_cumprod[-1].item() == pytest.approx(0, abs=1e-6)
        assert scheduler.config.prediction_type == "v_prediction"
        assert scheduler.config.timestep_spacing == "trailing"


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (72, 56)])
def test_samples_in_every_shape(pipeline: StableDiffusionPipeline, size: tuple[int, int]) -> None:
    images = pipeline(
        "cat", width=size[0], height=size[1], num_inference_steps=2, output_type="np"
    ).images
    assert images.shape == (1, size[1], size[0], 3)
    assert pipeline.vae_scale_factor == 4
