"""Sentences are told from tags."""

import pytest

from prep import captions
from prep.captions import sentences
from prep.dataset.index import Index, ScannedCaption
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage

SENTENCES = [
    "A girl with long black hair is standing on a beach, smiling at the viewer, with a red hat.",
    "The image shows a small, round bear, who holds an umbrella in the rain.",
    "This is a drawing of a bear! It sits on a chair, and it looks sad.",
    "a woman in a red dress standing on a beach with a dog, looking at the sea",
    "In this picture, a girl is standing, holding a sword.",
    "In this illustration, a girl with long hair sits on a chair, looking sad.",
    "一个女孩站在海滩上，微笑着。",
    "少女が海辺に立っています, とても楽しそうです。",
]
TAG_LINES = [
    "1girl, solo, long hair, looking at viewer, holding another's wrist, smile",
    "the legend of zelda: breath of the wild, link, 1boy, master sword",
    "kimi no na wa., 1girl, 1boy, comet",
    "who framed roger rabbit?, k-on!, !?, ..., girls und panzer",
    "st. gloriana's military uniform, tank, hand on own hip",
    "kono subarashii sekai ni shukufuku wo!, megumin",
    "what if we held hands on the train, meme",
    "少女, 微笑, 海滩, 长发",
    "masterpiece, best quality, artist:wlop, :d, ^_^",
]


@pytest.mark.parametrize("line", SENTENCES)
def test_a_sentence_is_one_piece(line: str) -> None:
    assert captions.split(line) == [line]
    assert sentences.is_sentence(line)


@pytest.mark.parametrize("line", SENTENCES)
def test_tags_before_a_sentence_stay_tags(line: str) -> None:
    assert captions.split(f"mochi, 1girl, {line}") == ["mochi", "1girl", line]


@pytest.mark.parametrize("line", TAG_LINES)
def test_tags_are_not_taken_for_sentences(line: str) -> None:
    assert captions.split(line) == line.split(", ")


def test_tags_behind_a_sentence_are_tags_again() -> None:
    line = f"{SENTENCES[0]}, masterpiece, hat"
    assert captions.split(line) == [SENTENCES[0], "masterpiece", "hat"]


def test_a_tag_that_ends_with_a_full_stop_is_parted_from_the_sentence() -> None:
    found = captions.split("mochi, hat. The bear sits on a beach, smiling.")
    assert found == ["mochi", "hat", "The bear sits on a beach, smiling."]


@pytest.mark.parametrize(
    ("sentence", "tag"),
    [
        ("a cat on a red sofa.", "a cat on a red bed."),  # 20 characters
        ("a bear sits on chairs.", "a bear with umbrellas."),  # five words
        ("a bear sits on a chair in the old house", "a bear sits on a chair in the house"),  # ten
        # Two words that running text has, if one of them is hardly in a title, else three.
        ("bears walking with her dogs.", "bears walking with some dogs."),
        ("the bears of the woods.", "the bears of northern woods."),
        # With a colon, fewer than ten words may be a title; not so two clauses.
        ("a bear is in here: it sits on a chair.", "a bear is in here: it sits on chairs."),
        ("nier: this girl, with a sword.", "nier: this girl with a sword."),
        ("nier: this girl, with a sword.", "nier: automata, with a sword."),
        ("nier: this girl, with a sword.", "nier: this girl, with a sword"),
        ("少女がいる。", "少女いる。"),  # six characters,
        ("少女がいる。", "少女がいるよ"),  # a full stop,
        ("少女がいる。", "café noir。"),  # and an East Asian script
    ],
)
def test_where_sentences_begin(sentence: str, tag: str) -> None:
    assert sentences.is_sentence(sentence)
    assert not sentences.is_sentence(tag)


LONG = "a bear sits on a chair in the old house"
FIRST, NEXT = "This bear sits on a chair.", "It looks at the sea and is sad."


@pytest.mark.parametrize(
    ("pieces", "span"),
    [
        # Clauses in a row, of three words, of which the last one ends the sentence.
        (["hat", "in this picture", "holding a sword."], (1, 2)),
        (["this picture", "holding a sword."], None),
        (["hat", "with a sword."], None),
        # Without a full stop, a long piece and what follows up to the last clause of four words.
        (["hat", LONG, "red scarf", "looking at the sea", "red wool scarf"], (1, 3)),
        (["a bear sits on a chair in the house", "looking at the sea"], None),
        # To the full stop that ends a piece, unless the next piece is a sentence, too.
        ([FIRST, NEXT, "hat"], (0, 1)),
        (["hat", FIRST, NEXT], (1, 2)),
        ([FIRST, "hat", NEXT], (0, 0)),
        (["A bear sits here now. It is on a chair.", "hat", "kimi no na wa."], (0, 0)),
        (["This bear sits on a chair. Near it", "a hat."], (0, 1)),
        (["少女がいる。", "hat"], (0, 0)),
        (["犬。", "猫がいる。"], (0, 1)),
        (["犬。", "hat and cap"], None),
        (["海辺に立っています", "hat", "とても楽しそうです。"], (2, 2)),
    ],
)
def test_where_sentences_end(pieces: list[str], span: tuple[int, int] | None) -> None:
    assert sentences.sentence_span(pieces) == span
    tags = captions.split(", ".join(pieces))
    if span is None:
        assert tags == pieces
    else:
        first, last = span
        assert tags == [*pieces[:first], ", ".join(pieces[first : last + 1]), *pieces[last + 1 :]]


def test_what_is_parted_from_the_sentence_behind_it_is_short() -> None:
    for tag, parted in (("girl with red hat", True), ("girl with a red hat", False)):
        found = sentences.lead_in(f"{tag}. The bear sits on a beach")
        assert found == ((tag, "The bear sits on a beach") if parted else None)


@pytest.fixture
def described(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption=f"mochi, hat, {SENTENCES[0]}")
    make_image("10_mochi/b.png", 2, caption=SENTENCES[1])
    make_image("10_mochi/c.png", 3, caption=f"hat, {SENTENCES[6]}")
    list(scan.run(project))
    return project


def test_sentences_are_not_counted_as_tags(described: Project) -> None:
    with Index(described) as index:
        assert index.tag_counts() == [("hat", 2), ("mochi", 1)]
        assert index.tag_counts("hat") == [("hat", 2), ("mochi", 1)]
        paths = [index.rows(index.ids(where)) for where in ("tags>=1", "tags=2", "-has:tags")]
        assert [[row.path[-5] for row in rows] for rows in paths] == [["a", "c"], ["a"], ["b"]]


def test_words_of_sentences_are_found(described: Project) -> None:
    with Index(described) as index:
        for where in ('"black hair"', "text:beach", "/BEACH/", '"standing on a beach, smiling"'):
            assert [row.path[-5] for row in index.select(where)] == ["a"]
        assert [row.path[-5] for row in index.select('"small, round bear"')] == ["b"]


def test_a_sentence_that_comes_and_goes_leaves_the_counts_true(described: Project) -> None:
    path = "dataset/10_mochi/b.png"
    with Index(described) as index:
        for caption in ("hat", f"hat, {SENTENCES[1]}", None, SENTENCES[1]):
            index.put_captions([ScannedCaption(path, caption, 1, 1)])
            expected = 2 + ("hat" in (caption or "")[:3])
            assert index.tag_counts()[0] == ("hat", expected)
            assert len(index.ids(f'"{SENTENCES[1]}"')) == (SENTENCES[1] in (caption or ""))
    with Index(described) as again:  # a writer that has to look the sentence up
        again.put_captions([ScannedCaption(path, f"bow, {SENTENCES[1]}", 1, 1)])
        assert [row.path[-5] for row in again.select("bow tags=1")] == ["b"]
