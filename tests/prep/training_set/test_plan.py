from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.images.buckets import Buckets
from prep.images.crops import Box
from prep.ops import buckets, plan, scan
from prep.ops.plan import PlanOptions, step_settings
from prep.project import Project
from prep.training_set.plan import PlanItem, StepSettings, make_plan
from prep.training_set.plan.breakdown import breakdown
from prep.training_set.plan.split import held_out
from tests.conftest import MakeImage

NONE = "(no tags)"
SIZE = st.sampled_from([(512, 512), (512, 768), (768, 512), (900, 300)])
ITEM = st.builds(PlanItem, st.sampled_from(["a", "b"]), st.integers(1, 5), SIZE)
NAMED = st.builds(
    PlanItem,
    st.sampled_from(["a", "b"]),
    st.integers(1, 5),
    SIZE,
    st.booleans(),
    st.sampled_from(["picture", "copy", "c1", "c2", "c3", "c4"]),
    st.sampled_from(["a.png", "b.png", "c.png"]),
    st.lists(st.sampled_from(["hat", "Hat", "smile"]), max_size=3).map(tuple),
)
SETTINGS = st.builds(
    StepSettings,
    batch_size=st.integers(1, 8),
    gradient_accumulation=st.integers(1, 4),
    epochs=st.integers(1, 5),
    max_steps=st.integers(0, 50),
)
BUCKETS = Buckets((512, 512))


@dataclass
class Epoch:
    """What a trainer does in one epoch, played through without any formula."""

    shown: list[PlanItem]
    held: list[PlanItem]
    batches: list[list[PlanItem]]
    steps: int


def play(items: list[PlanItem], settings: StepSettings, processes: int, fraction: float) -> Epoch:
    """Show every image, fill batches, deal them to the devices, gather them to steps."""
    regular = [item for item in items if item.regularization]
    others = [item for item in items if not item.regularization]
    shown = [item for item in others for _ in range(item.repeats)]
    matched: list[PlanItem] = []
    wanted, turn = len(shown), 0
    while regular and wanted and len(matched) < wanted:
        for item in regular:
            matched += [item] * (1 if turn else item.repeats)
            if len(matched) >= wanted:
                break
        turn += 1
    if not wanted:
        matched = [item for item in regular for _ in range(item.repeats)]
    held = held_out([item.content for item in others], fraction, 7)
    shown = [item for item in shown + matched if item.content not in held]
    queues: dict[tuple[int, int], list[PlanItem]] = {}
    for item in shown:
        queues.setdefault(BUCKETS.fit(item.size).bucket, []).append(item)
    batches = []
    for queue in queues.values():
        while queue:
            batches.append(queue[: settings.batch_size])
            del queue[: settings.batch_size]
    steps, waiting = 0, list(batches)
    while waiting:
        steps += 1
        for _ in range(settings.gradient_accumulation):
            del waiting[:processes]
    return Epoch(shown, [item for item in items if item.content in held], batches, steps)


@given(
    st.lists(NAMED, max_size=20), SETTINGS, st.integers(1, 3), st.sampled_from([0.0, 0.1, 0.3, 0.5])
)
def test_a_plan_is_what_a_played_epoch_does(
    items: list[PlanItem], settings: StepSettings, processes: int, fraction: float
) -> None:
    made = make_plan(items, BUCKETS, settings, processes, fraction, 7)
    epoch = play(items, settings, processes, fraction)

    limit = settings.max_steps or epoch.steps * settings.epochs
    assert made.steps_per_epoch == epoch.steps
    assert made.steps == min(limit, epoch.steps * settings.epochs)
    assert sum(made.batches.values()) == len(epoch.batches)
    assert made.exposures == sum(c.exposures for c in made.concepts) == len(epoch.shown)
    assert sum(c.held_out for c in made.concepts) == len(epoch.held)
    for seen in made.seen:
        assert seen.held_out == (seen.item in epoch.held)
    short = sum(len(batch) < settings.batch_size for batch in epoch.batches)
    batch_sum = made.arithmetic[len(made.concepts)]
    assert ("not full" in batch_sum) == bool(short)
    assert f"rounded up: {short} batch" in batch_sum or not short
    assert f"= {epoch.steps * settings.epochs} steps" in made.arithmetic[-1]

    # The same exposures, told apart by bucket, concept, image and tag.
    for by, names in (
        ("bucket", Counter("{}x{}".format(*BUCKETS.fit(i.size).bucket) for i in epoch.shown)),
        ("concept", Counter(item.concept for item in epoch.shown)),
        ("image", Counter(item.path for item in epoch.shown)),
        ("tag", Counter(tag for i in epoch.shown for tag in {t.lower() for t in i.tags} or [NONE])),
    ):
        told: Counter[str] = Counter()
        for line in breakdown(made, by):  # type: ignore[arg-type]  # the four values of By
            told[line.name.lower()] += line.exposures
            assert line.share == (round(line.exposures / made.exposures, 4) if names else 0)
        assert +told == names


@given(st.lists(st.integers(0, 40).map(str), max_size=30), st.floats(0, 0.5), st.integers(0, 5))
def test_a_picture_is_held_out_for_its_content_alone(
    contents: list[str], fraction: float, seed: int
) -> None:
    held = held_out(contents, fraction, seed)
    assert held <= set(contents)
    assert held == held_out([*reversed(contents), *contents], fraction, seed)
    pictures = len(set(contents))
    if fraction and pictures > 1:
        assert len(held) == max(1, round(pictures * fraction))
    else:
        assert not held


@given(st.lists(ITEM, min_size=1, max_size=8), st.integers(1, 12), st.integers(1, 3))
def test_regularisation_images_are_seen_as_often_as_all_others(
    items: list[PlanItem], regular: int, repeats: int
) -> None:
    added = [PlanItem("class", repeats, (512, 512), regularization=True)] * regular
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
        events.Concept("mochi", 25, 10, 250, folder="10_mochi"),
        events.Concept("style", 3, 1, 3, folder="1_style"),
    ]
    assert isinstance(last, events.Finished)
    lines = last.summary.pop("arithmetic")
    assert last.summary == {
        "images": 28,
        "exposures": 253,
        "held_out": 0,
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


def summary(found: list[events.Event]) -> dict[str, Any]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary


def two_concepts(project: Project, make_image: MakeImage) -> Project:
    for number in range(12):
        make_image(f"10_mochi/{number}.png", number, (512, 512), caption="mochi, hat")
    for number in range(4):
        make_image(f"3_style/{number}.png", 20 + number, (768, 512), caption="sty, Hat, sea")
    concepts = {"10_mochi": {"trigger": "mochi"}, "3_style": {"trigger": "sty"}}
    return project.saved({"concepts": concepts, "train": {"batch_size": 5, "epochs": 10}})


def test_exposures_by_tag_bucket_and_image(project: Project, make_image: MakeImage) -> None:
    changed = two_concepts(project, make_image)

    def lines(by: Any) -> list[tuple[str, int, int, str]]:
        found = run(changed, PlanOptions(by=by))
        told = [e for e in found if isinstance(e, events.Exposure)]
        assert {e.by for e in told} == {by}
        return [(e.name, e.images, e.exposures, e.note) for e in told]

    assert lines("tag") == [
        ("hat", 16, 132, ""),
        ("mochi", 12, 120, ""),
        ("sea", 4, 12, ""),
        ("sty", 4, 12, ""),
    ]
    assert lines("bucket") == [
        ("512x512", 12, 120, "24 batches"),
        ("640x384", 4, 12, "3 batches, one of them with 2 of 5"),
    ]
    assert lines("concept")[0] == ("mochi", 12, 120, "12 images x 10 repeats = 120 exposures")
    images = lines("image")
    assert len(images) == 16
    assert images[0] == ("dataset/10_mochi/0.png", 1, 10, "")


def test_balance_proposes_and_apply_writes_repeats(project: Project, make_image: MakeImage) -> None:
    changed = two_concepts(project, make_image)
    names = sorted(path.name for path in project.dataset.iterdir())
    found = run(changed, PlanOptions(balance=True))
    assert [e for e in found if isinstance(e, events.Proposal)] == [
        events.Proposal("10_mochi", 12, 10, 6, 120, 72),
        events.Proposal("3_style", 4, 3, 18, 12, 72),
    ]
    assert summary(found)["saved"] is False
    assert summary(found)["balanced_steps"] == (15 + 15) * 10
    assert Project.open(project.root).settings == changed.settings

    weights = {"3_style": 0.5}
    found = run(changed, PlanOptions(balance=True, apply=True, weight=weights))
    assert summary(found)["saved"] is True
    opened = Project.open(project.root)
    repeats = {folder: opened.concept(folder).repeats for folder in ("10_mochi", "3_style")}
    assert repeats["10_mochi"] * 12 == pytest.approx(2 * repeats["3_style"] * 4, rel=0.1)
    assert opened.concept("3_style").trigger == "sty"
    assert sorted(path.name for path in project.dataset.iterdir()) == names
    again = run(opened, PlanOptions(balance=True, apply=True, weight=weights))
    assert summary(again)["saved"] is False


def test_faults_of_balance_are_named(project: Project, make_image: MakeImage) -> None:
    changed = two_concepts(project, make_image)
    with pytest.raises(ConfigError, match="no concept folder 5_x"):
        run(changed, PlanOptions(balance=True, weight={"5_x": 2}))
    with pytest.raises(ConfigError, match="above 0"):
        run(changed, PlanOptions(balance=True, weight={"3_style": 0}))
    with pytest.raises(ConfigError, match="--balance"):
        run(changed, PlanOptions(apply=True))


def test_held_out_images_and_crops_count(project: Project, make_image: MakeImage) -> None:
    changed = two_concepts(project, make_image)
    changed = changed.saved({"train": {"validation_fraction": 0.25, "devices": 2}})
    found = run(changed)
    assert summary(found)["held_out"] == 4
    assert summary(found)["exposures"] < 132
    lines = summary(found)["arithmetic"]
    assert "held out) x" in lines[0] + lines[1]
    assert "(2 devices x 1 accumulated)" in lines[-2]
    assert sum(isinstance(e, events.Warned) and "may differ by" in e.message for e in found) == 1
    assert summary(run(changed, PlanOptions(validation_fraction=0)))["held_out"] == 0

    with Index(project) as index:
        boxes = [Box(0, 0, 0.5, 1), Box(0.5, 0, 0.5, 1)]
        Journal(index).apply("crop", [crop_change("dataset/10_mochi/0.png", [], boxes)])
    found = run(changed, PlanOptions(validation_fraction=0, by="image"))
    assert summary(found)["exposures"] == 142
    (first, *_) = [e for e in found if isinstance(e, events.Exposure)]
    assert (first.images, first.exposures, first.note) == (2, 20, "2 crops")


def test_a_plan_that_does_not_hang_on_the_draw_needs_no_word(
    project: Project, make_image: MakeImage
) -> None:
    for number in range(8):
        make_image(f"10_mochi/{number}.png", number, (512, 512), caption="mochi")
    found = run(project, PlanOptions(validation_fraction=0.25))
    assert summary(found)["held_out"] == 2
    assert not any(isinstance(e, events.Warned) and "may differ" in e.message for e in found)


def test_buckets_count_as_the_plan_does(project: Project, make_image: MakeImage) -> None:
    for number in range(5):
        make_image(f"10_mochi/{number}.png", number, (512, 512), caption="mochi")
        make_image(f"1_bear/{number}.png", 20 + number, (512, 768), caption="bear")
    make_image("10_mochi/odd.png", 9, (768, 512), caption="x").with_suffix(".txt").write_bytes(
        b"\xff"
    )
    settings = {"concepts": {"1_bear": {"regularization": True}}, "train": {"batch_size": 4}}
    changed = project.saved(settings)
    planned = run(changed, PlanOptions(by="bucket"))
    exposures = {e.name: e.exposures for e in planned if isinstance(e, events.Exposure)}
    placed = list(buckets.run(changed))
    found = {f"{b.width}x{b.height}": b for b in placed if isinstance(b, events.Bucket)}
    assert {name: bucket.exposures for name, bucket in found.items()} == exposures
    assert sum(exposures.values()) == 100
    assert sum(bucket.batches for bucket in found.values()) == summary(planned)["steps_per_epoch"]
    for told in (planned, placed):
        words = [event.message for event in told if isinstance(event, events.Warned)]
        assert any("can" in message and "read" in message for message in words)
