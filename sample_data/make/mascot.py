"""Draws the mascot's folder, `sample_data/mascot/10_mochi`, and writes down the truth about it.

Run `python -m sample_data.make.mascot`. The same files come out every time. Different originals
are kept so unlike each other that no sane duplicate finder can confuse them.
"""

import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import imagehash
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from sample_data.make.mascot_files import COPIES, ORIGINALS, TEXT, TEXT_FILE, Copy, Original
from sample_data.make.training import SAMPLE_DATA
from sample_data.make.world import MASCOT, Scene, draw, draw_cutout, sample_scene, tags

FOLDER = SAMPLE_DATA / "mascot" / "10_mochi"
TRUTH = SAMPLE_DATA / "mascot" / "truth.json"
TRIGGER = "mochi"
DEFINING_TAGS = [MASCOT.species, f"{MASCOT.colour}_body", str(MASCOT.mark)]
LEAST_DISTANCE = 11  # bits of a 64-bit pHash between any two originals, mirrored or not
ORIENTATION = 0x0112

Truth = dict[str, dict[str, Any]]


def choose_scenes(rng: random.Random) -> list[Scene]:
    """Pick a scene per original, all far apart for a perceptual hash."""
    chosen: list[Scene] = []
    seen: list[imagehash.ImageHash] = []
    for original in ORIGINALS:
        while True:
            free = sample_scene(rng, MASCOT)
            # As the base model knows its figures (`latents`): upright in the middle.
            placed = dataclasses.replace(free, size=0.95, shift=0.0, mirrored=False)
            scene = dataclasses.replace(placed, **original.fixed)
            picture = finished(scene, original)
            hashes = [imagehash.phash(p) for p in (picture, ImageOps.mirror(picture))]
            if all(h - other >= LEAST_DISTANCE for h in hashes for other in seen):
                break
        chosen.append(scene)
        seen += hashes
    return chosen


def finished(scene: Scene, original: Original) -> Image.Image:
    """Draw an original as it is seen on a white page."""
    if original.special == "cutout":
        cutout = draw_cutout(scene, original.size)
        page = Image.new("RGBA", cutout.size, (255, 255, 255, 255))
        return Image.alpha_composite(page, cutout).convert("RGB")
    picture = draw(scene, original.size)
    if original.special == "blurry":
        return picture.filter(ImageFilter.GaussianBlur(9))
    return picture


def write_image(picture: Image.Image, path: Path, quality: int = 88, **options: Any) -> None:
    """Save a picture in the format that its name says."""
    kinds = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
    kind = kinds[path.suffix.lower()]
    if kind == "PNG":
        options["optimize"] = True
    else:
        options["quality"] = quality
    picture.save(path, kind, **options)


def write_original(scene: Scene, original: Original) -> None:
    """Draw and save one original."""
    path = FOLDER / original.name
    if original.special == "cutout":
        write_image(draw_cutout(scene, original.size), path)
    elif original.special == "turned":
        # Stored lying on its side; orientation 6 says to turn it 90 degrees clockwise.
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        lying = finished(scene, original).transpose(Image.Transpose.ROTATE_90)
        write_image(lying, path, exif=exif)
    else:
        write_image(finished(scene, original), path)


def write_copy(copy: Copy) -> tuple[int, int] | None:
    """Make a file from another; returns its size, or None if it cannot be opened."""
    source, path = FOLDER / copy.of, FOLDER / copy.name
    data = source.read_bytes()
    if copy.how == "truncated":
        path.write_bytes(data[: len(data) * 2 // 5])
        return None
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if copy.how == "same":
        path.write_bytes(data)
        return picture.size
    changed = _change(picture, copy.how)
    write_image(changed, path, quality=50 if copy.how == "reencoded" else 88)
    return changed.size


def _change(picture: Image.Image, how: str) -> Image.Image:
    width, height = picture.size
    if how == "resized":
        return picture.resize((width * 3 // 5, height * 3 // 5), Image.Resampling.LANCZOS)
    if how == "cropped":
        x, y = round(width * 0.015), round(height * 0.015)  # 3 % of each dimension in all
        return picture.crop((x, y, width - x, height - y))
    if how == "brightened":
        return ImageEnhance.Brightness(picture).enhance(1.12)
    return ImageOps.mirror(picture) if how == "mirrored" else picture


def make() -> Truth:
    """Write all files and return what is true of each."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    truth: Truth = {}
    for original, scene in zip(ORIGINALS, choose_scenes(random.Random(TRIGGER)), strict=True):
        write_original(scene, original)
        kind = original.special if original.special in ("blurry", "tiny") else "original"
        truth[original.name] = _entry(kind, original.size, tags(scene), how=original.special)
    for copy in COPIES:
        size = write_copy(copy)
        kind = {"same": "exact", "truncated": "truncated"}.get(copy.how, "near")
        truth[copy.name] = _entry(kind, size, truth[copy.of]["tags"], copy.of, copy.how)
    (FOLDER / TEXT_FILE).write_text(TEXT, encoding="utf-8")
    truth[TEXT_FILE] = _entry("not_an_image", None, [])
    return truth


def _entry(
    kind: str, size: tuple[int, int] | None, true_tags: list[str], of: str = "", how: str = ""
) -> dict[str, Any]:
    width, height = size or (None, None)
    return {
        "kind": kind,
        "of": of or None,
        "how": how or None,
        "width": width,
        "height": height,
        "tags": true_tags,
    }


def main() -> None:
    """Draw the folder and write the truth."""
    truth = {"trigger": TRIGGER, "defining_tags": DEFINING_TAGS, "files": make()}
    text = json.dumps(truth, indent=1, ensure_ascii=False)
    TRUTH.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
