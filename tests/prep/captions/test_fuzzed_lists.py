"""Tag lists from strangers."""

import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from prep.captions.implications import read_pairs
from prep.captions.tag_lists import read_list
from tests.prep.fuzzing import answers_or_explains, damaged

CSV = b"tag_id,name,category,count\n1,hat,0,99\n2,long_hair,0,5\n"
BOORU = b'hat,0,99,"cap,bonnet"\nlong_hair,0,5,\n'
PAIRS = b"antecedent_name,consequent_name,status\nkitty,cat,active\n"


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tags.csv"
        file.write_bytes(data)
        answers_or_explains(lambda: read_list(file))
        answers_or_explains(lambda: list(read_pairs(file)))
        answers_or_explains(lambda: list(read_pairs(file, lists=True)))


@given(st.one_of(damaged(CSV), damaged(BOORU), damaged(PAIRS)))
def test_damaged_lists(data: bytes) -> None:
    read(data)


@given(st.binary(max_size=80))
@example(b"\0" * 1000)
@example(b'"' + b"a" * 200_000)
@example(b"hat,0," + b"9" * 5000)
@example(b"hat," + b"9" * 30 + b",1")
@example(b"hat,-1,\xd9\xa3")
def test_anything(data: bytes) -> None:
    read(data)
