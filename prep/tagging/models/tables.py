"""Names and categories of a tagger's outputs, from tag lists in any format that taggers use."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.captions.tag_lists import tag_name
from prep.errors import UserError, reason_of
from prep.texts import parse_json, read_text

GENERAL, ARTIST, COPYRIGHT, CHARACTER, META, RATING = 0, 1, 3, 4, 5, 9
"""Category names by danbooru's numbers; 9 for ratings is from the WD taggers."""
NO_TAG = -1
"""Category of outputs that are not tags, such as padding."""
CATEGORIES = {
    "general": GENERAL,
    "artist": ARTIST,
    "style": ARTIST,
    "copyright": COPYRIGHT,
    "series": COPYRIGHT,
    "character": CHARACTER,
    "meta": META,
    "rating": RATING,
    "quality": 10,
    "model": 11,
    "year": 12,
}
"""Category numbers by the names in JSON lists; those from 10 are ours."""

_RATING_PREFIXES = ("rating:", "rating_")
_THRESHOLD = "best_threshold"
"""Column of a CSV with a recommended threshold for each tag."""


class TableEntry(NamedTuple):
    """A line of a tag list; the threshold is NaN if the list recommends none."""

    name: str
    category: int
    threshold: float = nan


@dataclass(frozen=True)
class TagTable:
    """Names and categories of a tagger's outputs, in order.

    Attributes:
        names: Booru names, with underscores.
        categories: 0 general, 4 character, 9 rating, -1 no tag; other numbers count as general.
        thresholds: Recommended threshold of each tag, NaN for none; empty if there are none.
    """

    names: tuple[str, ...]
    categories: tuple[int, ...]
    thresholds: tuple[float, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def kinds(self) -> NDArray[np.intp]:
        """The categories; shape (tags,)."""
        return np.array(self.categories, np.intp)

    @cached_property
    def ratings(self) -> NDArray[np.intp]:
        """Indices of outputs that are ratings."""
        return np.flatnonzero(self.kinds == RATING)


def read_table(path: Path, skip: Collection[int] = ()) -> TagTable:
    """Read the tag list of a tagger: CSV, JSON, or one tag per line.

    Args:
        path: The list.
        skip: Indices of outputs that are not tags, whatever the list says.

    Raises:
        UserError: It is none of these; names the line or entry.
    """
    read = {".csv": _csv_entries, ".json": _json_entries}.get(path.suffix.lower(), _line_entries)
    try:
        entries = list(read(path))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UserError(f"{path} cannot be read: {reason_of(error)}.") from error
    if not entries:
        raise UserError(f"{path} does not list any tags.")
    for number in skip:
        if number < len(entries):
            entries[number] = TableEntry(entries[number].name, NO_TAG)
    names, categories, thresholds = zip(*entries, strict=True)
    advised = any(threshold == threshold for threshold in thresholds)  # not NaN
    return TagTable(names, categories, thresholds if advised else ())


def _csv_entries(path: Path) -> Iterator[TableEntry]:
    rows = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    if not {"name", "category"} <= set(rows.fieldnames or ()):
        raise UserError(
            f"{path} has no columns name and category.",
            "It must be the tag list that belongs to the model.",
        )
    for line, row in enumerate(rows, 2):
        yield _csv_entry(path, line, row)


def _csv_entry(path: Path, line: int, row: Mapping[str, str | None]) -> TableEntry:
    name, category = tag_name(row["name"] or ""), row["category"]
    if not name or category is None or not category.strip().lstrip("-").isdecimal():
        raise UserError(f"{path}, line {line}: the name or the category number is missing.")
    if "," in name:
        raise UserError(f"{path}, line {line}: {name!r} cannot be a tag in a caption.")
    return TableEntry(name, int(category), _threshold(path, line, row.get(_THRESHOLD)))


def _threshold(path: Path, line: int, text: str | None) -> float:
    """Return a threshold; NaN for none."""
    if not text or not text.strip():
        return nan
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if found != found:
        return nan
    if not 0.0 <= found <= 1.0:
        raise UserError(f"{path}, line {line}: {_THRESHOLD} {text!r} is not a number from 0 to 1.")
    return found


def _line_entries(path: Path) -> Iterator[TableEntry]:
    """Read one tag per line; DeepDanbooru's lists have ratings as ``rating:safe``."""
    for line in read_text(path).splitlines():
        if name := line.strip():
            yield _entry(name, "rating" if name.startswith("rating:") else "general")


def _json_entries(path: Path) -> Iterator[TableEntry]:
    data = parse_json(read_text(path))
    if isinstance(data, dict) and isinstance(data.get("dataset_info"), dict):
        data = data["dataset_info"].get("tag_mapping")  # Camie's metadata
    try:
        if isinstance(data, dict) and _is_grouped(data.get("categories")):
            data = list(_grouped(data["categories"]))
        yield from _mapped(data) if isinstance(data, dict) else _listed(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not in a known tag list format ({type(error).__name__}: {error}).",
            "Known: a list of names; idx_to_tag with tag_to_category; number: {tag, category};"
            " categories with their tags.",
        ) from error


def _listed(data: Iterable[Any]) -> Iterator[TableEntry]:
    for item in data:
        if isinstance(item, str):
            yield _entry(item, "general")
        else:
            yield _entry(item.get("tag") or item["name"], item.get("category", "general"))


def _is_grouped(groups: Any) -> bool:
    """Return whether these are categories with their tags, not just names of categories."""
    return isinstance(groups, list) and any(isinstance(g, dict) and "tags" in g for g in groups)


def _grouped(groups: Iterable[Any]) -> Iterator[Mapping[str, str]]:
    """Yield the tags of a list of categories, each with the offset of its first output.

    Raises:
        ValueError: The offsets leave out or repeat an output.
    """
    count = 0
    for group in sorted(groups, key=lambda one: int(one["offset"])):
        if group["offset"] != count:
            raise ValueError(f"the category {group['name']!r} does not begin at {count}")
        for tag in group["tags"]:
            yield {"tag": tag, "category": group["name"]}
        count += len(group["tags"])


def _mapped(data: Mapping[str, Any]) -> Iterator[TableEntry]:
    """Read a mapping: number -> tag, ``idx_to_tag`` with ``tag_to_category``, or name -> number."""
    if "idx_to_tag" in data:
        kinds, tags = data.get("tag_to_category", {}), data["idx_to_tag"]
        numbered = enumerate(tags) if isinstance(tags, list) else tags.items()
        by_number = {int(n): (tag, kinds.get(tag, "general")) for n, tag in numbered}
    elif all(isinstance(value, int) for value in data.values()):
        by_number = {number: (tag, "general") for tag, number in data.items()}
    else:
        by_number = {int(n): (item["tag"], item["category"]) for n, item in data.items()}
    for expected, number in enumerate(sorted(by_number)):
        if number != expected:
            raise ValueError(f"number {expected} is missing")
        yield _entry(*by_number[number])


def _entry(name: str, category: str | int) -> TableEntry:
    """Return a name and its category; commas, which separate tags in captions, are removed."""
    if isinstance(category, int):
        number = category
    else:
        number = CATEGORIES.get(category.lower(), GENERAL)
    if number == RATING:
        for prefix in _RATING_PREFIXES:
            name = name.removeprefix(prefix)
    name = tag_name(name.replace(",", ""))
    if not name:
        raise ValueError(f"{name!r} cannot be a tag")
    return TableEntry(name, number)
