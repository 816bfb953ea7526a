"""The fields of a filter: the values that each takes, and validation of them.

The table in ``docs/topics/filters.md`` describes the same fields; a test keeps the two in sync.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import get_args

from prep.dataset.query.tree import Term
from prep.images.quality.thresholds import Measure

NUMBER, CHOICE, TEXT, SIZE = "number", "choice", "text", "size"
YES_NO = ("yes", "no")


@dataclass(frozen=True)
class FilterField:
    """The values of a field.

    Attributes:
        kind: ``number``, ``choice``, ``text``, or ``size`` (such as 832x1216).
        choices: The values of a choice.
        unit: What the number means, for error messages.
    """

    kind: str
    choices: tuple[str, ...] = ()
    unit: str = "a number"


REASONS = ("exact", "near", "mirrored", "rotated", "crop", "variant", "uncertain")
"""Kinds of groups that ``shikomi dupes`` finds."""
MEASURES: tuple[str, ...] = get_args(Measure)
"""The measures of ``shikomi quality``."""

FIELDS: dict[str, FilterField] = {
    "tag": FilterField(TEXT),
    "text": FilterField(TEXT),
    "name": FilterField(TEXT),
    "file": FilterField(TEXT),
    "in": FilterField(TEXT),
    "concept": FilterField(TEXT),
    "format": FilterField(TEXT),
    "hand": FilterField(TEXT),
    "dup": FilterField(CHOICE, (*YES_NO, "kept", *REASONS)),
    "quality": FilterField(CHOICE, ("any", "none", *MEASURES)),
    "has": FilterField(CHOICE, ("caption", "tags", "mask", "crop", "error")),
    "excluded": FilterField(CHOICE, YES_NO),
    "reviewed": FilterField(CHOICE, YES_NO),
    "upscaled": FilterField(CHOICE, YES_NO),
    "error": FilterField(CHOICE, YES_NO),
    "alpha": FilterField(CHOICE, YES_NO),
    "animated": FilterField(CHOICE, YES_NO),
    "bucket": FilterField(SIZE),
    "w": FilterField(NUMBER, unit="pixels"),
    "h": FilterField(NUMBER, unit="pixels"),
    "mp": FilterField(NUMBER, unit="megapixels"),
    "ar": FilterField(NUMBER, unit="width / height, such as 1.5 or 3/2"),
    "size": FilterField(NUMBER, unit="bytes, such as 500k or 2MB"),
    "orientation": FilterField(NUMBER, unit="1 to 8"),
    "frames": FilterField(NUMBER),
    "tags": FilterField(NUMBER),
    "tokens": FilterField(NUMBER),
    "score": FilterField(NUMBER, unit="0 to 1"),
}
ALIASES = {
    "width": "w",
    "height": "h",
    "megapixels": "mp",
    "aspect": "ar",
    "caption": "text",
    "folder": "in",
    "path": "name",
}
FLAGS = ("upscaled", "error", "alpha", "animated")
"""Fields that may omit the value: ``upscaled`` is ``upscaled:yes``."""

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)")
_UNITS = {"": 1, "b": 1, "k": 1_000, "kb": 1_000, "m": 1_000_000, "mb": 1_000_000}
_UNITS |= {"g": 1_000_000_000, "gb": 1_000_000_000}
_SIZE = re.compile(r"(\d+)[xX×](\d+)")
_HAND = re.compile(r"[+-].*", re.DOTALL)
_NEAR = 0.8
_MOST_DIGITS = 15


def known(name: str) -> str | None:
    """Return the name of a field, resolving aliases; ``None`` if there is none."""
    name = ALIASES.get(name, name)
    return name if name in FIELDS else None


def nearest(name: str) -> str | None:
    """Return the field that was probably meant."""
    near = get_close_matches(name, [*FIELDS, *ALIASES], 1, _NEAR)
    return near[0] if near else None


def complaint(term: Term) -> str:
    """Return the fault in the value of a term, or an empty string."""
    field = FIELDS.get(term.field)
    if field is None:
        return ""
    if not term.value:
        return f"{term.field}: needs a value"
    if field.kind == NUMBER:
        wrong = bounds(term) is None
        return f"{term.field} takes a number ({field.unit}), not {term.value!r}" if wrong else ""
    if term.relation not in ("=", "!="):
        return f"{term.field} is not a number: write {term.field}:{term.value}"
    if term.field == "hand" and not _HAND.fullmatch(term.value):
        return f"hand: takes + or -, alone or before a tag (hand:+smile), not {term.value!r}"
    if field.kind == CHOICE and term.value not in field.choices:
        near = get_close_matches(term.value, field.choices, 1, 0.6)
        meant = f" (did you mean {near[0]}?)" if near else ""
        choices = ", ".join(field.choices)
        return f"{term.field} takes one of {choices}, not {term.value!r}{meant}"
    if field.kind == SIZE and size(term.value) is None:
        return f"{term.field} takes a size such as 832x1216, not {term.value!r}"
    return ""


def size(value: str) -> tuple[int, int] | None:
    """Return the width and height of a value such as ``832x1216``."""
    match = _SIZE.fullmatch(value)
    if match is None or len(value) > _MOST_DIGITS:
        return None
    return int(match[1]), int(match[2])


def bounds(term: Term) -> tuple[float, float] | None:
    """Return the lowest and highest value of a number term; equal unless it names a range.

    Example:
        >>> bounds(Term("w", "512..1024")), bounds(Term("size", "2MB")), bounds(Term("w", "big"))
        ((512.0, 1024.0), (2000000.0, 2000000.0), None)
    """
    low, dots, high = term.value.partition("..")
    if dots and term.relation not in ("=", "!="):
        return None
    first = _number(term.field, low)
    last = _number(term.field, high) if dots else first
    return None if first is None or last is None else (first, last)


def tolerance(field: str) -> float:
    """Return the tolerance of equality for a field, so that 1.33 matches an ``ar`` of 4/3."""
    return {"ar": 0.005, "mp": 0.005, "score": 0.0005}.get(field, 0.0)


def _number(field: str, text: str) -> float | None:
    if len(text) > _MOST_DIGITS:
        return None
    if field == "ar" and (match := re.fullmatch(r"(\d+)[/:](\d+)", text)):
        return int(match[1]) / int(match[2]) if int(match[2]) else None
    match = _NUMBER.match(text)
    if match is None:
        return None
    unit = text[match.end() :].lower()
    if unit and (field != "size" or unit not in _UNITS):
        return None
    return float(match[1]) * _UNITS[unit]
