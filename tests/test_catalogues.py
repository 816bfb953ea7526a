"""The catalogues of translations: up to date, compiled, complete, and fit for their texts."""

import gettext
import io
from pathlib import Path
from string import Formatter

import pytest

from docs.catalogue import CATALOGUES, COMPLETE, missing, texts
from docs.catalogue.messages import marked_texts, messages
from docs.catalogue.po import Catalogue, Entry, Text, compiled, parse, updated, written
from prep.language import available

RUN = "run: python docs/regenerate.py"
HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"'


def catalogue_of(source: Path) -> Catalogue:
    return parse(source.read_text("utf-8"))


def test_there_is_japanese() -> None:
    assert available() == ("en", "ja")


@pytest.mark.parametrize("source", CATALOGUES, ids=lambda path: path.parts[-3])
class TestEach:
    def test_is_up_to_date(self, source: Path) -> None:
        found = catalogue_of(source)
        assert written(found) == source.read_text("utf-8")
        assert written(updated(found, texts())) == written(found), RUN

    def test_is_compiled(self, source: Path) -> None:
        assert source.with_suffix(".mo").read_bytes() == compiled(catalogue_of(source)), RUN

    def test_translates_help_and_application_completely(self, source: Path) -> None:
        assert missing(catalogue_of(source)) == []

    def test_has_the_values_of_each_text(self, source: Path) -> None:
        wrong = [
            entry.text.english
            for entry in catalogue_of(source).entries
            for translation in entry.translations
            if entry.translated
            and gaps(translation) != gaps(entry.text.plural or entry.text.english)
        ]
        assert wrong == []

    def test_keeps_line_ends(self, source: Path) -> None:
        for entry in catalogue_of(source).entries:
            if entry.translated:
                lines = entry.text.english.count("\n")
                assert entry.translations[0].count("\n") == lines, entry.text.english


def gaps(text: str) -> set[str] | None:
    """Return the named gaps of a text; ``None`` where its braces are no gaps."""
    try:
        names = {
            name
            for _literal, name, _spec, _conversion in Formatter().parse(text)
            if name is not None
        }
    except ValueError:
        return None
    return names if all(name.isidentifier() for name in names) else None


# ---- the tool ------------------------------------------------------------------------------


def test_a_catalogue_survives_writing_and_reading() -> None:
    entries = (
        Entry(Text('say "no"\n\\1', "", "help", ("a.py", "b.py")), ("いいえ",), remarks=("short",)),
        Entry(Text("{n} image", "{n} images"), ("{n} 枚",)),
        Entry(Text("new text"), ("古い",), True, "old text"),
        Entry(Text("nothing yet")),
    )
    catalogue = Catalogue(HEAD, entries)
    assert parse(written(catalogue)) == catalogue


def test_the_standard_library_reads_what_is_compiled() -> None:
    entries = (
        Entry(Text("{n} image", "{n} images"), ("{n} 枚",)),
        Entry(Text("Undo"), ("元に戻す",)),
        Entry(Text("fuzzy"), ("曖昧",), True, "fuzzi"),
        Entry(Text("empty")),
    )
    head = f'{HEAD}\n"Plural-Forms: nplurals=1; plural=0;\\n"'
    found = gettext.GNUTranslations(io.BytesIO(compiled(Catalogue(head, entries))))
    assert found.gettext("Undo") == "元に戻す"
    assert found.ngettext("{n} image", "{n} images", 5) == "{n} 枚"
    assert (found.gettext("fuzzy"), found.gettext("empty")) == ("fuzzy", "empty")


def test_a_changed_text_keeps_its_translation_as_fuzzy() -> None:
    old = Catalogue(HEAD, (Entry(Text("Remove all tags."), ("全タグを削除します。",)),))
    changed = updated(old, [Text("Remove all the tags."), Text("Something else")])
    first, second = changed.entries
    assert (first.translations, first.fuzzy, first.before) == (
        ("全タグを削除します。",),
        True,
        "Remove all tags.",
    )
    assert not first.translated
    assert second.translations == ("",)
    assert missing(changed, COMPLETE) == ["Remove all the tags.", "Something else"]


CODE = '''
TABLE = {"a": marked("the same")}
def run(rows):
    """No text."""
    _("{count} images").format(count=len(rows))
    Binding("x", "go", "Go there")
    count_of(len(rows), "group")
    db.execute("no message here")
    if rows == "is compared with":
        pass
    raise UserError(f"{len(rows)} of {rows.total} image{'s' if rows else ''} fail: {rows!r}")
'''


def test_marked_texts_and_templates_are_found(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(CODE)
    assert [(each.english, each.plural) for each in marked_texts(file, "code.py")] == [
        ("the same", ""),
        ("Go there", ""),
        ("{count} group", "{count} groups"),
        ("{count} images", ""),
    ]
    assert [each.english for each in messages(file, "code.py")] == [
        "{rows} of {total} images fail: {rows2}",
        "{rows} of {total} image fail: {rows2}",
    ]


def test_a_marked_f_string_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text('_(f"{count} images")\n')
    with pytest.raises(ValueError, match=r"code\.py:1"):
        list(marked_texts(file, "code.py"))
