"""Bulk edits of captions: every step, on every kind of caption, previewed, counted, undone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prep import captions, events
from prep.captions.layers import ManualEdits
from prep.dataset.caption_rows import CaptionRow
from prep.dataset.index import Index
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.editing.editor import Editor
from prep.editing.options import EditOptions
from prep.errors import ConfigError, UserError
from prep.ops import edit, scan
from prep.project import Project
from prep.tagging.models.obtain import GENERAL, TagTable
from prep.tagging.scores.store import ScoreStore
from tests.conftest import MakeImage
from tests.prep.caption_lines import SENTENCE, TAGS, texts

Edited = Callable[..., str | None]


@pytest.fixture
def edited(project: Project) -> Edited:
    """Return a function that edits one text in a project whose trigger word is mochi."""
    saved = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})

    def run(text: str | None, /, **options: Any) -> str | None:
        with Index(saved) as index:
            editor = Editor(saved, EditOptions(**options), index)
            return editor.edited(CaptionRow("a.png", "10_mochi", text, None))

    return run


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({"add": ["smile"]}, "mochi, hat", "mochi, hat, smile"),
        ({"add": ["smile"]}, "mochi, Smile", "mochi, Smile"),
        ({"add": ["smile, night"]}, "mochi\n", "mochi, smile, night\n"),
        ({"add": ["smile"]}, None, "smile"),
        ({"add": ["smile"]}, "a|||b|||c", "a|||b, smile|||c"),
        ({"add": ["smile"]}, f"mochi, {SENTENCE}", f"mochi, smile, {SENTENCE}"),
        ({"prepend": ["new"]}, "a,b,", "new,a,b,"),
        ({"prepend": ["new"]}, "a ||| b", "new, a ||| b"),
        ({"remove": ["HAT"]}, "mochi, hat, bow\r\nhat, all\r\n", "mochi, bow\r\nhat, all\r\n"),
        ({"remove": ["*hat*"]}, "straw_hat, hat, that, chat, bow", "bow"),
        ({"remove": ["hat"]}, "hat", None),
        ({"remove": ["smiling"]}, SENTENCE, SENTENCE),
        ({"remove": ["red"]}, "{red, blue|green} hat, red", "{red, blue|green} hat"),
        ({"remove": ["b"]}, "a;;;b;;;c, d", "a;;;c, d"),
        ({"remove": [r"saber (fate)"]}, r"saber \(fate\), hat", "hat"),
        ({"replace": {"cat": "dog"}}, "a, Cat, b", "a, dog, b"),
        ({"replace": {"cat": "dog"}}, "dog, cat", "dog"),
        ({"replace": {"cat": "dog, animal"}}, "cat, b", "dog, animal, b"),
        ({"replace": {"a": "b", "b": "c"}}, "a", "c"),
        ({"replace": {"kimi no na wa.": "film"}}, "kimi no na wa., b", "film, b"),
        ({"regex": {r"^(\w+) hair$": r"hair of \1"}}, "red hair, hairy", "hair of red, hairy"),
        ({"regex": {"a$": ""}}, "a, bra", "br"),
        ({"regex": {"smiling": "sad"}}, SENTENCE, SENTENCE),
        ({"regex": {"a.b": "x"}, "whole": True}, "c\nof a b.", "c\nof x."),
        ({"regex": {"smiling": "sad"}, "whole": True}, "A smiling hat.", "A sad hat."),
        ({"regex": {r"\s*\|\|\|\s*": ", "}, "whole": True}, "a ||| b", "a, b"),
        ({"move": {"c": "front"}}, "a, b, c", "c, a, b"),
        ({"move": {"a": "end"}}, f"a, b, {SENTENCE}", f"b, a, {SENTENCE}"),
        ({"move": {"a": "end"}}, "a, b ||| c ||| d", "b ||| c, a ||| d"),
        ({"move": {"c": "after:a"}}, "a, b, c", "a, c, b"),
        ({"move": {"a": "before: c"}}, "a, b, c", "b, a, c"),
        ({"move": {"c": "after:missing"}}, "a, b, c", "a, b, c"),
        ({"dedupe": True}, "Long_Hair, hat, long hair, hat", "Long_Hair, hat"),
        ({"sort": ["alphabetical"]}, "mochi, c, A, b", "mochi, A, b, c"),
        ({"sort": ["alphabetical", "people"]}, "b, 1girl, a, solo", "1girl, solo, a, b"),
        ({"sort": ["alphabetical"]}, "z ||| c, b;;;x, a ||| 0", "z ||| a, b;;;x, c ||| 0"),
        ({"sort": ["trigger"]}, "hat, mochi", "mochi, hat"),
        ({"lower": True}, "Mochi, MOCHI, Hat, Smile", "mochi, mochi, hat, smile"),
        ({"words": "underscores"}, "long hair, o o, a", "long_hair, o_o, a"),
        ({"words": "spaces"}, "long_hair, ^_^, ||_||", "long hair, ^_^, ||_||"),
        ({"brackets": "escaped"}, r"saber (fate), \(a\)", r"saber \(fate\), \(a\)"),
        ({"brackets": "plain"}, r"saber \(fate\), \m/", r"saber (fate), \m/"),
        ({"weights": True, "remove": ["smile"]}, "(smile:1.2), hat, ((smile))", "hat"),
        ({"weights": True, "replace": {"hat": "cap"}}, "((hat)), [bow]", "((cap)), [bow]"),
        ({"weights": True, "sort": ["alphabetical"]}, "(c:1.2), [a], b", "[a], b, (c:1.2)"),
        ({"remove": ["object", "hat"]}, "poster (object), (hat:1.2)", "poster (object), (hat:1.2)"),
        ({"lines": "all", "add": ["x"]}, f"a\nb\n{SENTENCE}\n\n", f"a, x\nb, x\n{SENTENCE}\n\n"),
        ({"rules": True}, "hat, Mochi", "mochi, hat"),
    ],
)  # fmt: skip
def test_one_step(
    edited: Edited, options: dict[str, Any], before: str | None, after: str | None
) -> None:
    assert edited(before, **options) == after


STEPS = st.fixed_dictionaries(
    {},
    optional={
        "lines": st.sampled_from(["first", "all"]),
        "lower": st.booleans(),
        "words": st.sampled_from(["spaces", "underscores"]),
        "brackets": st.sampled_from(["plain", "escaped"]),
        "replace": st.dictionaries(st.sampled_from(TAGS), st.just("new"), max_size=2),
        "remove": st.lists(st.sampled_from([*TAGS, "*hat*"]), max_size=2),
        "add": st.lists(st.sampled_from(["new", "hat"]), max_size=2),
        "move": st.dictionaries(st.sampled_from(TAGS), st.sampled_from(["front", "end"])),
        "dedupe": st.just(True),
        "sort": st.lists(st.sampled_from(["alphabetical", "people", "trigger"]), max_size=2),
        "rules": st.just(True),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, STEPS)
def test_any_edit_of_any_text_loses_no_sentence_and_no_other_line(
    edited: Edited, text: str, options: dict[str, Any]
) -> None:
    after = edited(text, **options) or ""
    assert after.count(SENTENCE) == text.count(SENTENCE)
    assert captions.split(after).count(SENTENCE) == captions.split(text).count(SENTENCE)
    assert [c for c in after if c in "\r\n\ufeff"] == [
        c for c in text if c in "\r\n\ufeff"
    ] or not after
    if options.get("lines", "first") == "first" and after:
        _, _, rest = text.partition("\n")
        assert after.partition("\n")[2] == rest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_edits_that_change_nothing_give_the_same_bytes(edited: Edited, text: str) -> None:
    nothing = {"remove": ["absent"], "replace": {"lacking": "x"}, "move": {"absent": "front"}}
    assert edited(text, **nothing) == text
    assert edited(text, remove=["absent"]) == text
    assert edited(text, regex={"^absent$": "x"}, lines="all") == text


IDEMPOTENT: list[dict[str, Any]] = [
    {"remove": ["hat", "*a*"]}, {"add": ["new"]}, {"prepend": ["new"]}, {"dedupe": True},
    {"lower": True}, {"words": "spaces"}, {"brackets": "escaped"}, {"move": {"hat": "front"}},
    {"move": {"hat": "after:mochi"}}, {"sort": ["alphabetical"]}, {"sort": ["people", "trigger"]},
    {"rules": True}, {"lines": "all", "rules": True}, {"weights": True, "remove": ["smile"]},
    {"replace": {"hat": "cap, bow"}}, {"remove": ["hat"], "add": ["x"], "sort": ["alphabetical"]},
]  # fmt: skip
ODD = st.text(",{}|;()\\ \t\n\r.!ab\u3000\ufeff，", max_size=25)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(texts | ODD, st.sampled_from(IDEMPOTENT))
def test_the_same_edit_again_changes_nothing(
    edited: Edited, text: str, options: dict[str, Any]
) -> None:
    once = edited(text, **options)
    assert edited(once, **options) == once


@pytest.mark.parametrize(
    "text",
    [
        ", ".join(f"tag {n}" for n in range(10_000)),
        "mochi ||| " + ",".join(f"tag {n}" for n in range(10_000)),
        ";;;".join(f"tag {n}" for n in range(10_000)),
        ", ".join(["tag 5"] * 10_000),
        "a" + " " * 20_000 + "b,c" + " " * 20_000,
        "A bear is in the hat. " * 1_000,
        "(" * 5_000 + "a:" + "1" * 5_000 + ")" * 5_000 + ", tag 5",
    ],
    ids=["plain", "sections", "group", "the same", "spaces", "sentences", "brackets"],
)
def test_the_longest_captions_take_no_longer_than_they_are_long(edited: Edited, text: str) -> None:
    """What grows with the square of the length would take minutes here."""
    steps = {"remove": ["tag 7"], "replace": {"tag 5": "x, y"}, "sort": ["alphabetical"]}
    start = time.process_time()
    for options in (steps, {**steps, "weights": True}, {"rules": True}):
        assert edited(text, **options)
    assert time.process_time() - start < 10


# ---- on a project ------------------------------------------------------------------------------


@pytest.fixture
def opened(project: Project, make_image: MakeImage) -> Project:
    for number, caption in enumerate(
        ("mochi, hat, smile", "mochi, straw hat, hat, smile", f"mochi, {SENTENCE}", None)
    ):
        make_image(f"10_mochi/{number}.png", number, caption=caption)
    list(scan.run(project))
    return project


def run(project: Project, **options: Any) -> tuple[list[events.Event], dict[str, Any]]:
    found = list(edit.run(project, EditOptions(**options)))
    assert isinstance(found[-1], events.Finished)
    return found[:-1], found[-1].summary


def caption(project: Project, number: int) -> str:
    return (project.dataset / f"10_mochi/{number}.txt").read_text("utf-8")


def test_a_preview_counts_and_writes_nothing(opened: Project) -> None:
    changes, summary = run(opened, dry_run=True, remove=["hat"], add=["night"])
    assert [type(change) for change in changes] == [events.Change] * 4
    assert summary["added"] == {"night": 4}
    assert summary["removed"] == {"hat": 2}
    assert (summary["changed"], summary["edit"], summary["sentences"]) == (4, 0, 1)
    assert caption(opened, 0) == "mochi, hat, smile"


def test_one_edit_is_one_step_of_undo(opened: Project) -> None:
    _, summary = run(opened, remove=["hat"], sort=["alphabetical"])
    assert (summary["changed"], summary["conflicts"]) == (2, 0)
    assert caption(opened, 1) == "mochi, smile, straw hat"
    list(edit.undo(opened))
    assert caption(opened, 1) == "mochi, straw hat, hat, smile"


def test_a_preview_counts_as_the_edit_does(opened: Project) -> None:
    options = {"remove": ["hat"], "add": ["night"], "replace": {"smile": "a, b"}}
    _, preview = run(opened, dry_run=True, **options)
    _, done = run(opened, **options)
    assert {k: v for k, v in preview.items() if k != "edit"} == {
        k: v for k, v in done.items() if k != "edit"
    }


def test_an_interrupted_edit_is_finished_before_captions_are_read(opened: Project) -> None:
    path = "dataset/10_mochi/0.png"
    with Index(opened) as index, index.connection:
        index.connection.execute("INSERT INTO work.edits VALUES(1, 0.0, 'theirs', 'pending', '')")
        index.connection.execute(
            "INSERT INTO work.changes VALUES(1, ?, 'caption', 'mochi, hat, smile', 'mochi, bow')",
            (path,),
        )
    found, summary = run(opened, add=["night"], path=[path])
    assert [event.message for event in found if isinstance(event, events.Warned)] == [
        "An edit that had been interrupted was finished: theirs."
    ]
    assert (summary["changed"], summary["conflicts"]) == (1, 0)
    assert caption(opened, 0) == "mochi, bow, night"
    list(edit.undo(opened))
    list(edit.undo(opened))
    assert caption(opened, 0) == "mochi, hat, smile"


def test_an_interrupted_undo_is_finished_and_no_other_edit_is_taken_back(opened: Project) -> None:
    path = "dataset/10_mochi/0.png"
    for tag in ("one", "two"):
        run(opened, add=[tag], path=[path])
    with Index(opened) as index, index.connection:
        index.connection.execute("UPDATE work.edits SET state='pending undone' WHERE id=2")
    found = list(edit.undo(opened))
    assert [(event.message, event.hint) for event in found if isinstance(event, events.Warned)] == [
        ("An undo that had been interrupted was finished: add two.", "Revert it with: shikomi redo")
    ]
    assert caption(opened, 0) == "mochi, hat, smile, one"
    assert found[-1].summary["changed"] == 1  # type: ignore[attr-defined]
    list(edit.undo(opened))
    assert caption(opened, 0) == "mochi, hat, smile"


@pytest.mark.parametrize("name", ["add", "remove"])
def test_bytes_that_are_no_text_are_refused(opened: Project, name: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match="not UTF-8"):
        run(opened, **{name: ["caf\udce9"]})


@pytest.mark.parametrize("name", ["add", "prepend", "replace", "regex"])
def test_control_characters_are_not_written(opened: Project, name: str) -> None:
    with pytest.raises(ValidationError, match=r"a\\x1bb contains a control character"):
        run(opened, **{name: ["a\x1bb"] if name.endswith("d") else {"hat": "a\x1bb"}})
    assert run(opened, remove=["a\x1bb"])[1]["changed"] == 0


def test_only_chosen_images_are_edited(opened: Project) -> None:
    one, two = "dataset/10_mochi/0.png", "dataset/10_mochi/1.png"
    changes, _ = run(opened, path=[one], add=["x"], dry_run=True)
    assert [change.path for change in changes if isinstance(change, events.Change)] == [one]
    changes, _ = run(opened, path=[one, str(opened.root / two)], where='"straw hat"', add=["x"])
    assert [change.path for change in changes if isinstance(change, events.Change)] == [two]
    with pytest.raises(ConfigError, match=r"no image dataset/10_mochi/7\.png") as caught:
        run(opened, path=["dataset/10_mochi/7.png"], add=["x"])
    assert "Did you mean dataset/10_mochi/" in caught.value.hint


def test_searching_changes_nothing(opened: Project) -> None:
    found, summary = run(opened, find=["hat$"])
    assert [event.found for event in found if isinstance(event, events.Match)] == [
        ["hat"],
        ["straw hat", "hat"],
    ]
    assert summary == {"images": 2, "found": {"hat": 2, "straw hat": 1}}
    found, summary = run(opened, find=[r"red \w+"], whole=True)
    assert summary == {"images": 1, "found": {"red hat": 1}}
    assert run(opened, find=["nowhere"]) == ([], {"images": 0, "found": {}})


def test_sorting_by_the_counts_of_the_dataset_or_of_a_list(opened: Project, tmp_path: Path) -> None:
    run(opened, sort=["count"])
    assert caption(opened, 1) == "mochi, hat, smile, straw hat"
    table = tmp_path / "tags.csv"
    table.write_text("straw_hat,0,900,\nsmile,0,800,\nhat,0,1,\n", "utf-8")
    run(opened, sort=["count"], counts=table)
    assert caption(opened, 1) == "straw hat, smile, hat, mochi"


def test_sorting_by_what_the_tagger_is_surest_of(opened: Project) -> None:
    with pytest.raises(ConfigError, match="no scores"):
        run(opened, sort=["score"])
    assert caption(opened, 1) == "mochi, straw hat, hat, smile"
    table = TagTable(("hat", "straw_hat", "smile"), (GENERAL,) * 3)
    with Index(opened) as index:
        index.put_contents([("dataset/10_mochi/1.png", "one")])
        scores = np.array([0.2, 0.5, 0.9], np.float32)
        ScoreStore(index, "tagger", table).put([("one", scores)])
    run(opened, sort=["score"])
    assert caption(opened, 1) == "smile, straw hat, hat, mochi"


def test_implied_tags_are_dropped_or_added(opened: Project, tmp_path: Path) -> None:
    implied, names = tmp_path / "implied.csv", tmp_path / "names.csv"
    implied.write_text("straw_hat,hat\nhat,headwear\n", "utf-8")
    names.write_text("smile,smiling\n", "utf-8")
    run(opened, implications=[implied], aliases=[names])
    assert caption(opened, 1) == "mochi, straw hat, smiling"
    run(opened, implications=[implied], expand=True)
    assert caption(opened, 1) == "mochi, straw hat, hat, headwear, smiling"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "Nothing to do"),
        ({"expand": True}, "--expand requires --implications"),
        ({"add": ["x"], "counts": "tags.csv"}, "--sort count"),
    ],
)
def test_options_that_do_not_belong_together(
    opened: Project, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        run(opened, **options)
    with pytest.raises(UserError, match="no file"):
        run(opened, aliases=["missing.csv"])


@pytest.mark.parametrize(
    "options",
    [
        {"regex": {"(": "x"}},
        {"regex": {"a": r"\1"}},
        {"find": ["["]},
        {"move": {"a": "behind b"}},
        {"sort": ["size"]},
    ],
)
def test_faulty_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        EditOptions(**options)


def test_dots_in_keys_are_dots() -> None:
    nested = {"a": {"*b": "x", "c": {"": "y"}}, "z": "w"}
    assert EditOptions.model_validate({"regex": nested | {"a": {".b": "x"}}}).regex == {
        "a..b": "x",
        "z": "w",
    }
    assert EditOptions.model_validate({"replace": nested}).replace == {
        "a.*b": "x",
        "a.c.": "y",
        "z": "w",
    }


def test_filters_know_at_once_what_people_added_and_removed(opened: Project) -> None:
    path = "dataset/10_mochi/0.png"
    with Index(opened) as index:
        tagged = ManualEdits(compiled=("mochi", "hat", "smile"))
        ManualEditStore(index).put([(path, "mochi, hat, smile", tagged)])

    def found(where: str) -> list[str]:
        with Index(opened) as index:
            return [row.path for row in index.select(where)]

    assert found("hand:+ or hand:-") == []
    run(opened, add=["bow"], remove=["hat"])
    assert found("hand:+bow") == found("hand:-hat") == found("hand:+ hand:-") == [path]
    assert found("hand:+hat or hand:-smile") == []
    list(edit.undo(opened))
    assert found("hand:+ or hand:-") == []
