"""The plan, counted from the project, and the trainer, which reads the export, count the same."""

from pathlib import Path

import pytest

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box
from prep.ops import export, plan, scan
from prep.ops.plan import PlanSettings
from prep.project import Project
from tests.conftest import MakeImage
from train.config import TrainSettings
from train.data.dataset import Schedule, split_validation
from train.data.reading import read_dataset

SIZES = [(64, 64), (96, 64), (64, 96)]


def summary_of(stream: list[events.Event]) -> dict[str, object]:
    last = stream[-1]
    assert isinstance(last, events.Finished)
    return last.summary


@pytest.fixture
def several(project: Project, make_image: MakeImage) -> Project:
    """Return a project of two concepts, regularisation images, copies and crops."""
    for number in range(11):
        size = SIZES[number % 3]
        make_image(f"10_mochi/{number}.png", number, size, caption="mochi, hat")
    make_image("10_mochi/copy.png", 3, SIZES[0], caption="mochi")
    for number in range(5):
        make_image(f"3_style/{number}.png", 40 + number, SIZES[number % 2], caption="sty")
    for number in range(3):
        make_image(f"2_bear/{number}.png", 60 + number, SIZES[number], caption="bear")
    list(scan.run(project))
    with Index(project) as index:
        change = crop_change("dataset/3_style/1.png", [], [Box(0, 0, 0.7, 1), Box(0.3, 0, 0.7, 1)])
        Journal(index).apply("crop", [change])
    return project.saved(
        {
            "project": {"resolution": 64},
            "buckets": {"step": 16, "minimum": 32},
            "concepts": {"2_bear": {"regularization": True}},
        }
    )


@pytest.mark.parametrize("fraction", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_steps_of_the_plan_are_those_of_the_trainer(
    several: Project, fraction: float, processes: int
) -> None:
    table = {
        "batch_size": 3,
        "gradient_accumulation": 2,
        "epochs": 2,
        "validation_fraction": fraction,
        "devices": processes,
    }
    project = several.saved({"train": table})
    exported = summary_of(list(export.run(project)))
    planned = list(plan.run(project))
    assert not any("may differ by" in event.message for event in warned(planned))

    settings = TrainSettings.from_project(project)
    data = read_dataset(Path(str(exported["dataset_toml"])), settings)
    train, held = split_validation(data, settings)
    schedule = Schedule.make(train, settings, processes)
    found = summary_of(planned)
    assert found["steps"] == schedule.steps
    assert found["steps_per_epoch"] == schedule.steps_per_epoch
    assert found["exposures"] == sum(image.repeats for image in train)
    assert found["held_out"] == len(held)
    assert bool(held) == bool(fraction)


def warned(found: list[events.Event]) -> list[events.Warned]:
    return [event for event in found if isinstance(event, events.Warned)]


def unsure(project: Project) -> bool:
    return any("may differ by" in event.message for event in warned(list(plan.run(project))))


def test_the_plan_says_so_when_the_export_is_out_of_date(
    several: Project, make_image: MakeImage
) -> None:
    # Repeats of 10 and 3 in batches of one: which images are held out decides the steps.
    project = several.saved({"train": {"validation_fraction": 0.2, "batch_size": 1}})
    assert unsure(project)
    list(export.run(project))
    assert not unsure(project)
    make_image("10_mochi/new.png", 90, SIZES[0], caption="mochi")
    list(scan.run(project))
    assert unsure(project)


def test_the_plan_reads_the_settings_of_the_trainer() -> None:
    """The trainer owns these settings; the plan reads some of them by the same rules."""
    for name, field in PlanSettings.model_fields.items():
        theirs = TrainSettings.model_fields[name]
        assert field.default == theirs.default, name
        assert field.metadata == theirs.metadata, name
        # FieldInfo has no equality: those within a type are compared as they are written.
        assert repr(field.annotation) == repr(theirs.annotation), name
