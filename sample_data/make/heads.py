"""Trains the demo head detector, a small convolutional network, on drawings of the demo world.

Run `python -m sample_data.make.heads`, then `python -m sample_data.make.heads_export`. Where a
head is follows from the drawing, so that nothing was labelled by hand.
"""

import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from sample_data.make.augment import degrade
from sample_data.make.backgrounds import BACKGROUNDS, Canvas
from sample_data.make.tagger import Block
from sample_data.make.training import Run, arguments, arithmetic
from sample_data.make.world import draw, head_box, sample_scene

SIDE = 80
"""Pixels of a picture as the network sees it."""
POOL = 4
"""The model takes four times as many, and averages them."""
STRIDE = 4
CELLS = SIDE // STRIDE
WIDTH = 40
BATCH = 32
GREY = (114, 114, 114)
_CENTRAL = 0.4
"""Share of a head's sides around its middle in which cells must find it."""
_VISIBLE = 0.4
"""Share of a head that must be in the picture to count as one."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class HeadFinder(nn.Module):
    """RGB pixels, 0 to 1, of ``batch x 3 x 80 x 80`` to five maps of ``20 x 20``."""

    def __init__(self) -> None:
        """Make an untrained network."""
        super().__init__()
        self.first = nn.Conv2d(3, 20, 3, stride=2, padding=1)
        self.second = nn.Conv2d(20, WIDTH, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(4))
        self.last = nn.Conv2d(WIDTH, 5, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return distances to the four edges, in cells before softplus, and a logit."""
        found = functional.relu(self.second(functional.relu(self.first(pixels * 2 - 1))))
        for block in self.blocks:
            found = block(found)
        maps: Tensor = self.last(functional.relu(found))
        return maps


def centres() -> Tensor:
    """Return the middles of the cells, pixels; shape (20, 20, 2), x and y."""
    steps = (torch.arange(CELLS) + 0.5) * STRIDE
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)


def picture(rng: random.Random) -> tuple[Image.Image, list[Box]]:
    """Draw one or two characters, or none; returns the picture and its heads."""
    tall = rng.randrange(60, 140)
    count = rng.choices((0, 1, 2), (1, 7, 2))[0]
    if not count:
        image = Image.new("RGB", (round(tall * rng.uniform(0.6, 1.6)), tall))
        BACKGROUNDS[rng.choice(list(BACKGROUNDS))].paint(Canvas(image, rng))
        return image, []
    parts, heads, left = [], list[Box](), 0
    for _ in range(count):
        scene = sample_scene(rng)
        while scene.character.species == "slime":
            scene = sample_scene(rng)
        size = (round(tall * rng.uniform(0.6, 1.5 if count == 1 else 1.0)), tall)
        box = head_box(scene, size)
        heads.append((box[0] + left, box[1], box[2] + left, box[3]))
        parts.append(draw(scene, size))
        left += size[0]
    image = Image.new("RGB", (left, tall))
    for place, part in enumerate(parts):
        image.paste(part, (sum(each.width for each in parts[:place]), 0))
    return image, heads


def framed(
    image: Image.Image, heads: list[Box], rng: random.Random
) -> tuple[Image.Image, list[Box]]:
    """Cut a part out, mirror it, and put it on a grey square; heads move along."""
    if rng.random() < 0.6:
        near = [rng.uniform(0, 0.35) ** 1.5 for _ in range(2)]
        far = [1 - rng.uniform(0, 0.35) ** 1.5 for _ in range(2)]
        corners = (
            round(near[0] * image.width),
            round(near[1] * image.height),
            round(far[0] * image.width),
            round(far[1] * image.height),
        )
        image = image.crop(corners)
        heads = [_moved(head, -corners[0], -corners[1]) for head in heads]
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        heads = [(image.width - h[2], h[1], image.width - h[0], h[3]) for h in heads]
    scale = SIDE / max(image.size)
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
        Image.Resampling.BILINEAR,
    )
    square = Image.new("RGB", (SIDE, SIDE), GREY)
    place = ((SIDE - small.width) // 2, (SIDE - small.height) // 2)
    square.paste(degrade(small, rng), place)
    inside = (place[0], place[1], place[0] + small.width, place[1] + small.height)
    moved = [_moved(tuple(v * scale for v in head), *place) for head in heads]  # type: ignore[arg-type]
    return square, [found for head in moved if (found := _visible(head, inside)) is not None]


def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a batch.

    Returns:
        Pixels; the box of each cell that belongs to a head, (batch, 20, 20, 4) pixels; and which
        cells these are: 1 in the middle of a head, 0 outside of heads, -1 between.
    """
    pixels = np.empty((BATCH, SIDE, SIDE, 3), np.uint8)
    boxes = torch.zeros(BATCH, CELLS, CELLS, 4)
    marks = torch.zeros(BATCH, CELLS, CELLS)
    at = centres()
    for k in range(BATCH):
        image, heads = framed(*picture(rng), rng)
        pixels[k] = np.asarray(image)
        for left, top, right, bottom in heads:
            middle = torch.tensor(((left + right) / 2, (top + bottom) / 2))
            extent = torch.tensor((right - left, bottom - top))
            off = ((at - middle).abs() / extent).amax(-1)
            near = (off <= _CENTRAL / 2) | (off == off.min())
            marks[k][(off < 0.5) & ~near] = -1
            marks[k][near] = 1
            boxes[k][near] = torch.tensor((left, top, right, bottom))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, boxes, marks


def loss_of(maps: Tensor, boxes: Tensor, marks: Tensor) -> Tensor:
    """Return the cross entropy of cells, plus what boxes lack of a perfect overlap."""
    logits, counts = maps[:, 4], marks >= 0
    entropy = functional.binary_cross_entropy_with_logits(
        logits[counts], marks[counts], reduction="none"
    )
    positive = marks == 1
    reach = functional.softplus(maps[:, :4]).permute(0, 2, 3, 1)[positive] * STRIDE
    at = centres().expand(len(maps), -1, -1, -1)[positive]
    wanted = boxes[positive]
    truth = torch.cat([at - wanted[:, :2], wanted[:, 2:] - at], dim=1)
    both = torch.minimum(reach[:, :2], truth[:, :2]) + torch.minimum(reach[:, 2:], truth[:, 2:])
    shared = both.clamp(min=0).prod(1)
    areas = [(each[:, :2] + each[:, 2:]).prod(1) for each in (reach, truth)]
    overlap = (shared + 1) / (areas[0] + areas[1] - shared + 1)
    return entropy.sum() / positive.sum() - overlap.log().mean()


def _moved(box: Box, across: float, down: float) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def _visible(box: Box, inside: tuple[int, int, int, int]) -> Box | None:
    """Return the part of a head that is in the picture, if there is enough of it."""
    left, top = max(box[0], inside[0]), max(box[1], inside[1])
    right, bottom = min(box[2], inside[2]), min(box[3], inside[3])
    area = max(0.0, right - left) * max(0.0, bottom - top)
    whole = (box[2] - box[0]) * (box[3] - box[1])
    return (left, top, right, bottom) if area >= _VISIBLE * whole else None


def main() -> None:
    """Train until the wanted step and leave the result in the checkpoint."""
    options = arguments("Train the demo head detector.", steps=2500)
    torch.manual_seed(3)
    finder = HeadFinder()
    run = Run("heads", finder, total=options.steps, peak=3e-3, decay=0.02)
    print(f"{sum(p.numel() for p in finder.parameters()):,} parameters", flush=True)
    while run.step < run.total:
        pixels, boxes, marks = batch(random.Random(f"heads {run.step}"))
        with arithmetic():
            maps = finder(pixels)
        run.update(loss_of(maps.float(), boxes, marks))
    run.save()


if __name__ == "__main__":
    main()
