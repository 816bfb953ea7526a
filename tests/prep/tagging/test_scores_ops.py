"""Thresholds tried and taggers compared, from stored scores alone."""

from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

from prep import events
from prep.dataset.index import Index
from prep.errors import ConfigError, UserError
from prep.ops import compare, tag, thresholds
from prep.ops.compare import CompareOptions
from prep.ops.tag import TagOptions
from prep.ops.thresholds import ThresholdOptions
from prep.project import Project
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.recommended import Recommended
from prep.tagging.models.tables import GENERAL, TagTable
from prep.tagging.scores import taggers
from prep.tagging.scores.presets import PRESETS
from tests.prep.scored import TABLE, add_scores, scored, summary

SCORES = {
    "a": {"safe": 0.9, "smile": 0.32, "hat": 0.9, "mochi_(game)": 0.8},
    "b": {"bold": 0.9, "smile": 0.6, "hat": 0.31, "long_hair": 0.33},
    "c": {"safe": 0.9, "smile": 0.2},
}


def tried(project: Project, **options: Any) -> list[events.Event]:
    return list(thresholds.run(project, ThresholdOptions(**options)))


def shifts(found: list[events.Event]) -> dict[str, tuple[int, int, int, int]]:
    return {
        e.tag: (e.before, e.after, e.added, e.removed)
        for e in found
        if isinstance(e, events.TagShift)
    }


def test_other_thresholds_are_counted_by_tag_and_by_image(project: Project) -> None:
    scored(project, SCORES)
    found = tried(project, general=0.3, character=0.8)
    assert shifts(found) == {
        "hat": (1, 2, 1, 0),
        "long hair": (0, 1, 1, 0),
        "mochi (game)": (0, 1, 1, 0),
        "smile": (1, 2, 1, 0),
    }
    result = summary(found)
    assert result["instead"] == "general 0.3 instead of 0.35, character 0.8 instead of 0.85"
    assert (result["added"], result["gaining"], result["removed"]) == (4, 2, 0)
    assert (result["before"], result["after"], result["changed"]) == (2, 6, 2)
    raised = tried(project, general=0.7)
    assert shifts(raised) == {"smile": (1, 0, 0, 1)}
    assert (summary(raised)["losing"], summary(raised)["gaining"]) == (1, 0)


def test_single_tags_and_the_best_have_their_own(project: Project) -> None:
    scored(project, SCORES)
    found = tried(project, tags={"Smile": 0.1})
    assert shifts(found) == {"smile": (1, 3, 2, 0)}
    assert summary(found)["instead"] == "Smile 0.1"
    assert shifts(tried(project, tags={"mochi (game)": 0.9}, character=0.5)) == {}
    assert shifts(tried(project, general=0.3, top=1)) == {}
    (warned,) = [e for e in tried(project, tags={"smyle": 0.3}) if isinstance(e, events.Warned)]
    assert "smyle" in warned.message
    assert "smile" in warned.hint
    saved = project.saved({"tagger": {"tags": {"smile": 0.1}}})
    assert summary(tried(saved))["before"] == 4
    assert shifts(tried(saved, tags={"smile": 0.3})) == {"smile": (3, 2, 0, 1)}


def test_a_sweep_shows_how_many_tags_there_would_be(project: Project) -> None:
    scored(project, SCORES)
    sweep = {e.general: e for e in tried(project, sweep=True) if isinstance(e, events.Sweep)}
    assert [sweep[step].tags for step in (0.1, 0.3, 0.35, 0.8)] == [6, 5, 2, 1]
    assert (sweep[0.3].none, sweep[0.8].none) == (1, 2)
    assert sweep[0.1].per_image == 2.0


def test_the_widest_gap_instead_of_thresholds(project: Project) -> None:
    scored(project, SCORES)
    found = tried(project, mcut=True)
    assert summary(found)["instead"] == "the widest gap instead of general 0.35, character 0.85"
    assert shifts(found) == {
        "hat": (1, 2, 1, 0),
        "long hair": (0, 1, 1, 0),
        "mochi (game)": (0, 1, 1, 0),
        "smile": (1, 2, 1, 0),
    }


def test_thresholds_are_those_that_the_tagger_recommends(project: Project) -> None:
    scored(project, SCORES)
    add_scores(project, "second", SCORES, general=0.3)
    assert summary(tried(project))["model"] == "second"  # used last
    assert summary(tried(project))["before"] == 5
    assert summary(tried(project, model="first"))["before"] == 2
    saved = project.saved({"tagger": {"general": 0.5}})
    assert summary(tried(saved))["before"] == 2


def test_several_taggers_are_tried_together(project: Project) -> None:
    scored(project, SCORES)
    add_scores(project, "second", {**SCORES, "a": {"smile": 0.9}})
    both = {"model": "first", "also": ["second"]}
    assert summary(tried(project, **both))["before"] == 3
    assert summary(tried(project, **both, combine="intersection"))["before"] == 1
    assert summary(tried(project, **both, combine="mean", general=0.45))["after"] == 3
    text = summary(tried(project, **both, general=0.2))["instead"]
    assert text == "general 0.2 instead of 0.35"


def test_what_is_not_scored_is_said(project: Project) -> None:
    with pytest.raises(UserError, match="No image has been tagged"):
        tried(project)
    scored(project, SCORES)
    with pytest.raises(UserError, match=r"no stored scores of a tagger third") as caught:
        tried(project, model="third")
    assert "first" in caught.value.hint
    add_scores(project, "second", {"a": SCORES["a"]})
    assert summary(tried(project))["unscored"] == 2
    with pytest.raises(ConfigError, match="None of these 2 images has scores of second"):
        tried(project, where="-name:a.png")
    assert summary(tried(project, where="name:a.png"))["images"] == 1


def test_recommended_thresholds_hold_without_the_files_of_the_tagger(project: Project) -> None:
    """They are kept with the scores: of categories, of single tags, and what is left out."""
    columns = tuple(0.1 if name == "smile" else nan for name in TABLE.names)
    advice = Recommended(0.5, 0.6, {"meta": 0.2}, ("artist",), columns)
    scored(project, {"a": {"smile": 0.15, "hat": 0.45, "mochi_(game)": 0.65}})
    with Index(project) as index:
        files = TaggerFiles("first", Path(), Path())
        taggers.note(index, files, "somebody/first", "key of first", advice)
        (one,) = taggers.stored(index)
        assert (one.recommended.general, one.recommended.character) == (0.5, 0.6)
        assert (one.recommended.categories, one.recommended.omitted) == ({"meta": 0.2}, ("artist",))
        kept = dict(zip(TABLE.names, one.recommended.columns, strict=True))
        assert kept["smile"] == pytest.approx(0.1)
        assert isnan(kept["hat"])
    asked = TagOptions(model="first", write="none")
    (found,) = (e for e in tag.run(project, asked) if isinstance(e, events.Tags))
    assert [name for name, _ in found.tags] == ["mochi_(game)", "smile"]
    # A threshold of one's own replaces those of all general tags, and of no others.
    changed = tried(project, general=0.4, character=0.6)
    assert shifts(changed) == {"hat": (0, 1, 1, 0), "smile": (1, 0, 0, 1)}
    assert "general 0.4" in str(summary(changed)["instead"])
    sweep = {e.general: e for e in tried(project, sweep=True) if isinstance(e, events.Sweep)}
    assert (sweep[0.1].tags, sweep[0.4].tags, sweep[0.8].tags) == (3, 2, 1)
    fixed = project.saved({"tagger": {"general": 0.4, "tags": {"smile": 0.1}}})
    assert summary(tried(fixed))["before"] == 3


def test_a_consensus_is_what_two_of_three_find(project: Project) -> None:
    names = PRESETS["consensus"].taggers
    table = TagTable((*TABLE.names, "newer"), (*TABLE.categories, GENERAL))
    scored(project, {"a": {}})
    votes: tuple[dict[str, float], ...] = (
        {"hat": 0.9, "smile": 0.9, "straw_hat": 0.3},
        {"hat": 0.9, "straw_hat": 0.3},
        {"straw_hat": 0.9, "smile": 0.9, "newer": 0.9},
    )
    for name, tags in zip(names, votes, strict=True):
        add_scores(project, name, {"a": tags}, table if name == names[2] else TABLE)
    asked = TagOptions(model="consensus", write="none")
    (found,) = (e for e in tag.run(project, asked) if isinstance(e, events.Tags))
    assert [name for name, _ in found.tags] == ["hat", "smile"]
    saved = project.saved({"tagger": {"model": "consensus"}})
    assert summary(tried(saved))["before"] == 2
    assert summary(tried(saved, combine="intersection"))["before"] == 1  # "newer": of all one
    assert summary(tried(saved))["model"] == ", ".join(names)
    # With lower thresholds, a third tag has two votes.
    assert summary(tried(saved, general=0.25))["after"] == 3
    with pytest.raises(ConfigError, match="A consensus needs two taggers"):
        tried(project, model="first", combine="consensus")


def test_taggers_are_known_by_several_names(project: Project) -> None:
    scored(project, SCORES)
    with Index(project) as index:
        (one,) = taggers.stored(index)
        assert (one.name, one.images, one.general) == ("first", 3, None)
        for name in ("first", "FIRST", "somebody/first", "key of"):
            assert one.is_called(name)
        assert not one.is_called("key")
        index.connection.execute("DELETE FROM tagger_names")  # stored by an older version
        assert taggers.stored(index)[0].name == "tagger key of f"
    found = list(compare.listed(project))
    assert isinstance(found[0], events.StoredScores)
    assert found[0].bytes == 3 * 8 * 2


def test_two_taggers_are_compared_where_both_know_a_tag(project: Project) -> None:
    scored(project, SCORES)
    table = TagTable(("smile", "Hat", "cap"), (GENERAL,) * 3)
    other = {"a": {"smile": 0.9, "cap": 0.9}, "b": {"smile": 0.9, "Hat": 0.9}, "c": {}}
    add_scores(project, "second", other, table)
    options = CompareOptions(model="first", also=("second",))
    found = list(compare.run(project, options))
    tags = {e.tag: (e.both, e.first, e.second) for e in found if isinstance(e, events.Agreement)}
    assert tags == {"hat": (0, 1, 1), "smile": (1, 0, 1)}
    images = [e for e in found if isinstance(e, events.ImageAgreement)]
    assert [(e.path[-5:], e.both, e.first, e.second) for e in images] == [
        ("a.png", 0, ["hat"], ["smile"]),
        ("b.png", 1, [], ["hat"]),
    ]
    result = summary(found)
    assert (result["shared"], result["both"], result["agreement"]) == (2, 1, 0.25)
    assert (result["first"], result["only_first"], result["only_second"]) == ("first", 1, 2)
    most = CompareOptions(model="first", also=("second",), sort="agreement", images=0)
    first = next(e for e in compare.run(project, most) if isinstance(e, events.Agreement))
    assert first.tag == "smile"
    with pytest.raises(ConfigError, match="two different taggers"):
        list(compare.run(project, CompareOptions(model="first", also=("somebody/first",))))


def test_categories_have_thresholds_of_their_own(project: Project) -> None:
    scored(project, {"a": {}})
    table = TagTable(("hat", "fate", "somebody"), (GENERAL, 3, 1))
    add_scores(project, "second", {"a": {"hat": 0.4, "fate": 0.4, "somebody": 0.4}}, table)
    assert shifts(tried(project, categories={"copyright": 0.5})) == {"fate": (1, 0, 0, 1)}
    with pytest.raises(ValueError, match="is not a category"):
        ThresholdOptions(categories={"character": 0.5})
