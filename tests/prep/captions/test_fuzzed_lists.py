"""Tag lists from strangers."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from prep.captions.implications import TagPair, read_pairs
from prep.captions.tag_lists import KINDS, TagEntry, read_list
from tests.prep.fuzzing import answers_or_explains, damaged

CSV = b"tag_id,name,category,count\n1,hat,0,99\n2,long_hair,0,5\n"
BOORU = b'hat,0,99,"cap,bonnet"\nlong_hair,0,5,\n'
PAIRS = b"antecedent_name,consequent_name,status\nkitty,cat,active\n"


def check_entries(entries: list[TagEntry]) -> None:
    """Check that each entry can be a tag in a caption."""
    assert entries
    for entry in entries:
        assert entry.name == entry.name.strip() != ""
        assert not set(entry.name) & set(",\n\r\0\x1b")
        assert 0 <= entry.count < 10**18
        assert 0 <= entry.kind < len(KINDS)
        assert all(entry.aliases)


def check_pairs(pairs: Iterable[TagPair]) -> None:
    """Check that each pair names two tags."""
    for old, new in pairs:
        assert old.strip()
        assert new.strip()


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.csv"
        file.write_bytes(data)
        answers_or_explains(lambda: check_entries(read_list(file)))
        answers_or_explains(lambda: check_pairs(read_pairs(file)))
        answers_or_explains(lambda: check_pairs(read_pairs(file, lists=True)))


@given(st.one_of(damaged(CSV), damaged(BOORU), damaged(PAIRS)))
def test_damaged_lists(data: bytes) -> None:
    read(data)


@given(st.binary(max_size=80))
@example(b"\0" * 1000)
@example(b'"' + b"a" * 200_000)
@example(b"hat,0," + b"9" * 5000)
@example(b"hat," + b"9" * 30 + b",1")
@example(b"hat,-1,\xd9\xa3")
@example(b"hat,0,-5")
@example(b"\x1b[2Jhat,0,5")
def test_anything(data: bytes) -> None:
    read(data)
