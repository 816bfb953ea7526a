"""Trains the demo base model's autoencoder: 128 px drawings to 16x16 latents (f=8) and back.

It learns mostly from 64 px crops, which cost a quarter of whole drawings and hold the same shapes;
every fourth batch is whole, because group normalisation measures whole pictures in use. The
encoder is finished first: from JOINT_STEPS on only the decoder learns, while the UNet trains on
latents that no longer change.
Run `python -m sample_data.make.vae`; the log shows the loss, `score` the error.
"""

import random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from sample_data.make.training import Run, arguments
from sample_data.make.world import Scene, draw, resembles_mascot, sample_scene

CANVAS = (128, 128)
SIZES = (CANVAS, (96, 160), (160, 96), (112, 144), (144, 112))
CROP = 64
BATCH = 8
JOINT_STEPS = 3500
DECODER_STEPS = 6500


def build() -> AutoencoderKL:
    """Return the untrained autoencoder: SD's own architecture, only narrow."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=CANVAS[0],
        mid_block_add_attention=False,
    )


def allowed_scene(rng: random.Random) -> Scene:
    """Pick a scene that the base model may see: anything but the mascot's likes."""
    while True:
        scene = sample_scene(rng)
        if not resembles_mascot(scene.character):
            return scene


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Turn uint8 NHWC pixels into the -1..1 NCHW floats that autoencoders take."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def crops(rng: random.Random) -> Tensor:
    """Draw a batch of random crops."""
    batch = np.empty((BATCH, CROP, CROP, 3), np.uint8)
    for k in range(BATCH):
        picture = np.asarray(draw(allowed_scene(rng), CANVAS))
        x, y = rng.randrange(0, CANVAS[0] - CROP + 1), rng.randrange(0, CANVAS[1] - CROP + 1)
        batch[k] = picture[y : y + CROP, x : x + CROP]
    return to_tensor(batch)


def whole(rng: random.Random) -> Tensor:
    """Draw a smaller batch of whole drawings in one of the base model's shapes."""
    size = rng.choice(SIZES)
    pictures = [np.asarray(draw(allowed_scene(rng), size)) for _ in range(BATCH // 4)]
    return to_tensor(np.stack(pictures))


def loss_of(vae: AutoencoderKL, pixels: Tensor, *, encoder_learns: bool) -> Tensor:
    """Compare a drawing with its reconstruction, its edges too, and hold the latents near 0.

    The edge term keeps outlines crisp where plain L1 would blur them. Without the coarse term the
    outlines claim all latent channels at first, and colours are learnt very late.
    """
    with torch.set_grad_enabled(encoder_learns):
        posterior = vae.encode(pixels).latent_dist
        latents = posterior.sample()
    back = vae.decode(latents).sample.float()
    coarse = functional.mse_loss(functional.avg_pool2d(back, 4), functional.avg_pool2d(pixels, 4))
    loss = functional.l1_loss(back, pixels) + 8 * coarse
    for direction in (2, 3):
        loss = loss + functional.l1_loss(back.diff(dim=direction), pixels.diff(dim=direction))
    total: Tensor = loss + 2e-5 * posterior.kl().mean() / latents[0].numel()
    return total


def freeze_encoder(vae: AutoencoderKL, average: dict[str, Tensor]) -> None:
    """Fix the latents for good, at the averaged weights, so that the UNet can start on them."""
    for part in ("encoder", "quant_conv"):
        module: nn.Module = getattr(vae, part)
        weights = {k[len(part) + 1 :]: v for k, v in average.items() if k.startswith(part + ".")}
        module.load_state_dict(weights)
        module.requires_grad_(False)


def main() -> None:
    """Train until the wanted step and leave the result in the checkpoint."""
    options = arguments("Train the autoencoder.", steps=JOINT_STEPS + DECODER_STEPS)
    torch.manual_seed(1)
    vae = build()
    run = Run("vae", vae, total=JOINT_STEPS + DECODER_STEPS, peak=1.2e-3)
    print(f"{sum(p.numel() for p in vae.parameters()):,} parameters", flush=True)
    if run.step >= JOINT_STEPS:
        freeze_encoder(vae, run.average)
    while run.step < options.steps:
        rng = random.Random(f"vae {run.step}")
        torch.manual_seed(run.step)
        pixels = whole(rng) if run.step % 4 == 3 else crops(rng)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(vae, pixels, encoder_learns=run.step < JOINT_STEPS)
        run.update(loss)
        if run.step == JOINT_STEPS:
            freeze_encoder(vae, run.average)
    run.save()


if __name__ == "__main__":
    main()
