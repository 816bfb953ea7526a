import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.buckets import Buckets
from prep.errors import ConfigError
from prep.ops import plan, scan
from prep.ops.plan import PlanOptions, step_settings
from prep.plan import Item, StepSettings, make_plan
from prep.project import Project
from tests.conftest import MakeImage

SIZE = st.sampled_from([(512, 512), (512, 768), (768, 512), (900, 300)])
ITEM = st.builds(Item, st.sampled_from(["a", "b"]), st.integers(1, 5), SIZE)


@given(
    st.lists(ITEM, max_size=20),
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 50),
    st.integers(1, 3),
)
def test_steps_are_those_of_a_simulated_run(
    items: list[Item], batch: int, gather: int, epochs: int, limit: int, processes: int
) -> None:
    buckets = Buckets((512, 512))
    settings = StepSettings(
        batch_size=batch, gradient_accumulation=gather, epochs=epochs, max_steps=limit
    )
    made = make_plan(items, buckets, settings, processes)

    queues: dict[tuple[int, int], int] = {}
    for item in items:
        bucket = buckets.fit(item.size).bucket
        queues[bucket] = queues.get(bucket, 0) + item.repeats
    batches = sum(len(range(0, count, batch)) for count in queues.values())
    steps = 0
    for _epoch in range(epochs):
        mine = math.ceil(batches / processes)
        while mine > 0 and not (limit and steps == limit):
            mine -= gather
            steps += 1
    assert made.steps == steps
    assert sum(made.batches.values()) == batches
    assert sum(c.exposures for c in made.concepts) == sum(item.repeats for item in items)
    assert str(steps) in made.arithmetic[-1]


@given(st.lists(ITEM, min_size=1, max_size=8), st.integers(1, 12), st.integers(1, 3))
def test_regularisation_images_are_seen_as_often_as_all_others(
    items: list[Item], regular: int, repeats: int
) -> None:
    added = [Item("class", repeats, (512, 512), regularization=True)] * regular
    made = make_plan([*items, *added], Buckets((512, 512)), StepSettings(batch_size=1, epochs=1))
    wanted = sum(item.repeats for item in items)
    (concept,) = [c for c in made.concepts if c.matched is not None]
    # The last image to be taken keeps its repeats, as in sd-scripts.
    assert wanted <= concept.exposures < wanted + repeats
    assert made.steps == wanted + concept.exposures
    assert "repeated or cut" in concept.arithmetic
    alone = make_plan(added, Buckets((512, 512)), StepSettings(batch_size=1, epochs=1))
    assert alone.steps == regular * repeats


def run(project: Project, options: PlanOptions | None = None) -> list[events.Event]:
    list(scan.run(project))
    return list(plan.run(project, options))


def test_a_plan_says_what_is_seen_and_how_often(project: Project, make_image: MakeImage) -> None:
    for number in range(25):
        make_image(f"10_mochi/{number}.png", number, (512, 512), caption="mochi, hat")
    for number in range(3):
        make_image(f"1_style/{number}.png", number, (512, 512), caption="hat")
    changed = project.saved(
        {
            "concepts": {"10_mochi": {"trigger": "mochi"}, "1_style": {"trigger": "sty"}},
            "train": {"batch_size": 4, "epochs": 3, "learning_rate": 1e-4},
        }
    )
    *found, last = run(changed)
    assert [e for e in found if isinstance(e, events.Concept)] == [
        events.Concept("mochi", 25, 10, 250),
        events.Concept("style", 3, 1, 3),
    ]
    assert isinstance(last, events.Finished)
    lines = last.summary.pop("arithmetic")
    assert last.summary == {
        "images": 28,
        "exposures": 253,
        "steps_per_epoch": 64,
        "epochs": 3,
        "steps": 192,
    }
    assert lines[0] == "mochi: 25 images x 10 repeats = 250 exposures"
    warnings = [e.message for e in found if isinstance(e, events.Warned)]
    assert warnings == [
        "style has 3 images; a LoRA of so few copies them.",
        "3 captions of style lack the trigger word sty.",
    ]


def test_advice(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (64, 64))
    text = " ".join(e.message for e in run(project) if isinstance(e, events.Warned))
    assert "1 of 1 images of mochi have no caption" in text
    assert "no trigger word" in text
    assert "1 of 1 images are smaller" in text
    # Regularisation images need neither a trigger word nor many friends.
    changed = project.saved({"concepts": {"10_mochi": {"regularization": True}}})
    text = " ".join(e.message for e in run(changed) if isinstance(e, events.Warned))
    assert "mochi" not in text


def test_an_empty_project_has_an_empty_plan(project: Project) -> None:
    *found, last = run(project)
    assert isinstance(last, events.Finished)
    assert (last.summary["steps"], last.summary["epochs"]) == (0, 0)
    assert any(isinstance(e, events.Warned) and "no usable images" in e.message for e in found)


def test_options_go_before_the_project(project: Project) -> None:
    changed = project.saved({"train": {"batch_size": 4, "max_steps": 100}})
    assert step_settings(changed).batch_size == 4
    chosen = step_settings(changed, PlanOptions(batch_size=8, max_steps=0))
    assert (chosen.batch_size, chosen.max_steps, chosen.epochs) == (8, 0, 10)


def test_faults_of_the_train_table_are_named(project: Project) -> None:
    changed = project.saved({"train": {"batch_size": 0, "epochs": "many", "other": 1}})
    with pytest.raises(ConfigError) as caught:
        list(plan.run(changed))
    assert "train.batch_size" in caught.value.message
    assert "train.epochs" in caught.value.message
    assert "other" not in caught.value.message
