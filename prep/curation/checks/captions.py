"""Rules about the text of captions; each sees the text as fixed by the rules before it.

A caption goes through ``STEPS`` in order. A step reports what is wrong, if anything, and gives the
corrected text, if that is certain; so all faults of one caption are found and fixed at
once, and the findings do not depend on whether anything is fixed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from prep import captions
from prep.captions.structure import split_lines
from prep.curation.checks import triggers
from prep.curation.checks.caption_codes import CODES as CODES
from prep.curation.checks.codes import Problem
from prep.curation.checks.encodings import decoded, guesses
from prep.curation.checks.view import CheckedFolder, CheckedImage, DatasetView
from prep.dataset.journal.changes import Change, content_change
from prep.language import quantity

BOM = "\ufeff"
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]")
_SPACES = re.compile("[\t\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_RUNS = re.compile(r"(?<=\S)  +(?=\S)")
_WIDE_COMMAS = re.compile("[，、﹐﹑]")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_NO_TAG = re.compile(r"^\s*,|,\s*,|,\s*$")
_WILDCARD = re.compile(r"\{[^{}]*\|[^{}]*\}")
_BRACED = re.compile(r"\{[^{}]+\}")
_LONG_TAG = 8
"""Chinese or Japanese characters from which a text is a clause rather than a tag."""
_MANY = 3
"""Captions per concept from which identical captions are reported."""


class CheckedCaption(NamedTuple):
    """A caption text passing through the steps."""

    text: str
    view: DatasetView
    place: CheckedFolder


class Verdict(NamedTuple):
    """The result of a step; ``text`` is the corrected text, ``None`` if that is not certain."""

    message: str
    text: str | None = None


CaptionCheck = Callable[[CheckedCaption], Verdict | None]


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield the problems of the captions that the trainer reads."""
    for place in view.places:
        for stem, pictures in place.stems.items():
            name = stem + view.extension
            if name in place.all_names:
                path = place.file(name)
                data = read_text(view, path, pictures[0])
                yield from _problems(view, place, path, data)
    yield from _alike(view)


def changes(view: DatasetView, wanted: frozenset[str]) -> Iterator[Change]:
    """Yield the fixed captions; only the rules in ``wanted`` are applied."""
    for place in view.places:
        for stem, pictures in place.stems.items():
            name = stem + view.extension
            if name not in place.all_names:
                continue
            path = place.file(name)
            data = read_text(view, path, pictures[0])
            if not any(problem.fixable for problem in _problems(view, place, path, data)):
                continue
            raw = view.caption_bytes(path)
            if raw is not None and (after := fixed(view, place, raw, wanted)) != raw:
                yield content_change(path, raw, after)


def read_text(view: DatasetView, path: str, picture: CheckedImage) -> str | bytes | None:
    """Return a caption: its text, its bytes if they are not UTF-8, ``None`` if unreadable."""
    row = picture.row
    if row is not None and view.indexed_captions and row.caption_error is None:
        return row.caption
    raw = view.caption_bytes(path)
    return None if raw is None else _as_text(raw)


def fixed(
    view: DatasetView, place: CheckedFolder, raw: bytes, wanted: frozenset[str]
) -> bytes | None:
    """Return the corrected text of a caption file; ``None`` if the file should be removed."""
    text = _as_text(raw)
    if isinstance(text, bytes):
        found = decoded(text, view.encoding)
        if found is None or "caption-encoding" not in wanted:
            return raw
        text = found.text
    for code, step in STEPS:
        verdict = step(CheckedCaption(text, view, place))
        if verdict is not None:
            if verdict.text is not None and code in wanted:
                text = verdict.text
                if code in _LAST and not text:
                    return None
            if code in _LAST:
                break
    # A caption is never emptied as a side effect: trainers stop at empty files.
    return text.encode("utf-8") if text.strip() else raw


def _as_text(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _problems(
    view: DatasetView, place: CheckedFolder, path: str, data: str | bytes | None
) -> Iterator[Problem]:
    if data is None:
        yield Problem("caption-unreadable", path, view.why_unreadable(path))
        return
    if isinstance(data, bytes):
        found = decoded(data, view.encoding)
        if found is None:
            likely = guesses(data)[:2]
            hint = f"perhaps {' or '.join(likely)}" if likely else "in no known encoding"
            yield Problem("caption-encoding", path, hint)
            return
        message = f"{found.encoding}: {triggers.shown(found.text)}"
        yield Problem("caption-encoding", path, message, fixable=True)
        data = found.text
    plain = _is_plain(data)
    if plain and triggers.in_front(data, view, place):
        return
    for code, step in TRIGGER_STEPS if plain else STEPS:
        verdict = step(CheckedCaption(data, view, place))
        if verdict is None:
            continue
        yield Problem(code, path, verdict.message, verdict.text is not None)
        if code in _LAST:
            return
        data = data if verdict.text is None else verdict.text


def _is_plain(text: str) -> bool:
    """Return whether it is one line to which only the trigger steps can apply; most captions are.

    These tests run in C, since they see hundreds of thousands of captions.
    """
    line = text.rstrip("\r\n")
    return (
        line.isprintable()
        and bool(line)
        and "  " not in line
        and " ," not in line
        and "{" not in line
        and "}" not in line
        and (line.isascii() or not (_WIDE_COMMAS.search(line) or _EAST_ASIAN.search(line)))
        and ",," not in line
        and ", ," not in line
        and line[0] not in " ,"
        and line[-1] not in " ,"
    )


# ---- the steps ---------------------------------------------------------------------------------


def _empty(caption: CheckedCaption) -> Verdict | None:
    return None if caption.text else Verdict("0 bytes", triggers.alone(caption.place))


def _bom(caption: CheckedCaption) -> Verdict | None:
    if not caption.text.startswith(BOM):
        return None
    text = caption.text.lstrip(BOM)
    return Verdict(triggers.shown(text) or "only a byte order mark", text)


def _blank(caption: CheckedCaption) -> Verdict | None:
    if _CONTROLS.sub("", caption.text).strip():
        return None
    return Verdict("no visible text", triggers.alone(caption.place))


def _blank_first(caption: CheckedCaption) -> Verdict | None:
    lines = caption.text.splitlines(keepends=True)
    if caption.view.draws_lines or (lines and lines[0].strip()):
        return None
    text = caption.text.lstrip()
    return Verdict(f"the text starts further down: {triggers.shown(text)}", text)


def _odd_characters(caption: CheckedCaption) -> Verdict | None:
    found = Counter(f"U+{ord(character):04X}" for character in _CONTROLS.findall(caption.text))
    if not found:
        return None
    named = ", ".join(f"{count} x {name}" for name, count in found.most_common(3))
    return Verdict(named, _CONTROLS.sub("", caption.text))


def _odd_spaces(caption: CheckedCaption) -> Verdict | None:
    text = _SPACES.sub(" ", caption.text)
    clean = "".join(_tidy(line) for line in text.splitlines(keepends=True))
    if clean == caption.text:
        return None
    wide = len(_SPACES.findall(caption.text))
    message = f"tabs or wide spaces: {wide}" if wide else "before commas, in rows or at the ends"
    return Verdict(message, clean)


def _tidy(line: str) -> str:
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    return re.sub(" +,", ",", _RUNS.sub(" ", body.strip(" "))) + end


def _wide_commas(caption: CheckedCaption) -> Verdict | None:
    head, line, rest = split_lines(caption.text)
    count = len(_WIDE_COMMAS.findall(line))
    if not count or _is_east_asian_sentence(line):
        return None
    clean = re.sub(rf"\s*{_WIDE_COMMAS.pattern}\s*", ", ", line)
    return Verdict(
        f"{quantity(count, 'wide comma')}, {line.count(',')} of the usual kind", head + clean + rest
    )


def _is_east_asian_sentence(line: str) -> bool:
    """Return whether it is a sentence in which wide commas are correct."""
    if not _EAST_ASIAN.search(line):
        return False
    pieces = re.split("[，、﹐﹑,]", line)
    longest = max(len(_EAST_ASIAN.findall(piece)) for piece in pieces)
    return any(mark in line for mark in "。！？") or longest > _LONG_TAG


def _not_english(caption: CheckedCaption) -> Verdict | None:
    line = split_lines(caption.text)[1]
    if caption.text.isascii() or not _EAST_ASIAN.search(line):
        return None
    found = [tag for tag in captions.split(line) if _EAST_ASIAN.search(tag)]
    return Verdict(triggers.shown(found[0] if found else line))


def _empty_tags(caption: CheckedCaption) -> Verdict | None:
    head, line, rest = split_lines(caption.text)
    if not _NO_TAG.search(line):
        return None
    tags = [tag.strip() for tag in line.split(",")]
    empty = sum(not tag for tag in tags)
    if empty == len(tags):
        return Verdict("only commas")
    return Verdict(
        f"{quantity(empty, 'comma')} without a tag", head + ", ".join(filter(None, tags)) + rest
    )


def _braces(caption: CheckedCaption) -> Verdict | None:
    if not caption.view.expands:
        return None
    bare = re.sub(r"\{\{|\}\}", "", caption.text)
    for line in bare.splitlines():
        left = _BRACED.sub("", line)
        loose = [part for part in re.split(r"[,\s]+", left) if "{" in part or "}" in part]
        # Short ones are emoticons, such as :} and {|}
        if any(len(part) > 3 or part in ("{", "}") for part in loose):
            nested = left.count("{") > 0 and left.count("{") == left.count("}")
            return Verdict("braces inside braces" if nested else f"no partner: {loose[0][:30]}")
    return None


def _unused_wildcards(caption: CheckedCaption) -> Verdict | None:
    if caption.view.expands:
        return None
    found = _WILDCARD.search(split_lines(caption.text)[1])
    return Verdict(f"{triggers.shown(found[0])} is used literally") if found else None


def _extra_lines(caption: CheckedCaption) -> Verdict | None:
    if caption.view.draws_lines:
        return None
    lines = [line for line in caption.text.splitlines() if line.strip()]
    return Verdict(f"{len(lines)} lines, only the first is read") if len(lines) > 1 else None


def _trigger(caption: CheckedCaption, rule: triggers.TriggerRule) -> Verdict | None:
    found = rule(caption.text, caption.view, caption.place)
    return Verdict(*found) if found else None


TRIGGER_STEPS: tuple[tuple[str, CaptionCheck], ...] = (
    ("trigger-misspelt", lambda caption: _trigger(caption, triggers.misspelt)),
    ("trigger-missing", lambda caption: _trigger(caption, triggers.missing)),
    ("trigger-not-first", lambda caption: _trigger(caption, triggers.not_first)),
)
STEPS: tuple[tuple[str, CaptionCheck], ...] = (
    ("caption-empty", _empty),
    ("caption-bom", _bom),
    ("caption-blank", _blank),
    ("caption-first-line-blank", _blank_first),
    ("caption-odd-characters", _odd_characters),
    ("caption-odd-spaces", _odd_spaces),
    ("caption-wide-commas", _wide_commas),
    ("caption-not-english", _not_english),
    ("caption-empty-tags", _empty_tags),
    ("wildcard-braces", _braces),
    ("wildcard-unused", _unused_wildcards),
    ("caption-extra-lines", _extra_lines),
    *TRIGGER_STEPS,
)
_LAST = frozenset({"caption-empty", "caption-blank"})


# ---- captions of a concept -----------------------------------------------------------------------


def _alike(view: DatasetView) -> Iterator[Problem]:
    """Yield concepts whose captions do not distinguish their images."""
    for folder, places in view.concepts().items():
        if places[0].concept.settings.regularization:
            continue  # one word for the whole class is their purpose
        texts: Counter[str] = Counter()
        for place in places:
            for picture in place.pictures:
                if picture.row is not None and (picture.row.caption or "").strip():
                    texts[split_lines(picture.row.caption or "")[1].strip()] += 1
        path = view.concept_path(folder)
        total, groups = sum(texts.values()), [n for n in texts.values() if n > 1]
        if total >= _MANY and len(texts) == 1:
            text = next(iter(texts))
            if captions.split(text) != captions.split(places[0].concept.trigger):
                yield Problem(
                    "captions-identical", path, f"all {total} captions are: {triggers.shown(text)}"
                )
            else:
                yield Problem("captions-bare", path, f"all {total} captions are the trigger word")
        elif groups:
            yield Problem(
                "captions-repeated",
                path,
                f"{sum(groups)} images share {quantity(len(groups), 'caption')}",
            )
