"""Runs the search for duplicates over pictures of a test, and reads what it found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from prep import events
from prep.ops import dupes, scan
from prep.ops.dupes import DupesOptions
from prep.project import Project

Save = Callable[..., Path]


def saving(project: Project) -> Save:
    """Return a function that puts a picture, and perhaps a caption, into the dataset."""

    def write(name: str, image: Image.Image, caption: str | None = None, **how: Any) -> Path:
        path = project.dataset / "10_mochi" / name
        image.save(path, **how)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption)
        return path

    return write


def run(project: Project, **options: object) -> list[events.Event]:
    list(scan.run(project))
    return list(dupes.run(project, DupesOptions.model_validate(options)))


def groups(found: list[events.Event]) -> dict[tuple[str, str], list[str]]:
    """The members of each group but the kept one, by reason and kept image; bare names."""
    return {
        (e.reason, Path(e.keep).name): [Path(p).name for p in e.images if p != e.keep]
        for e in found
        if isinstance(e, events.Group)
    }


def summary(found: list[events.Event]) -> dict[str, int]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def stages(found: list[events.Event]) -> set[str]:
    return {event.what for event in found if isinstance(event, events.Progress)}
