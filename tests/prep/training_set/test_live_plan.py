"""The plan that is counted while one types is the plan of ``shikomi plan``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import training_parts
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.events import Proposal
from prep.images.crops import Box
from prep.ops import plan as plan_op
from prep.ops import scan
from prep.ops.plan import PlanOptions, held_out_parts, plan_of, step_settings, with_repeats
from prep.project import Project
from prep.training_set.plan import Plan
from prep.training_set.plan.live import LivePlan

MakeImage = Callable[..., Path]


@pytest.fixture
def concepts(project: Project, make_image: MakeImage) -> Project:
    """Two concepts and regularisation images, in several buckets; two crops of one image."""
    sizes = [(512, 512), (640, 384), (384, 640), (512, 512), (300, 300)]
    for number in range(9):
        make_image(f"10_mochi/{number}.png", number, sizes[number % 5])
    for number in range(3):
        make_image(f"2_hats/{number}.png", 20 + number, sizes[number])
    for number in range(5):
        make_image(f"1_bear/{number}.png", 40 + number, sizes[number])
    project = project.saved({"concepts": {"1_bear": {"regularization": True}}})
    list(scan.run(project))
    with Index(project) as index:
        boxes = (Box(0, 0, 1, 0.6), Box(0, 0, 0.6, 1))
        Journal(index).apply("crop", [crop_change("dataset/10_mochi/0.png", (), boxes)])
    return project


def live(project: Project, held: list[bool] | None = None) -> LivePlan:
    with Index(project) as index:
        return LivePlan.of(project.buckets, training_parts.read(index), held)


def full(project: Project) -> Plan:
    with Index(project) as index:
        return plan_of(project, index.usable())


def told(plan: Plan) -> Any:
    return plan.concepts, plan.exposed, plan.steps, plan.epochs, plan.arithmetic


@pytest.mark.parametrize(
    "train",
    [
        {},
        {"batch_size": 4, "epochs": 3},
        {"batch_size": 3, "gradient_accumulation": 2, "max_steps": 17},
        {"batch_size": 2, "devices": 2},
    ],
)
@pytest.mark.parametrize("repeats", [{}, {"10_mochi": 3}, {"2_hats": 7, "1_bear": 4}])
def test_it_is_the_same_plan(
    concepts: Project, train: dict[str, int], repeats: dict[str, int]
) -> None:
    project = concepts.saved({"train": train}) if train else concepts
    changed = with_repeats(project, {folder: {"repeats": n} for folder, n in repeats.items()})
    settings = step_settings(changed)
    made = live(project).plan(changed, settings, settings.devices)
    assert told(made) == told(full(changed))
    assert made.steps > 0


def test_images_that_are_held_out_are_the_same(concepts: Project) -> None:
    project = concepts.saved({"train": {"validation_fraction": 0.3}})
    held = held_out_parts(project)
    assert sum(held) == 4
    settings = step_settings(project)
    made = live(project, held).plan(project, settings, settings.devices)
    assert told(made) == told(full(project))


def test_the_balance_is_that_of_the_verb(concepts: Project) -> None:
    events = plan_op.run(concepts, PlanOptions(balance=True))
    proposed = {e.folder: e.proposed for e in events if isinstance(e, Proposal)}
    assert live(concepts).even(concepts) == proposed
    assert set(proposed) == {"10_mochi", "2_hats"}


def test_an_empty_dataset_has_an_empty_plan(project: Project) -> None:
    list(scan.run(project))
    settings = step_settings(project)
    made = live(project).plan(project, settings, 1)
    assert (made.concepts, made.steps) == ((), 0)
    assert live(project).even(project) == {}
