"""Thresholds that are tried: the same captions as a run of the tagger would write."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import UserError
from prep.ops.score_options import ScoreOptions
from prep.ops.threshold_trial import Chosen, ThresholdTrial, applied, of_categories, votes
from prep.project import Project
from tests.prep.scored import add_scores, scored

SCORES = {
    "a": {"hat": 0.9, "smile": 0.5, "mochi_(game)": 0.9},
    "b": {"hat": 0.4, "smile": 0.2},
    "c": {"hat": 0.1},
}


def tried(found: ThresholdTrial, options: ScoreOptions, chosen: Chosen | None = None) -> None:
    if chosen is not None:
        list(found.read(chosen))
    list(found.at(options))


def captions(project: Project) -> dict[str, str]:
    files = sorted(project.dataset.rglob("*.txt"))
    return {file.stem: file.read_text("utf-8") for file in files}


def after(found: ThresholdTrial) -> dict[str, str]:
    texts = {
        Path(image.path).stem: found.trial.after(place)
        for place, image in enumerate(found.trial.images)
    }
    return {name: text for name, text in texts.items() if text is not None}


@pytest.mark.parametrize("values", [{"general": 0.15}, {"general": 0.45}, {"character": 0.95}])
def test_what_is_tried_is_what_is_written(project: Project, values: dict[str, float]) -> None:
    scored(project, SCORES, {"a": "mine, hat", "c": "bow"})
    options = ScoreOptions.model_validate(of_categories(values))
    with Index(project) as index:
        applied(project, index, ScoreOptions(), Chosen())
        found = ThresholdTrial(project, index, ScoreOptions())
        tried(found, ScoreOptions(), Chosen())
        assert not found.trial.changed  # nothing differs from what is in force
        tried(found, options)
        foreseen = after(found)
        shifts = found.trial.shifts()
        before = captions(project)
        done = applied(project, index, options, Chosen())
    assert captions(project) == foreseen
    assert {Path(c.path).stem for c in done.changed} == {
        name for name in {*before, *foreseen} if foreseen.get(name) != before.get(name)
    }
    assert sum(gain + loss for _, gain, loss in shifts) > 0


def test_counts_are_those_of_the_newest_thresholds(project: Project) -> None:
    scored(project, SCORES, {})
    with Index(project) as index:
        applied(project, index, ScoreOptions(), Chosen())
        found = ThresholdTrial(project, index, ScoreOptions())
        tried(found, ScoreOptions(general=0.15), Chosen())
        assert found.trial.shifts() == [("smile", 1, 0)]
        assert [Path(found.trial.images[n].path).stem for n in found.trial.changed] == ["b"]
        tried(found, ScoreOptions(general=0.45))
        assert found.trial.shifts() == [("hat", 0, 1)]
        assert found.trial.difference(1) == (("hat",), ())
        tried(found, ScoreOptions())
        assert (found.trial.shifts(), found.trial.changed) == ([], [])


def test_a_try_that_is_given_up_loses_nothing(project: Project) -> None:
    scored(project, {f"i{n}": {"hat": 0.4, "smile": 0.2} for n in range(300)}, {})
    with Index(project) as index:
        found = ThresholdTrial(project, index, ScoreOptions())
        list(found.read(Chosen()))
        begun = found.at(ScoreOptions(general=0.15))
        assert next(begun) == 256
        assert len(found.trial.changed) == 256
        del begun
        tried(found, ScoreOptions(general=0.3))
        assert found.trial.shifts() == [("hat", 300, 0)]


def test_tags_that_were_removed_by_hand_stay_away(project: Project) -> None:
    scored(project, SCORES, {})
    with Index(project) as index:
        applied(project, index, ScoreOptions(), Chosen())
        (project.dataset / "10_mochi" / "a.txt").write_text("smile", "utf-8")
        found = ThresholdTrial(project, index, ScoreOptions())
        tried(found, ScoreOptions(general=0.05), Chosen())
        assert "hat" not in after(found)["a"].split(", ")


def test_scope_is_a_selection_or_a_filter(project: Project) -> None:
    scored(project, SCORES, {"b": "cat"})

    def tried_images(index: Index, chosen: Chosen) -> Sequence[str]:
        found = ThresholdTrial(project, index, ScoreOptions())
        list(found.read(chosen))
        return [Path(image.path).stem for image in found.trial.images]

    with Index(project) as index:
        ids = index.ids()
        assert tried_images(index, Chosen((ids[2], ids[0]))) == ["c", "a"]
        assert tried_images(index, Chosen((), "cat")) == ["b"]


def test_settings_and_captions_are_one_edit(project: Project) -> None:
    scored(project, SCORES, {})
    options = ScoreOptions(general=0.15, categories={"artist": 0.6})
    before = project.file.read_bytes()

    def take(index: Index, *, captions: bool) -> Outcome:
        return applied(project, index, options, Chosen(), captions=captions, settings=True)

    with Index(project) as index:
        done = take(index, captions=True)
        section = Project.open(project.root).settings.tagger
        assert (section.general, section.character) == (0.15, None)
        assert section.categories == {"artist": 0.6}
        assert captions(project)["b"] == "hat, smile"
        Journal(index).undo(done.edit)
        assert project.file.read_bytes() == before
        assert not captions(project)
        take(index, captions=False)
        assert not captions(project)
        assert Project.open(project.root).settings.tagger.general == 0.15


def test_several_taggers_vote(project: Project) -> None:
    scored(project, SCORES, {})
    add_scores(project, "second", {"a": {"hat": 0.9}, "b": {}, "c": {"bold": 0.3, "smile": 0.8}})
    both = ScoreOptions(model="first", also=("second",), combine="intersection")
    with Index(project) as index:
        found = votes(project, index, both, Chosen())
        assert (found["union"], found["intersection"], found["consensus"]) == (5, 1, 1)
        trial = ThresholdTrial(project, index, both)
        tried(trial, both, Chosen())
        assert after(trial) == {"a": "hat"}
        assert trial.options.also == ("second",)


def test_scores_are_spread_by_hundredths(project: Project) -> None:
    scored(project, SCORES, {})
    with Index(project) as index:
        found = ThresholdTrial(project, index, ScoreOptions())
        list(found.read(Chosen()))
        spread = found.trial.spread()
    assert {name: int(counts.sum()) for name, counts in spread.items()} == {
        "general": 5,
        "character": 1,
    }
    assert np.flatnonzero(spread["character"]).tolist() == [84]  # 0.8999 in float16


def test_without_scores_it_says_what_to_do(project: Project) -> None:
    with Index(project) as index, pytest.raises(UserError, match="tagged"):
        ThresholdTrial(project, index, ScoreOptions())
