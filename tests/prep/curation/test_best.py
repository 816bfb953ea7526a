"""Which version is kept: sharpness that is nearly equal decides nothing."""

import random
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prep import events
from prep.curation.duplicates.best import KeepRanking
from prep.dataset.index import ImageRow
from prep.project import Project
from tests.prep.curation.duplicate_sets import Save, run, saving
from tests.prep.pictures import busy, scene

SHARPNESS = st.floats(0.001, 10)
CLOSE = st.floats(1 / 1.7, 1.7)
"""How much sharper a JPEG seems than the PNG that it was made from, measured on many pictures."""
FORMATS = st.sampled_from(["PNG", "JPEG", "WEBP"])


def version(name: str, file_format: str) -> ImageRow:
    return ImageRow(
        1, name, "10_mochi", 9, 9, 64, 64, file_format, 1, False, 1, None, name, None, None, None
    )


def ranking(sharpness: Mapping[str, float]) -> KeepRanking:
    return KeepRanking(Project.open(Path()), sharpness)


@given(st.lists(st.tuples(SHARPNESS, FORMATS), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(
    versions: list[tuple[float, str]], rng: random.Random
) -> None:
    rows = [version(f"{n}", file_format) for n, (_, file_format) in enumerate(versions)]
    judge = ranking({f"{n}": sharp for n, (sharp, _) in enumerate(versions)})
    first = judge.best_first(rows)
    rng.shuffle(rows)
    assert judge.best_first(rows) == first


@given(SHARPNESS, CLOSE, st.lists(st.tuples(SHARPNESS, FORMATS), max_size=5))
def test_a_jpeg_never_wins_over_its_png(
    sharp: float, factor: float, others: list[tuple[float, str]]
) -> None:
    rows = [version("a", "JPEG"), version("its original", "PNG")]
    rows += [version(f"other {n}", file_format) for n, (_, file_format) in enumerate(others)]
    known = {"a": sharp * factor, "its original": sharp}
    known |= {f"other {n}": each for n, (each, _) in enumerate(others)}
    names = [row.path for row in ranking(known).best_first(rows)]
    assert names.index("its original") < names.index("a")


@given(SHARPNESS, st.floats(1.8, 50))
def test_a_clearly_sharper_version_wins_in_any_format(sharp: float, factor: float) -> None:
    judge = ranking({"soft": sharp, "crisp": sharp * factor})
    rows = judge.best_first([version("soft", "PNG"), version("crisp", "JPEG")])
    assert [row.path for row in rows] == ["crisp", "soft"]
    assert judge.why_kept(rows) == "the sharpest, and otherwise no worse"


def test_what_is_sharper_among_others_parts_no_two_that_are_alike() -> None:
    sharpness = {"a": 0.2, "its original": 0.15, "crisp": 0.3}
    rows = [version("a", "JPEG"), version("its original", "PNG"), version("crisp", "JPEG")]
    judge = ranking(sharpness)
    assert judge.best_first(rows)[0].path == "its original"
    assert "PNG loses less than JPEG" in judge.why_kept(judge.best_first(rows))


def grainy() -> Image.Image:
    """A picture with grain on a part of it, whose JPEG seems much sharper: 1.6 times."""
    ramp = np.tile(np.linspace(0, 200, 900), (900, 1))
    ramp[:, :600] += np.random.default_rng(1).normal(0, 25, (900, 600))
    return Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("quality", [20, 60, 80, 95])
def test_of_real_files_the_png_is_kept(project: Project, quality: int) -> None:
    save: Save = saving(project)
    pictures = [*map(scene, range(1, 9)), *map(busy, range(1, 5)), grainy()]
    for number, picture in enumerate(pictures):
        save(f"{number}.jpg", picture, quality=quality)
        save(f"{number} original.png", picture)
    found = [event for event in run(project) if isinstance(event, events.Group)]
    kept = {Path(event.keep).name for event in found}
    others = set(chain.from_iterable(event.images for event in found)) - {e.keep for e in found}
    assert kept == {f"{number} original.png" for number in range(len(pictures))}
    assert {Path(path).name for path in others} == {f"{n}.jpg" for n in range(len(pictures))}
