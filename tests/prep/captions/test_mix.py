"""Which part of a caption an exposure shows."""

from collections import Counter
from dataclasses import replace

import pytest

from prep.captions.mix import Pieces, Share
from prep.captions.shuffle import CaptionRules, plain, read_part, varied

TEXT = "mochi, hat, bow, A bear sits on the beach.\nmochi, The bear wears a red hat.\n"
ALL: tuple[Share, ...] = (("tags", 0.5), ("sentence", 0.2), ("both", 0.2), ("trigger", 0.1))
RULES = CaptionRules(keep_tokens=1, mix=ALL)


def shown(text: str, rules: CaptionRules, count: int = 400) -> Counter[str]:
    text = read_part(text, rules)
    return Counter(varied(text, rules, 0, epoch, "image", 0) for epoch in range(count))


def only(kind: str) -> CaptionRules:
    return replace(RULES, mix=((kind, 1.0),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tags", {"mochi, hat, bow"}),
        ("sentence", {"mochi, A bear sits on the beach.", "mochi, The bear wears a red hat."}),
        (
            "both",
            {
                "mochi, hat, bow, A bear sits on the beach.",
                "mochi, hat, bow, The bear wears a red hat.",
            },
        ),
        ("trigger", {"mochi"}),
    ],
)
def test_each_kind_shows_its_part(kind: str, expected: set[str]) -> None:
    assert set(shown(TEXT, only(kind))) == expected


def test_kinds_are_shown_as_often_as_asked() -> None:
    found = shown(TEXT, RULES, 4000)
    tags = sum(count for text, count in found.items() if text == "mochi, hat, bow")
    both = sum(count for text, count in found.items() if text.startswith("mochi, hat, bow, "))
    assert 1850 < tags < 2150
    assert 700 < both < 900
    assert 330 < found["mochi"] < 470


def test_what_a_caption_does_not_have_goes_to_the_other_kinds() -> None:
    assert set(shown("mochi, hat", RULES)) == {"mochi, hat", "mochi"}
    assert set(shown("mochi, hat", only("sentence"))) == {"mochi, hat"}
    assert set(shown("A bear sits on the beach.", RULES)) == {"A bear sits on the beach."}
    assert shown("mochi, hat", replace(RULES, keep_tokens=0)) == {"mochi, hat": 400}


def test_sentences_are_not_split_when_tags_are_shuffled_and_dropped() -> None:
    rules = replace(RULES, mix=(("both", 1.0),), shuffle=True, tag_dropout=0.5)
    text = "mochi, hat, bow, sea, While the sun sets, a bear sits on the beach, smiling."
    found = shown(text, rules)
    assert len(found) > 5
    sentence = ", While the sun sets, a bear sits on the beach, smiling."
    assert all(caption.startswith("mochi") and caption.endswith(sentence) for caption in found)


def test_the_trigger_is_not_said_twice() -> None:
    assert set(shown("mochi, hat\nHere mochi sits on a chair.", only("sentence"))) == {
        "Here mochi sits on a chair."
    }
    assert set(shown("mochi, hat\nMochi sits on a chair.", only("sentence"))) == {
        "Mochi sits on a chair."
    }
    assert set(shown("Mochi, hat\nHere mochi sits on a chair.", only("sentence"))) == {
        "Here mochi sits on a chair."
    }


def test_a_share_of_nothing_is_none() -> None:
    """A caption that has only what is never to be shown is shown whole."""
    never = replace(RULES, mix=(("trigger", 0.0), ("sentence", 1.0)))
    assert set(shown("mochi, hat", never)) == {"mochi, hat"}


def test_marks_and_groups_keep_their_meaning() -> None:
    rules = replace(only("tags"), keep_separator="|||", shuffle=True)
    found = shown("mochi, girl ||| a;;;b, c ||| end", rules)
    assert set(found) == {"mochi, girl, a, b, c, end", "mochi, girl, c, a, b, end"}
    assert Pieces.of("a, b ||| c", (), 1).front == ["a"]


def test_dropout_and_wildcards_work_as_without_a_mix() -> None:
    dropped = shown(TEXT, replace(RULES, dropout=0.5))
    assert 150 < dropped[""] < 250
    choices = replace(only("tags"), wildcards=True)
    assert set(shown("mochi, {red|blue} hat\nA bear is here.", choices)) == {
        "mochi, red hat",
        "mochi, blue hat",
    }


def test_the_mix_is_a_function_of_the_exposure() -> None:
    text = read_part(TEXT, RULES)
    turns = [varied(text, RULES, 0, 1, "image", turn) for turn in range(30)]
    assert turns == [varied(text, RULES, 0, 1, "image", turn) for turn in range(30)]
    assert len(set(turns)) > 3
    assert plain(text, RULES) == "mochi, hat, bow, A bear sits on the beach."
