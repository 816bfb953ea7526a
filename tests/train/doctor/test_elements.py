"""Unwanted elements: what nearly all images show, and captions do or do not name."""

from pathlib import Path
from typing import Any

import numpy as np

from prep.dataset.index import Index
from prep.events import Diagnosis
from prep.ops import scan
from prep.project import Project
from prep.system import jobs
from prep.tagging.models.obtain import GENERAL, RATING, TagTable
from prep.tagging.scores.store import ScoreStore
from tests.conftest import MakeImage
from tests.train.doctor.runs import config
from train.doctor.elements import unwanted_elements
from train.doctor.record import ImageRow, ImagesFile, RunRecord
from train.job.frozen import freeze

IMAGES = 10


def captioned(project: Project, make_image: MakeImage, *tags: str) -> RunRecord:
    for number in range(IMAGES):
        text = ", ".join(["mochi", "bear", *tags, f"own {number}"])
        make_image(f"10_mochi/{number}.png", number, caption=text)
    list(scan.run(project))
    project = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    return RunRecord(project, jobs.Job(project.jobs / "any"), "done", config(project))


def seen(record: RunRecord, **shares: float) -> None:
    """Let the tagger have found tags in these shares of the images."""
    names = ("general", *shares)
    table = TagTable(names, (RATING, *[GENERAL] * len(shares)))
    paths = [f"dataset/10_mochi/{number}.png" for number in range(IMAGES)]
    with Index(record.project) as index:
        index.put_contents((path, path) for path in paths)
        ScoreStore(index, "tagger", table).put(
            (path, scores(n, *shares.values())) for n, path in enumerate(paths)
        )


def scores(number: int, *shares: float) -> Any:
    found = [0.9 if number < share * IMAGES else 0.1 for share in shares]
    return np.array([0.9, *found], np.float32)


def diagnoses(record: RunRecord) -> list[Diagnosis]:
    return list(unwanted_elements(record))


def test_a_background_that_no_caption_names(project: Project, make_image: MakeImage) -> None:
    record = captioned(project, make_image)
    seen(record, bear=1.0, white_background=0.9, beach=0.5, long_hair=1.0)
    (found,) = diagnoses(record)
    assert found.state == "found"
    assert '"white background" in 90.0 % of the images, in 0.0 % of the captions' in found.evidence
    assert "beach" not in found.evidence
    assert "long hair" not in found.evidence  # the subject's own
    assert "without being prompted" in found.cause
    assert "--add 'white background'" in found.change


def test_the_copy_that_a_run_keeps_is_of_the_project(
    project: Project, make_image: MakeImage
) -> None:
    record = captioned(project, make_image)
    seen(record, white_background=1.0)
    export = project.output / "dataset" / "dataset.toml"
    export.parent.mkdir(parents=True)
    export.write_text("", "utf-8")
    assert record.run is not None
    record.run = record.run.model_copy(update={"dataset": freeze(export, record.job.directory)})
    (found,) = diagnoses(record)
    assert '"white background" in 100.0 % of the images' in found.evidence


def test_a_background_that_is_named_and_never_absent(
    project: Project, make_image: MakeImage
) -> None:
    record = captioned(project, make_image, "white background")
    seen(record, bear=1.0, white_background=1.0)
    (found,) = diagnoses(record)
    assert found.state == "found"
    assert "Named or not" in found.cause
    for number in range(3):  # named in most captions, and absent from some: both are known
        (project.dataset / f"10_mochi/{number}.txt").write_text("mochi, bear")
    list(scan.run(project))
    assert [told.state for told in diagnoses(record)] == ["fine"]


def test_a_subject_alone_is_fine(project: Project, make_image: MakeImage) -> None:
    record = captioned(project, make_image)
    seen(record, bear=1.0, white_background=0.5)
    (found,) = diagnoses(record)
    assert found.state == "fine"


def test_without_a_tagger_nobody_can_say(project: Project, make_image: MakeImage) -> None:
    (found,) = diagnoses(captioned(project, make_image))
    assert found.state == "unknown"
    assert "shikomi tag" in found.change


def test_a_project_without_captions_is_told_what_it_lacks(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1)
    list(scan.run(project))
    record = RunRecord(project, jobs.Job(project.jobs / "any"), "done", config(project))
    assert [found.state for found in diagnoses(record)] == ["unknown"]


def test_a_dataset_of_somebody_else_is_judged_by_its_captions(
    project: Project, tmp_path: Path
) -> None:
    run = config(project).model_copy(update={"dataset": tmp_path / "dataset.toml"})
    record = RunRecord(project, jobs.Job(project.jobs / "any"), "done", run)
    assert diagnoses(record)[0].state == "unknown"
    tags = {"10_a": {"bear": 40, "white background": 40}, "5_b": {"white background": 5}}
    rows = [ImageRow(path="a.png", folder="10_a")]
    folders = {"10_a": 40, "5_b": 40}
    record.images = ImagesFile(step=1, steps=2, images=rows, folders=folders, tags=tags)
    (found,) = diagnoses(record)
    assert found.state == "found"
    assert found.evidence == '10_a: "white background" in 100.0 % of the captions'
    record.images.tags["10_a"]["white background"] = 30
    assert diagnoses(record)[0].state == "unknown"
