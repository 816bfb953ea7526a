"""Our CLIP tokenizer against the one of transformers, and what the index keeps of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.captions.tokens import BEGIN, END, LIMITS, ClipTokenizer, clip_tokenizer
from prep.dataset.index import Index
from prep.dataset.values.token_counts import ensure_counts
from prep.events.words import TokenCount
from prep.ops import scan
from prep.ops.tokens import TokensOptions, counted, run
from prep.project import Project
from prep.system.files import text_hash
from tests.conftest import MakeImage


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return transformers' tokenizer, built from the same merges."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    ours = clip_tokenizer()
    folder = tmp_path_factory.mktemp("clip")
    (folder / "vocab.json").write_text(json.dumps(ours.vocabulary), encoding="utf-8")
    merges = "\n".join(" ".join(pair) for pair in ours.merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(str(folder))


def same(reference: Any, text: str) -> None:
    assert clip_tokenizer().encode(text) == reference(text, add_special_tokens=False).input_ids


def test_known_ids() -> None:
    # As published with the models: "a photo of a cat" between its marks.
    ids = [BEGIN, *clip_tokenizer().encode("a photo of a cat"), END]
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert len(clip_tokenizer().vocabulary) == 49408
    assert clip_tokenizer().encode("") == []


@pytest.mark.parametrize(
    "text",
    [
        '1girl, solo, long hair, :d, ^_^, >_<, \\m/, don\'t_say_"lazy", poster (object)',
        "MyChara's hat; it's 12:30, they'll've we're I'd I'm",
        "初音ミク, 長い髪。ツインテール",
        "café naïve ÅNGSTRÖM ß ﬁ ǅ İstanbul",
        "👍🏽 emoji 👩‍👩‍👧 ½ ² Ⅷ ١٢٣",
        "a  b\tc\nd\u00a0e\u3000f",
        "<|startoftext|>a cat<|endoftext|> <|end",
        "xyzzyqwertyuiopasdfghjklzxcvbnm" * 4,
        "{a|b} ||| ;;; ((weight:1.2))",
    ],
)
def test_texts_of_all_kinds(reference: Any, text: str) -> None:
    same(reference, text)


WORDS = st.sampled_from(
    ["Smile", "1girl", "(fate)", "it's", "^_^", "長い", "é", "👍", ",", "q1x", " "]
)


@settings(max_examples=300, deadline=None)
@given(text=st.lists(WORDS | st.text(min_size=1, max_size=4), max_size=12).map("".join))
def test_any_text(reference: Any, text: str) -> None:
    # Control characters are no part of captions, and Python and Rust differ about some of them.
    printable = "".join(letter for letter in text if letter.isprintable())
    same(reference, printable)


@given(st.lists(WORDS, max_size=80).map(" ".join), st.integers(0, 30))
def test_a_cut_text_has_as_many_tokens_as_fit(text: str, limit: int) -> None:
    tokenizer = clip_tokenizer()
    (at,) = tokenizer.places(text, (limit,))
    if at is None:
        assert tokenizer.count(text) <= limit
        return
    assert tokenizer.count(text) > limit
    assert text[:at] == text[:at].rstrip()
    # What is left of a word that was cut in two may be read as other tokens, but not as fewer.
    assert len(tokenizer.encode(text[:at])) >= limit - 4
    whole = text[:at].rpartition(" ")[0]
    assert tokenizer.encode(whole) == tokenizer.encode(text)[: tokenizer.count(whole)]
    assert tokenizer.count(whole) <= limit


def test_a_word_is_cut_where_its_tokens_end() -> None:
    tokenizer = clip_tokenizer()
    assert tokenizer.pieces("mychara smile") == [(1152, "my"), (35668, "chara"), (3490, "smile")]
    assert tokenizer.places("mychara smile", (1, 2, 3)) == [2, 7, None]


def test_the_merges_are_the_only_source(tmp_path: Path) -> None:
    from gzip import compress

    file = tmp_path / "few.gz"
    file.write_bytes(compress(b"h a\nha t</w>\n"))
    assert ClipTokenizer(file).encode("hat hats") == [513, 512, 83, 338]


CAPTIONS = {"short": "mochi, hat", "long": "mochi, " + ", ".join(["red hat"] * 30)}


@pytest.fixture
def library(project: Project, make_image: MakeImage) -> Project:
    for number, (name, caption) in enumerate(CAPTIONS.items()):
        make_image(f"10_mochi/{name}.png", number, caption=caption + "\nA second line.")
    make_image("10_mochi/none.png", 7)
    list(scan.run(project))
    return project


def stored(index: Index) -> dict[str, int]:
    return dict(index.connection.execute("SELECT text_hash, count FROM tokens"))


def test_counts_are_kept_by_text(library: Project) -> None:
    with Index(library) as index:
        ensure_counts(index.connection)
        expected = {text_hash(text + "\nA second line."): n for text, n in
                    zip(CAPTIONS.values(), (3, 91), strict=True)}  # fmt: skip
        assert stored(index) == expected
        joined = index.connection.execute(
            "SELECT i.path FROM images i JOIN tokens t ON t.text_hash = i.caption_hash"
            " WHERE t.count > 75"
        )
        assert joined.fetchall() == [("dataset/10_mochi/long.png",)]


def test_counts_follow_changed_captions(library: Project) -> None:
    with Index(library) as index:
        ensure_counts(index.connection)
        (library.dataset / "10_mochi" / "short.txt").write_text("mochi, hut", encoding="utf-8")
        list(scan.run(library))
        ensure_counts(index.connection)
        assert text_hash("mochi, hut") in stored(index)
        counts = stored(index)
        ensure_counts(index.connection)
        assert stored(index) == counts


def test_the_operation_sorts_and_sums_up(library: Project) -> None:
    def paths(**options: Any) -> list[str]:
        found = list(run(library, TokensOptions(**options)))
        return [Path(e.path).stem for e in found if isinstance(e, TokenCount)]

    assert paths() == ["long", "short"]
    assert paths(sort="fewest") == ["short", "long"]
    assert paths(over=True) == ["long"]
    assert paths(over=True, limit=150) == []
    assert paths(where="name:short") == ["short"]
    *_, finished = run(library, TokensOptions())
    assert finished.summary == {  # type: ignore[attr-defined]
        "captions": 2,
        "longest": 91,
        "mean": 47.0,
        "limit": 75,
        "over": {"75": 1, "150": 0, "225": 0},
    }


def test_the_limit_is_that_of_the_training(library: Project) -> None:
    *_, finished = run(library.saved({"train": {"max_token_length": 150}}), TokensOptions())
    assert finished.summary["limit"] == 150  # type: ignore[attr-defined]


def test_what_is_lost_is_shown() -> None:
    event = counted("a.png", CAPTIONS["long"], 75)
    assert list(event.cuts) == ["75"]
    assert event.text[: event.cuts["75"]] + event.lost == event.text
    assert clip_tokenizer().count(event.text[: event.cuts["75"]]) == 75
    assert counted("a.png", "hat", 75).lost == ""
    assert LIMITS == (75, 150, 225)
