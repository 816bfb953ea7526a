"""Draws the base model's training set and keeps it as latents, so that training needs no VAE.

Run `python -m sample_data.make.latents` after the autoencoder. Latents are shifted and scaled
per channel until they have mean 0 and the spread that real SD 1.5 latents have; the shift and
scale are folded into the autoencoder's 1x1 convolutions (`standardise`), so that its scaling
factor is the familiar 0.18215.
"""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from sample_data.make.training import SAMPLE_DATA, WORK, arguments, arithmetic
from sample_data.make.vae import CANVAS, allowed_scene, build, to_tensor
from sample_data.make.world import Scene, draw

SCALING_FACTOR = 0.18215
SHAPES: dict[tuple[int, int], int] = {
    CANVAS: 10_000,
    (48, 80): 500,
    (80, 48): 500,
    (56, 72): 500,
    (72, 56): 500,
}
"""How many drawings of each width and height the base model learns from."""
CHUNK = 50


def scenes(size: tuple[int, int], count: int) -> list[Scene]:
    """Return the fixed scenes drawn at one size."""
    rng = random.Random(f"latents {size}")
    return [_in_place(allowed_scene(rng), rng) for _ in range(count)]


def _in_place(scene: Scene, rng: random.Random) -> Scene:
    """Let most figures stand upright in the middle.

    A model this small spends an hour on learning where things are, or on learning what they are.
    """
    pose = scene.pose if rng.random() < 0.5 else "full_body"
    return dataclasses.replace(scene, pose=pose, size=0.95, shift=0.0, mirrored=False)


def encode(vae: AutoencoderKL, pictures: Sequence[Image.Image]) -> Tensor:
    """Return the latents (unscaled posterior means) of pictures of one size."""
    found = []
    with torch.inference_mode(), arithmetic():
        for start in range(0, len(pictures), CHUNK):
            pixels = np.stack([np.asarray(p) for p in pictures[start : start + CHUNK]])
            latents = vae.encode(to_tensor(pixels)).latent_dist.mean
            found.append(latents.float().contiguous())
    return torch.cat(found)


def standardise(vae: AutoencoderKL) -> None:
    """Give latents mean 0 and a spread of 1/SCALING_FACTOR without changing any reconstruction."""
    sample = encode(vae, [draw(scene, CANVAS) for scene in scenes(CANVAS, 512)])
    mean, spread = sample.mean((0, 2, 3)), sample.std((0, 2, 3)) * SCALING_FACTOR
    channels = len(mean)
    with torch.no_grad():
        inner, outer = vae.quant_conv, vae.post_quant_conv
        inner.weight[:channels] /= spread.view(-1, 1, 1, 1)
        inner.bias[:channels] = (inner.bias[:channels] - mean) / spread
        inner.bias[channels:] -= 2 * spread.log()  # the second half is the log of the variance
        outer.bias += outer.weight[:, :, 0, 0] @ mean
        outer.weight *= spread.view(1, -1, 1, 1)
    vae.register_to_config(scaling_factor=SCALING_FACTOR)


def trained_vae() -> AutoencoderKL:
    """Return the newest autoencoder, latents standardised; the shipped one without a checkpoint."""
    vae = build()
    if not (WORK / "vae.pt").exists():
        shipped = AutoencoderKL.from_pretrained(str(SAMPLE_DATA / "base" / "vae"))
        vae.load_state_dict(shipped.state_dict())
        vae.eval().requires_grad_(False)
        vae.register_to_config(scaling_factor=SCALING_FACTOR)
        return vae
    vae.load_state_dict(torch.load(WORK / "vae.pt", weights_only=True)["average"])
    vae.eval().requires_grad_(False)
    standardise(vae)
    return vae


def path_of(size: tuple[int, int]) -> Path:
    """Say where the latents of one size are kept."""
    return WORK / f"latents_{size[0]}x{size[1]}.pt"


def main() -> None:
    """Encode every shape that is not there yet."""
    arguments("Encode the base model's training set.", steps=0)
    vae = trained_vae()
    for size, count in SHAPES.items():
        if not path_of(size).exists():
            pictures = [draw(scene, size) for scene in scenes(size, count)]
            latents = encode(vae, pictures) * SCALING_FACTOR
            WORK.mkdir(exist_ok=True)
            torch.save(latents.to(torch.bfloat16), path_of(size))
        print(f"{size}: {count} latents", flush=True)


if __name__ == "__main__":
    main()
