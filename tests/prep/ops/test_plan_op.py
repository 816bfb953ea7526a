"""The plan as an operation: what it says, warns of, proposes and writes."""

from typing import Any

import pytest

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.images.crops import Box
from prep.ops import buckets, plan, scan
from prep.ops.plan import PlanOptions, step_settings
from prep.project import Project
from tests.conftest import MakeImage


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
    assert "1 of 1 images of mochi has no caption" in text
    assert "no trigger word" in text
    assert "1 of 1 images is smaller" in text
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
    unset = step_settings(project)
    assert (unset.batch_size, unset.gradient_accumulation) == (2, 1)
    assert (unset.epochs, unset.max_steps) == (10, 0)
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


def test_a_mix_shows_each_tag_in_its_share_of_the_exposures(
    project: Project, make_image: MakeImage
) -> None:
    for number in range(10):
        described = "" if number < 6 else "\nmochi, A bear sits on the beach."
        make_image(f"10_mochi/{number}.png", number, caption=f"mochi, hat{described}")
    list(scan.run(project))
    mix = {"tags": 0.25, "sentence": 0.5, "both": 0.0, "trigger": 0.25}
    concepts = {"10_mochi": {"trigger": "mochi", "repeats": 4}}
    changed = project.saved({"concepts": concepts, "train": {"caption_mix": mix}})
    found = run(changed, PlanOptions(by="tag"))
    told = [(e.name, e.exposures) for e in found if isinstance(e, events.Exposure)]
    # Without a sentence a caption shows its tags in 0.25 of 0.5, with one in 0.25 of 1.
    assert told == [("mochi", 40), ("hat", round(24 / 2 + 16 / 4))]
    (warning,) = [e for e in found if isinstance(e, events.Warned) and "mix" in e.message]
    assert "a sentence in 50% of the exposures, and 6 of 10 captions have none" in warning.message
    assert warning.hint == "Describe them: shikomi caption"
    without = changed.saved({"concepts": {"10_mochi": {"trigger": ""}}})
    warnings = [e.message for e in run(without) if isinstance(e, events.Warned)]
    said = [message for message in warnings if "mix" in message]
    assert ["the trigger alone in 25%" in message for message in said] == [False, True]


def test_exposures_by_tag_bucket_and_image(project: Project, make_image: MakeImage) -> None:
    changed = two_concepts(project, make_image)

    def lines(by: Any) -> list[tuple[str, int, int, str]]:
        found = run(changed, PlanOptions(by=by))
        told = [e for e in found if isinstance(e, events.Exposure)]
        assert {e.by for e in told} == {by}
        return [(e.name, e.images, e.exposures, e.note) for e in told]

    assert lines("tag") == [
        ("Hat", 16, 132, ""),
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
    for weight in (0, 200):  # the search for repeats would not end
        with pytest.raises(ConfigError, match=f"3_style cannot be {weight:g}"):
            run(changed, PlanOptions(balance=True, weight={"3_style": weight}))
    with pytest.raises(ConfigError, match="--weight requires"):
        run(changed, PlanOptions(weight={"3_style": 2}))
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
