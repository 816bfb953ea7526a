import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.texts import composed, decoded, read_text

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\0"))


@given(TEXT, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_a_byte_order_mark_names_the_encoding_and_is_no_text(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding)) == text


@given(TEXT)
def test_either_order_of_bytes_is_read(text: str) -> None:
    for mark, encoding in (
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ):
        assert decoded(mark + text.encode(encoding)) == text


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(b"caf\xe9")
    with pytest.raises(UnicodeDecodeError):
        decoded(codecs.BOM_UTF16_LE + b"a")
    assert decoded(b"caf\xe9", "replace") == "caf\ufffd"
    file = tmp_path / "a.txt"
    file.write_bytes("a\r\nb\rc\n".encode("utf-16"))
    assert read_text(file) == "a\nb\nc\n"


def test_accents_have_one_form() -> None:
    assert composed("cafe\u0301") == "caf\u00e9" == composed("caf\u00e9")
