"""What was decided by hand survives re-tagging, whichever operation it was decided with."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep import captions
from prep.captions.layers import ManualEdits, compile_caption, infer_manual_edits
from prep.captions.rules import Rules
from prep.dataset.caption_rows import CaptionRow
from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.editing.editor import Editor
from prep.editing.options import EditOptions
from prep.ops import edit, prune, scan
from prep.ops.prune import PruneOptions
from prep.project import Project
from prep.tagging.captions import Compiler
from prep.tagging.models.tables import GENERAL, TagTable
from prep.tagging.scores.store import TaggerResult
from prep.tagging.scores.writing import Writing
from tests.conftest import MakeImage
from tests.prep.caption_lines import SENTENCE

MACHINE = ["bear", "hat", "long_hair", "smile", "straw_hat"]


@pytest.fixture
def tagged(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1)
    project = project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})
    return retagged(project)


def retagged(project: Project, machine: list[str] = MACHINE) -> Project:
    """Let a tagger see these tags in the only image, and write its caption."""
    list(scan.run(project))
    with Index(project) as index:
        table = TagTable(tuple(machine), (GENERAL,) * len(machine))
        compiler = Compiler(project, index, "merge", Writing(project, table))
        for row in index.select():
            assert not list(compiler.add(row, TaggerResult("", [(name, 0.9) for name in machine])))
        compiler.apply(Journal(index), "tag")
    return project


def edited(project: Project, **options: Any) -> None:
    list(scan.run(project))
    list(edit.run(project, EditOptions(**options)))


def caption(project: Project) -> str:
    return (project.dataset / "10_mochi" / "a.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "there", "gone"),
    [
        ({"add": ["night"]}, ["night"], []),
        ({"remove": ["*hat*"]}, [], ["hat", "straw hat"]),
        ({"replace": {"smile": "grin"}}, ["grin"], ["smile"]),
        ({"replace": {"smile": "happy, grin"}}, ["happy", "grin"], ["smile"]),
        ({"regex": {r"^long (\w+)$": r"very long \1"}}, ["very long hair"], ["long hair"]),
        ({"implications": ["implied.csv"]}, [], ["hat"]),
        ({"implications": ["implied.csv"], "expand": True}, ["headwear", "hat"], []),
        ({"aliases": ["names.csv"]}, ["ursine"], ["bear"]),
    ],
)
def test_edits_are_decisions(
    tagged: Project, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any],
    there: list[str], gone: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tagged.root)
    Path("implied.csv").write_text("straw_hat,hat\nhat,headwear\n", "utf-8")
    Path("names.csv").write_text("bear,ursine\n", "utf-8")
    edited(tagged, **options)
    for machine in (MACHINE, ["bear", "hat", "crown"], [*MACHINE, "crown"]):
        tags = captions.split(caption(retagged(tagged, machine)))
        assert set(there) <= set(tags)
        assert not set(gone) & set(tags)
        assert tags[0] == "mochi"


@pytest.mark.parametrize(
    "options",
    [
        {"sort": ["alphabetical"]},
        {"dedupe": True},
        {"words": "underscores"},
        {"brackets": "escaped"},
        {"move": {"smile": "front"}},
    ],
)
def test_order_and_spelling_are_kept_and_no_decisions(
    tagged: Project, options: dict[str, Any]
) -> None:
    edited(tagged, **options)
    before = caption(tagged)
    assert captions.keys(captions.split(caption(retagged(tagged)))) == captions.keys(
        captions.split(before)
        if options.get("move") is None
        else ["mochi", *captions.remove(captions.split(before), ["mochi"])]
    )
    tags = captions.split(caption(retagged(tagged, ["bear"])))
    assert captions.keys(tags) == ["mochi", "bear"]


def test_sentences_and_marks_written_by_hand_survive(tagged: Project) -> None:
    file = tagged.dataset / "10_mochi" / "a.txt"
    file.write_text(f"mochi, my tag ||| hat, {SENTENCE}\nsecond line\n", "utf-8")
    text = caption(retagged(tagged, ["bear", "hat", "crown"]))
    assert text == f"mochi, my tag ||| hat, crown, {SENTENCE}\nsecond line\n"


def test_pruned_tags_are_rules_and_come_back_without_them(tagged: Project) -> None:
    list(prune.run(tagged, PruneOptions(apply=True, tag=("bear",)), "10_mochi"))
    pruned = Project.open(tagged.root)
    assert "bear" not in captions.split(caption(retagged(pruned)))
    freed = pruned.saved({"concepts": {"10_mochi": {"prune": []}}})
    assert "bear" in captions.split(caption(retagged(freed)))


def test_expanding_rules_do_not_bring_back_what_was_removed_by_hand(tagged: Project) -> None:
    (tagged.root / "implied.csv").write_text("straw_hat,hat\nhat,headwear\n", "utf-8")
    saved = tagged.saved({"captions": {"implications": "implied.csv", "expand": True}})
    edited(saved, rules=True)
    assert {"headwear", "hat"} <= set(captions.split(caption(saved)))
    edited(saved, remove=["headwear"])
    for again in ({"rules": True}, {"implications": [saved.root / "implied.csv"], "expand": True}):
        edited(saved, **again)
        assert "headwear" not in captions.split(caption(saved))
    assert "headwear" not in captions.split(caption(retagged(saved)))


def test_a_text_reached_again_has_the_newest_decisions(tagged: Project) -> None:
    first = caption(tagged)
    edited(tagged, add=["night"])
    retagged(tagged)
    edited(tagged, remove=["night"])
    assert caption(tagged) == first
    assert "night" not in captions.split(caption(retagged(tagged, [*MACHINE, "night"])))


NAMES = ["bear", "hat", "straw hat", "long hair", "smile", "mochi", "headwear"]
TAG_LISTS = st.lists(st.sampled_from(NAMES), max_size=6, unique=True)
OPTIONS = st.fixed_dictionaries(
    {"remove": st.lists(st.sampled_from(NAMES), max_size=2)},
    optional={
        "add": st.lists(st.sampled_from(["night", "hat"]), max_size=2),
        "replace": st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["grin", "hat"])),
        "sort": st.just(["alphabetical"]),
        "words": st.just("underscores"),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TAG_LISTS, TAG_LISTS, OPTIONS)
def test_any_edit_survives_any_tagger(
    project: Project, first: list[str], second: list[str], options: dict[str, Any]
) -> None:
    rules = Rules(trigger="mochi")
    hand = compile_caption(ManualEdits(), first, rules)
    text = ", ".join(hand.compiled)
    with Index(project) as index:
        editor = Editor(project, EditOptions(**options), index)
        after = captions.split(editor.edited(CaptionRow("a.png", ".", text, None)) or "")
    new = compile_caption(infer_manual_edits(hand, after, rules), second, rules)
    was, now, later = (set(captions.keys(tags)) for tags in (hand.compiled, after, new.compiled))
    assert now - was <= later
    assert not (was - now - {"mochi"}) & later
