"""Thresholds of tags: by category, by tag, at an image's widest gap, or the best few."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.tagging.models.tables import CATEGORIES, CHARACTER, RATING, TagTable

LEAST_CHARACTER = 0.15
"""Minimum threshold of characters with ``mcut``, as in the public demo of WD taggers."""


@dataclass(frozen=True)
class Thresholds:
    """The thresholds from which tags are selected.

    Attributes:
        general: 0 to 1; for every category without another threshold.
        character: 0 to 1.
        mcut: Instead of fixed ones, cut each image's scores in the middle of their widest gap
            (maximum cut thresholding; characters from 0.15). Those of ``tags`` stay.
        categories: Thresholds of other categories, by name.
        tags: Thresholds of single tags, in any spelling.
        top: Then keep only this many best tags per image; 0 for all.
    """

    general: float = 0.35
    character: float = 0.85
    mcut: bool = False
    categories: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    top: int = 0

    def __str__(self) -> str:
        parts = ["mcut"]
        if not self.mcut:
            named = {"general": self.general, "character": self.character, **self.categories}
            parts = [f"{name} {limit:g}" for name, limit in named.items()]
        if self.tags:
            parts.append(f"{len(self.tags)} tags with their own")
        return ", ".join([*parts, *([f"best {self.top}"] if self.top else [])])

    def limits(self, table: TagTable) -> NDArray[np.float16]:
        """Return the fixed threshold of each column; ratings can never reach theirs."""
        named = {CHARACTER: self.character, RATING: np.inf}
        named |= {CATEGORIES[name]: limit for name, limit in self.categories.items()}
        found = np.full(len(table), self.general, np.float16)
        for category, limit in named.items():
            found[table.kinds == category] = limit
        for column, limit in self.own(table).items():
            found[column] = limit
        return found

    def own(self, table: TagTable) -> dict[int, float]:
        """Return the columns with an individual threshold -> that threshold."""
        if not self.tags:
            return {}
        wanted = {captions.key(tag): limit for tag, limit in self.tags.items()}
        keys = ((n, captions.key(name)) for n, name in enumerate(table.names))
        ratings = set(table.ratings.tolist())
        return {n: wanted[key] for n, key in keys if key in wanted and n not in ratings}

    def unknown(self, tables: list[TagTable]) -> list[tuple[str, str]]:
        """Return (tag, nearest known tag or empty) of ``tags`` that no table has."""
        keys = {captions.key(name) for table in tables for name in table.names}
        lost = [tag for tag in self.tags if captions.key(tag) not in keys]
        return [(tag, "".join(get_close_matches(captions.key(tag), keys, 1, 0.6))) for tag in lost]
