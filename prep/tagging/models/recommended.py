"""Recommended thresholds of a tagger: of categories, and of single tags.

They come from its record, from its tag list (``best_threshold``), and from a file beside the model:
a CSV by category (deepghs's ``thresholds.csv``), or JSON by tag (OppaiOracle's
``pr_thresholds.json``). A threshold of one model means nothing for another.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

from prep.captions.tag_lists import tag_name
from prep.errors import UserError
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.tables import CATEGORIES, CHARACTER, GENERAL, RATING, TagTable
from prep.texts import parse_json, read_text

_NAMES = {number: name for name, number in reversed(CATEGORIES.items())}
_OF_A_TAG = ("pr_threshold", "threshold", "best_threshold")
"""Keys of the threshold of a tag in JSON, the most telling first."""


@dataclass(frozen=True)
class Recommended:
    """What a tagger recommends.

    Attributes:
        general: Threshold of general tags, if any.
        character: Threshold of character tags, if any.
        categories: Thresholds of other categories, by name.
        omitted: Categories that are left out of captions.
        columns: Threshold of each output, NaN for none; empty if there are none.
    """

    general: float | None = None
    character: float | None = None
    categories: Mapping[str, float] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()
    columns: tuple[float, ...] = ()


def recommended(files: TaggerFiles, table: TagTable) -> Recommended:
    """Return what a tagger recommends.

    Args:
        files: Its files.
        table: Its tags.

    Raises:
        UserError: Its file of thresholds is broken, or that of another tagger.
    """
    record, file = files.record, files.thresholds
    columns, named = table.thresholds, dict[str, float](record.categories)
    general, character = record.general, record.character
    if file is not None and file.suffix.lower() == ".json":
        columns = _by_tag(file, table)
    elif file is not None:
        found = _by_category(file)
        general, character = found.pop(GENERAL, general), found.pop(CHARACTER, character)
        found.pop(RATING, None)
        named |= {_NAMES[number]: limit for number, limit in found.items() if number in _NAMES}
    return Recommended(general, character, named, record.omit, columns)


def _by_category(file: Path) -> dict[int, float]:
    """Read a CSV with category and threshold; of several lines of a category, the first counts."""
    found: dict[int, float] = {}
    try:
        for row in csv.DictReader(io.StringIO(read_text(file)), strict=True):
            found.setdefault(int(row["category"]), _limit(row["threshold"]))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{file} has no list of categories with their thresholds ({error}).",
            "Take it from the model's repository.",
        ) from error
    return found


def _by_tag(file: Path, table: TagTable) -> tuple[float, ...]:
    """Read JSON with a threshold for each tag.

    It is a mapping of tags, possibly below ``per_tag``; a tag has a number, or several figures.
    Names are cleaned as those of the tag list are.
    """
    try:
        data = parse_json(read_text(file))
        while isinstance(data, dict) and isinstance(data.get("per_tag"), dict):
            data = data["per_tag"]
        if not isinstance(data, dict):
            raise TypeError("no mapping of tags")
        given = {tag_name(name.replace(",", "")): value for name, value in data.items()}
        known = {name: _figure(given[name]) for name in table.names if name in given}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} has no thresholds of tags ({error}).", "Take it from the model's repository."
        ) from error
    if not known:
        raise UserError(
            f"{file} has thresholds, but of none of the tags of this model.",
            "The two files belong to different taggers: take both from the same place.",
        )
    return tuple(known.get(name, nan) for name in table.names)


def _figure(value: Any) -> float:
    if isinstance(value, dict):
        value = next((value[key] for key in _OF_A_TAG if key in value), None)
    return nan if value is None else _limit(value)


def _limit(value: Any) -> float:
    found = float(value)
    if not 0.0 <= found <= 1.0:
        raise ValueError(f"{value!r} is not a number from 0 to 1")
    return found
