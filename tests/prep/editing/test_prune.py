"""A character's own traits: found, explained, pruned in one step that can be undone."""

from typing import Any

import numpy as np
import pytest

from prep import events
from prep.dataset.index import Index
from prep.editing.prune_advice import kind_of, traits
from prep.errors import ConfigError, UserError
from prep.ops import edit, prune, scan
from prep.ops.prune import PruneOptions
from prep.project import Project
from prep.tagging.models.obtain import GENERAL, RATING, TagTable
from prep.tagging.scores.store import ScoreStore
from tests.conftest import MakeImage

IMAGES = 10


@pytest.fixture
def opened(project: Project, make_image: MakeImage) -> Project:
    for number in range(IMAGES):
        tags = ["mochi", "1girl", "bear", "long hair", *(["hat"] if number else [])]
        make_image(f"10_mochi/{number}.png", number, caption=", ".join([*tags, f"own {number}"]))
        make_image(f"5_other/{number}.png", number + 50, caption="style, night")
    list(scan.run(project))
    return project.saved({"concepts": {"10_mochi": {"trigger": "mochi", "prune": ["tail"]}}})


def run(
    project: Project, folder: str | None = "10_mochi", **options: Any
) -> tuple[list[events.Event], dict[str, Any]]:
    found = list(prune.run(project, PruneOptions(**options), folder))
    assert isinstance(found[-1], events.Finished)
    return found[:-1], found[-1].summary


def caption(project: Project, name: str) -> str:
    return (project.dataset / f"{name}.txt").read_text("utf-8")


def test_tags_in_nearly_all_captions_are_shown_with_what_to_do(opened: Project) -> None:
    found, summary = run(opened)
    shown = {event.tag: event for event in found if isinstance(event, events.Trait)}
    assert list(shown) == ["bear", "long hair", "hat"]
    assert (shown["hat"].captions, shown["hat"].suggested) == (0.9, False)
    assert "if mochi always wears it" in shown["hat"].advice
    assert "mochi absorbs it" in shown["long hair"].advice
    assert summary["suggested"] == {"10_mochi": ["bear", "long hair"]}
    assert caption(opened, "10_mochi/3").startswith("mochi, 1girl, bear")


def test_what_the_tagger_saw_is_told_as_well(opened: Project) -> None:
    table = TagTable(("general", "long_hair", "bear", "tail", "red_eyes"), (RATING, *[GENERAL] * 4))
    seen = np.array([0.9, 0.9, 0.1, 0.9, 0.9], np.float32)
    with Index(opened) as index:
        paths = [f"dataset/10_mochi/{number}.png" for number in range(IMAGES)]
        index.put_contents((path, path) for path in paths)
        ScoreStore(index, "tagger", table).put((path, seen) for path in paths)
    found, summary = run(opened)
    shown = {event.tag: event for event in found if isinstance(event, events.Trait)}
    assert list(shown) == ["long hair", "bear", "hat", "red eyes"]  # tail is pruned already
    assert [trait.seen for trait in shown.values()] == [1.0, 0.0, None, 1.0]
    assert "already absorbs it" in shown["red eyes"].advice
    assert "check whether it is there" in shown["bear"].advice
    assert summary["suggested"] == {"10_mochi": ["long hair"]}


def test_pruning_is_one_step_over_rule_and_captions(opened: Project) -> None:
    before = opened.file.read_text("utf-8")
    _, summary = run(opened, apply=True, keep=["bear"])
    assert (summary["captions"], summary["removed"]) == (10, {"long hair": 10})
    assert caption(opened, "10_mochi/3") == "mochi, 1girl, bear, hat, own 3"
    assert Project.open(opened.root).concept("10_mochi").settings.prune == ("tail", "long hair")
    list(edit.undo(opened))
    assert opened.file.read_text("utf-8") == before
    assert caption(opened, "10_mochi/3") == "mochi, 1girl, bear, long hair, hat, own 3"
    list(edit.redo(opened))
    assert Project.open(opened.root).concept("10_mochi").settings.prune == ("tail", "long hair")


def test_a_dry_run_writes_nothing(opened: Project) -> None:
    before = opened.file.read_text("utf-8")
    changes, summary = run(opened, apply=True, tag=["hat"], dry_run=True)
    assert summary["removed"] == {"hat": 9}
    texts = [event.after for event in changes if isinstance(event, events.Change)]
    assert any(text and 'prune = ["tail", "hat"]' in text for text in texts)
    assert opened.file.read_text("utf-8") == before
    assert "hat" in caption(opened, "10_mochi/3")


def test_all_concepts_or_one(opened: Project) -> None:
    found, summary = run(opened, folder=None)
    assert {event.concept for event in found if isinstance(event, events.Trait)} == {
        "10_mochi",
        "5_other",
    }
    assert summary["suggested"]["5_other"] == ["style"]
    with pytest.raises(ConfigError, match="--tag requires a concept folder"):
        run(opened, folder=None, apply=True, tag=["hat"])
    with pytest.raises(UserError, match="no concept folder 7_gone with images"):
        run(opened, folder="7_gone")
    with pytest.raises(ConfigError, match="nothing to prune"):
        run(opened, apply=True, keep=["bear", "long hair"])


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("Long_Hair", "body"),
        ("bear ears", "body"),
        ("hair ribbon", "outfit"),
        ("closed eyes", "expression"),
        ("holding umbrella", "pose"),
        ("grey background", "scene"),
        ("simple background", "picture"),
        ("upper body", "picture"),
        ("star mark", "other"),
    ],
)
def test_what_tags_describe(tag: str, kind: str) -> None:
    assert kind_of(tag) == kind


def test_counts_and_the_trigger_are_no_traits() -> None:
    lists = [["mochi", "solo", "1girl", "Bear"], ["mochi", "solo", "bear"]]
    found = traits(lists, {}, "mochi", share=0.85, leave_out=["Mochi"])
    assert [(trait.tag, trait.captions, trait.seen) for trait in found] == [("Bear", 1.0, None)]
    assert traits([], {}, "mochi", share=0.85) == []
