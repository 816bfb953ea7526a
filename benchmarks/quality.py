"""Does `shikomi quality` find what is wrong, and only that?

Run: python -m benchmarks.quality [FOLDER ...] [--resolution 512] [--most 40]

Takes clean images (the mascot set's originals when no folder is given), measures them, plants one
fault after the other into each and measures again. Prints, for each measure, which share of the
clean images is reported (false positives) and which share of the faulty ones is found, and the time
of a measurement beside that of decoding and scaling alone, which an export costs anyway.
"""

import argparse
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from prep import demo_world
from prep.images import decode, is_image_name
from prep.images.buckets import Buckets
from prep.images.crops import Rect
from prep.images.pixels import fitted
from prep.images.quality.kinds import KINDS, Values
from prep.images.quality.measures import measure
from prep.images.quality.thresholds import Measure, QualitySection

Fault = Callable[[Image.Image], Image.Image]
LIMITS = QualitySection()
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dogs",
    "in",
    "Winter",
    "Road",
    "24",
]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Encode and decode once."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def grain(image: Image.Image, levels: float) -> Image.Image:
    """Add normal noise, the same to all channels."""
    pixels = np.asarray(image, np.float32)
    noise = np.random.default_rng(1).normal(0, levels, (*pixels.shape[:2], 1))
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def levels(image: Image.Image, factor: float, offset: float = 0.0) -> Image.Image:
    """Multiply and shift all levels."""
    pixels = np.asarray(image, np.float32) * factor + offset
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def letters(image: Image.Image, lines: int) -> Image.Image:
    """Write lines of words over it, dark or light, at an eighteenth of its height."""
    rng = random.Random(image.size[0] * 7919 + lines)
    made = image.copy()
    pen = ImageDraw.Draw(made)
    font = ImageFont.load_default(max(14, image.height // 18))
    for line in range(lines):
        text = " ".join(rng.sample(WORDS, 5))
        place = (image.width // 20, (line + 1) * image.height // (lines + 2))
        ink, edge = rng.choice([("black", "white"), ("white", "black")])
        pen.text(place, text, ink, font, stroke_width=2, stroke_fill=edge)
    return made


def framed(image: Image.Image, share: float) -> Image.Image:
    """Put black bars above and below."""
    bar = int(image.height * share)
    made = Image.new("RGB", (image.width, image.height + 2 * bar))
    made.paste(image, (0, bar))
    return made


FAULTS: dict[str, tuple[Measure, Fault]] = {
    "blurred, 0.5 % of the side": (
        "blur",
        lambda i: i.filter(ImageFilter.GaussianBlur(0.005 * max(i.size))),
    ),
    "enlarged four times before": (
        "blur",
        lambda i: i.resize((i.width // 4, i.height // 4), Image.Resampling.LANCZOS).resize(i.size),
    ),
    "JPEG, quality 50": ("blocks", lambda i: jpeg(i, 50)),
    "JPEG, quality 30": ("blocks", lambda i: jpeg(i, 30)),
    "JPEG, quality 10": ("blocks", lambda i: jpeg(i, 10)),
    "grain of 8 levels": ("noise", lambda i: grain(i, 8)),
    "grain of 15 levels": ("noise", lambda i: grain(i, 15)),
    "a fifth of its light": ("dark", lambda i: levels(i, 0.18)),
    "a fifth of its contrast": ("flat", lambda i: levels(i, 0.18, 120)),
    "three times its light": ("clipped", lambda i: levels(i, 3.0)),
    "a third of the size needed": ("upscale", lambda i: i.resize((170, 170 * i.height // i.width))),
    "letterboxed, 8 %": ("borders", lambda i: framed(i, 0.08)),
    "two lines of text": ("text", lambda i: letters(i, 2)),
    "five lines of text": ("text", lambda i: letters(i, 5)),
}


def beyond(values: Values) -> set[Measure]:
    """Return the measures that are beyond their default thresholds."""
    return {name for name, value in values.items() if KINDS[name].beyond(value, _limit(name))}


def _limit(name: Measure) -> float:
    return float(getattr(LIMITS, name))


def looked_at(file: Path, buckets: Buckets) -> Values:
    """Measure one file as the operation does."""
    with Image.open(file) as image:
        size = image.size
    return measure(file, size, Rect(0, 0, *size), buckets.fit(size), alpha=False)


def clean_images(folders: Sequence[Path], most: int) -> list[Image.Image]:
    """Return the images to work on, at most so many, evenly chosen."""
    if folders:
        files = [
            f for folder in folders for f in sorted(folder.rglob("*")) if is_image_name(f.name)
        ]
    else:
        truth = json.loads((demo_world.mascot() / "truth.json").read_text("utf-8"))["files"]
        folder = demo_world.mascot() / "10_mochi"
        files = [folder / name for name, what in truth.items() if what["kind"] == "original"]
    step = max(1, len(files) // most)
    return [decode(file) for file in files[::step][:most]]


def main() -> None:
    """Plant, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("/tmp/quality.png"))
    given = parser.parse_args()
    side = given.resolution
    buckets = Buckets((side, side), 64, 256, 2 * side)
    images = clean_images(given.folders, given.most)
    before, spent, bare = [], 0.0, 0.0
    for image in images:
        image.save(given.work)
        began = time.process_time()
        before.append(beyond(looked_at(given.work, buckets)))
        spent += time.process_time() - began
        began = time.process_time()
        fitted(decode(given.work), buckets.fit(image.size))
        bare += time.process_time() - began
    print(f"{len(images)} clean images at {side}: reported though clean")
    for name in KINDS:
        print(f"  {name:<8} {sum(name in names for names in before) / len(images):>5.0%}")
    print("faults planted: found")
    for title, (name, fault) in FAULTS.items():
        hits = 0
        for image in images:
            fault(image).save(given.work)
            hits += name in beyond(looked_at(given.work, buckets))
        print(f"  {title:<28} {name:<8} {hits / len(images):>5.0%}")
    print(
        f"processor time per image: {1000 * spent / len(images):.0f} ms,"
        f" decoding and scaling alone {1000 * bare / len(images):.0f} ms"
    )


if __name__ == "__main__":
    main()
