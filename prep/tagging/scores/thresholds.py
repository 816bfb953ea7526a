"""Thresholds of tags: by category, by tag, at an image's widest gap, or the best few.

Those that people set come before those that a tagger recommends, category by category: whoever sets
``general`` gets it for all general tags, and for the others what the tagger recommends.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.language import english
from prep.project.tagger import TaggerSection
from prep.tagging.models.recommended import Recommended
from prep.tagging.models.tables import CATEGORIES, CHARACTER, GENERAL, NO_TAG, RATING, TagTable

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
        columns: Recommended threshold of each column, NaN for none; empty if there are none.
        chosen: Categories, by name, whose thresholds people chose: ``columns`` is not for them.
        omitted: Categories, by name, none of whose tags is selected, except those of ``tags``.
    """

    general: float = 0.35
    character: float = 0.85
    mcut: bool = False
    categories: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    top: int = 0
    columns: tuple[float, ...] = ()
    chosen: frozenset[str] = frozenset()
    omitted: frozenset[str] = frozenset()

    def __str__(self) -> str:
        parts = ["mcut"]
        if not self.mcut:
            parts = ["recommended for each tag"] if self.columns else []
            parts += [f"{name} {limit:g}" for name, limit in self._by_category().items()]
        if self.tags:
            parts.append(
                english(
                    "{count} tag with its own",
                    "{count} tags with their own",
                    len(self.tags),
                )
            )
        return ", ".join([*parts, *([f"best {self.top}"] if self.top else [])])

    def named(self) -> dict[str, float]:
        """Return the thresholds by name of category or tag, without those of ``columns``."""
        return {**self._by_category(), **self.tags}

    def _by_category(self) -> dict[str, float]:
        every = {"general": self.general, "character": self.character, **self.categories}
        return {
            name: limit
            for name, limit in every.items()
            if name not in self.omitted and (not self.columns or name in self.chosen)
        }

    def with_general(self, threshold: float) -> "Thresholds":
        """Return these, with another fixed threshold for general tags."""
        chosen = self.chosen | {"general"}
        return replace(self, general=threshold, mcut=False, chosen=chosen)

    def limits(self, table: TagTable) -> NDArray[np.float16]:
        """Return the fixed threshold of each column; ratings can never reach theirs."""
        named = {GENERAL: self.general, CHARACTER: self.character}
        named |= {CATEGORIES[name]: limit for name, limit in self.categories.items()}
        found = np.full(len(table), self.general, np.float16)
        for category, limit in named.items():
            found[table.kinds == category] = limit
        if self.columns:
            columns = np.array(self.columns, np.float16)
            chosen = [CATEGORIES[name] for name in self.chosen]
            free = ~np.isnan(columns) & ~np.isin(table.kinds, chosen)
            found[free] = columns[free]
        found[np.isin(table.kinds, [CATEGORIES[name] for name in self.omitted])] = np.inf
        found[np.isin(table.kinds, (RATING, NO_TAG))] = np.inf
        for column, limit in self.own(table).items():
            found[column] = limit
        return found

    def own(self, table: TagTable) -> dict[int, float]:
        """Return the columns with an individual threshold -> that threshold."""
        if not self.tags:
            return {}
        wanted = {captions.key(tag): limit for tag, limit in self.tags.items()}
        keys = ((n, captions.key(name)) for n, name in enumerate(table.names))
        never = set(np.flatnonzero(np.isin(table.kinds, (RATING, NO_TAG))).tolist())
        return {n: wanted[key] for n, key in keys if key in wanted and n not in never}

    def unknown(self, tables: list[TagTable]) -> list[tuple[str, str]]:
        """Return (tag, nearest known tag or empty) of ``tags`` that no table has."""
        keys = {captions.key(name) for table in tables for name in table.names}
        lost = [tag for tag in self.tags if captions.key(tag) not in keys]
        return [(tag, "".join(get_close_matches(captions.key(tag), keys, 1, 0.6))) for tag in lost]


def configured(
    section: TaggerSection,
    recommended: Recommended,
    *,
    general: float | None = None,
    character: float | None = None,
    categories: Mapping[str, float] | None = None,
    tags: Mapping[str, float] | None = None,
    mcut: bool = False,
    top: int = 0,
) -> Thresholds:
    """Return the thresholds of one tagger: given, else configured, else recommended.

    Args:
        section: The configured ones.
        recommended: What the tagger recommends.
        general: Given threshold of general tags, if any.
        character: Like ``general``.
        categories: Given thresholds of other categories.
        tags: Given thresholds of single tags.
        mcut: See ``Thresholds``.
        top: See ``Thresholds``.
    """
    fixed = section.pair(recommended.general, recommended.character)
    chosen = {**section.categories, **(categories or {})}
    names = {
        *_given(general=(general, section.general), character=(character, section.character)),
        *chosen,
    }
    return Thresholds(
        fixed[0] if general is None else general,
        fixed[1] if character is None else character,
        mcut,
        {**recommended.categories, **chosen},
        {**section.tags, **(tags or {})},
        top,
        recommended.columns,
        frozenset(names),
        frozenset(recommended.omitted) - names,
    )


def _given(**values: Collection[float | None]) -> list[str]:
    """Return the names of values that are set anywhere."""
    return [name for name, found in values.items() if any(one is not None for one in found)]
