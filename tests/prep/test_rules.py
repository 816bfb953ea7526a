from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.project import Project
from prep.rules import Rules

# Few and colliding words, so that rules meet: renames of renames, dropped triggers, circles.
WORD = st.sampled_from(["a", "A", "b", "c_d", "c d", "e", "mochi", "^_^", ""])
TAG = WORD.filter(bool)
RULES = st.builds(
    Rules,
    trigger=WORD,
    always_first=st.lists(TAG, max_size=3).map(tuple),
    drop=st.lists(TAG, max_size=3).map(tuple),
    replace=st.dictionaries(TAG, WORD, max_size=4),
)


@given(RULES, st.lists(TAG, max_size=8))
def test_applying_twice_is_applying_once(rules: Rules, tags: list[str]) -> None:
    once = rules.apply(tags)
    assert rules.apply(once) == once


@given(RULES, st.lists(TAG, max_size=8))
def test_the_trigger_is_first_and_dropped_tags_are_gone(rules: Rules, tags: list[str]) -> None:
    result = rules.apply(tags)
    rest = result
    if rules.trigger:
        assert result[0] == rules.trigger
        rest = result[1:]
        assert captions.key(rules.trigger) not in map(captions.key, rest)
    assert not {captions.key(tag) for tag in rest} & {captions.key(tag) for tag in rules.drop}
    assert len({captions.key(tag) for tag in result}) == len(result)


def test_renames_are_followed_to_their_end() -> None:
    rules = Rules(replace={"puppy": "dog", "dog": "canine", "old": ""})
    assert rules.apply(["puppy", "old", "hat"]) == ["canine", "hat"]


def test_order_is_trigger_then_first_then_the_rest() -> None:
    rules = Rules(trigger="mochi", always_first=("solo", "bear"))
    assert rules.apply(["hat", "bear", "Mochi", "solo"]) == ["mochi", "solo", "bear", "hat"]


def test_rules_of_a_project(project: Project) -> None:
    saved = project.saved(
        {
            "captions": {"drop": ["watermark"], "replace": {"doggo": "dog"}},
            "concepts": {"10_mochi": {"trigger": "mochi", "prune": ["bear"]}},
        }
    )
    rules = Rules.of(saved, "10_mochi")
    assert rules.apply(["bear", "doggo", "watermark"]) == ["mochi", "dog"]
    assert Rules.of(saved, "other").apply(["bear", "watermark"]) == ["bear"]
