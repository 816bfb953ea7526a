"""The small SDXL of the demo world: an ordinary folder, and frames that tell the truth."""

import json
import random
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

from sample_data.make import frames
from sample_data.make.inheritance import inherit
from sample_data.make.sdxl import build_unet
from sample_data.make.unet import build_unet as build_wide
from sample_data.make.world import Scene, draw, sample_scene

FOLDER = Path(__file__).parents[2] / "sample_data" / "sdxl"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    loaded = StableDiffusionXLPipeline.from_pretrained(FOLDER, add_watermarker=False)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_folder_is_small_and_ordinary() -> None:
    index = json.loads((FOLDER / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
    assert index["force_zeros_for_empty_prompt"] is False
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8_000_000


def test_it_is_built_as_sdxl(pipeline: StableDiffusionXLPipeline) -> None:
    blocks = [type(block).__name__ for block in pipeline.unet.down_blocks]
    assert blocks == ["DownBlock2D", "CrossAttnDownBlock2D"]
    assert isinstance(pipeline.unet.mid_block.attentions[0].proj_in, torch.nn.Linear)
    assert type(pipeline.text_encoder_2).__name__ == "CLIPTextModelWithProjection"
    # The second window is filled up with the first token, as that of SDXL is.
    assert pipeline.tokenizer_2.pad_token_id == 0
    assert pipeline.tokenizer.pad_token_id == pipeline.tokenizer.eos_token_id


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_samples_in_every_shape(pipeline: StableDiffusionXLPipeline, size: tuple[int, int]) -> None:
    images = pipeline(
        "cat", width=size[0], height=size[1], num_inference_steps=2, output_type="np"
    ).images
    assert images.shape == (1, size[1], size[0], 3)


def shown(count: int, size: tuple[int, int]) -> list[tuple[Scene, Image.Image, frames.Frame]]:
    rng = random.Random("frames")
    scenes = [sample_scene(rng) for _ in range(count)]
    return [(scene, *frames.framed(scene, size, rng)) for scene in scenes]


def test_frames_say_what_was_done() -> None:
    kinds = {"cut": 0, "scaled up": 0, "whole": 0}
    for scene, picture, frame in shown(200, (64, 48)):
        assert picture.size == frame.target == (64, 48)
        left, top = frame.corner
        if frame.original[0] < 64:
            kinds["scaled up"] += 1
            small = draw(scene, frame.original).resize((64, 48), Image.Resampling.BICUBIC)
            assert picture.tobytes() == small.tobytes()
        elif frame.corner != (0, 0):
            kinds["cut"] += 1
            assert 0 in frame.corner
            assert max(left, top) <= frames.MOST_CUT
        else:
            kinds["whole"] += 1
    assert min(kinds.values()) > 20


def test_numbers_are_height_first() -> None:
    assert frames.Frame((1, 2), (3, 4), (5, 6)).time_ids() == [2, 1, 4, 3, 6, 5]


def test_a_narrow_copy_keeps_the_same_channels_everywhere() -> None:
    wide, narrow = build_wide(), build_unet()
    for weight in wide.parameters():
        weight.data.copy_(torch.arange(weight.numel()).view(weight.shape))
    inherit(narrow, wide)
    kept = [channel for channel in range(128) if channel % 8 < 6]
    old, new = wide.down_blocks[1].resnets[0], narrow.down_blocks[1].resnets[0]
    assert torch.equal(new.conv2.weight, old.conv2.weight[kept][:, kept])
    assert torch.equal(new.norm2.weight, old.norm2.weight[kept])
    # The last up block reads the lower level and then the upper one, which is kept whole.
    both = [*kept, *range(128, 192)]
    old, new = wide.up_blocks[1].resnets[0], narrow.up_blocks[1].resnets[0]
    assert torch.equal(new.conv1.weight, old.conv1.weight[:, both])
    for block in (narrow.down_blocks[1], narrow.up_blocks[0]):
        assert all(not attention.proj_out.weight.any() for attention in block.attentions)
