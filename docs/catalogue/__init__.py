"""Makes the catalogues of translations: finds the texts, updates the sources, compiles them.

``python docs/regenerate.py`` does so, too. A translator edits only
``prep/locale/LANGUAGE/LC_MESSAGES/shikomi.po``, with an editor for such files or any other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from docs.catalogue import messages, tables
from docs.catalogue.po import Catalogue, Text, compiled, parse, updated, written

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUES = tuple(sorted((ROOT / "prep" / "locale").glob("*/LC_MESSAGES/shikomi.po")))
"""The sources of all languages."""
COMPLETE = ("interface", "help", "label")
"""Kinds of texts that are translated without exception; messages, as far as anybody got."""
_ROOMS = ("prep", "train", "tui")
_NOT_SHOWN = (
    "prep/captions/traits.py",
    "prep/images/colours.py",
    "prep/locale",
    "prep/seeding.py",
    "prep/language",
)
"""Files whose prose is data."""
_TALKATIVE = (
    "tui/cli.py",
    "tui/command_line.py",
    "tui/jobs/operations.py",
    "tui/plain_opening.py",
    "tui/screens/samples.py",
    "tui/screens/tag.py",
    "tui/web/access.py",
    "tui/web/run.py",
)
"""Files of the application with messages that are finished before they are shown: errors, and what
jobs are called. All other texts of it are marked."""


def texts() -> list[Text]:
    """Return all texts of the code, each once with the files that it is in."""
    found: dict[str, Text] = {}
    for text in _all():
        if not text.english:
            continue
        known = found.get(text.english)
        if known is None:
            found[text.english] = text
        else:
            places = tuple(dict.fromkeys((*known.places, *text.places)))
            found[text.english] = replace(
                known, places=places[:3], plural=known.plural or text.plural
            )
    return list(found.values())


def _all() -> Iterator[Text]:
    files = list(_files())
    for path, place in files:
        yield from messages.marked_texts(path, place)
    yield from tables.commands()
    yield from tables.kinds()
    yield from tables.help_texts()
    yield from tables.setting_texts()
    yield from tables.labels()
    for path, place in files:
        if place in _TALKATIVE or not place.startswith(("tui/", *_NOT_SHOWN)):
            yield from messages.messages(path, place)


def _files() -> Iterator[tuple[Path, str]]:
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path, path.relative_to(ROOT).as_posix()


def refresh(source: Path) -> Catalogue:
    """Bring a catalogue up to date with the code, and compile it."""
    catalogue = updated(parse(source.read_text("utf-8")), texts())
    source.write_text(written(catalogue), "utf-8")
    source.with_suffix(".mo").write_bytes(compiled(catalogue))
    return catalogue


def missing(catalogue: Catalogue, kinds: Iterable[str] = COMPLETE) -> list[str]:
    """Return the texts of some kinds that have no translation in use."""
    entries = catalogue.entries
    return [e.text.english for e in entries if e.text.kind in kinds and not e.translated]


def shares(catalogue: Catalogue) -> str:
    """Say how many texts of each kind are translated."""
    total = Counter(entry.text.kind for entry in catalogue.entries)
    done = Counter(entry.text.kind for entry in catalogue.entries if entry.translated)
    return ", ".join(f"{kind} {done[kind]} of {total[kind]}" for kind in total)
