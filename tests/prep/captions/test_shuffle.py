from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.captions.shuffle import CaptionRules, first_line, plain, read_part, tags_of, varied

TAGS = st.lists(
    st.text("abcdefgh 1_()", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=12
)


@given(TAGS, st.integers(0, 5), st.integers(0, 1000))
def test_shuffling_keeps_first_tags_and_loses_none(tags: list[str], keep: int, epoch: int) -> None:
    rules = CaptionRules(shuffle=True, keep_tokens=keep)
    found = varied(",".join(tags), rules, 0, epoch, "image").split(", ")
    assert found[:keep] == tags[:keep]
    assert Counter(found) == Counter(tags)


def test_a_caption_is_a_function_of_its_chances() -> None:
    rules = CaptionRules(shuffle=True)
    text = ", ".join("abcdefgh")
    assert varied(text, rules, 1, 2, "x") == varied(text, rules, 1, 2, "x")
    assert len({varied(text, rules, 1, epoch, "x") for epoch in range(20)}) > 10


def test_rules_of_sd_scripts() -> None:
    fixed = CaptionRules(shuffle=True, keep_separator="|||")
    assert varied("a, b ||| c", fixed, 0).startswith("a, b, c")
    wrapped = CaptionRules(prefix="photo of", suffix="end")
    assert plain("a,b ,, c", wrapped) == "photo of a,b ,, c end"
    semicolons = CaptionRules(separator=";")
    assert plain("a, b; c", semicolons) == "a, b; c"
    assert tags_of("a, b; c;", semicolons) == ["a, b", "c"]


@given(st.text(max_size=40), st.sampled_from([",", ".", ";", "|", " ", "、"]), st.integers(0, 99))
def test_what_is_not_shuffled_stays_as_it_was_written(text: str, mark: str, epoch: int) -> None:
    rules = CaptionRules(separator=mark, keep_tokens=2)
    assert varied(text, rules, 0, epoch) == text
    assert plain(text, rules) == text


def test_shuffled_sentences_stay_sentences() -> None:
    rules = CaptionRules(separator=".", shuffle=True, keep_tokens=1)
    text = "A bear sits, alone. It smiles. The sun is up."
    assert {varied(text, rules, 0, epoch) for epoch in range(20)} == {
        text,
        "A bear sits, alone. The sun is up. It smiles.",
    }
    assert varied(text.rstrip("."), rules, 0, 1).count(".") == 2


@pytest.mark.parametrize(
    ("mark", "text", "expected"),
    [
        (";", "a;b", {"a; b", "b; a"}),
        ("; ", "a; b", {"a; b", "b; a"}),
        (" ", "a b", {"a b", "b a"}),
        ("、", "a、b", {"a、b", "b、a"}),
        (",", "a,b,", {"a, b", "b, a"}),
        ("||", "a || b, c", {"a|| b, c", "b, c|| a"}),
    ],
)
def test_shuffled_tags_keep_the_separator_of_the_file(
    mark: str, text: str, expected: set[str]
) -> None:
    rules = CaptionRules(separator=mark, shuffle=True)
    assert {varied(text, rules, 0, epoch) for epoch in range(20)} == expected


def test_dropped_tags_leave_the_separator() -> None:
    rules = CaptionRules(separator=";", tag_dropout=0.5, keep_tokens=1)
    found = {varied("a, b;c;d", rules, 0, epoch) for epoch in range(60)}
    assert found == {"a, b", "a, b; c", "a, b; d", "a, b; c; d"}


def test_dropout() -> None:
    rules = CaptionRules(dropout=0.3)
    empty = sum(varied("a", rules, 0, epoch) == "" for epoch in range(1000))
    assert 250 < empty < 350
    tags = CaptionRules(tag_dropout=0.5, keep_tokens=1)
    counts = [len(varied("a,b,c,d,e", tags, 0, epoch).split(", ")) for epoch in range(200)]
    assert min(counts) == 1
    assert 2.5 < sum(counts) / len(counts) < 3.5


def test_only_the_first_line_is_read() -> None:
    assert first_line("\ufeffa, b \nsecond") == "a, b"


def test_a_second_separator_keeps_the_end() -> None:
    rules = CaptionRules(shuffle=True, keep_separator="|||")
    for epoch in range(9):
        found = varied("a ||| b, c, d ||| e, f", rules, 0, epoch).split(", ")
        assert (found[0], found[-2:]) == ("a", ["e", "f"])
        assert sorted(found) == list("abcdef")
    assert plain("a ||| b ||| c ||| d", rules) == "a, b, c ||| d"


def test_a_prefix_is_part_of_the_first_tag() -> None:
    rules = CaptionRules(shuffle=True, prefix="photo of")
    found = {varied("a, b", rules, 0, epoch) for epoch in range(20)}
    assert found == {"photo of a, b", "b, photo of a"}


def test_wildcards() -> None:
    rules = CaptionRules(wildcards=True)
    text = "a {red|blue} hat, {{x}}\n\nA bear.\n"
    found = {varied(text, rules, 0, epoch) for epoch in range(60)}
    assert found == {"a red hat, {x}", "a blue hat, {x}", "A bear."}
    assert varied("", rules, 0) == ""
    assert varied("{a|b}", CaptionRules(), 0) == "{a|b}"


@given(TAGS, st.integers(0, 1000))
def test_what_has_no_choice_draws_nothing(tags: list[str], epoch: int) -> None:
    """So that the order of the tags is the same whether wildcards are looked for or not."""
    text = ", ".join(tags)
    looking = CaptionRules(shuffle=True, tag_dropout=0.3, wildcards=True)
    assert varied(text, looking, 0, epoch) == varied(
        text, replace(looking, wildcards=False), 0, epoch
    )


def test_a_prefix_goes_with_whichever_line_is_drawn() -> None:
    rules = CaptionRules(wildcards=True, prefix="photo of", suffix="{by|with} me")
    found = {varied("a hat\na bear", rules, 0, epoch) for epoch in range(60)}
    lines = ("photo of a hat", "photo of a bear")
    assert found == {f"{line} {word} me" for line in lines for word in ("by", "with")}


def test_validation_reads_the_first_line_and_the_first_choices() -> None:
    text = read_part("\ufeffa {red|blue} hat, {{x}}\n\nA bear.\n", CaptionRules(wildcards=True))
    assert text == "a {red|blue} hat, {{x}}\nA bear."
    assert plain(text, CaptionRules(wildcards=True)) == "a red hat, {x}"
    assert read_part("a {b|c}\nd", CaptionRules()) == "a {b|c}"


def test_groups_are_moved_and_dropped_as_one() -> None:
    rules = CaptionRules(shuffle=True, group_separator=";;;", tag_dropout=0.3)
    found = {varied("a;;;b, c, d ;;; e", rules, 0, epoch) for epoch in range(200)}
    assert len(found) > 10
    for caption in found:
        assert ("a" in caption) == ("a, b" in caption)
        assert ("d" in caption) == ("d, e" in caption)
    assert ";" not in "".join(found)
    assert varied("a;;;b, c", CaptionRules(group_separator=";;;"), 0) == "a, b, c"
    assert plain("a;;;b, c", rules) == "a, b, c"
    assert tags_of("a;;;b, c", rules) == ["a", "b", "c"]


def test_every_third_epoch_has_no_captions() -> None:
    rules = CaptionRules(drop_every=3)
    shown = [bool(varied("a", rules, 0, epoch)) for epoch in range(7)]
    assert shown == [True, True, False, True, True, False, True]


def test_more_and_more_tags_are_shown() -> None:
    rules = CaptionRules(keep_tokens=1, warmup_least=2, warmup_steps=10)
    text = "k, a, b, c, d, e, f"
    found = [varied(text, rules, 0, warmth=rules.warmth(step, 100)) for step in (0, 5, 9, 10, 50)]
    assert found == ["k, a, b", "k, a, b, c, d", "k, a, b, c, d, e", text, text]
    assert varied("k", rules, 0, warmth=0.0) == "k"
    assert CaptionRules(warmup_steps=0.25).warmth(5, 40) == 0.5
    assert CaptionRules().warmth(0, 10) == 1.0
    shuffled = replace(rules, shuffle=True)
    assert set(varied(text, shuffled, 0, warmth=0.0).split(", ")) == {"k", "a", "b"}
