"""Trains the demo tagger, a small convolutional network over all tags of the demo world.

Run `python -m sample_data.make.tagger`, then `python -m sample_data.make.tagger_export`.
"""

import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sample_data.make.augment import pad_to_square, spoil
from sample_data.make.tag_table import Row, rows, targets
from sample_data.make.training import Run, arguments, arithmetic
from sample_data.make.world import draw, sample_scene

SIDE = 112
POOL = 4  # WD taggers take 448 px; ours averages 4x4 pixels first
BATCH = 48


class Block(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, width: int) -> None:
        """Make a block that keeps the width."""
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions find."""
        hidden: Tensor = self.second(functional.relu(self.norm(self.first(x))))
        return x + hidden


def _down(narrow: int, wide: int) -> nn.Sequential:
    convolution = nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wide), nn.ReLU())


class Tagger(nn.Module):
    """The network: BGR pixels 0-255 of `batch x 3 x 112 x 112` to one logit per tag."""

    def __init__(self, outputs: int) -> None:
        """Make an untrained network for that many tags."""
        super().__init__()
        self.features = nn.Sequential(
            _down(3, 24),
            _down(24, 48),
            Block(48),
            _down(48, 80),
            Block(80),
            _down(80, 128),
            Block(128),
            nn.BatchNorm2d(128),
            nn.ReLU(),
        )
        self.head = nn.Linear(256, outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits; mean says how much of a thing there is, maximum whether it is there."""
        found = self.features(pixels / 127.5 - 1)
        pooled = torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1)
        logits: Tensor = self.head(pooled)
        return logits


def batch(rng: random.Random, table: list[Row]) -> tuple[Tensor, Tensor]:
    """Draw and spoil a batch; returns pixels as the network takes them, and its targets."""
    pixels = np.empty((BATCH, SIDE, SIDE, 3), np.uint8)
    wanted = []
    for k in range(BATCH):
        scene = sample_scene(rng)
        long_side, aspect = rng.randrange(96, 200), rng.uniform(2 / 3, 1)
        size = (long_side, round(long_side * (aspect if rng.random() < 0.6 else 1)))
        image = spoil(draw(scene, size if rng.random() < 0.5 else size[::-1]), rng)
        square = pad_to_square(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        pixels[k] = np.asarray(square)[:, :, ::-1]
        wanted.append(targets(scene, table))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), torch.tensor(wanted)


def main() -> None:
    """Train until the wanted step and leave the result in the checkpoint."""
    options = arguments("Train the demo tagger.", steps=4000)
    torch.manual_seed(2)
    table = rows()
    tagger = Tagger(len(table))
    run = Run("tagger", tagger, total=options.steps, peak=3e-3, decay=0.02)
    print(f"{sum(p.numel() for p in tagger.parameters()):,} parameters", flush=True)
    while run.step < run.total:
        pixels, wanted = batch(random.Random(f"tagger {run.step}"), table)
        with arithmetic():
            logits = tagger(pixels)
        run.update(10 * functional.binary_cross_entropy_with_logits(logits.float(), wanted))
    run.save()


if __name__ == "__main__":
    main()
