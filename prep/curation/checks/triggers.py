"""Rules about trigger words: missing from captions, misspelt, not in front, too similar.

A trigger word counts as present if a tag equals it, ignoring case, or if its words occur
in a sentence. CLIP reads ``mochi_bear`` and ``mochi bear`` differently, so underscores and escaped
brackets make it another word.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from prep import captions
from prep.captions.structure import split_lines
from prep.curation.checks.codes import CheckCode, Problem, for_all, info, warning
from prep.curation.checks.view import CheckedFolder, DatasetView
from prep.curation.vocabulary.nearest import allowed, distance
from prep.texts import composed

CODES = (
    CheckCode(
        "trigger-missing",
        "captions without the trigger word",
        for_all(
            warning(
                "What these images teach goes to their other tags: the trigger word learns less."
            )
        ),
        "--fix puts it in front; so does shikomi edit --rules.",
        safe=True,
    ),
    CheckCode(
        "trigger-misspelt",
        "a misspelt trigger word",
        for_all(warning("To the text encoder this is another word: the concept is split in two.")),
        "--fix replaces it if the right one is missing.",
        safe=True,
    ),
    CheckCode(
        "trigger-not-first",
        "a trigger word that is not in front",
        for_all(
            info(
                "keep_tokens protects only the first tags: when tags are shuffled or dropped,"
                " so is this trigger word."
            )
        ),
        "--fix moves it to the front.",
        safe=True,
    ),
    CheckCode(
        "trigger-none",
        "concepts without a trigger word",
        for_all(info("No particular word will invoke what these images teach.")),
        "shikomi concept PROJECT FOLDER --trigger WORD; styles may not need one.",
    ),
    CheckCode(
        "trigger-alike",
        "trigger words that are almost the same",
        for_all(warning("Concepts with similar trigger words bleed into each other.")),
        "Choose words that differ by more than one letter.",
    ),
)

TriggerRule = Callable[[str, DatasetView, CheckedFolder], tuple[str, str | None] | None]
"""Returns the fault of a text and the corrected text, as in ``captions.Verdict``."""


_SHOWN = 40
"""Maximum of characters of a text shown in a message."""


def words_of(place: CheckedFolder) -> list[str]:
    """Return the trigger word of a folder, as tags: it may contain commas."""
    return list(_tags(place.concept.trigger))


def alone(place: CheckedFolder) -> str:
    """Return the caption of only the trigger word; empty if there is none."""
    return place.concept.trigger


@lru_cache(1000)
def _tags(trigger: str) -> tuple[str, ...]:
    return tuple(captions.split(trigger))


@lru_cache(1000)
def _phrase(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def has_word(line: str, word: str) -> bool:
    """Return whether a line has the word as a tag or in a sentence, ignoring case."""
    return _phrase(composed(word)).search(composed(line)) is not None


def in_front(text: str, view: DatasetView, place: CheckedFolder) -> bool:
    """Return True if the trigger word is certainly correct, with a fast test."""
    trigger = place.concept.trigger
    if not trigger:
        return True
    if view.draws_lines or not text.startswith(trigger):
        return False
    return text[len(trigger) : len(trigger) + 1] in ("", ",", "\n")


def misspelt(text: str, view: DatasetView, place: CheckedFolder) -> tuple[str, str | None] | None:
    """Find words that are almost the trigger word, where the trigger word itself is missing."""
    wanted = [word for word in words_of(place) if not _in_all(text, view, word)]
    if not wanted:
        return None
    found: list[str] = []
    lines = []
    for line in _read(text, view):
        for word in wanted:
            if not has_word(line, word) and (near := _near(line, word, view, place)):
                found.append(near)
                line = _renamed(line, near, word)
        lines.append(line)
    if not found:
        return None
    return f"{found[0]} for {wanted[0]}", _with_lines(text, view, lines)


def shown(text: str) -> str:
    """Return the start of a text, for a message."""
    text = text.strip().partition("\n")[0].rstrip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def missing(text: str, view: DatasetView, place: CheckedFolder) -> tuple[str, str | None] | None:
    """Find lines that the trainer reads without the trigger word."""
    words = words_of(place)
    wanted = [word for word in words if not _in_all(text, view, word)]
    if not wanted:
        return None
    lines = _read(text, view)
    lacking = [line for line in lines if any(not has_word(line, word) for word in wanted)]
    changed = [_with_front(line, words) if line in lacking else line for line in lines]
    head = shown(lacking[0])
    message = head if len(lines) == 1 else f"{len(lacking)} of {len(lines)} lines: {head}"
    return message, _with_lines(text, view, changed)


def not_first(text: str, view: DatasetView, place: CheckedFolder) -> tuple[str, str | None] | None:
    """Find captions of tags whose trigger word is not in front."""
    trigger = place.concept.trigger
    if not trigger or composed(text).startswith(trigger):
        return None
    words, lines = words_of(place), _read(text, view)
    changed = [_moved(line, words) for line in lines]
    if changed == lines:
        return None
    return lines[0].strip()[:40], _with_lines(text, view, changed)


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield concepts without trigger words, and trigger words that are almost the same."""
    known: dict[str, str] = {}
    for folder, places in view.concepts().items():
        concept = places[0].concept
        if concept.settings.regularization:
            continue
        path = view.concept_path(folder)
        if not concept.trigger:
            yield Problem("trigger-none", path, "no trigger word")
            continue
        for word in words_of(places[0]):
            for other, where in known.items():
                if _almost(captions.key(word), captions.key(other)):
                    message = f"{word} here, {other} in {where}"
                    yield Problem("trigger-alike", path, message)
            known.setdefault(word, folder)


def _read(text: str, view: DatasetView) -> list[str]:
    """Return the lines that may be read: the first, or all if the trainer draws one."""
    if not view.draws_lines:
        return [split_lines(text)[1]]
    return [line for line in text.splitlines() if line.strip()]


def _with_lines(text: str, view: DatasetView, lines: list[str]) -> str:
    """Put the lines that ``_read`` returned back in their places."""
    if not view.draws_lines:
        head, _, rest = split_lines(text)
        return head + lines[0] + rest
    new = iter(lines)
    return "".join(
        next(new) + line[len(line.rstrip("\r\n")) :] if line.strip() else line
        for line in text.splitlines(keepends=True)
    )


def _in_all(text: str, view: DatasetView, word: str) -> bool:
    """Return whether the word is in every line that may be read."""
    return all(has_word(line, word) for line in _read(text, view))


def _with_front(line: str, words: list[str]) -> str:
    tags = captions.split(line)
    lacking = [word for word in words if not has_word(line, word)]
    return captions.with_tags(line, [*lacking, *tags])


def _moved(line: str, words: list[str]) -> str:
    tags = captions.split(line)
    moved = captions.move_first(tags, words)
    if moved == tags or any("{" in tag for tag in moved):
        return line
    return captions.with_tags(line, moved)


def _near(line: str, word: str, view: DatasetView, place: CheckedFolder) -> str | None:
    """Return the tag, or the word of a sentence, that is almost the trigger word."""
    wanted = captions.key(word)
    for tag in captions.split(line):
        if _same_letters(tag, word) or _almost(captions.key(tag), wanted):
            if not _is_own_tag(tag, word, view, place):
                return tag
        elif " " not in word and len(pieces := _words(tag)) > 1:
            for piece in pieces:
                if _almost(piece.casefold(), wanted) and not _is_own_tag(piece, word, view, place):
                    return piece
    return None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _same_letters(tag: str, word: str) -> bool:
    """Return whether they differ only in underscores, spaces, hyphens, brackets and width."""
    return _squeezed(tag) == _squeezed(word) != ""


@lru_cache(100_000)
def _squeezed(tag: str) -> str:
    letters = unicodedata.normalize("NFKC", tag).casefold()
    return re.sub(r"[\s_\-\\()]+", "", letters)


@lru_cache(100_000)
def _almost(first: str, second: str) -> bool:
    most = allowed(second)
    return bool(most) and 0 < distance(first, second, most) <= most


def _is_own_tag(tag: str, word: str, view: DatasetView, place: CheckedFolder) -> bool:
    """Return whether it also occurs beside the trigger word, so it must mean something else."""
    return captions.key(tag) in _beside(view, place.concept.folder, word)


def _beside(view: DatasetView, folder: str, word: str) -> set[str]:
    """Return the tags and words of the captions that have the trigger word."""
    known: set[str] | None = view.beside.get((folder, word))
    if known is None:
        known = view.beside[folder, word] = set()
        for row in view.rows:
            if row.folder == folder and row.caption and has_word(row.caption, word):
                line = split_lines(row.caption)[1]
                known.update(captions.keys(captions.split(line)))
                known.update(piece.casefold() for piece in _words(line))
    return known


def _renamed(line: str, near: str, word: str) -> str:
    tags = captions.split(line)
    if near in tags:
        return captions.with_tags(line, [word if tag == near else tag for tag in tags])
    return re.sub(rf"(?<!\w){re.escape(near)}(?!\w)", lambda _: word, line, count=1)
