"""A corpus with planted duplicates: photographs and drawings, edited copies, and near misses.

Photographs come with scikit-image (and scikit-learn, when it is there); large ones give several
pictures that do not overlap. Drawings are scenes of the demo world, each with variants that
differ in one thing. Every file knows which picture it is of, and what was done to it.
"""

import importlib.util
import io
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from benchmarks.similarity import variants
from sample_data.make import world

Edit = Callable[[Image.Image, random.Random], Image.Image]
MISSING = (
    "This benchmark needs the photographs of scikit-image (and takes those of scikit-learn)."
    " Install them with: pip install scikit-image scikit-learn"
)
_PHOTOGRAPHS = (
    ("skimage", "data", "astronaut.png chelsea.png coffee.png rocket.jpg motorcycle_left.png"
     " motorcycle_right.png camera.png coins.png ihc.png hubble_deep_field.jpg"
     " retina.jpg brick.png grass.png gravel.png moon.png page.png clock_motion.png"),
    ("sklearn", "datasets/images", "china.jpg flower.jpg"),
)  # fmt: skip
_SMALLEST, _LARGEST = 240, 640
"""Shorter side of a picture that is kept, and longer side of one that is cut up."""


@dataclass(frozen=True)
class Planted:
    """One file of the corpus.

    Attributes:
        name: File name.
        picture: Number of the picture that it shows; variants are pictures of their own.
        edit: What was done to the original; ``original`` or ``variant``.
    """

    name: str
    picture: int
    edit: str


def photographs(rng: random.Random) -> Iterator[Image.Image]:
    """Yield pictures that do not overlap, RGB, each a random cut of its photograph.

    Raises:
        SystemExit: scikit-image is not there; says how to install it.
    """
    if importlib.util.find_spec("skimage") is None:
        raise SystemExit(MISSING)
    for package, folder, names in _PHOTOGRAPHS:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for name in names.split():
            with Image.open(Path(spec.origin).parent / folder / name) as image:
                yield from _cut_up(_random_cut(image.convert("RGB"), rng))


def _random_cut(image: Image.Image, rng: random.Random) -> Image.Image:
    """Cut up to a tenth off each side, so that another seed shows other pixels."""
    return _crop(image, *(rng.uniform(0, 0.1) for _ in range(4)))


def _cut_up(image: Image.Image) -> Iterator[Image.Image]:
    """Yield a picture, or its four quarters when it is large."""
    if max(image.size) <= _LARGEST or min(image.size) < 2 * _SMALLEST:
        yield image
        return
    width, height = image.width // 2, image.height // 2
    for left in (0, width):
        for top in (0, height):
            yield from _cut_up(image.crop((left, top, left + width, top + height)))


def _crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    w, h = image.size
    return image.crop(
        (round(left * w), round(top * h), round(w - right * w), round(h - bottom * h))
    )


def _written(image: Image.Image, rng: random.Random, height: float, *, corner: bool) -> Image.Image:
    """Write half-transparent words over a picture; ``height`` is a share of the shorter side."""
    ink, opacity = rng.choice([255, 255, 230, 20]), rng.randint(90, 170)
    layer = Image.new("RGBA", image.size, (ink, ink, ink, 0))
    pen = ImageDraw.Draw(layer)
    font = ImageFont.load_default(max(10, height * min(image.size)))
    words = rng.choice(_SIGNATURES if corner else _STAMPS)
    left, top, right, bottom = pen.textbbox((0, 0), words, font)
    margin = 0.03 * min(image.size)
    x, y = (image.width - (right - left)) / 2, (image.height - (bottom - top)) / 2
    if corner:
        x = rng.choice([margin, image.width - (right - left) - margin])
        y = rng.choice([margin, image.height - (bottom - top) - 2 * margin])
    pen.text((x, y), words, (ink, ink, ink, opacity), font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _one_side(image: Image.Image, rng: random.Random, share: float) -> Image.Image:
    sides = [0.0, 0.0, 0.0, 0.0]
    sides[rng.randrange(4)] = share
    return _crop(image, *sides)


def _hue(image: Image.Image, degrees: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    shift = round(degrees * 256 / 360)
    turned = hue.point([(v + shift) % 256 for v in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


def _tint(image: Image.Image, red: float, green: float, blue: float) -> Image.Image:
    pixels = np.asarray(image, np.float32) * (red, green, blue)
    return Image.fromarray(np.uint8(pixels.clip(0, 255)))


_SIGNATURES = ("(c) 2024 example.org", "@some_artist", "photo by nobody", "stock-site.example")
_STAMPS = ("SAMPLE", "PREVIEW", "do not copy")
EDITS: dict[str, Edit] = {
    "half the size": lambda i, _: i.resize((i.width // 2, i.height // 2)),
    "0.6 to 0.9 of the size": lambda i, r: _resized(i, r.uniform(0.6, 0.9)),
    "brighter, to 1.2": lambda i, r: ImageEnhance.Brightness(i).enhance(r.uniform(1.05, 1.2)),
    "darker, to 0.8": lambda i, r: ImageEnhance.Brightness(i).enhance(r.uniform(0.8, 0.95)),
    "watermark, corner": lambda i, r: _written(i, r, r.uniform(0.035, 0.06), corner=True),
    "watermark, middle": lambda i, r: _written(i, r, r.uniform(0.09, 0.15), corner=False),
    "crop 3 %, all sides": lambda i, _: _crop(i, 0.015, 0.015, 0.015, 0.015),
    "crop 3 %, one side": lambda i, r: _one_side(i, r, 0.03),
    "grey": lambda i, _: i.convert("L").convert("RGB"),
    "warmer or colder": lambda i, r: _tint(i, r.uniform(0.85, 1.08), 1.0, r.uniform(0.85, 1.08)),
    "paler": lambda i, r: ImageEnhance.Color(i).enhance(r.uniform(0.4, 0.7)),
    "hue, up to 25": lambda i, r: _hue(i, r.uniform(-25, 25)),
    "mirrored": lambda i, _: ImageOps.mirror(i),
    "turned 90": lambda i, _: i.transpose(Image.Transpose.ROTATE_90),
    "turned 180": lambda i, _: i.transpose(Image.Transpose.ROTATE_180),
    "mirrored and turned": lambda i, _: i.transpose(Image.Transpose.TRANSPOSE),
}
_TURNED_BACK = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How stored pixels lie so that this EXIF orientation turns them upright."""


def save(image: Image.Image, path: Path, quality: int = 92, orientation: int = 1) -> None:
    """Write a picture in the format of its suffix."""
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
        image = image.transpose(_TURNED_BACK[orientation])
    if path.suffix == ".jpg":
        image.save(path, quality=quality, exif=exif)
    elif path.suffix == ".webp":
        image.save(path, quality=quality)
    else:
        image.save(path, compress_level=1)


def _with_other_metadata(source: Path, target: Path) -> None:
    """Copy a file, its pixels untouched, with a comment more."""
    data = source.read_bytes()
    if source.suffix == ".jpg":
        note = b"another camera"
        target.write_bytes(
            data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:]
        )
    else:
        with Image.open(io.BytesIO(data)) as image:
            # Lossless formats: the same pixels in another container.
            image.save(target, lossless=True)


def make(folder: Path, scenes: int, seed: int, every: int = 1) -> list[Planted]:
    """Draw, edit and save; return what is what.

    Args:
        folder: Where to save.
        scenes: Number of drawings.
        seed: Of all choices.
        every: Take each n-th photograph only.
    """
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    found: list[Planted] = []
    pictures = list(photographs(rng))[::every]
    for number, picture in enumerate(pictures):
        found += _plant(folder, number, picture, rng)
    for number in range(len(pictures), len(pictures) + scenes):
        scene = world.sample_scene(rng, world.MASCOT if rng.random() < 0.7 else None)
        size = rng.choice([(512, 512), (512, 640), (640, 480)])
        found += _plant(folder, number, world.draw(scene, size), rng)
        for other, changed in enumerate(variants(scene, rng).values(), 1):
            name = f"{number:04}-variant{other}.png"
            save(world.draw(changed, size), folder / name)
            found.append(Planted(name, number + 10_000 * other, "variant"))
    return found


def cut(folder: Path, seed: int) -> set[str]:
    """Save photographs, and two crops of each under ``NUMBER crop…``; return the crops' names."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    names = set()
    for number, picture in enumerate(photographs(rng)):
        picture.save(folder / f"{number:04}.png", compress_level=1)
        for place in range(2):
            across = rng.uniform(0.35, 0.8)
            down = min(1.0, across * rng.uniform(0.8, 1.25))
            size = int(picture.width * across), int(picture.height * down)
            left = rng.randint(0, picture.width - size[0])
            top = rng.randint(0, picture.height - size[1])
            part = picture.crop((left, top, left + size[0], top + size[1]))
            if place:
                part = _resized(part, 1.4)
            part.save(folder / f"{number:04} crop{place}.jpg", quality=85)
            names.add(f"{number:04} crop{place}.jpg")
    return names


def _plant(folder: Path, number: int, image: Image.Image, rng: random.Random) -> list[Planted]:
    suffix = rng.choice([".jpg", ".jpg", ".png"])
    original = folder / f"{number:04}{suffix}"
    save(image, original)
    with Image.open(original) as opened:
        seen = opened.convert("RGB")
    made = {"original": original}
    made["byte copy"] = folder / f"{number:04} (1){suffix}"
    shutil.copyfile(original, made["byte copy"])
    made["other metadata"] = (
        folder / f"{number:04} metadata{'.webp' if suffix == '.png' else suffix}"
    )
    _with_other_metadata(original, made["other metadata"])
    made["EXIF turned"] = folder / f"{number:04} exif.jpg"
    save(seen, made["EXIF turned"], orientation=rng.choice([3, 6, 8]))
    made["JPEG, quality 60"] = folder / f"{number:04} q60.jpg"
    save(seen, made["JPEG, quality 60"], 60)
    for place, (name, edit) in enumerate(EDITS.items()):
        made[name] = folder / f"{number:04} e{place:02}{rng.choice(['.jpg', '.png', '.webp'])}"
        save(edit(seen, rng), made[name], 88)
    return [Planted(path.name, number, name) for name, path in made.items()]
