from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prep import language
from prep.images.buckets import Buckets
from prep.ops.plan import PlanOptions, PlanSettings
from prep.section import Section
from prep.training_set.plan import ConceptPlan, PlanItem, StepSettings, make_plan
from prep.training_set.plan.breakdown import breakdown
from prep.training_set.plan.split import held_out

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
    st.lists(st.sampled_from([("hat", 1.0), ("Hat", 1.0), ("smile", 1.0)]), max_size=3).map(tuple),
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


def _names(item: PlanItem) -> set[str]:
    return {tag.lower() for tag, _ in item.tags}


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
    assert f"= {epoch.steps * settings.epochs} step" in made.arithmetic[-1]
    ended = f"ended by max_steps at {made.steps}" in made.arithmetic[-1]
    assert ended == bool(settings.max_steps)
    gathers = settings.gradient_accumulation > 1 or processes > 1
    assert gathers == any("accumulated)" in line for line in made.arithmetic)

    # The same exposures, told apart by bucket, concept, image and tag.
    for by, names in (
        ("bucket", Counter("{}x{}".format(*BUCKETS.fit(i.size).bucket) for i in epoch.shown)),
        ("concept", Counter(item.concept for item in epoch.shown)),
        ("image", Counter(item.path for item in epoch.shown)),
        ("tag", Counter(tag for i in epoch.shown for tag in _names(i) or [NONE])),
    ):
        told: Counter[str] = Counter()
        for line in breakdown(made, by):  # type: ignore[arg-type]  # the four values of By
            told[line.name.lower()] += line.exposures
            assert line.share == (round(line.exposures / made.exposures, 4) if names else 0)
        assert +told == names


def test_the_sums_are_written_out() -> None:
    items = [PlanItem("mochi", 10, (512, 512))] * 3 + [PlanItem("mochi", 10, (512, 768))]
    settings = StepSettings(batch_size=4, gradient_accumulation=3, epochs=2, max_steps=3)
    assert make_plan(items, BUCKETS, settings, processes=2).arithmetic == [
        "mochi: 4 images x 10 repeats = 40 exposures",
        "40 exposures in 2 buckets, batch 4: 11 batches per epoch"
        " (each bucket rounded up: 2 batches not full)",
        "11 batches / (2 devices x 3 accumulated) = 2 steps per epoch, of up to 6 x 4 = 24 images;"
        " the last one gathers only 5 batches",
        "2 steps x 2 epochs = 4 steps, ended by max_steps at 3",
    ]
    settings = StepSettings(batch_size=8, gradient_accumulation=5, epochs=2)
    assert make_plan(items, BUCKETS, settings).arithmetic[1:] == [
        "40 exposures in 2 buckets, batch 8: 6 batches per epoch"
        " (each bucket rounded up: 2 batches not full)",
        "6 batches / (1 device x 5 accumulated) = 2 steps per epoch, of up to 5 x 8 = 40 images;"
        " the last one gathers only 1 batch",
        "2 steps x 2 epochs = 4 steps",
    ]
    settings = StepSettings(batch_size=10, gradient_accumulation=2, epochs=1)
    assert make_plan(items, BUCKETS, settings).arithmetic[1:3] == [
        "40 exposures in 2 buckets, batch 10: 4 batches per epoch (each bucket rounded up)",
        "4 batches / (1 device x 2 accumulated) = 2 steps per epoch, of up to 2 x 10 = 20 images",
    ]


def test_nothing_is_held_out_unasked_and_then_by_the_seed_of_the_settings() -> None:
    items = [PlanItem("mochi", 1, (512, 512), path=f"{number}.png") for number in range(20)]
    assert make_plan(items, BUCKETS, StepSettings()).exposures == 20
    unsaid = make_plan(items, BUCKETS, StepSettings(), validation_fraction=0.5)
    said = make_plan(
        items, BUCKETS, StepSettings(), validation_fraction=0.5, seed=PlanSettings().seed
    )
    assert unsaid == said


@pytest.mark.parametrize("made", [StepSettings, PlanOptions])
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("batch_size", 1, 1024),
        ("gradient_accumulation", 1, 1024),
        ("epochs", 1, 100_000),
        ("max_steps", 0, None),
    ],
)
def test_settings_and_options_have_the_same_limits(
    made: type[Section], name: str, least: int, most: int | None
) -> None:
    for good in (least, most or 10**9):
        assert made.model_validate({name: good})
    for bad in (least - 1, *([most + 1] if most else [])):
        with pytest.raises(ValidationError):
            made.model_validate({name: bad})


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


def test_images_that_are_held_out_say_so() -> None:
    items = [PlanItem("mochi", 3, (512, 512), path=f"{name}.png") for name in "dbac"]
    made = make_plan(items, BUCKETS, StepSettings(), validation_fraction=0.25)
    held = {seen.item.path for seen in made.seen if seen.held_out}
    lines = breakdown(made, "image")
    assert {line.name: line.note for line in lines if line.note} == dict.fromkeys(
        held, "held out for validation"
    )
    # The most frequent first, then by name.
    shown = sorted({"a.png", "b.png", "c.png", "d.png"} - held)
    assert [line.name for line in lines] == [*shown, *held]


def test_one_of_a_thing_is_written_as_one() -> None:
    one, two = ConceptPlan("a", 1, 1, None, 0, "1_a"), ConceptPlan("b", 2, 1, None, 0, "1_b")
    assert one.arithmetic == "a: 1 image x 1 repeat = 1 exposure"
    assert two.arithmetic == "b: 2 images x 1 repeat = 2 exposures"
    language.use("ja")
    assert language.translated(one.arithmetic) == "a：1 枚 x 繰り返し回数 1 = 延べ 1 枚"
    remark = "each bucket rounded up: 1 batch not full"
    assert language.translated(remark) == "バケットごとに切り上げ：端数のバッチ 1 個"
