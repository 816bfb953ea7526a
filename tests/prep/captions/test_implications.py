"""Aliases and implications, as boards export them."""

import gzip
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import captions
from prep.captions.implications import Implications, read_pairs
from prep.errors import UserError

NAME = st.sampled_from(["a", "b", "c", "d", "e_f", "E f"])
PAIRS = st.lists(st.tuples(NAME, NAME), max_size=8)
KNOWN = st.builds(Implications.build, PAIRS, PAIRS)


@given(KNOWN, st.lists(NAME, max_size=5))
def test_collapsing_and_expanding_twice_is_once(known: Implications, tags: list[str]) -> None:
    tags = captions.unique(known.resolved(tag) for tag in tags)
    less, more = known.collapsed(tags), known.expanded(tags)
    assert known.collapsed(less) == less
    assert known.expanded(more) == more
    assert set(captions.keys(less)) <= set(captions.keys(tags)) <= set(captions.keys(more))


@given(KNOWN, st.lists(NAME, max_size=5))
def test_what_is_collapsed_is_still_implied(known: Implications, tags: list[str]) -> None:
    """Expanding brings back all that collapsing dropped: nothing is lost, circles or not."""
    tags = captions.unique(known.resolved(tag) for tag in tags)
    back = known.expanded(known.collapsed(tags))
    assert set(captions.keys(tags)) <= set(captions.keys(back))


@given(KNOWN, NAME)
def test_closures_are_transitive_and_never_the_tag_itself(known: Implications, tag: str) -> None:
    implied = set(captions.keys(known.implied(tag)))
    assert captions.key(tag) not in implied
    for other in implied:
        assert set(captions.keys(known.implied(other))) <= implied | {captions.key(tag)}


def test_aliases_come_first_on_both_sides() -> None:
    known = Implications.build(
        [("strawhat", "straw_hat"), ("cap", "hat")], [("strawhat", "cap"), ("hat", "headwear")]
    )
    assert known.implied("straw hat") == ("hat", "headwear")
    assert known.collapsed(["straw hat", "hat", "bow"]) == ["straw hat", "bow"]
    assert known.expanded(["bow", "straw hat"]) == ["bow", "straw hat", "hat", "headwear"]


def test_circles_end_where_they_close() -> None:
    known = Implications.build([("a", "b"), ("b", "a")], [("x", "y"), ("y", "z"), ("z", "x")])
    assert known.resolved("a") in ("a", "b")
    assert known.implied("x") == ("y", "z")
    assert known.collapsed(["y", "x", "q"]) == ["y", "q"]


def write(tmp_path: Path, text: str, name: str = "pairs.csv") -> Path:
    file = tmp_path / name
    file.write_text(text, "utf-8")
    return file


def test_the_forms_that_are_read(tmp_path: Path) -> None:
    expected = [("straw_hat", "hat")]
    export = (
        "id,antecedent_name,consequent_name,created_at,status\n"
        "1,straw_hat,hat,2020-01-01,active\n2,old,new,2020-01-01,deleted\n3,short\n"
    )
    assert list(read_pairs(write(tmp_path, export))) == expected
    packed = tmp_path / "pairs.csv.gz"
    packed.write_bytes(gzip.compress(export.encode()))
    assert list(read_pairs(packed)) == expected
    assert list(read_pairs(write(tmp_path, "\ufeffstraw_hat, hat\n\n,x\n"))) == expected
    assert list(read_pairs(write(tmp_path, 'antecedent,consequent\n"straw_hat","hat"\n')))
    booru = 'long_hair,0,4300000,"/lh,longhair"\nhat,0,10,\n'
    found = list(read_pairs(write(tmp_path, booru), lists=True))
    assert found == [("/lh", "long_hair"), ("longhair", "long_hair")]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"a,b,c\n", "neither two columns"),
        (b"", "neither two columns"),
        (b"long_hair,4300000\n", "neither two columns"),
        (b"\xff\xfea", "not UTF-8"),
        ("hat,bow\n".encode("utf-16-le"), "not UTF-8"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path: Path, data: bytes, fault: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(data)
    with pytest.raises(UserError, match=fault):
        list(read_pairs(file))
    with pytest.raises(UserError, match="no file"):
        list(read_pairs(tmp_path / "missing.csv"))


def test_a_hundred_thousand_rows_take_a_moment() -> None:
    """A chain of a thousand tags below each: closures are made only where they are asked for."""
    pairs = [(f"tag_{n}", f"tag_{n + 1}") for n in range(100_000) if n % 1000]
    start = time.process_time()
    known = Implications.build([], pairs)
    for number in range(0, 100_000, 500):
        known.collapsed([f"tag {number}", "hat", f"tag {number + 7}"])
    assert time.process_time() - start < 10  # 0.5 s on an idle machine
    assert len(known.implied("tag 99001")) == 999
