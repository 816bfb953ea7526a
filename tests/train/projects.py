"""A project to train on."""

from pathlib import Path

from prep.project import Project
from prep.project.creation import initialise
from tests.conftest import draw_numbered


def small_project(
    folder: Path, concept: str = "10_mochi", size: tuple[int, int] = (64, 64)
) -> Project:
    """Make a project with two captioned images and buckets that suit the tiny base model."""
    made = initialise(folder)
    images = made.dataset / concept
    images.mkdir()
    for number in range(2):
        draw_numbered(number, size).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text("mochi, bear")
    return made.saved({"project": {"resolution": 64}, "buckets": {"step": 16, "minimum": 32}})
