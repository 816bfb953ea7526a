"""Catalogues of translations: reads, updates, writes and compiles the files of GNU gettext.

The formats are those of gettext's manual, "The Format of PO Files" and "The Format of GNU MO
Files". What has changed in English keeps its old translation, marked as fuzzy: it is not used until
somebody has looked at it. What is no longer in the code goes.
"""

import ast
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from textwrap import wrap

_ALIKE = 0.75
"""How like an old text a new one must be to get its translation, as fuzzy."""
_WIDTH = 96


@dataclass(frozen=True)
class Text:
    """A text of the code.

    Attributes:
        english: The text; ``{name}`` stands for a value.
        plural: That for other numbers than one, where a number chooses; else empty.
        kind: What it is, for translators: ``interface``, ``help``, ``label`` or ``message``.
        places: The files that it is in.
    """

    english: str
    plural: str = ""
    kind: str = "interface"
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A text and its translation.

    Attributes:
        text: What is translated.
        translations: The forms of the translation; empty strings while there is none.
        fuzzy: The translation is of an older text, and not used.
        before: That older text.
        remarks: Lines that translators wrote about it.
    """

    text: Text
    translations: tuple[str, ...] = ("",)
    fuzzy: bool = False
    before: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def translated(self) -> bool:
        """Return whether the translation is used."""
        return all(self.translations) and not self.fuzzy


@dataclass(frozen=True)
class Catalogue:
    """A file of translations.

    Attributes:
        head: Its comment and its fields, up to the first text; written back as it is.
        entries: The texts in the order of the file.
    """

    head: str
    entries: tuple[Entry, ...]


def parse(content: str) -> Catalogue:
    """Return a catalogue from the content of its file.

    Raises:
        ValueError: A line is not of the format.
    """
    head, *blocks = content.strip().split("\n\n")
    return Catalogue(head, tuple(_entry(block.split("\n")) for block in blocks))


def _entry(lines: Sequence[str]) -> Entry:
    texts: dict[str, str] = {}
    comments: dict[str, list[str]] = {}
    field = ""
    for line in lines:
        if line.startswith("#"):
            comments.setdefault(line[:2], []).append(line[2:].strip())
            continue
        word, _, rest = line.partition(" ")
        if not line.startswith('"'):
            field, line = word, rest
        if not field or not line.startswith('"'):
            raise ValueError(f"not a line of a catalogue: {line}")
        texts[field] = texts.get(field, "") + str(ast.literal_eval(line))
    kind = next(iter(comments.get("#.", [])), "interface")
    places = tuple(" ".join(comments.get("#:", [])).split())
    before = [line.partition(" ")[2] for line in comments.get("#|", [])]
    return Entry(
        Text(texts["msgid"], texts.get("msgid_plural", ""), kind, places),
        tuple(text for name, text in texts.items() if name.startswith("msgstr")),
        "fuzzy" in " ".join(comments.get("#,", [])),
        ast.literal_eval(before[0]) if before else "",
        tuple(comments.get("# ", [])),
    )


def updated(old: Catalogue, texts: Iterable[Text]) -> Catalogue:
    """Return a catalogue of exactly these texts, with the translations that it had.

    Args:
        old: The catalogue as it is.
        texts: All texts of the code.
    """
    known = {entry.text.english: entry for entry in old.entries}
    wanted = list(texts)
    gone = [known[english] for english in known.keys() - {text.english for text in wanted}]
    gone = sorted((entry for entry in gone if entry.translated), key=lambda e: e.text.english)
    entries = []
    for text in wanted:
        entry = known.get(text.english)
        if entry is None:
            entries.append(_nearest(text, gone))
        elif bool(entry.text.plural) == bool(text.plural):
            entries.append(replace(entry, text=text))
        else:
            entries.append(Entry(text))
    return Catalogue(old.head, tuple(entries))


def _nearest(text: Text, gone: Sequence[Entry]) -> Entry:
    """Return an entry with the translation of a text like it, as fuzzy; else an empty one."""
    compared = SequenceMatcher(b=text.english, autojunk=False)
    best, found = _ALIKE, None
    for entry in gone:
        compared.set_seq1(entry.text.english)
        if compared.real_quick_ratio() > best and compared.quick_ratio() > best:
            ratio = compared.ratio()
            if ratio > best:
                best, found = ratio, entry
    if found is None:
        return Entry(text)
    return Entry(text, found.translations, True, found.text.english, found.remarks)


def written(catalogue: Catalogue) -> str:
    """Return the content of the file."""
    return "\n\n".join([catalogue.head, *map(_block, catalogue.entries)]) + "\n"


def _block(entry: Entry) -> str:
    text = entry.text
    lines = [f"# {remark}" for remark in entry.remarks]
    lines += [f"#. {text.kind}"]
    lines += [f"#: {line}" for line in wrap(" ".join(text.places), _WIDTH, break_on_hyphens=False)]
    lines += ["#, fuzzy"] if entry.fuzzy else []
    lines += [f"#| msgid {_quoted(entry.before)}"] if entry.before else []
    lines += [f"msgid {_quoted(text.english)}"]
    if text.plural:
        lines += [f"msgid_plural {_quoted(text.plural)}"]
        lines += [f"msgstr[{n}] {_quoted(form)}" for n, form in enumerate(entry.translations)]
    else:
        lines += [f"msgstr {_quoted(entry.translations[0])}"]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    for character, name in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(character, name)
    return f'"{text}"'.replace("\N{NO-BREAK SPACE}", "\\xa0")


def compiled(catalogue: Catalogue) -> bytes:
    """Return the compiled catalogue, whose texts are those that are translated."""
    head = "".join(
        str(ast.literal_eval(line)) for line in catalogue.head.split("\n") if line[:1] == '"'
    )
    pairs = sorted(
        (english.encode("utf-8"), text.encode("utf-8"))
        for english, text in [("", head), *_pairs(catalogue)]
    )
    count, start = len(pairs), 28
    at = start + 16 * count
    tables: list[bytes] = []
    for place in (0, 1):
        table = b""
        for pair in pairs:
            table += struct.pack("<2I", len(pair[place]), at)
            at += len(pair[place]) + 1
        tables.append(table)
    header = struct.pack("<7I", 0x950412DE, 0, count, start, start + 8 * count, 0, at)
    texts = b"".join(pair[place] + b"\0" for place in (0, 1) for pair in pairs)
    return header + b"".join(tables) + texts


def _pairs(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for entry in catalogue.entries:
        if entry.translated:
            text = entry.text
            english = f"{text.english}\0{text.plural}" if text.plural else text.english
            yield english, "\0".join(entry.translations)
