"""The queue of doubtful tags: what is asked, in which order, and what answers do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions, events
from prep.captions.layers import ManualEdits
from prep.captions.rules import Rules
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.tag_answers import answered, merged, packed, unpacked
from prep.errors import ConfigError
from prep.ops import doubt, edit, scan, tag
from prep.ops.doubt import DoubtOptions
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.tagging.models.tables import CHARACTER, GENERAL, TagTable
from tests.prep.scored import add_scores, scored, summary
from tui.cli import main

SCORES = {
    "a": {"safe": 0.9, "smile": 0.9, "hat": 0.01, "long_hair": 0.34, "mochi_(game)": 0.97},
    "b": {"smile": 0.36, "hat": 0.6, "straw_hat": 0.8},
    "c": {"smile": 0.9},
}
CAPTIONS = {"a": "hat, mochi (game)", "b": "smile, straw hat", "c": ""}


@pytest.fixture
def made(project: Project) -> Project:
    return scored(project, SCORES, CAPTIONS)


def asked(project: Project, **options: Any) -> list[tuple[str, str, str]]:
    list(scan.run(project))
    found = doubt.run(project, DoubtOptions(**options))
    return [(Path(e.path).stem, e.tag, e.reason) for e in found if isinstance(e, events.Doubt)]


def answer(project: Project, **options: Any) -> dict[str, object]:
    list(scan.run(project))
    return summary(list(doubt.run(project, DoubtOptions(**options))))


def caption(project: Project, name: str) -> str:
    return (project.dataset / "10_mochi" / f"{name}.txt").read_text("utf-8")


def test_the_greatest_disagreement_comes_first(made: Project) -> None:
    found = [e for e in doubt.run(made, DoubtOptions()) if isinstance(e, events.Doubt)]
    assert [(e.path[-5:], e.tag, e.reason, e.present) for e in found] == [
        ("a.png", "hat", "unseen", True),
        ("a.png", "smile", "missing", False),
        ("b.png", "hat", "missing", False),
        ("a.png", "long hair", "near", False),
        ("b.png", "smile", "near", True),
    ]
    assert [round(e.doubt, 2) for e in found] == [0.99, 0.92, 0.69, 0.4, 0.4]
    assert (found[0].score, found[0].threshold) == (0.01, 0.35)
    result = summary(list(doubt.run(made, DoubtOptions(limit=2))))
    assert (result["doubts"], result["shown"], result["images"]) == (5, 2, 2)
    assert result["reasons"] == {"missing": 2, "near": 2, "unseen": 1}


def test_the_queue_can_be_narrowed(made: Project) -> None:
    assert asked(made, limit=1) == [("a", "hat", "unseen")]
    assert asked(made, reason=["near"], where="name:b.png") == [("b", "smile", "near")]
    assert asked(made, about=["*hair", "HAT"], limit=0) == [
        ("a", "hat", "unseen"),
        ("b", "hat", "missing"),
        ("a", "long hair", "near"),
    ]
    assert asked(made, path=["dataset/10_mochi/b.png"], margin=0) == [("b", "hat", "missing")]
    assert asked(made, general=0.95, character=0.95, reason=["missing"]) == []


def test_where_doubts_begin(project: Project) -> None:
    scores = {"a": {"smile": 0.5, "hat": 0.5, "straw_hat": 0.625, "long_hair": 0.375}}
    made = scored(project, scores, {"a": "hat, straw hat, mochi (game)"})
    found = doubt.run(made, DoubtOptions(general=0.5, margin=0.125, character=0.5))
    # A score that equals its threshold reaches it; one that is a whole margin above is clear.
    assert [(e.tag, e.reason, e.doubt) for e in found if isinstance(e, events.Doubt)] == [
        ("mochi (game)", "unseen", 0.999),
        ("hat", "near", 0.5),
        ("smile", "missing", 0.5),
        ("long hair", "near", 0.0),
    ]
    assert asked(made, general=0.5, margin=0, character=0.001) == [("a", "smile", "missing")]


def test_many_images_are_looked_at_in_portions(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(doubt.run(made, DoubtOptions(limit=3)))
    monkeypatch.setattr("prep.tagging.scores.ensemble._PORTION", 1)
    assert list(doubt.run(made, DoubtOptions(limit=3))) == whole
    assert summary(whole)["shown"] == 3


def test_of_outputs_that_become_one_tag_the_surest_is_asked_about(made: Project) -> None:
    saved = made.saved({"captions": {"replace": {"straw hat": "hat"}}})
    (made.dataset / "10_mochi" / "b.txt").write_text("smile", "utf-8")
    list(scan.run(saved))
    found = doubt.run(saved, DoubtOptions(where="name:b.png", margin=0))
    assert [(e.tag, e.score) for e in found if isinstance(e, events.Doubt)] == [("hat", 0.8)]


def test_characters_of_next_to_nothing_are_cut_at_a_number(project: Project) -> None:
    made = scored(project, {"a": {}}, {"a": "momo, hat"})
    table = TagTable(("hat", "bow", "momo", "rin"), (GENERAL, GENERAL, CHARACTER, CHARACTER))
    add_scores(made, "second", {"a": {"hat": 0.75}}, table)
    found = doubt.run(made, DoubtOptions(model="second", mcut=True))
    (momo,) = [event for event in found if isinstance(event, events.Doubt)]
    assert (momo.tag, momo.threshold, momo.doubt) == ("momo", 0.15, 0.997)


def test_a_name_that_rules_drop_is_not_asked_about_by_its_series(made: Project) -> None:
    (made.dataset / "10_mochi" / "a.txt").write_text("hat", "utf-8")
    parted = made.saved({"tagger": {"expand_characters": True}})
    about = ["mochi", "game"]
    assert asked(parted, where="name:a.png", about=about) == [("a", "mochi", "missing")]
    dropped = parted.saved({"captions": {"drop": ["mochi"]}})
    assert asked(dropped, where="name:a.png", about=about) == []


def test_accepting_never_adds_a_tag_below_its_threshold(project: Project) -> None:
    made = scored(project, {"a": {"smile": 0.3499}}, {"a": "hat"})  # 0.350 when it is shown
    assert asked(made, reason=["near"]) == [("a", "smile", "near")]
    assert answer(made, accept=True, reason=["near"])["changed"] == 0
    assert caption(made, "a") == "hat"


def test_what_rules_explain_is_no_doubt(made: Project) -> None:
    (made.root / "implied.csv").write_text("straw hat,hat\n", "utf-8")
    saved = made.saved(
        {
            "captions": {"implications": "implied.csv", "replace": {"smile": "grin"}},
            "concepts": {"10_mochi": {"trigger": "mochi (game)", "prune": ["long hair"]}},
        }
    )
    (made.dataset / "10_mochi" / "b.txt").write_text("straw hat, grin", "utf-8")
    assert asked(saved) == [
        ("a", "hat", "unseen"),
        ("a", "grin", "missing"),
        ("b", "grin", "near"),
    ]


def test_sentences_say_tags_too(made: Project) -> None:
    text = "A girl with a wide smile sits on the beach, in the evening sun."
    (made.dataset / "10_mochi" / "a.txt").write_text(text, "utf-8")
    assert asked(made, where="name:a.png", margin=0) == [("a", "mochi (game)", "missing")]


def test_accepting_follows_the_tagger_and_undo_takes_it_back(made: Project) -> None:
    before = {name: caption(made, name) for name in "abc"}
    preview = answer(made, accept=True, reason=["missing", "unseen"], dry_run=True)
    assert (preview["answered"], preview["changed"], preview["edit"]) == (3, 2, 0)
    result = answer(made, accept=True, reason=["missing", "unseen"])
    assert (result["answered"], result["changed"], result["edit"]) == (3, 2, 1)
    assert captions.split(caption(made, "a")) == ["mochi (game)", "smile"]
    assert captions.split(caption(made, "b")) == ["smile", "straw hat", "hat"]
    assert [reason for _, _, reason in asked(made)] == ["near", "near"]
    list(edit.undo(made))
    assert {name: caption(made, name) for name in "abc"} == before
    assert len(asked(made)) == 5
    list(edit.redo(made))
    assert len(asked(made)) == 2


def test_rejecting_changes_no_caption_and_is_never_asked_again(made: Project) -> None:
    before = caption(made, "a"), caption(made, "b")
    result = answer(made, reject=True, limit=0)
    assert (result["answered"], result["changed"]) == (5, 0)
    assert asked(made) == []
    assert len(asked(made, decided=True)) == 5
    assert (caption(made, "a"), caption(made, "b")) == before
    with Index(made) as index:
        assert Journal(index).history()[0].title == "answer 5 doubts in 2 images"
    # Tagging keeps the answers: no smile for a, although it is scored 0.9, and the hat stays.
    list(tag.run(made, TagOptions(model="first", write="merge")))
    assert captions.split(caption(made, "a")) == ["hat", "mochi (game)"]
    list(tag.run(made, TagOptions(model="first", general=0.05)))
    assert captions.split(caption(made, "a")) == ["hat", "mochi (game)"]


def test_undoing_answers_asks_again(made: Project) -> None:
    answer(made, reject=True, limit=0)
    assert asked(made) == []
    list(edit.undo(made))
    assert len(asked(made)) == 5


def test_decisions_made_by_hand_are_never_asked_about(project: Project) -> None:
    made = scored(project, SCORES)
    list(tag.run(made, TagOptions(model="first")))
    text = made.dataset / "10_mochi" / "a.txt"
    assert captions.split(text.read_text()) == ["mochi (game)", "smile"]
    text.write_text("hat, mochi (game), my own words", "utf-8")  # a smile less, a hat more
    assert asked(made, where="name:a.png") == [("a", "long hair", "near")]
    assert asked(made, where="name:a.png", decided=True)[:2] == [
        ("a", "hat", "unseen"),
        ("a", "smile", "missing"),
    ]


def test_single_answers(made: Project) -> None:
    result = answer(made, yes=["smile"], no=["hat"], path=["dataset/10_mochi/a.png"])
    assert (result["answered"], result["changed"]) == (2, 1)
    assert captions.split(caption(made, "a")) == ["mochi (game)", "smile"]
    assert ("a", "smile", "missing") not in asked(made, decided=False)
    answer(made, no=["smile"], where="name:a.png")  # changed one's mind
    assert captions.split(caption(made, "a")) == ["mochi (game)"]
    list(tag.run(made, TagOptions(model="first")))
    assert captions.split(caption(made, "a")) == ["mochi (game)"]
    list(tag.run(made, TagOptions(model="first", write="overwrite")))
    assert captions.split(caption(made, "a")) == ["mochi (game)", "smile"]
    with Index(made) as index:  # overwriting forgets what was decided
        assert index.connection.execute("SELECT count(*) FROM work.answers").fetchone() == (0,)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"accept": True, "reject": True}, "exclude each other"),
        ({"yes": ["hat"], "no": ["Hat"], "where": "a"}, "--yes and --no are both given"),
        ({"yes": ["hat"]}, "require --path or --where"),
        ({"dry_run": True}, "requires an answer"),
    ],
)
def test_contradictions_are_refused(made: Project, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        list(doubt.run(made, DoubtOptions(**options)))


def test_a_caption_changed_meanwhile_keeps_its_words(made: Project) -> None:
    (made.dataset / "10_mochi" / "a.txt").write_text("hat, just typed", "utf-8")
    with Index(made) as index:
        outcome = doubt.answer(index, {"dataset/10_mochi/a.png": {"hat": False, "smile": True}})
    assert not outcome.conflicts
    assert captions.split(caption(made, "a")) == ["just typed", "smile"]


def test_answers_follow_an_image_that_moves(made: Project) -> None:
    answer(made, reject=True, where="name:a.png")
    with Index(made) as index:
        from prep.dataset.journal.changes import move

        Journal(index).apply("move", [move("dataset/10_mochi/a.png", "dataset/10_mochi/z.png")])
        stored = index.connection.execute("SELECT path, answers FROM work.answers").fetchall()
    assert stored == [("dataset/10_mochi/z.png", "+hat, -smile, -long hair")]


def test_several_taggers_doubt_together(made: Project) -> None:
    add_scores(made, "second", {**SCORES, "a": {"smile": 0.01, "hat": 0.9, "mochi_(game)": 0.97}})
    both = {"model": "first", "also": ["second"], "margin": 0.0, "where": "name:a.png"}
    assert asked(made, **both, combine="intersection") == [("a", "hat", "unseen")]
    assert asked(made, **both, combine="union") == [("a", "smile", "missing")]


def test_the_command_line(
    made: Project, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["shikomi", "doubt", str(made.root), *arguments])
        assert main() == 0
        return capsys.readouterr().out

    out = run("--limit", "1")
    assert "in the caption, but hardly seen" in out
    assert "5 doubts in 2 images" in out
    assert "the first 1 shown" in out
    lines = [json.loads(line) for line in run("--json", "--limit", "0").splitlines()]
    assert next(line["tag"] for line in lines if line["kind"] == "doubt") == "hat"
    assert "1 answer, 1 caption would change" in run(
        "--yes", "smile", "--where", "name:a.png", "--dry-run"
    )
    assert "5 answers recorded, 0 captions changed (edit 1" in run("--reject")
    assert "No doubts" in run()


NAMES = st.sampled_from(["hat", "Hat", "long hair", "long_hair", "smile", r"poster \(object\)"])


@given(st.dictionaries(NAMES, st.booleans()), st.dictionaries(NAMES, st.booleans()))
def test_answers_are_kept_as_text_and_the_newest_counts(
    old: dict[str, bool], new: dict[str, bool]
) -> None:
    assert unpacked(packed(old)) == old
    both = merged(old, new)
    assert {**both, **new} == both
    keys = captions.keys(both)
    assert set(keys) == set(captions.keys([*old, *new]))


def test_what_the_caption_says_now_is_newer_than_an_answer() -> None:
    hand = ManualEdits(("hat", "bow"), ("bow",))
    given_answers = {"hat": False, "bow": True, "smile": True, "cap": False, "old": True}
    found = answered(hand, given_answers, Rules(drop=("old",)))
    assert found.added == ("bow",)
    assert found.removed == ("smile", "cap")  # "smile" was there, and was taken away since
