"""Assembles the trained parts into `sample_data/base`, an ordinary diffusers folder in fp16.

Run `python -m sample_data.make.base_export`. Parts whose training has not begun are exported
untrained, which is enough to develop against.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from sample_data.make import tokenizer as tokenizers
from sample_data.make.latents import trained_vae
from sample_data.make.training import SAMPLE_DATA, WORK
from sample_data.make.unet import build_scheduler, build_text_encoder, build_unet


def assemble() -> StableDiffusionPipeline:
    """Return the pipeline with the newest checkpoints' averaged weights."""
    tokenizer = tokenizers.build()
    model = nn.ModuleDict({"unet": build_unet(), "text_encoder": build_text_encoder(tokenizer)})
    checkpoint = WORK / "unet.pt"
    if checkpoint.exists():
        model.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
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


def export(folder: Path) -> None:
    """Write the pipeline, replacing what was there."""
    pipeline = assemble().to(torch.float16)
    shutil.rmtree(folder, ignore_errors=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    tokenizers.save(pipeline.tokenizer, folder / "tokenizer")
    _ask_for_32_bits(folder / "text_encoder" / "config.json")


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
    parser = argparse.ArgumentParser(description="Export the demo base model.")
    parser.add_argument("--out", type=Path, default=SAMPLE_DATA / "base")
    export(parser.parse_args().out)


if __name__ == "__main__":
    main()
