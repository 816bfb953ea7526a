"""Draws samples with the exported base model and lays them out to be looked at."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from sample_data.make.training import SAMPLE_DATA

STEPS = 20
GUIDANCE = 4.5
BATCH = 16


def load(folder: Path = SAMPLE_DATA / "base") -> DiffusionPipeline:
    """Load a base model the way anyone would, in 32 bits for the CPU."""
    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
) -> list[Image.Image]:
    """Draw one image per prompt; the same seed gives the same images."""
    images: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        chunk = list(prompts[start : start + BATCH])
        numbers = [torch.Generator().manual_seed(seed + start + k) for k in range(len(chunk))]
        images += pipeline(
            chunk,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            width=size[0],
            height=size[1],
            generator=numbers,
        ).images
    return images


def contact_sheet(images: Sequence[Image.Image], columns: int = 8) -> Image.Image:
    """Lay images out in rows."""
    width, height = (max(image.size[axis] for image in images) for axis in (0, 1))
    sheet = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height))
    for k, image in enumerate(images):
        sheet.paste(image, (k % columns * width, k // columns * height))
    return sheet
