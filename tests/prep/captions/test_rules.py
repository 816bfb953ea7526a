"""Caption rules: applied twice they change nothing more, whatever they are."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prep import captions
from prep.captions import sentences
from prep.captions.implications import Implications
from prep.captions.rules import Rules
from prep.errors import ConfigError, UserError
from prep.project import Project
from prep.project.caption_rules import load_implications, rules_for
from tests.prep.caption_lines import SENTENCE, TAGS, texts

# Few and colliding words, so that rules meet: renames of renames, dropped triggers, circles.
WORD = st.sampled_from(["a", "A", "b", "c_d", "c d", "e", "mochi", "^_^", ""])
TAG = WORD.filter(bool)
PAIRS = st.lists(st.tuples(TAG, TAG), max_size=4)
REGEX = st.dictionaries(
    st.sampled_from(["^a$", "A", "c.d", "^(.)$", r"^(\w)\b", "i$"]),
    st.sampled_from(["", "b", r"\1", "e, a", "A", "c d"]),
    max_size=2,
).filter(lambda table: all("(" in old or "\\1" not in new for old, new in table.items()))
RULES = st.builds(
    Rules,
    trigger=WORD | st.just("mochi, bear"),
    always_first=st.lists(TAG, max_size=3).map(tuple),
    drop=st.lists(TAG | st.just("*_^"), max_size=3).map(tuple),
    replace=st.dictionaries(TAG, WORD | st.just("a, e"), max_size=4),
    regex=REGEX,
    known=st.builds(Implications.build, PAIRS, PAIRS),
    expand=st.booleans(),
    order=st.sampled_from(["", "alphabetical", "people"]),
)


def applied(rules: Rules, tags: list[str]) -> list[str]:
    """Apply rules that come to rest."""
    try:
        return rules.apply(tags)
    except ConfigError:
        assume(False)
        raise


@given(RULES, st.lists(TAG, max_size=8))
def test_applying_twice_is_applying_once(rules: Rules, tags: list[str]) -> None:
    once = applied(rules, tags)
    assert rules.apply(once) == once


@given(RULES, texts)
def test_texts_with_everything_in_them_come_to_rest(rules: Rules, text: str) -> None:
    try:
        once = rules.text(text)
        assert rules.text(once) == once
    except ConfigError:
        assume(False)


@given(
    st.builds(Rules, trigger=st.sampled_from(["", "mochi"]), order=st.sampled_from(["", "people"])),
    texts,
)
def test_rules_without_renames_lose_nothing(rules: Rules, text: str) -> None:
    tags = captions.split(text)
    after = captions.split(rules.text(text))
    missing = set(captions.keys(tags)) - set(captions.keys(after))
    assert not missing


@given(RULES, st.lists(TAG, max_size=8))
def test_the_trigger_is_first_and_dropped_tags_are_gone(rules: Rules, tags: list[str]) -> None:
    result = applied(rules, tags)
    lead = len(rules.triggers)
    assert tuple(result[:lead]) == rules.triggers
    rest = captions.keys(result[lead:])
    assert not set(rest) & set(captions.keys([*rules.triggers, *rules.drop]))
    assert len(set(captions.keys(result))) == len(result)


def test_renames_are_followed_to_their_end() -> None:
    rules = Rules(replace={"puppy": "dog", "dog": "canine", "old": "", "both": "hat, bow"})
    assert rules.apply(["puppy", "old", "hat", "both"]) == ["canine", "hat", "bow"]


def test_renames_are_followed_for_twenty_steps() -> None:
    renames = {f"t{number}": f"t{number + 1}" for number in range(21)}
    assert Rules(replace=renames).apply(["t1"]) == ["t21"]
    with pytest.raises(ConfigError, match="'t0' becomes 't1', then 't2'"):
        Rules(replace=renames).apply(["t0"])


def test_some_tags_have_their_place_in_any_order() -> None:
    places = {"signature": 1, "blurry": 2, "best quality": -1}
    tags = ["blurry", "hat", "signature", "Best_Quality", "bow"]
    assert Rules(places=places).apply(tags) == ["Best_Quality", "hat", "bow", "signature", "blurry"]
    assert Rules(trigger="mochi", places=places, order="alphabetical").apply(tags) == [
        "mochi",
        "Best_Quality",
        "bow",
        "hat",
        "signature",
        "blurry",
    ]


def test_order_is_trigger_then_first_then_the_rest() -> None:
    rules = Rules(trigger="mochi", always_first=("solo", "bear"))
    assert rules.apply(["hat", "bear", "Mochi", "solo"]) == ["mochi", "solo", "bear", "hat"]
    rules = Rules(trigger="mochi, bear", order="alphabetical")
    assert rules.text("hat, bear, cap") == "mochi, bear, cap, hat"


def test_patterns_apply_to_each_tag_and_not_to_sentences() -> None:
    rules = Rules(regex={r"^(\w+) background$": r"background of \1", "bear": "cat"})
    assert rules.text(f"blue background, bear, {SENTENCE}") == (
        f"background of blue, cat, {SENTENCE}"
    )


def test_a_pattern_that_grows_its_own_result_is_refused() -> None:
    with pytest.raises(ConfigError, match="'hat' becomes 'x hat', then 'x x hat'"):
        Rules(regex={"^": "x "}).apply(["hat"])
    with pytest.raises(ConfigError, match="do not converge"):
        Rules(regex={"(.+)": r"\1x, \1y"}).apply(["hat"])


def test_a_pattern_that_multiplies_its_result_is_stopped_early() -> None:
    with pytest.raises(ConfigError, match="do not converge") as fault:
        Rules(regex={"(.+)": r"\1\1\1"}).apply(["hat"])
    assert len(fault.value.message) < 400
    long = 150_000 * "a"
    assert Rules(regex={"^a": "b"}).apply([long]) == ["b" + long[1:]]


def test_implied_tags_are_dropped_or_added() -> None:
    known = Implications.build([("kitty", "cat")], [("straw hat", "hat"), ("hat", "headwear")])
    tags = ["kitty", "hat", "straw hat"]
    assert Rules(known=known).apply(tags) == ["cat", "straw hat"]
    assert Rules(known=known, expand=True).apply(tags) == ["cat", "hat", "headwear", "straw hat"]
    renamed = Rules(known=known, expand=True, replace={"headwear": "cap"}, drop=("hat",))
    assert renamed.apply(["straw hat"]) == ["straw hat", "cap"]


def test_tags_that_keep_their_place_are_not_sorted() -> None:
    rules = Rules(trigger="mochi", order="alphabetical")
    assert rules.text("z, mochi ||| c, b ||| a") == "mochi, z ||| b, c ||| a"
    assert rules.text("z ||| c, mochi") == "mochi, z ||| c"


def test_sentences_that_name_the_trigger_keep_their_wording() -> None:
    rules = Rules(trigger="mochi")
    named = "A photo of Mochi on the beach in a red hat, smiling."
    assert rules.text(named) == named
    assert rules.text(SENTENCE) == f"mochi, {SENTENCE}"
    assert sentences.is_sentence(named)


@pytest.mark.parametrize("tag", TAGS)
def test_rules_leave_odd_tags_as_they_are(tag: str) -> None:
    rules = Rules(trigger="trigger", drop=("bear",), replace={"cat": "dog"}, regex={"^x$": "y"})
    assert rules.text(f"{tag}, bear, end") == f"trigger, {tag}, end"


def test_rules_of_a_project(project: Project) -> None:
    (project.root / "never.txt").write_text("# unwanted\n*text*\nsignature, logo\n", "utf-8")
    (project.root / "implied.csv").write_text("straw hat,hat\n", "utf-8")
    (project.root / "names.csv").write_text("doggy,dog\n", "utf-8")
    saved = project.saved(
        {
            "captions": {
                "drop": ["watermark"],
                "blacklist": "never.txt",
                "replace": {"doggo": "doggy"},
                "regex": {"^the (.*)": "\\1"},
                "implications": "implied.csv",
                "aliases": "names.csv",
                "order": "alphabetical",
            },
            "concepts": {"10_mochi": {"trigger": "mochi", "prune": ["bear"]}},
        }
    )
    rules = rules_for(saved, "10_mochi")
    tags = ["the straw hat", "hat", "bear", "doggo", "watermark", "english text", "logo"]
    assert rules.apply(tags) == ["mochi", "dog", "straw hat"]
    assert rules_for(saved, "other").apply(["bear", "watermark"]) == ["bear"]


def test_files_that_changed_are_read_again(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "implied.csv"
    file.write_text("straw hat,hat\n", "utf-8")
    assert load_implications((), (file,)) is load_implications((), (file,))
    file.write_text("straw hat,headwear\n", "utf-8")
    assert load_implications((), (file,)).implied("straw hat") == ("headwear",)
    with pytest.raises(UserError, match=r"blacklist .*never\.txt cannot be read"):
        rules_for(project.saved({"captions": {"blacklist": "never.txt"}}), "10_mochi")


def test_faulty_patterns_are_named(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"captions\.regex.*unterminated"):
        project.saved({"captions": {"regex": {"(": "x"}}})
