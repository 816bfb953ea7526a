"""The simulator of shuffled captions: what it counts, and that it draws by the trainer's rules."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.captions.tokens import LIMITS, clip_tokenizer
from prep.dataset.index import Index
from prep.events.words import Encoded, TagPlace
from prep.ops import scan, shuffle
from prep.ops.shuffle import ShuffleOptions, _Tally
from prep.project import Project
from tests.conftest import MakeImage

LONG = "mochi, " + ", ".join(f"a very long tag number {n}" for n in range(20))


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/long.png", 1, caption=LONG)
    make_image("10_mochi/short.png", 2, caption="mochi, hat\nA second line.")
    make_image("10_mochi/none.png", 3)
    list(scan.run(project))
    return project.saved({"concepts": {"10_mochi": {"trigger": "mochi", "repeats": 2}}})


def simulated(
    project: Project, **options: Any
) -> tuple[dict[str, TagPlace], list[Encoded], dict[str, Any]]:
    stream = list(shuffle.run(project, ShuffleOptions(**options)))
    places = {event.tag: event for event in stream if isinstance(event, TagPlace)}
    samples = [event for event in stream if isinstance(event, Encoded)]
    assert isinstance(stream[-1], events.Finished)
    return places, samples, stream[-1].summary


def test_exposures_are_images_times_repeats_times_epochs(library: Project) -> None:
    places, samples, summary = simulated(library, epochs=7)
    assert (summary["captions"], summary["epochs"], summary["exposures"]) == (2, 7, 28)
    assert places["mochi"] == TagPlace("mochi", True, 28, 0, {"75": 0, "150": 0, "225": 0})
    assert summary["trigger_past"] == {"75": 0.0, "150": 0.0, "225": 0.0}
    assert summary["tags_past"] == {"75": 20, "150": 11, "225": 0}
    number = places["a very long tag number 3"]
    assert number.exposures == 14
    assert 0 < number.past["75"] < 14
    assert [sample.path for sample in samples] == [
        "dataset/10_mochi/long.png",
        "dataset/10_mochi/short.png",
    ]
    assert samples[0].text.startswith("mochi, ")
    assert clip_tokenizer().count(samples[0].text) == 75
    assert samples[0].lost
    assert (samples[1].text, samples[1].lost, samples[1].count) == ("mochi, hat", "", 3)


def test_a_mix_shows_parts_of_captions(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi, hat\nmochi, A bear sits on the beach.")
    list(scan.run(project))
    concepts = {"10_mochi": {"trigger": "mochi", "repeats": 5}}
    mix = {"tags": 0.5, "sentence": 0.25, "trigger": 0.25}
    changed = project.saved({"concepts": concepts, "train": {"caption_mix": mix}})
    stream = list(shuffle.run(changed, ShuffleOptions(epochs=80, samples=400)))
    assert not [e for e in stream if isinstance(e, events.Warned)]
    assert isinstance(stream[-1], events.Finished)
    assert (stream[-1].summary["exposures"], stream[-1].summary["empty"]) == (400, 0)
    (trigger,) = [e for e in stream if isinstance(e, TagPlace)]
    assert (trigger.tag, trigger.exposures, trigger.dropped) == ("mochi", 400, 0)
    simulation = shuffle._Simulation(changed, ShuffleOptions(epochs=80), 75)
    with Index(changed) as index:
        list(simulation.run(index.select("")))
    shown = simulation._tally.shown
    assert shown["hat"] / 400 == pytest.approx(0.5, abs=0.08)
    assert shown["a bear sits on the beach."] / 400 == pytest.approx(0.25, abs=0.08)


def test_huge_repeats_are_simulated_in_part(
    library: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffle, "_MOST", 100)
    many = library.saved({"concepts": {"10_mochi": {"repeats": 100_000}}})
    places, _, summary = simulated(many)
    assert (summary["epochs"], summary["exposures"]) == (1, 100)
    assert places["mochi"].exposures == 100


def test_an_unkept_trigger_falls_behind(library: Project) -> None:
    places, _, summary = simulated(library, keep=0, epochs=20)
    assert places["mochi"].past["75"] > 0
    assert summary["trigger_past"]["75"] == round(places["mochi"].past["75"] / 80, 4)
    _, _, still = simulated(library, keep=0, shuffle=False)
    assert still["trigger_past"]["75"] == 0


def test_dropout(library: Project) -> None:
    places, _, summary = simulated(library, dropout=0.5, tag_dropout=0.25, epochs=50)
    assert 60 < summary["empty"] < 140
    assert places["mochi"].exposures == 200 - summary["empty"]
    number = places["a very long tag number 3"]
    assert number.exposures + number.dropped == 100
    assert 20 < number.exposures < 60
    _, samples, summary = simulated(library, dropout=1.0)
    assert (samples, summary["empty"], summary["exposures"]) == ([], 40, 40)


def test_the_training_table_decides_what_is_not_given(library: Project) -> None:
    train = {"caption_dropout": 1.0, "max_token_length": 150}
    _, _, summary = simulated(library.saved({"train": train}))
    assert summary["empty"] == summary["exposures"]
    assert summary["limit"] == 150
    _, _, summary = simulated(library.saved({"train": train}), dropout=0.0, limit=75)
    assert (summary["empty"], summary["limit"]) == (0, 75)


def test_runs_repeat_themselves_by_seed(library: Project) -> None:
    assert simulated(library) == simulated(library)
    assert simulated(library, seed=1) != simulated(library, seed=2)


def test_marks_that_are_not_read_as_marks(library: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/marks.png", 5, caption="mochi ||| {red|blue} hat, bow\nA bear.")
    list(scan.run(library))

    def warned(**options: Any) -> list[str]:
        stream = shuffle.run(library, ShuffleOptions(**options))
        return [event.message for event in stream if isinstance(event, events.Warned)]

    assert len(warned()) == 3
    assert warned(separator="|||", wildcards=True) == []
    (only,) = warned(separator="|||", wildcards=True, shuffle=False)
    assert "|||" in only
    _, samples, _ = simulated(
        library, separator="|||", wildcards=True, samples=9, where="name:marks", epochs=9
    )
    assert {sample.text for sample in samples} <= {
        "mochi, red hat, bow", "mochi, blue hat, bow", "mochi, bow, red hat",
        "mochi, bow, blue hat", "A bear.",
    }  # fmt: skip


@given(
    st.lists(st.sampled_from(["smile", ":)", "(a)", "it's", "a b", "q'", "日", "^_^"]), max_size=9)
)
def test_positions_are_those_of_the_whole_caption(tags: list[str]) -> None:
    tokenizer, tally = clip_tokenizer(), _Tally()
    assert tally.add(tags, tokenizer) == tokenizer.count(", ".join(tags))
    assert set(tally.past) == set(LIMITS)
