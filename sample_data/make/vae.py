"""Trains the demo base model's autoencoder: 64 px drawings to 16x16 latents (f=4) and back.

Run `python -m sample_data.make.vae`; the log shows the loss, `score` the error. The real thing
has f=8; at this size that was tried, and redrew well, but its latents were too tangled for a
small UNet to learn shapes from in an hour. The encoder is finished first: from JOINT_STEPS on only
the decoder learns, while the UNet already trains on latents that no longer change.
"""

import random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from sample_data.make.training import Run, arguments, arithmetic
from sample_data.make.world import Scene, draw, resembles_mascot, sample_scene

CANVAS = (64, 64)
SIZES = (CANVAS, CANVAS, CANVAS, (48, 80), (80, 48), (56, 72), (72, 56))
BATCH = 12
JOINT_STEPS = 2400
DECODER_STEPS = 4000


def build() -> AutoencoderKL:
    """Return the untrained autoencoder: SD's own architecture, only narrow."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 48),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=CANVAS[0],
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


def batch(rng: random.Random) -> Tensor:
    """Draw a batch of drawings in one of the base model's shapes."""
    size = rng.choice(SIZES)
    return to_tensor(np.stack([np.asarray(draw(allowed_scene(rng), size)) for _ in range(BATCH)]))


def loss_of(vae: AutoencoderKL, pixels: Tensor, *, encoder_learns: bool) -> Tensor:
    """Compare a drawing with its reconstruction, its edges too, and hold the latents near 0.

    The edge term keeps outlines crisp where plain L1 would blur them. Without the coarse term the
    outlines claim all latent channels at first, and colours are learnt very late.
    """
    with torch.set_grad_enabled(encoder_learns):
        posterior = vae.encode(pixels).latent_dist
        latents = posterior.sample()
    back = vae.decode(latents).sample.float()
    coarse = functional.mse_loss(functional.avg_pool2d(back, 2), functional.avg_pool2d(pixels, 2))
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
    run = Run("vae", vae, total=JOINT_STEPS + DECODER_STEPS, peak=1.6e-3)
    print(f"{sum(p.numel() for p in vae.parameters()):,} parameters", flush=True)
    if run.step >= JOINT_STEPS:
        freeze_encoder(vae, run.average)
    while run.step < options.steps:
        torch.manual_seed(run.step)
        pixels = batch(random.Random(f"vae {run.step}"))
        with arithmetic():
            loss = loss_of(vae, pixels, encoder_learns=run.step < JOINT_STEPS)
        run.update(loss)
        if run.step == JOINT_STEPS:
            freeze_encoder(vae, run.average)
    run.save()


if __name__ == "__main__":
    main()
