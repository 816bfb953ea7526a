"""Sort orders for the tags of a caption.

The order matters: trainers keep the first tags in place when shuffling, and truncate what is too
long. A rank is a function of a tag; sorting by it is stable.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from prep import captions
from prep.captions.tag_lists import read_list
from prep.captions.traits import is_count_tag

SortOrder = Literal["count", "score", "alphabetical", "people", "trigger"]
Rank = Callable[[str], Any]


def people_first(tag: str) -> int:
    """Rank tags for the number of characters in the picture before all others.

    Example:
        >>> sorted(["hat", "1girl", "bow", "solo"], key=people_first)
        ['1girl', 'solo', 'hat', 'bow']
    """
    return 0 if is_count_tag(tag) else 1


def by_table(table: Mapping[str, float]) -> Rank:
    """Return the rank that puts the highest numbers first, and tags without one last.

    Args:
        table: Key of a tag -> number.
    """

    def rank(tag: str) -> float:
        return -table.get(captions.key(tag), -1.0)

    return rank


def read_counts(file: Path) -> dict[str, float]:
    """Return the number of posts of each tag on a booru, by key; aliases count for their tag.

    Raises:
        UserError: The file does not list any tags.
    """
    table: dict[str, float] = {}
    for entry in read_list(file):
        for name in (entry.name, *entry.aliases):
            table.setdefault(captions.key(name), float(entry.count))
    return table
