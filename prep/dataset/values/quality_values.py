"""Quality measures in ``cache.db``: one row per content and training size.

Renaming an image costs nothing, copies are measured once, and going back to an earlier resolution
or crop reuses its measures.
"""

import sqlite3
from collections.abc import Iterable
from typing import get_args

from prep.images.buckets import Fit
from prep.images.crops import Rect
from prep.images.quality.kinds import KINDS, VERSION, Values
from prep.images.quality.thresholds import Measure, QualitySection

ValueKey = tuple[str, str]
"""Content, and how it is cropped and scaled: everything the values depend on."""

_MEASURES: tuple[Measure, ...] = get_args(Measure)
_COLUMNS = ", ".join(_MEASURES)


def cut(rect: Rect, fit: Fit) -> str:
    """Return the key of a part of an image and of its fit in the bucket."""
    return f"{VERSION} {rect.corners} {fit.bucket} {fit.resized} {fit.left} {fit.top}"


def known(connection: sqlite3.Connection, wanted: Iterable[ValueKey]) -> dict[ValueKey, Values]:
    """Return the wanted values that have already been measured."""
    select = f"SELECT {_COLUMNS} FROM quality_values WHERE content = ? AND cut = ?"
    found: dict[ValueKey, Values] = {}
    for key in wanted:
        row = connection.execute(select, key).fetchone()
        if row is not None:
            found[key] = dict(zip(_MEASURES, row, strict=True))
    return found


def save(connection: sqlite3.Connection, results: Iterable[tuple[ValueKey, Values]]) -> None:
    """Store values, in one transaction."""
    marks = ", ".join("?" * (2 + len(_MEASURES)))
    with connection:
        connection.executemany(
            f"INSERT OR REPLACE INTO quality_values(content, cut, {_COLUMNS}) VALUES({marks})",
            ((*key, *(round(values[name], 5) for name in _MEASURES)) for key, values in results),
        )


def beyond(section: QualitySection, asked: str) -> tuple[str, tuple[float, ...]]:
    """Return the SQL that selects rows ``q`` with findings, and its parameters.

    Args:
        section: The thresholds.
        asked: One measure, or ``any`` for those that are not skipped.
    """
    names = [name for name in _MEASURES if name == asked or asked == "any"]
    if asked == "any":
        names = [name for name in names if name not in section.skip]
    tests = [f"q.{name} {'<' if KINDS[name].low else '>'} ?" for name in names]
    limits = tuple(KINDS[name].limit(float(getattr(section, name))) for name in names)
    return f"({' OR '.join(tests) or '0'})", limits
