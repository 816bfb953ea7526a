"""The training set of a run is its own: whatever is exported, changed or moved later."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from prep.events import Finished
from prep.ops import export, scan
from prep.project import Project
from prep.training_set.manifest import FILE_NAME
from tests.conftest import draw_numbered
from tests.train.projects import small_project
from train.config import TrainSettings
from train.data.reading import read_dataset
from train.job.frozen import freeze, is_same


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path / "mochi")


def exported(project: Project, **options: object) -> Path:
    summary = list(export.run(project, export.ExportOptions.model_validate(options)))[-1]
    assert isinstance(summary, Finished)
    return Path(str(summary.summary["dataset_toml"]))


def test_a_kept_training_set_is_read_as_the_export_was(project: Project, tmp_path: Path) -> None:
    list(scan.run(project))
    Image.new("L", (64, 64), 0).save(project.dataset / "10_mochi" / "0-masklabel.png")
    list(scan.run(project))
    original = exported(project, masks="folder")
    kept = freeze(original, tmp_path / "job")
    settings = TrainSettings()
    one, other = read_dataset(original, settings), read_dataset(kept, settings)
    assert one.fingerprint == other.fingerprint
    assert [i.origin for i in one.images] == [i.origin for i in other.images]
    assert all(image.path.is_relative_to(tmp_path / "job") for image in other.images)
    assert all(i.mask and i.mask.file.is_relative_to(tmp_path / "job") for i in other.images)
    picture = other.images[0].path
    assert picture.stat().st_nlink == 2, "it takes no space"
    # People change captions in place; this one is the run's own.
    caption = one.images[0].path.with_suffix(".txt")
    caption.write_text("something else")
    assert read_dataset(kept, settings).fingerprint == one.fingerprint
    assert shutil.move(tmp_path / "job", tmp_path / "moved")
    moved = read_dataset(tmp_path / "moved" / "dataset" / "dataset.toml", settings)
    assert moved.fingerprint == one.fingerprint


def test_kept_training_sets_are_told_apart(project: Project, tmp_path: Path) -> None:
    list(scan.run(project))
    one = freeze(exported(project), tmp_path / "one")
    same = freeze(exported(project), tmp_path / "two")
    (same.parent / FILE_NAME).write_text("{}")  # says what an export has written, and when
    assert is_same(one, same)
    caption = project.dataset / "10_mochi" / "0.txt"
    caption.write_text("mochi, dear")  # as long as before
    list(scan.run(project))
    assert not is_same(one, freeze(exported(project), tmp_path / "three"))
    draw_numbered(7, (64, 64)).save(project.dataset / "10_mochi" / "2.png")
    caption.write_text("mochi, bear")
    list(scan.run(project))
    assert not is_same(one, freeze(exported(project), tmp_path / "four"))


def test_files_are_copied_where_there_are_no_hard_links(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not here")

    monkeypatch.setattr(os, "link", refuse)
    list(scan.run(project))
    original = exported(project)
    kept = freeze(original, tmp_path / "job")
    images = read_dataset(kept, TrainSettings()).images
    assert [image.path.stat().st_nlink for image in images] == [1, 1]
    assert is_same(kept, freeze(original, tmp_path / "other"))
