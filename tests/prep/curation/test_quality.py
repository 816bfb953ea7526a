from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.images.buckets import Fit, Size
from prep.images.crops import Box, Rect
from prep.images.quality.kinds import KINDS, Values
from prep.images.quality.measures import measure
from prep.ops import edit, quality, scan
from prep.ops.quality import QualityOptions
from prep.project import Project
from tests.prep.pictures import scene


@pytest.fixture
def mixed(project: Project) -> Project:
    """Return a project with good, blurred, tiny and dark images."""
    folder = project.dataset / "10_mochi"
    for number in range(3):
        scene(number, (512, 512)).save(folder / f"good{number}.png")
    scene(0, (512, 512)).save(folder / "copy.png")
    scene(7, (512, 512)).filter(ImageFilter.GaussianBlur(4)).save(folder / "soft.png")
    scene(8, (160, 160)).save(folder / "tiny.png")
    scene(9, (512, 512)).point(lambda level: level * 0.12).save(folder / "dark.png")
    list(scan.run(project))
    return project


def run(project: Project, **options: object) -> list[events.Event]:
    return list(quality.run(project, QualityOptions.model_validate(options)))


def summary(found: list[events.Event]) -> dict[str, object]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def findings(found: list[events.Event]) -> list[tuple[str, str]]:
    return [
        (event.measure, event.path.rpartition("/")[2])
        for event in found
        if isinstance(event, events.Quality)
    ]


def test_findings_come_worst_first_and_explained(mixed: Project) -> None:
    found = run(mixed)
    told = [event for event in found if isinstance(event, events.Quality)]
    assert {("blur", "soft.png"), ("upscale", "tiny.png"), ("dark", "dark.png")} <= set(
        findings(found)
    )
    assert not any("good" in event.path or "copy" in event.path for event in told)
    severities = [KINDS[e.measure].severity(e.value, e.threshold) for e in told]  # type: ignore[index]
    assert severities == sorted(severities, reverse=True)
    (tiny,) = [event for event in told if event.measure == "upscale"]
    assert (tiny.value, tiny.threshold, tiny.part) == (3.2, 1.25, [0, 0, 160, 160])
    assert "enlarged 3.2 times to fill 512x512" in tiny.explanation
    assert summary(found)["measured"] == 7
    assert summary(found)["images"] == 3


def test_contents_are_measured_once(mixed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counting(file: Path, size: Size, rect: Rect, fit: Fit, *, alpha: bool) -> Values:
        calls.append(file.name)
        return measure(file, size, rect, fit, alpha=alpha)

    monkeypatch.setattr("prep.curation.quality.measure", counting)
    first = run(mixed)
    assert len(calls) == 6  # the copy has the content of good0
    (mixed.dataset / "10_mochi" / "good1.png").rename(mixed.dataset / "10_mochi" / "new.png")
    list(scan.run(mixed))
    assert findings(run(mixed)) == findings(first)
    assert len(calls) == 6
    # Another resolution is another measurement; going back costs nothing.
    larger = mixed.saved({"project": {"resolution": 640}})
    assert ("upscale", "tiny.png") in findings(run(larger))
    assert len(calls) == 12
    run(larger.saved({"project": {"resolution": 512}}))
    assert len(calls) == 12


def test_thresholds_come_from_the_project_and_flags(mixed: Project) -> None:
    strict = mixed.saved({"quality": {"upscale": 4.0, "skip": ["dark", "flat"]}})
    assert {name for name, _ in findings(run(strict))} == {"blur"}
    assert ("upscale", "tiny.png") in findings(run(strict, upscale=3))
    assert {name for name, _ in findings(run(strict, only=["dark"]))} == {"dark"}
    with pytest.raises(ConfigError, match="noise is not selected"):
        run(strict, only=["dark"], noise=3)
    with pytest.raises(ConfigError, match="--sort noise"):
        run(strict, only=["dark"], sort="noise")
    with pytest.raises(ConfigError, match=r"quality\.blur"):
        mixed.saved({"quality": {"blur": -1}})


def test_values_of_all_images_in_the_order_of_one_measure(mixed: Project) -> None:
    found = run(mixed, only=["blur"], all=True, sort="blur")
    told = [event for event in found if isinstance(event, events.Quality)]
    assert len(told) == 7
    assert told[0].path.endswith("soft.png")
    assert [event.found for event in told] == [True] + [False] * 6
    values = [event.value for event in told]
    assert values == sorted(values, reverse=True)
    by_path = run(mixed, only=["blur"], all=True, sort="path")
    paths = [event.path for event in by_path if isinstance(event, events.Quality)]
    assert paths == sorted(paths)
    assert findings(run(mixed, where="name:tiny")) == [("upscale", "tiny.png")]


def test_excluding_is_previewed_explained_and_undone(mixed: Project) -> None:
    def excluded() -> dict[str, str | None]:
        with Index(mixed) as index:
            return {row.path: row.excluded for row in index.select() if row.excluded}

    preview = run(mixed, exclude=True, dry_run=True, only=["blur", "upscale"])
    changes = [event for event in preview if isinstance(event, events.Change)]
    assert [change.path.rpartition("/")[2] for change in changes] == ["soft.png", "tiny.png"]
    assert excluded() == {}
    assert summary(preview)["excluded"] == 0

    found = run(mixed, exclude=True, only=["blur", "upscale"])
    assert summary(found)["excluded"] == 2
    reasons = excluded()
    assert reasons["dataset/10_mochi/tiny.png"] == "quality: upscale 3.2 (threshold 1.25)"
    assert summary(run(mixed, only=["blur", "upscale"]))["images"] == 0
    list(edit.undo(mixed))
    assert excluded() == {}
    with pytest.raises(ConfigError, match="--exclude"):
        run(mixed, dry_run=True)


def test_crops_are_measured_apart(mixed: Project) -> None:
    path = "dataset/10_mochi/good0.png"
    with Index(mixed) as index:
        boxes = [Box(0, 0, 0.2, 0.2), Box(0, 0, 1, 1)]
        Journal(index).apply("crop", [crop_change(path, [], boxes)])
    found = run(mixed, only=["upscale"], where="name:good0", exclude=True)
    (event,) = [event for event in found if isinstance(event, events.Quality)]
    assert event.part == [0, 0, 102, 102]
    assert summary(found)["measured"] == 2
    # Its other crop is good: the image stays.
    assert summary(found)["excluded"] == 0


def test_broken_files_are_told_and_marked(mixed: Project) -> None:
    file = mixed.dataset / "10_mochi" / "good2.png"
    data = bytearray(file.read_bytes())
    data[200:-100] = bytes(len(data) - 300)
    file.write_bytes(data)
    list(scan.run(mixed))
    found = run(mixed)
    skipped = [event.path for event in found if isinstance(event, events.Skipped)]
    assert skipped == ["dataset/10_mochi/good2.png"]
    assert summary(found)["measured"] == 6
    assert not any(isinstance(event, events.Skipped) for event in run(mixed))


def test_stopping_keeps_what_was_measured(mixed: Project) -> None:
    stream: Iterator[events.Event] = quality.run(mixed)
    for event in stream:
        if isinstance(event, events.Progress) and event.what == "measuring":
            break
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    with Index(mixed) as index:
        (count,) = index.connection.execute("SELECT count(*) FROM quality_values").fetchone()
    assert count >= 1


def test_an_empty_project(project: Project) -> None:
    list(scan.run(project))
    assert summary(run(project)) == {
        "images": 0,
        "measured": 0,
        "findings": {},
        "excluded": 0,
        "edit": 0,
    }


def test_transparency_is_no_exposure_fault(project: Project) -> None:
    picture = scene(4, (512, 512)).convert("RGBA")
    picture.putalpha(Image.radial_gradient("L").resize((512, 512)).point(lambda v: 255 - v))
    picture.save(project.dataset / "10_mochi" / "soft edge.png")
    list(scan.run(project))
    assert "clipped" not in {name for name, _ in findings(run(project))}


def chosen(project: Project, where: str) -> list[str]:
    with Index(project) as index:
        return [Path(row.path).stem for row in index.select(where)]


def test_filters_ask_for_findings(mixed: Project) -> None:
    for where in ("quality:any", "quality:none", "smile or quality:blur"):
        with pytest.raises(ConfigError) as told:
            chosen(mixed, where)
        assert "nothing has been measured" in told.value.message
        assert "shikomi quality" in told.value.hint
    run(mixed)
    assert chosen(mixed, "quality:blur") == ["soft"]
    assert chosen(mixed, "quality:upscale or quality:dark") == ["dark", "tiny"]
    assert chosen(mixed, "quality:any") == ["dark", "soft", "tiny"]
    assert chosen(mixed, "quality:none") == ["copy", "good0", "good1", "good2"]
    assert chosen(mixed, "-quality:any name:good") == ["good0", "good1", "good2"]
    assert chosen(mixed, "quality:text") == []
    with pytest.raises(ConfigError, match="did you mean blur"):
        chosen(mixed, "quality:blurry")


def test_filters_go_by_the_thresholds_and_the_size_of_the_project(mixed: Project) -> None:
    run(mixed)
    patient = mixed.saved({"quality": {"upscale": 4.0, "skip": ["dark", "flat"]}})
    assert chosen(patient, "quality:any") == ["soft"]
    assert chosen(patient, "quality:dark") == ["dark"]
    larger = patient.saved({"project": {"resolution": 640}})
    with pytest.raises(ConfigError, match="at this training size"):
        chosen(larger, "quality:none")


def test_filters_know_the_crops_that_were_measured(mixed: Project) -> None:
    path = "dataset/10_mochi/good0.png"
    with Index(mixed) as index:
        small, whole = Box(0, 0, 0.2, 0.2), Box(0, 0, 1, 1)
        Journal(index).apply("crop", [crop_change(path, [], [small, whole])])
        other = crop_change(path, [small, whole], [Box(0.5, 0.5, 0.25, 0.25), whole])
    run(mixed)
    assert "good0" in chosen(mixed, "quality:upscale")
    assert "good0" not in chosen(mixed, "quality:none")
    with Index(mixed) as index:
        Journal(index).apply("another crop", [other])
    # Half measured: neither with a finding nor surely without one.
    assert chosen(mixed, "name:good0 (quality:any or quality:none)") == []
