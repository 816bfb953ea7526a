"""Nothing that is shown, or taken from lists of others, gives orders to a terminal."""

import gzip
import json
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep import events
from prep.captions import implications
from prep.captions.implications import Implications
from prep.captions.tag_lists import read_list
from prep.cli.console import print_error, show
from prep.errors import UserError
from prep.printable import printable
from prep.tagging.models.tables import read_table

HOSTILE = "\x1b]0;title\x07\x9b31m\x7f\r\u2028\u202egnp\u2066x"


def is_safe(text: str) -> bool:
    """Return whether no terminal obeys it; by Unicode's own tables."""
    return all(
        character in "\t\n"
        or (
            unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
            and unicodedata.bidirectional(character)
            not in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
            and character not in "\u061c\u200e\u200f"
        )
        for character in text
    )


def test_every_character_is_safe_or_escaped() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        assert (printable(character) == character) == is_safe(character), hex(number)
        assert is_safe(printable(character))
        assert printable(character, "") in ("", character)


@given(st.text())
def test_json_says_the_same_in_safe_characters(text: str) -> None:
    line = events.to_json(events.Written(text))
    assert is_safe(line)
    assert json.loads(line)["path"] == text


def test_bytes_that_are_no_text_are_named() -> None:
    assert printable("a\udcff\ud800") == "a\\xff\\ud800"


def test_the_command_line_shows_what_it_does_not_obey(capsys: pytest.CaptureFixture[str]) -> None:
    found = (
        events.Warned(f"a {HOSTILE}", HOSTILE),
        events.Skipped(HOSTILE, HOSTILE),
        events.Progress(f"[b]{HOSTILE}", 1, 2, f"[/] {HOSTILE}"),
        events.Failed(HOSTILE, HOSTILE),
    )
    show(iter(found), printer=lambda event: HOSTILE)
    print_error(UserError(HOSTILE, f"one\n{HOSTILE}"))
    out = capsys.readouterr()
    assert is_safe(out.out + out.err)
    assert out.err.count(printable(HOSTILE)) == 8
    assert out.out.count(printable(HOSTILE)) == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'tag_id,name,category,count\n1,"{}",0,9\n'),
        ("b.csv", 'name,category\n"{}",0\n'),
        ("c.txt", "{}\n"),
        ("d.json", '["{}"]'),
        ("e.json", '{{"0": {{"tag": "{}", "category": "general"}}}}'),
    ],
)
def test_lists_of_taggers_are_cleaned(tmp_path: Path, name: str, text: str) -> None:
    tag = "red\x1b[31m hat\u202e"
    shown = json.dumps(tag)[1:-1] if name.endswith("json") else tag
    (tmp_path / name).write_bytes(text.format(shown).encode())
    assert read_table(tmp_path / name).names == ("red[31m hat",)


def test_a_line_end_in_a_name_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'name,category\n"red\r\nhat\r",0\n')
    assert read_table(tmp_path / "a.csv").names == ("red hat",)
    (tmp_path / "a.csv").write_bytes(b'name,category\n"\r\x1b",0\n')
    with pytest.raises(UserError, match="the name or the category number is missing"):
        read_table(tmp_path / "a.csv")


def test_vocabularies_and_aliases_are_cleaned(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"hat\x1b]0;x\x07",0,5,"cap\x1b,\x9b"\n')
    [entry] = read_list(tmp_path / "a.csv")
    assert (entry.name, entry.aliases) == ("hat]0;x", ("cap",))
    (tmp_path / "b.csv").write_text("cap\x1b,hat\x1b[0m\r\n")
    assert Implications.read([tmp_path / "b.csv"], []).aliases == {"cap": "hat[0m"}


def test_a_packed_list_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(b"cap,hat\n"))
    assert Implications.read([file], []).aliases == {"cap": "hat"}
    monkeypatch.setattr(implications, "_MOST", 7)
    with pytest.raises(UserError, match="a bomb"):
        Implications.read([file], [])
