"""Which language is chosen, and what becomes of texts and of finished messages in it."""

import gettext
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.cells import cell_len

from prep import language
from prep.language import _, counted, english, ngettext, translated
from prep.language.templates import Templates, pairs
from prep.language.wrapping import wrapped

WRITTEN = {
    "{path} is not an image.": "{path} は画像ではありません。",
    "{path} is not an image": "{path} は画像ではありません",
    "Remove it.": "削除してください。",
    "Look at it. Ask somebody.": "見てから、聞いてください。",
    "{count} images in {folder} have no caption": "{folder} の {count} 枚は未記入です",
    "it has {count} images": "画像が {count} 枚あります",
    "{name} cannot be used: {reason}": "{name} は使えません：{reason}",
    "the set {of braces": "括弧",
    "{count} crops": "切り抜き {count} 個",
    "Choose {{a|b}} for {tag}": "{tag} には {{a|b}} を選びます",
    "{a}: {b}": "{b}（{a}）",
    "{value} instead of {other}": "{other} の代わりに {value}",
    "images": "画像",
    "told: {things}": "知らせ：{things}",
    "{number} or more are needed.": "{number} 個以上必要です。",
}
TEMPLATES = Templates(WRITTEN)


@pytest.fixture
def _japanese() -> Iterator[None]:
    language.use("ja")
    yield
    language.use("en")


@pytest.mark.parametrize(
    "environment",
    [{}, {"LANG": "C.UTF-8"}, {"LANG": "xx_XX"}, {"LANG": ""}, {"LC_ALL": "en_GB", "LANG": "ja"}],
)
def test_english_where_nothing_else_is_asked_for_or_known(environment: dict[str, str]) -> None:
    assert language.wanted(environment) == "en"


@pytest.mark.parametrize(
    "environment",
    [{"LANG": "ja_JP.UTF-8"}, {"SHIKOMI_LANG": "ja", "LC_ALL": "C"}, {"LANGUAGE": "xx:ja:en"}],
)
def test_japanese_where_it_is_asked_for(environment: dict[str, str]) -> None:
    assert language.wanted(environment) == "ja"


def test_the_system_is_asked_where_no_variable_names_a_language() -> None:
    assert language.wanted({}, lambda: "ja_JP") == "ja"
    assert language.wanted({"LANG": "C"}, lambda: "ja_JP") == "en"


def test_without_a_catalogue_texts_stay_english() -> None:
    language.use("xx")
    assert _("{count} images").format(count=2) == "2 images"
    assert _("") == ""  # gettext would return the catalogue's header
    assert [ngettext("{n} image", "{n} images", n).format(n=n) for n in (1, 2)] == [
        "1 image",
        "2 images",
    ]
    assert translated("3 images in hat have no caption") == "3 images in hat have no caption"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--lang", "ja", "ls"], (["ls"], "ja")),
        (["ls", "x", "--lang=ja"], (["ls", "x"], "ja")),
        (["ls", "--lang"], (["ls"], "")),
        (["ls", "--", "--lang", "ja"], (["ls", "--", "--lang", "ja"], None)),
        (["ls", "--language", "ja"], (["ls", "--language", "ja"], None)),
    ],
)
def test_the_option_may_stand_anywhere(
    words: list[str], expected: tuple[list[str], str | None]
) -> None:
    assert language.asked_for(words) == expected


# ---- finished messages ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a/b c.png is not an image.", "a/b c.png は画像ではありません。"),
        ("x.png is not an image. Remove it.", "x.png は画像ではありません。削除してください。"),
        (
            "x.png is not an image. Look at it. Ask somebody. Remove it.",
            "x.png は画像ではありません。見てから、聞いてください。削除してください。",
        ),
        ("x is not an image.\n  Remove it.", "x は画像ではありません。\n  削除してください。"),
        ("hat cannot be used: it has 3 images", "hat は使えません：画像が 3 枚あります"),
        ("hat: it has 3 images", "hat：画像が 3 枚あります"),
        ("it has 3 images; it has 4 images", "画像が 3 枚あります；画像が 4 枚あります"),
        ("Choose {a|b} for hat", "hat には {a|b} を選びます"),
        ("the set {of braces", "括弧"),
        # Few words match much: their values are messages themselves, or names.
        ("12 of 40 crops", "12 of 40 crops"),
        ("12 crops", "切り抜き 12 個"),
        ("a.png crops", "a.png crops"),
        ("12 crops x 2 = 40 crops", "切り抜き 12 個 x 2 = 切り抜き 40 個"),
        ("  a b  12 crops  (40 crops)", "  a b  切り抜き 12 個  （切り抜き 40 個）"),
        ("told: 12 crops, 40 crops", "知らせ：切り抜き 12 個、切り抜き 40 個"),
        (
            "-a [b] is not an image. 3 or more are needed.",
            "-a [b] は画像ではありません。3 個以上必要です。",
        ),
        ("Remove it. b.png: it has 3 images", "削除してください。b.png：画像が 3 枚あります"),
        (
            "d/  a.png cannot be used: it has 3 images",
            "d/  a.png は使えません：画像が 3 枚あります",
        ),
        ("It has 3 images", "画像が 3 枚あります"),
        ("x 3 instead of 4: 40 crops", "4 の代わりに x 3：切り抜き 40 個"),
        ("12 crops, 5 kB", "切り抜き 12 個、5 kB"),
        ("! x: a.png is not an image.", "! x：a.png は画像ではありません。"),
        ("a.png is not an image (3)", "a.png は画像ではありません（3）"),
        ("a (1).png is not an image (3)", "a (1).png は画像ではありません（3）"),
        ("a b.png Remove it.", "a b.png 削除してください。"),
        # What has no words is the same in all languages.
        ("9  b.png  (640x480, it has 3 images)", "9  b.png  （640x480、画像が 3 枚あります）"),
        ("a, b.png (3)", "a, b.png (3)"),
        # A file may have the name of a text; no template consists of gaps alone.
        ("images is not an image.", "images は画像ではありません。"),
        ("one: two", "one: two"),
        ("3 images", "3 images"),
    ],
)
def test_a_message_is_translated_by_its_template(message: str, expected: str) -> None:
    assert TEMPLATES.translated(message) == expected


PLAIN = st.text(
    st.characters(categories=["Ll", "Lu", "Nd", "Lo"]) | st.sampled_from("./-_"), max_size=12
)


@given(st.data())
def test_no_value_of_a_message_is_lost(data: st.DataObject) -> None:
    texts = _japanese_texts()
    english = data.draw(st.sampled_from([text for text in texts if _gaps(text)]))
    values = {name: data.draw(PLAIN) for name in _gaps(english)}
    # Without the formats of numbers, which a finished message does not show.
    message = "".join(
        literal + (values[name] if name else "")
        for literal, name, _spec, _conversion in Formatter().parse(english)
    )
    shown = _templates().translated(message)
    assert all(value in shown for value in values.values())
    assert len(shown.split("\n")) == len(message.split("\n"))


@given(st.text())
def test_what_matches_nothing_stays(text: str) -> None:
    assume(text not in WRITTEN)
    assert TEMPLATES.translated(text) == text


@cache
def _japanese_texts() -> Mapping[str, str]:
    file = gettext.find(language.DOMAIN, language.CATALOGUES, ["ja"])
    assert file is not None
    return pairs(Path(file).read_bytes())


@cache
def _templates() -> Templates:
    return Templates(_japanese_texts())


def _gaps(text: str) -> list[str]:
    try:
        names = [name for _l, name, _s, _c in Formatter().parse(text) if name is not None]
    except ValueError:
        return []
    return names if all(name.isidentifier() for name in names) else []


# ---- what is shown -------------------------------------------------------------------------


@pytest.mark.usefixtures("_japanese")
def test_texts_and_numbers_are_japanese() -> None:
    assert _("Undo") == "元に戻す"
    assert counted("{count} group", "{count} groups", 1) == "1 グループ"
    assert counted("{count} group", "{count} groups", 7) == "7 グループ"
    # What goes into a journal is English, and found again where it is shown.
    assert english("exclude {count} image", "exclude {count} images", 7) == "exclude 7 images"
    assert translated("exclude 7 images") == "画像 7 枚を除外"


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_help_and_errors_are_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    shown = _run("ls", "--help", "--lang", "ja", COLUMNS="60")
    assert "画像をサイズとキャプション付きで一覧表示します。" in shown.stdout
    assert "使い方：shikomi ls" in shown.stdout
    assert max(map(cell_len, shown.stdout.splitlines())) <= 60
    refused = _run("ls", "--limitt", "3", SHIKOMI_LANG="ja")
    assert "shikomi ls --help" in refused.stderr
    assert "すべてのオプション" in refused.stderr
    unknown = _run("--lang", "xx", "ls", str(tmp_path))
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 2)


def test_json_and_files_are_english_in_any_language(tmp_path: Path) -> None:
    made = {}
    for code in ("en", "ja"):
        root = tmp_path / code / "set"
        made[code] = _run("init", "--json", str(root), SHIKOMI_LANG=code).stdout
        found = _run("scan", "--json", str(root / "nothing"), SHIKOMI_LANG=code)
        made[code] += found.stdout
    same = [
        [
            {key: value for key, value in json.loads(line).items() if key != "t"}
            for line in made[code].replace(str(tmp_path / code), "ROOT").splitlines()
        ]
        for code in ("en", "ja")
    ]
    assert same[0] == same[1]
    assert same[0]
    files = [(tmp_path / code / "set" / "shikomi.toml").read_bytes() for code in ("en", "ja")]
    assert files[0] == files[1]


def test_english_reads_no_catalogue() -> None:
    code = (
        "import prep.language as l, sys; l.translated('x: y'); "
        "print(l.in_use(), type(l._catalogue).__name__, l._templates.cache_info().misses)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["en", "NullTranslations", "0"]


# ---- lines ---------------------------------------------------------------------------------

JAPANESE = st.text("画像のタグを、書く。（「」）ー っ abc-d 1 --where .", max_size=80)


@given(JAPANESE, st.integers(10, 40))
def test_lines_fit_and_nothing_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        # A word, or a character with all its brackets and stops, is never broken.
        assert cell_len(line) <= width or not _breakable(line)
        assert line == line.strip(" ")


def _breakable(line: str) -> bool:
    return len(wrapped(line, 1)) > 1


def test_no_line_begins_with_a_full_stop_or_ends_with_an_opening_bracket() -> None:
    text = "絞り込み（--where）に一致する画像だけを、「対象」にします。"
    for width in range(8, 40):
        lines = wrapped(text, width)
        assert not any(line[0] in "、。）」" for line in lines)
        assert not any(line[-1] in "（「" for line in lines)
        assert "--where" in "\n".join(lines)
