"""Hard, not learned, memorised: what a run noted of each image, beside the usual one."""

from typing import Any

import pytest

from tests.train.doctor.runs import a_round
from train.doctor.images import Usual, judged, verdict
from train.doctor.record import ImageRow


def row(name: str = "a", **values: Any) -> ImageRow:
    usual: dict[str, Any] = {
        "exposures": 30, "rated": 25, "relative": 1.0, "spread": 0.4, "first": 1.0, "last": 1.0
    }  # fmt: skip
    return ImageRow(path=f"{name}.png", folder="10_a", **usual | values)


def test_one_is_usual_however_many_times_an_image_is_shown() -> None:
    """The mean of a band is that of what is shown; what is usual is a matter of images."""
    rows = [row(str(n), relative=0.5, first=0.8, last=0.4, spread=0.2) for n in range(5)]
    often = row("often", relative=0.25, first=0.8, last=0.1, exposures=1000, rated=900)
    noise = row("noise", relative=5.0, first=5.0, last=5.0)
    regular = row("class", relative=90.0, regularization=True)
    found = {image.path: image for image in judged([*rows, often, noise, regular])}
    assert set(found) == {f"{name}.png" for name in ("0", "1", "2", "3", "4", "often", "noise")}
    usual = found["3.png"]
    assert (usual.relative, usual.spread, usual.first, usual.last) == (1.0, 0.4, 1.0, 1.0)
    assert found["often.png"].verdict == "memorised"
    assert found["noise.png"].verdict == "not learned"
    assert list(found) == ["noise.png", "0.png", "1.png", "2.png", "3.png", "4.png", "often.png"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"relative": 1.6}, ""),  # surely above 1.44
        ({"relative": 1.8, "first": 1.8, "last": 1.8}, "not learned"),
        ({"relative": 1.8, "first": 2.8, "last": 1.5}, "hard"),
        ({"relative": 1.8, "first": None, "last": 1.8}, "hard"),
        ({"relative": 1.8, "rated": 7}, ""),  # too few to say anything
        ({"relative": 1.75, "rated": 9}, ""),  # surely above 1.48
        ({"relative": 9.0, "rated": 7}, ""),
        ({"relative": 0.4, "spread": 0.1, "first": 0.42, "last": 0.4}, ""),  # easy from the start
        ({"relative": 0.6, "spread": 0.1, "first": 1.0, "last": 0.5}, "memorised"),
        ({"relative": 0.6, "spread": 0.1, "first": 1.0, "last": 0.5, "rated": 19}, ""),
        ({"relative": 0.6, "spread": 0.18, "first": 1.0, "last": 0.4}, "memorised"),  # just surely
        ({"relative": 0.6, "spread": 0.6, "first": 1.0, "last": 0.5}, ""),  # not surely
        ({"relative": 0.8, "spread": 0.1, "first": 1.0, "last": 0.75}, ""),
        ({"relative": None, "spread": None}, ""),
    ],
)
def test_verdicts(values: dict[str, Any], expected: str) -> None:
    assert verdict(row(**values)) == expected


def test_watched_images_are_judged_beside_those_held_out() -> None:
    assert verdict(row(), fall=0.7, held_out=0.2) == "memorised"
    assert verdict(row(), fall=0.5, held_out=0.2) == ""
    assert verdict(row(), fall=0.4, held_out=0.0) == ""
    before, now = a_round(0, 0.0, 0.0), a_round(9, 0.1, 0.1)
    before.trained.update({"own.png": 0.4, "b.png": 0.1})
    now.trained.update({"own.png": 0.1, "b.png": 0.09, "new.png": 1.0})
    found = judged([row("own"), row("b"), row("c")], [before, now])
    assert {image.path: image.verdict for image in found} == {
        "own.png": "memorised", "b.png": "", "c.png": ""
    }  # fmt: skip


def test_a_run_without_ratings_has_no_verdicts() -> None:
    rows = [row(str(n), rated=0, relative=None, spread=None, first=None, last=None) for n in (0, 1)]
    assert Usual.of(rows) == Usual(1.0, 1.0, 1.0)
    assert [image.verdict for image in judged(rows)] == ["", ""]
    mixed = judged([*rows, row("rated")])
    assert [image.path for image in mixed] == ["rated.png", "0.png", "1.png"]
