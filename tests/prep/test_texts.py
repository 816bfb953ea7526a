import codecs
import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import texts
from prep.system.files import content_hash
from prep.texts import composed, decoded, half_width, read_text

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
    for nul in ("bear".encode("utf-16-le"), b"bear\0", "bear\0".encode("utf-16")):
        with pytest.raises(UnicodeDecodeError):
            decoded(nul)
    assert decoded(codecs.BOM_UTF8 * 2 + b"bear") == "bear"
    assert decoded(b"caf\xe9", "replace") == "caf\ufffd"
    file = tmp_path / "a.txt"
    file.write_bytes("a\r\nb\rc\n".encode("utf-16"))
    assert read_text(file) == "a\nb\nc\n"


def test_accents_have_one_form() -> None:
    assert composed("cafe\u0301") == "caf\u00e9" == composed("caf\u00e9")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "missing"])
def test_what_has_no_end_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    reasons = {"folder": "Is a directory", "missing": "No such file or directory"}
    with pytest.raises(OSError, match=reasons.get(kind, "not a regular file")):
        texts.read_bytes(path)
    with pytest.raises(OSError, match=reasons.get(kind, "not a regular file")):
        content_hash(path)
    whole = tmp_path / "a"
    whole.write_bytes(b"x" * (3 << 20))
    assert texts.read_bytes(whole) == whole.read_bytes()


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_LARGEST", 1000)
    file = tmp_path / "a"
    file.write_bytes(1000 * b"x")
    assert len(texts.read_bytes(file, 1000)) == 1000
    assert texts.unzipped(gzip.compress(1000 * b"x")) == 1000 * b"x"
    file.write_bytes(1001 * b"x")
    with pytest.raises(OSError, match="too large"):
        texts.read_bytes(file, 1000)
    with pytest.raises(OSError, match="too large"):
        texts.unzipped(gzip.compress(1001 * b"x"))


def test_nesting_without_end_is_a_fault_like_others() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        texts.parse_json("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        texts.parse_toml("a = " + "[" * 100_000)
    assert texts.parse_json('{"a": [1]}') == {"a": [1]}
    assert texts.parse_toml("a = [1]") == {"a": [1]}


def test_numbers_of_an_input_method_are_numbers_and_words_stay() -> None:
    typed = ["１０", "１ｅ－４", "－．５", "１０人", "ＡＢＣ", "0.5"]
    assert [half_width(text) for text in typed] == ["10", "1e-4", "-.5", "１０人", "ＡＢＣ", "0.5"]
