"""Names and categories of a tagger's outputs, from tag lists in any format that taggers use."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.captions.tag_lists import tag_name
from prep.errors import UserError

GENERAL, ARTIST, COPYRIGHT, CHARACTER, META, RATING = 0, 1, 3, 4, 5, 9
"""Category names by danbooru's numbers; 9 for ratings is from the WD taggers."""
CATEGORIES = {
    "general": GENERAL,
    "artist": ARTIST,
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
TableEntry = tuple[str, int]


@dataclass(frozen=True)
class TagTable:
    """Names and categories of a tagger's outputs, in order.

    Attributes:
        names: Booru names, with underscores.
        categories: 0 general, 4 character, 9 rating; other numbers count as general.
    """

    names: tuple[str, ...]
    categories: tuple[int, ...]

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

    def limits(self, general: float, character: float) -> NDArray[np.float32]:
        """Return the threshold of each output; ratings can never reach theirs."""
        table = {CHARACTER: character, RATING: np.inf}
        return np.array([table.get(c, general) for c in self.categories], np.float32)


def read_table(path: Path) -> TagTable:
    """Read the tag list of a tagger: CSV, JSON, or one tag per line.

    Raises:
        UserError: It is none of these; names the line or entry.
    """
    read = {".csv": _csv_entries, ".json": _json_entries}.get(path.suffix.lower(), _line_entries)
    try:
        entries = list(read(path))
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not entries:
        raise UserError(f"{path} does not list any tags.")
    names, categories = zip(*entries, strict=True)
    return TagTable(names, categories)


def _csv_entries(path: Path) -> Iterator[TableEntry]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, strict=True)
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
    return name, int(category)


def _line_entries(path: Path) -> Iterator[TableEntry]:
    """Read one tag per line; DeepDanbooru's lists have ratings as ``rating:safe``."""
    for line in path.read_text("utf-8-sig").splitlines():
        if name := line.strip():
            yield _entry(name, "rating" if name.startswith("rating:") else "general")


def _json_entries(path: Path) -> Iterator[TableEntry]:
    data = json.loads(path.read_text("utf-8-sig"))
    if isinstance(data, dict) and isinstance(data.get("dataset_info"), dict):
        data = data["dataset_info"].get("tag_mapping")  # Camie's metadata
    try:
        yield from _mapped(data) if isinstance(data, dict) else _listed(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is not in a known tag list format ({type(error).__name__}: {error}).",
            "Known: a list of names; idx_to_tag with tag_to_category; number: {tag, category}.",
        ) from error


def _listed(data: Iterable[Any]) -> Iterator[TableEntry]:
    for item in data:
        if isinstance(item, str):
            yield _entry(item, "general")
        else:
            yield _entry(item.get("tag") or item["name"], item.get("category", "general"))


def _mapped(data: Mapping[str, Any]) -> Iterator[TableEntry]:
    """Read a mapping: number -> tag, ``idx_to_tag`` with ``tag_to_category``, or name -> number."""
    if "idx_to_tag" in data:
        kinds = data.get("tag_to_category", {})
        by_number = {
            int(n): (tag, kinds.get(tag, "general")) for n, tag in data["idx_to_tag"].items()
        }
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
    return name, number
