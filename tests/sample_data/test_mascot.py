"""The mascot's folder: every file is what `truth.json` says it is."""

import itertools
import json
from pathlib import Path
from typing import Any

import imagehash
import pytest
from PIL import Image, ImageOps

MASCOT = Path(__file__).parents[2] / "sample_data" / "mascot"
TRUTH: dict[str, Any] = json.loads((MASCOT / "truth.json").read_text(encoding="utf-8"))
FILES: dict[str, dict[str, Any]] = TRUTH["files"]
UNREADABLE = ("truncated", "not_an_image")


def seen(name: str) -> Image.Image:
    """Open a file as a viewer shows it: upright and on white."""
    with Image.open(MASCOT / "10_mochi" / name) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    page = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    return Image.alpha_composite(page, upright).convert("RGB")


def named(*kinds: str) -> list[str]:
    return [name for name, entry in FILES.items() if entry["kind"] in kinds]


def test_truth_lists_exactly_the_files() -> None:
    assert set(FILES) == {path.name for path in (MASCOT / "10_mochi").iterdir()}
    assert len(named("exact")) == 3
    assert len(named("near")) == 5
    assert TRUTH["trigger"] == "mochi"


@pytest.mark.parametrize("name", [n for n in FILES if FILES[n]["kind"] not in UNREADABLE])
def test_size_and_defining_tags(name: str) -> None:
    entry = FILES[name]
    assert seen(name).size == (entry["width"], entry["height"])
    assert set(TRUTH["defining_tags"]) <= set(entry["tags"])


@pytest.mark.parametrize("name", named(*UNREADABLE))
def test_broken_files_are_broken(name: str) -> None:
    with pytest.raises(OSError, match=r"truncated|cannot identify"):
        seen(name)


@pytest.mark.parametrize("name", named("exact"))
def test_exact_duplicates_have_the_same_bytes(name: str) -> None:
    folder = MASCOT / "10_mochi"
    assert (folder / name).read_bytes() == (folder / FILES[name]["of"]).read_bytes()


@pytest.mark.parametrize("name", named("near"))
def test_near_duplicates_are_near(name: str) -> None:
    copy, original = seen(name), seen(FILES[name]["of"])
    if FILES[name]["how"] == "mirrored":
        copy = ImageOps.mirror(copy)
    assert imagehash.phash(copy) - imagehash.phash(original) <= 6


def test_originals_are_far_apart() -> None:
    hashes = {name: imagehash.phash(seen(name)) for name in named("original", "blurry", "tiny")}
    closest = min(hashes[a] - hashes[b] for a, b in itertools.combinations(hashes, 2))
    assert closest > 10


def test_one_photo_lies_on_its_side() -> None:
    turned = next(name for name, entry in FILES.items() if entry["how"] == "turned")
    with Image.open(MASCOT / "10_mochi" / turned) as image:
        assert image.getexif()[0x0112] == 6
        assert image.size == (FILES[turned]["height"], FILES[turned]["width"])
