"""Heads in a project: looked for once, reported by the check, spared by crops."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import Index
from prep.errors import RetryError, UserError
from prep.images.crops import Box
from prep.images.crops.heads import cut_heads
from prep.ops import check, crop, heads, scan
from prep.ops.check import CheckOptions
from prep.ops.crop import CropOptions
from prep.ops.heads import HeadOptions
from prep.project import Project
from prep.tagging import heads as looking
from prep.tagging.heads import Heads
from prep.tagging.models import detectors
from prep.tagging.runtime import detector
from prep.training_set.heads import head_cuts
from prep.training_set.trainers import TRAINERS
from tests.prep.ops.test_review import decide, save, titles, undo, waiting
from tests.prep.pictures import busy
from tests.prep.tiny_detectors import make_detector

FOLDER = "dataset/10_mochi"


@pytest.fixture
def drawn(project: Project) -> Project:
    """Return a project with a detector, and a tall image whose head the bucket cuts into."""
    make_detector(project.root / "detector", side=256)
    project = project.saved({"crops": {"head_detector": "detector"}})
    put(project, "high.png", (200, 0, 300, 80), (512, 700))
    put(project, "low.png", (200, 300, 300, 380), (512, 700))
    list(scan.run(project))
    return project


def put(
    project: Project, name: str, head: tuple[int, int, int, int], size: tuple[int, int], **more: Any
) -> Path:
    """Write a grey picture with a red head."""
    image = busy(1, size).convert("L").convert("RGB")
    image.paste((250, 10, 20), head)
    path = project.dataset / "10_mochi" / name
    image.save(path, **more)
    path.with_suffix(".txt").write_text("mochi", "utf-8")
    return path


def looked(project: Project, **options: Any) -> tuple[dict[str, events.Heads], dict[str, Any]]:
    found = list(heads.run(project, HeadOptions(**options)))
    last = found[-1]
    assert isinstance(last, events.Finished)
    told = [event for event in found if isinstance(event, events.Heads)]
    return {event.path.rpartition("/")[2]: event for event in told}, dict(last.summary)


def cut_by(project: Project, **options: Any) -> dict[str, str]:
    """Return what the check says of heads, by name."""
    found = check.run(project, CheckOptions(only=("head-cut",), **options))
    return {
        event.path.rpartition("/")[2]: f"{event.severity}: {event.message}"
        for event in found
        if isinstance(event, events.Finding)
    }


def boxes(project: Project, name: str) -> list[Box]:
    return list(stored_crops.stored_of_image(project, f"{FOLDER}/{name}"))


def cropped(project: Project, **options: Any) -> list[events.Event]:
    return list(crop.run(project, CropOptions(**options)))


def test_each_content_is_looked_at_once(drawn: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    found, summary = looked(drawn)
    assert found["high.png"].heads == [pytest.approx([200, 0, 300, 80], abs=2)]
    assert found["high.png"].scores == [0.9]
    assert found["high.png"].cut == ["the bucket cuts 26% of a head off"]
    assert found["low.png"].heads == [pytest.approx([200, 300, 300, 380], abs=2)]
    assert found["low.png"].cut == []
    assert summary["provider"] == "CPUExecutionProvider"
    assert (summary["heads"], summary["cut"]) == (2, 1)

    def refuse(*_: object) -> None:
        raise AssertionError("it was loaded again")

    monkeypatch.setattr(looking, "Detector", refuse)
    (drawn.dataset / "10_mochi/low.png").rename(drawn.dataset / "10_mochi/renamed.png")
    list(scan.run(drawn))
    found, summary = looked(drawn, cut=True)
    assert list(found) == ["high.png"]
    assert (summary["heads"], summary["provider"]) == (2, "")
    assert looked(drawn, threshold=0.95)[1]["heads"] == 0  # no second look for a threshold


def test_what_was_found_before_an_interruption_stays(
    drawn: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_the_first() -> Iterator[None]:
        for event in heads.run(drawn):
            if isinstance(event, events.Progress) and event.what == "heads" and event.done:
                yield

    next(until_the_first())
    seen: list[int] = []
    original = detector.Detector.heads

    def counted(self: Any, pixels: Any, sizes: Any) -> Any:
        seen.append(len(pixels))
        return original(self, pixels, sizes)

    monkeypatch.setattr(detector.Detector, "heads", counted)
    assert looked(drawn)[1]["heads"] == 2
    assert sum(seen) < 2


def test_another_detector_looks_anew(drawn: Project) -> None:
    assert looked(drawn)[1]["heads"] == 2
    make_detector(drawn.root / "detector", names=("face", "head"), head=0, side=256)
    assert looked(drawn)[1]["heads"] == 0
    assert looked(drawn, model="demo")[1]["model"] == "demo detector"
    assert looked(drawn)[1]["heads"] == 0  # the one of the project still counts


def test_the_check_names_image_and_share(drawn: Project) -> None:
    assert cut_by(drawn, trainer="shikomi") == {
        "high.png": "error: the bucket cuts 26% of a head off"
    }
    cropped(drawn, where="name:low", set=("0,0.45,1,0.5",), snap=False)
    cropped(drawn, where="name:high", set=("0,0,1,0.8", "0,0.5,1,0.5"))
    assert cut_by(drawn) == {"low.png": "error: the crop cuts 18% of a head off"}
    # Snapped, the first one would have begun 24 rows lower.
    assert boxes(drawn, "high.png")[0].y == 0
    cropped(drawn, where="name:high", set=("0.5,0,0.5,0.5", "0,0.5,1,0.5"))
    told = "crop 1 cuts 39% of a head off; crop 2 leaves the head out"
    assert cut_by(drawn)["high.png"] == f"error: {told}"


@pytest.mark.parametrize("trainer", TRAINERS)
def test_trainers_cut_the_pixels_that_they_read(drawn: Project, trainer: Any) -> None:
    """Stored on its side, with its head at the left end: the top, once it is turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    put(drawn, "turned.jpg", (0, 212, 80, 312), (700, 512), exif=exif, quality=95)
    list(scan.run(drawn))
    # All of them cut a strip off at both ends, sd-scripts those at the left and right.
    share = {"onetrainer": 35}.get(trainer, 26)
    assert cut_by(drawn, trainer=trainer)["turned.jpg"].startswith("error: the bucket cuts")
    with Index(drawn) as index:
        row = index.get(f"{FOLDER}/turned.jpg")
        assert row is not None
        [head] = Heads(index).of([row])[row.path]
    assert head.box.y == pytest.approx(0, abs=0.01)
    assert head.box.x == pytest.approx(0.39, abs=0.02)
    cuts = head_cuts(drawn, row, [head], (), trainer)
    assert [100 * each.cut.lost for each in cuts] == [pytest.approx(share, abs=3)]


def test_crops_spare_heads(drawn: Project) -> None:
    """Attention lies in a corner; without the head in its way, the crop would be there."""
    for number, left in enumerate((0, 150, 300, 450, 600, 750, 820)):
        put(drawn, f"wide{number}.png", (left, 40, left + 80, 140), (900, 500))
    list(scan.run(drawn))
    options = {"where": "name:wide", "aspect": "1:2"}
    cropped(drawn.saved({"crops": {"head_detector": ""}}), **options)
    before = {f"wide{n}.png": boxes(drawn, f"wide{n}.png") for n in range(7)}
    assert len(set(map(tuple, before.values()))) == 1  # always the middle
    for more in ({}, {"subject": True}, {"subject": True, "close": True, "aspect": ""}):
        cropped(drawn, **{**options, **more})
        with Index(drawn) as index:
            rows = [row for row in index.usable() if "wide" in row.path]
            known = Heads(index).of(rows)
        assert len(known) == 7
        for row in rows:
            found = boxes(drawn, row.path.rpartition("/")[2])
            assert len(known[row.path]) == 1
            assert len(found) == 1
            assert cut_heads(known[row.path], found) == [[]], (row.path, more)


def test_what_cannot_be_spared_is_not_proposed(drawn: Project) -> None:
    put(drawn, "large.png", (20, 20, 880, 480), (900, 500))
    list(scan.run(drawn))
    told = cropped(drawn, where="name:large", aspect="1:2")
    skipped = [event for event in told if isinstance(event, events.Skipped)]
    assert [event.reason for event in skipped] == ["No crop of this kind leaves its heads whole."]
    assert boxes(drawn, "large.png") == []
    with Index(drawn) as index:
        row = index.get(f"{FOLDER}/large.png")
        assert row is not None
        known = Heads(index).of([row])[row.path]
    usual = (320, 704)
    assert "usual" in crop.suggestions(drawn, row, usual)
    assert "usual" not in crop.suggestions(drawn, row, usual, known)
    warned = cropped(drawn, where="name:large", set=("0.5,0,0.5,1",))
    [warning] = [event for event in warned if isinstance(event, events.Warned)]
    assert "large.png: the crop cuts 44% of a head off" in warning.message


def test_without_a_detector_nothing_is_looked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detectors, "at_hand", lambda *_: pytest.fail("it was looked for"))
    put(project, "high.png", (200, 0, 300, 80), (512, 700))
    list(scan.run(project))
    assert cut_by(project) == {}
    cropped(project, subject=True)
    with Index(project) as index:
        assert index.connection.execute("SELECT count(*) FROM detectors").fetchone() == (0,)
    with pytest.raises(UserError, match="No head detector was chosen"):
        list(heads.run(project))


def test_a_missing_detector_is_told_and_not_downloaded(
    drawn: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    drawn = drawn.saved({"crops": {"head_detector": "head_detect_v1.6_s"}})
    found = list(check.run(drawn, CheckOptions(only=("head-cut",))))
    [warning] = [event for event in found if isinstance(event, events.Warned)]
    assert "head_detect_v1.6_s is not on this machine" in warning.message
    assert warning.hint == "Download it with: shikomi heads"
    assert not (tmp_path / "hub").exists()


def test_the_review_asks_about_heads_that_are_cut_off(drawn: Project) -> None:
    save(drawn, "wide.png", busy(5, (1600, 560)).convert("L").convert("RGB"))
    head, much = waiting(drawn, "cut")
    assert (head.title, head.stage) == ("high.png: the bucket cuts 26% of a head off", "")
    assert much.title == "wide.png loses 12%"
    assert [each for each in waiting(drawn, "check") if each.subject == "head-cut"] == []
    decide(drawn, head, "no")
    assert titles(waiting(drawn, "cut")) == [much.title]
    undo(drawn)
    decide(drawn, head, "fix")
    assert titles(waiting(drawn, "cut")) == [much.title]
    cropped(drawn, where="name:high", set=("0,0.5,1,0.5",))
    (again, _) = waiting(drawn, "cut")
    assert (again.title, again.stage) == ("high.png: the crop leaves the head out", "crop")
    with pytest.raises(RetryError, match=r"high\.png is cut differently by now"):
        decide(drawn, head, "fix")
