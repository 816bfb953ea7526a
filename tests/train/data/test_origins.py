"""What SDXL is told about each image: its size before the export scaled and cut it."""

from collections import deque
from pathlib import Path

import pytest
from PIL import Image

from prep.images.buckets import Fit
from prep.ops import export, scan
from prep.project import Project
from prep.training_set.manifest import FILE_NAME
from tests.train.projects import small_project
from train.config import TrainSettings
from train.data.dataset import TrainImage
from train.data.origins import Origin
from train.data.reading import read_dataset


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of two pictures of 300 x 200, whose bucket is 80 x 48."""
    return small_project(tmp_path / "project", "1_mochi", (300, 200))


def exported(project: Project) -> list[TrainImage]:
    deque(scan.run(project), 0)
    deque(export.run(project), 0)
    data = read_dataset(project.output / "dataset" / "dataset.toml", TrainSettings())
    return list(data.images)


def test_an_exported_image_remembers_its_source(project: Project) -> None:
    first, second = exported(project)
    assert first.size == first.fit.bucket == (80, 48)
    assert first.origin == second.origin == Origin((300, 200), (80, 53), (0, 2))


def test_a_changed_image_is_its_own_origin(project: Project) -> None:
    first, _ = exported(project)
    Image.new("RGB", first.size, "red").save(first.path)
    data = read_dataset(project.output / "dataset" / "dataset.toml", TrainSettings())
    changed, other = data.images
    assert changed.origin == Origin((80, 48), (80, 48), (0, 0))
    assert other.origin.size == (300, 200)


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "files": {}}'])
def test_a_damaged_manifest_is_no_reason_to_stop(project: Project, content: str) -> None:
    exported(project)
    folder = project.output / "dataset"
    (folder / FILE_NAME).write_text(content)
    data = read_dataset(folder / "dataset.toml", TrainSettings())
    assert {image.origin for image in data.images} == {Origin((80, 48), (80, 48), (0, 0))}


def test_the_place_of_a_mirrored_crop() -> None:
    origin = Origin.of_fit((120, 80), Fit((64, 64), (96, 64), 8, 0, 0.8))
    assert origin.corner_of((64, 64), flipped=False) == (8, 0)
    assert origin.corner_of((64, 64), flipped=True) == (24, 0)
