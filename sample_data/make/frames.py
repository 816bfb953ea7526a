"""Draws what the SDXL demo base learns from: drawings as they are cut and scaled for training.

SDXL is told the size of each picture before it was scaled, and where it was cut. In this set both
mean something: of some drawings a side was cut away, so that the figure stands beside the middle,
and some were scaled up from a few pixels and are blurred. Run `python -m sample_data.make.frames`;
it writes the latents and the numbers beside them.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from sample_data.make.latents import SCALING_FACTOR, encode, scenes, trained_vae
from sample_data.make.training import WORK, arguments
from sample_data.make.vae import CANVAS
from sample_data.make.world import Scene, draw

SHAPES: dict[tuple[int, int], int] = {
    CANVAS: 9_000,
    (48, 80): 500,
    (80, 48): 500,
    (56, 72): 500,
    (72, 56): 500,
}
"""How many drawings of each width and height are learnt from."""
CROPPED, BLURRED = 0.3, 0.2
"""Shares of the drawings."""
MOST_CUT = 24
"""Pixels of one side that are cut away, at most."""
SMALLEST = 0.25
"""Side of a drawing that is scaled up, as a share of what it is scaled to."""
LARGEST = 8.0
"""The same of a drawing that is scaled down."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a picture comes from; pixels.

    Attributes:
        original: Width and height before it was scaled.
        corner: Left and top of the part that was cut out after that.
        target: Width and height of the result.
    """

    original: tuple[int, int]
    corner: tuple[int, int]
    target: tuple[int, int]

    def time_ids(self) -> list[int]:
        """Return the six numbers that SDXL reads: sizes and corner, height and top first."""
        return [n for pair in (self.original, self.corner, self.target) for n in reversed(pair)]


def framed(scene: Scene, target: tuple[int, int], rng: random.Random) -> tuple[Image.Image, Frame]:
    """Draw a scene as a training set shows it, and say how it came about."""
    kind = rng.random()
    if kind < CROPPED:
        return _cropped(scene, target, rng)
    if kind < CROPPED + BLURRED:
        share = rng.uniform(SMALLEST, 0.5)
        small = (round(target[0] * share), round(target[1] * share))
        picture = draw(scene, small).resize(target, Image.Resampling.BICUBIC)
        return picture, Frame(small, (0, 0), target)
    return draw(scene, target), Frame(_larger(target, rng), (0, 0), target)


def _cropped(
    scene: Scene, target: tuple[int, int], rng: random.Random
) -> tuple[Image.Image, Frame]:
    """Draw a larger picture and cut one side of it."""
    wider, cut = rng.random() < 0.5, rng.randrange(8, MOST_CUT + 1)
    offset = rng.randrange(cut + 1)
    scaled = (target[0] + cut * wider, target[1] + cut * (not wider))
    left, top = offset * wider, offset * (not wider)
    box = (left, top, left + target[0], top + target[1])
    return draw(scene, scaled).crop(box), Frame(_larger(scaled, rng), (left, top), target)


def _larger(size: tuple[int, int], rng: random.Random) -> tuple[int, int]:
    """Pick the size of an original that was scaled down to ``size``, or was as large."""
    factor = LARGEST ** max(0.0, rng.uniform(-0.3, 1.0))
    return round(size[0] * factor), round(size[1] * factor)


def path_of(size: tuple[int, int]) -> Path:
    """Say where latents and numbers of one size are kept."""
    return WORK / f"frames_{size[0]}x{size[1]}.pt"


def main() -> None:
    """Encode every shape that is not there yet."""
    arguments("Encode the SDXL demo base's training set.", steps=0)
    vae = trained_vae()
    WORK.mkdir(exist_ok=True)
    for size, count in SHAPES.items():
        if not path_of(size).exists():
            rng = random.Random(f"frames {size}")
            shown = [framed(scene, size, rng) for scene in scenes(size, count)]
            latents = encode(vae, [picture for picture, _ in shown]) * SCALING_FACTOR
            ids = torch.tensor([frame.time_ids() for _, frame in shown])
            torch.save({"latents": latents.to(torch.bfloat16), "time_ids": ids}, path_of(size))
        print(f"{size}: {count} latents", flush=True)


if __name__ == "__main__":
    main()
