"""Does `shikomi quality` see borders, and only borders?

Run: python -m benchmarks.borders --pictures FILE ... --figures FILE ... [--most 60] [--seed 5]

Puts bars and frames around pictures, and counts how many of them are reported (``borders`` above
its threshold); and lays transparent figures over white, whole and cut off along a straight line as
a bust is, which are no borders.
"""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from prep.images.crops.borders import inner
from prep.images.quality.thresholds import QualitySection

_LIMIT = QualitySection().borders
_LARGEST, _BAR = 600, 0.06
_SMALLEST = 150
"""Side of files that are looked at, pixels."""
BARS = {
    "above and below": (0, 1, 0, 1),
    "above": (0, 1, 0, 0),
    "at both sides": (1, 0, 1, 0),
    "frame": (1, 1, 1, 1),
    "wide frame": (3, 3, 3, 3),
}
"""Name -> bars at the left, top, right and bottom, in units of ``_BAR`` of the side."""


def barred(picture: Image.Image, colour: str, bars: Sequence[int]) -> Image.Image:
    """Put bars around a picture."""
    across, down = (max(6, round(_BAR * side)) for side in picture.size)
    left, top, right, bottom = (
        count * width for count, width in zip(bars, (across, down) * 2, strict=True)
    )
    size = (picture.width + left + right, picture.height + top + bottom)
    made = Image.new("RGB", size, colour)
    made.paste(picture, (left, top))
    return made


def figures(files: Iterable[Path]) -> Iterator[Image.Image]:
    """Yield transparent figures, cut to what can be seen."""
    for file in files:
        with Image.open(file) as opened:
            figure = opened.convert("RGBA")
        figure.thumbnail((_LARGEST, _LARGEST))
        opacity = np.asarray(figure.getchannel("A"))
        box = Image.fromarray(opacity > 40).getbbox()
        if box and opacity.min() < 128:
            yield figure.crop(box)


def whole(figure: Image.Image) -> Image.Image:
    """Lay a figure over white, with some of it on all sides."""
    return _on_white(figure, (figure.width + 60, figure.height + 60), (30, 30))


def bust(figure: Image.Image, rng: random.Random) -> Image.Image:
    """Cut a figure off along a line, and lay it over white with that line in any direction."""
    part = figure.crop((0, 0, figure.width, round(figure.height * rng.uniform(0.4, 0.7))))
    margin = round(rng.uniform(0.02, 0.12) * figure.width)
    size = (part.width + 2 * margin, part.height + margin + round(0.3 * figure.height))
    made = _on_white(part, size, (margin, margin))
    return made.rotate(90 * rng.randrange(4), expand=True)


def _on_white(figure: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    made = Image.new("RGBA", size, "white")
    made.alpha_composite(figure, at)
    return made.convert("RGB")


def reported(image: Image.Image) -> bool:
    """Return whether it is a finding at the default threshold."""
    kept = inner(image)
    if kept is None:
        return False
    return 1 - kept.size[0] * kept.size[1] / (image.width * image.height) > _LIMIT


def main() -> None:
    """Plant, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument("--figures", type=Path, nargs="+", required=True)
    parser.add_argument("--most", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    rng = random.Random(given.seed)

    def chosen(files: Sequence[Path]) -> list[Path]:
        large = [file for file in sorted(files) if min(Image.open(file).size) >= _SMALLEST]
        return rng.sample(large, min(given.most, len(large)))

    pictures = [Image.open(file).convert("RGB") for file in chosen(given.pictures)]
    for picture in pictures:
        picture.thumbnail((_LARGEST, _LARGEST))
    drawn = list(figures(chosen(given.figures)))

    def tell(name: str, images: Sequence[Image.Image], change: Callable[..., Image.Image]) -> None:
        count = sum(reported(change(image)) for image in images)
        print(f"  {name:<36} {count:>3} of {len(images)}")

    print("no border: reported")
    tell("picture", pictures, lambda image: image)
    tell("figure on white", drawn, whole)
    tell("figure with a straight side on white", drawn, lambda image: bust(image, rng))
    print("border: found")
    for name, bars in BARS.items():
        for colour in ("black", "white"):
            tell(f"{name}, {colour}", pictures, lambda i, c=colour, b=bars: barred(i, c, b))


if __name__ == "__main__":
    main()
