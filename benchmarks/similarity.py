"""How far apart are edited copies and mere variants of a drawing?

Run: python -m benchmarks.similarity

Draws scenes of the demo world; makes edited copies (which must be found) and variants (the same
scene with one thing changed, which must not), and prints for each kind the distance of the hashes
and, where that is within the radius, the difference of ``prep.curation.duplicates.comparison``,
which is below 1 for copies. The last columns count what the two steps together call the same
picture.
"""

import argparse
import io
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from prep.curation.duplicates.closer import Pixels, detailed_image
from prep.curation.duplicates.comparison import Comparison, compare
from prep.curation.duplicates.hashes import distance, phash
from prep.curation.duplicates.similarity import small_square
from sample_data.make import world
from sample_data.make.backgrounds import BACKGROUNDS
from sample_data.make.faces import EXPRESSIONS
from sample_data.make.hats import HATS
from sample_data.make.things import HELD, MARKS, NECKWEAR

RADIUS = 12
Edit = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Encode and decode once."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut shares of the width and height off the four sides."""
    w, h = image.size
    return image.crop((int(left * w), int(top * h), int(w - right * w), int(h - bottom * h)))


COPIES: dict[str, Edit] = {
    "half the size": lambda i: i.resize((i.width // 2, i.height // 2)),
    "JPEG, quality 50": lambda i: jpeg(i, 50),
    "3 % cut, all sides": lambda i: crop(i, 0.015, 0.015, 0.015, 0.015),
    "3 % cut, left": lambda i: crop(i, 0.03, 0, 0, 0),
    "3 % cut, bottom": lambda i: crop(i, 0, 0, 0, 0.03),
    "5 % cut, all sides": lambda i: crop(i, 0.025, 0.025, 0.025, 0.025),
    "brighter, 1.15": lambda i: ImageEnhance.Brightness(i).enhance(1.15),
    "darker, 0.85": lambda i: ImageEnhance.Brightness(i).enhance(0.85),
    "contrast, 1.2": lambda i: ImageEnhance.Contrast(i).enhance(1.2),
    "blurred": lambda i: i.filter(ImageFilter.GaussianBlur(max(i.size) * 0.006)),
    "stretched 5 %": lambda i: i.resize((int(i.width * 1.05), i.height)),
}


def variants(scene: world.Scene, rng: random.Random) -> dict[str, world.Scene]:
    """Return the scene with one thing changed, by the name of the thing."""

    def other(names: Iterable[str], now: str | None) -> str:
        return rng.choice([name for name in names if name != now])

    who = scene.character
    return {
        "other expression": replace(scene, expression=other(EXPRESSIONS, scene.expression)),
        "other hat": replace(scene, hat=other(HATS, scene.hat)),
        "other thing held": replace(scene, held=other(HELD, scene.held)),
        "other neckwear": replace(scene, neckwear=other(NECKWEAR, scene.neckwear)),
        "other pose": replace(scene, pose=other(world.POSES, scene.pose)),
        "other mark": replace(scene, character=replace(who, mark=other(MARKS, who.mark))),
        "other background": replace(scene, background=other(BACKGROUNDS, scene.background)),
    }


def measured(first: Image.Image, second: Image.Image) -> tuple[int, Comparison]:
    """Return bits and what the comparison says."""
    bits = distance(phash(first.convert("L")), phash(second.convert("L")))

    def details() -> tuple[Pixels, Pixels]:
        return detailed_image(first), detailed_image(second)

    return bits, compare(small_square(first), small_square(second), details)


def measure(scenes: int, seed: int) -> dict[tuple[str, str], list[tuple[int, Comparison]]]:
    """Compare every scene with its copies and variants."""
    rng = random.Random(seed)
    found: dict[tuple[str, str], list[tuple[int, Comparison]]] = defaultdict(list)
    for _ in range(scenes):
        scene = world.sample_scene(rng, world.MASCOT)
        size = rng.choice([(512, 512), (512, 768), (768, 512)])
        picture = world.draw(scene, size)
        for name, edit in COPIES.items():
            found["copy", name].append(measured(picture, edit(picture)))
        for name, changed in variants(scene, rng).items():
            found["variant", name].append(measured(picture, world.draw(changed, size)))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'kind':8} {'what':20} {'bits':>9} {'difference':>17} {'hash':>5} {'both':>5}  of")
    for (kind, name), pairs in measure(options.scenes, options.seed).items():
        bits = [count for count, _ in pairs]
        looked = [comparison for count, comparison in pairs if count <= RADIUS]
        near = [comparison.difference for comparison in looked]
        spread = f"{np.median(near):.3f} .. {max(near):.3f}" if kind == "copy" and near else ""
        if kind == "variant" and near:
            spread = f"{min(near):.3f} .. {np.median(near):.3f}"
        same = sum(comparison.same for comparison in looked)
        span = f"{int(np.median(bits))} .. {max(bits)}"
        print(f"{kind:8} {name:20} {span:>9} {spread:>17} {len(near):5} {same:5}  {len(pairs)}")


if __name__ == "__main__":
    main()
