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
