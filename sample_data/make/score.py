"""Measures the demo models and writes `scores.json`: what is promised about them is measured.

Run `python -m sample_data.make.score`. The tagger reads drawings it has never seen, clean and
spoiled; the autoencoder redraws some; the base models draw 64 fixed prompts, and the tagger says
what of each prompt is there. The samples are left in the work folder to be looked at.
"""

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sample_data.make.augment import spoil
from sample_data.make.captions import spoken
from sample_data.make.reading import THRESHOLDS, Reader
from sample_data.make.sampling import GUIDANCE, STEPS, contact_sheet, load, sample
from sample_data.make.tag_table import targets
from sample_data.make.training import HERE, SAMPLE_DATA, WORK
from sample_data.make.vae import CANVAS, allowed_scene, to_tensor
from sample_data.make.world import Scene, draw, sample_scene

DRAWINGS = 1200
PROMPTS = 64
SIZES = ((128, 128), (200, 300), (320, 240), (448, 448))

Truths = npt.NDArray[np.bool_]


def macro_f1(found: Truths, true: Truths) -> float:
    """Average the F1 scores of all columns.

    Example:
        >>> both = np.array([[True, False], [False, True]])
        >>> macro_f1(both, both)
        1.0
    """
    hits = (found & true).sum(0)
    return float(np.mean(2 * hits / np.maximum(1, found.sum(0) + true.sum(0))))


def score_tagger(reader: Reader, *, spoiled: bool) -> dict[str, Any]:
    """Compare the tagger's answers with the truth on unseen drawings."""
    rng = random.Random("tagger score")
    scenes = [sample_scene(rng) for _ in range(DRAWINGS)]
    pictures = [draw(scene, SIZES[k % len(SIZES)]) for k, scene in enumerate(scenes)]
    if spoiled:
        pictures = [spoil(picture, rng) for picture in pictures]
    scores = reader.scores(pictures)
    true = np.array([targets(scene, reader.rows) for scene in scenes]) > 0.5
    limits = np.array([THRESHOLDS.get(row.category, 2.0) for row in reader.rows])
    judged = limits < 1
    rated_general = scores[:, :4].argmax(1) == 0
    return {
        "drawings": DRAWINGS,
        "macro_f1": round(macro_f1((scores >= limits)[:, judged], true[:, judged]), 4),
        "rated_general": round(float(rated_general.mean()), 4),
    }


def score_vae(pipeline: Any) -> dict[str, Any]:
    """Measure the error of redrawn drawings, pixels counted from 0 to 1."""
    rng = random.Random("vae score")
    pictures = [np.asarray(draw(allowed_scene(rng), CANVAS)) for _ in range(96)]
    pixels = to_tensor(np.stack(pictures))
    with torch.inference_mode():
        back = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mean).sample
    error = ((back.clamp(-1, 1) - pixels) / 2).square().mean().item()
    return {"drawings": len(pictures), "mse": round(error, 5)}


def wanted_tags(scene: Scene) -> list[str]:
    """Return the tags that a scored prompt asks for: species, colour, hat and background."""
    who = scene.character
    return [who.species, f"{who.colour}_body", *filter(None, [scene.hat]), scene.background]


def score_base(pipeline: Any, reader: Reader, name: str) -> dict[str, Any]:
    """Draw the fixed prompts and count how much of them the tagger finds."""
    rng = random.Random("base score")
    scenes = [allowed_scene(rng) for _ in range(PROMPTS)]
    prompts = [", ".join(map(spoken, wanted_tags(scene))) for scene in scenes]
    started = time.monotonic()
    images = sample(pipeline, prompts)
    seconds = time.monotonic() - started
    WORK.mkdir(exist_ok=True)
    contact_sheet(images).save(WORK / f"samples-{name}.png")
    counts: dict[str, list[bool]] = {"species": [], "colour": [], "hat": [], "background": []}
    for scene, found in zip(scenes, reader.tags(images), strict=True):
        wanted = wanted_tags(scene)
        kinds = ["species", "colour", *(["hat"] if scene.hat else []), "background"]
        for kind, tag in zip(kinds, wanted, strict=True):
            counts[kind].append(tag in found)
    every = [hit for hits in counts.values() for hit in hits]
    return {
        "prompts": PROMPTS,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "recall": round(float(np.mean(every)), 4),
        **{f"recall_{kind}": round(float(np.mean(hits)), 4) for kind, hits in counts.items()},
        "seconds": round(seconds, 1),
    }


def training_cost(name: str) -> dict[str, Any]:
    """Say how long a model was trained, as far as its checkpoint is still there."""
    path = WORK / f"{name}.pt"
    if not path.exists():
        return {}
    state = torch.load(path, weights_only=True)
    return {"training_steps": state["step"], "training_seconds": round(state["seconds"])}


def main() -> None:
    """Measure what is asked for and merge it into the file of scores."""
    parser = argparse.ArgumentParser(description="Measure the demo models.")
    parser.add_argument("--only", choices=("tagger", "base", "sdxl"), help="measure one of them")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--out", type=Path, default=HERE / "scores.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scores: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    reader = Reader(threads=options.threads)
    if options.only in (None, "tagger"):
        clean, spoiled = (score_tagger(reader, spoiled=flag) for flag in (False, True))
        scores["tagger"] = {"clean": clean, "spoiled": spoiled, **training_cost("tagger")}
    if options.only in (None, "base"):
        pipeline = load()
        scores["vae"] = {**score_vae(pipeline), **training_cost("vae")}
        scores["base"] = {**score_base(pipeline, reader, "base"), **training_cost("unet")}
    if options.only in (None, "sdxl"):
        pipeline = load(SAMPLE_DATA / "sdxl")
        scores["sdxl"] = {**score_base(pipeline, reader, "sdxl"), **training_cost("sdxl")}
    options.out.write_text(json.dumps(scores, indent=2) + "\n")
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
