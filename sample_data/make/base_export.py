"""Assembles the trained parts into `sample_data/base` and `sample_data/sdxl`.

Both are ordinary diffusers folders in fp16. Run `python -m sample_data.make.base_export`, for the
small SDXL with `--family sdxl`. Parts whose training has not begun are exported untrained, which is
enough to develop against.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from torch import nn

from sample_data.make import sdxl
from sample_data.make import tokenizer as tokenizers
from sample_data.make.latents import trained_vae
from sample_data.make.training import SAMPLE_DATA, WORK
from sample_data.make.unet import build_scheduler, build_text_encoder, build_unet

FOLDERS = {"sd15": "base", "sdxl": "sdxl"}


def assemble() -> StableDiffusionPipeline:
    """Return the pipeline with the newest checkpoints' averaged weights."""
    tokenizer = tokenizers.build()
    model = nn.ModuleDict({"unet": build_unet(), "text_encoder": build_text_encoder(tokenizer)})
    _fill(model, "unet")
    return StableDiffusionPipeline(
        vae=trained_vae(),
        text_encoder=model["text_encoder"],
        tokenizer=tokenizer,
        unet=model["unet"],
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def assemble_sdxl() -> StableDiffusionXLPipeline:
    """Return the pipeline of the small SDXL, likewise."""
    both = sdxl.build_tokenizers()
    model = sdxl.build_model(both[0])
    _fill(model, "sdxl")
    return StableDiffusionXLPipeline(
        vae=trained_vae(),
        tokenizer=both[0],
        tokenizer_2=both[1],
        scheduler=build_scheduler(),
        force_zeros_for_empty_prompt=False,  # it was trained with an encoded empty caption
        add_watermarker=False,
        **dict(model.items()),
    )


def _fill(model: nn.ModuleDict, name: str) -> None:
    checkpoint = WORK / f"{name}.pt"
    if checkpoint.exists():
        model.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])


def export(folder: Path, family: str = "sd15") -> None:
    """Write the pipeline, replacing what was there."""
    made: Any = assemble_sdxl() if family == "sdxl" else assemble()
    pipeline = made.to(torch.float16)
    shutil.rmtree(folder, ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    for ending in ("", "_2")[: 2 if family == "sdxl" else 1]:
        tokenizers.save(getattr(pipeline, f"tokenizer{ending}"), folder / f"tokenizer{ending}")
        _ask_for_32_bits(folder / f"text_encoder{ending}" / "config.json")


def _ask_for_32_bits(path: Path) -> None:
    """Let the 16-bit text encoder widen when loaded, as the other parts do by default.

    transformers loads in the type that its configuration names; one half in 16 and the other in
    32 bits would not run.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Export to the folder that is asked for."""
    parser = argparse.ArgumentParser(description="Export a demo base model.")
    parser.add_argument("--family", choices=tuple(FOLDERS), default="sd15")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    export(options.out or SAMPLE_DATA / FOLDERS[options.family], options.family)


if __name__ == "__main__":
    main()
