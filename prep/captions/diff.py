"""What an edit changes, in tags: for previews and their counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from prep import captions
from prep.captions import prose

_NAMED = 50
"""Tags whose counts a summary has."""


@dataclass(frozen=True)
class Difference:
    """One caption before and after.

    Attributes:
        added: Tags that are new.
        removed: Tags that are gone.
        elsewhere: Something else changed: the order, a spelling, another line.
    """

    added: list[str]
    removed: list[str]
    elsewhere: bool


def difference(before: str | None, after: str | None) -> Difference:
    """Compare two captions, ``None`` for no file.

    Example:
        >>> difference("mochi, hat", "mochi, bow")
        Difference(added=['bow'], removed=['hat'], elsewhere=False)
        >>> difference("hat, bow", "bow, hat")
        Difference(added=[], removed=[], elsewhere=True)
    """
    old, new = captions.split(before or ""), captions.split(after or "")
    was, now = set(old), set(new)
    added = [tag for tag in new if tag not in was]
    removed = [tag for tag in old if tag not in now]
    return Difference(added, removed, not (added or removed) and before != after)


@dataclass
class Tally:
    """Counts what an edit changes.

    Attributes:
        added: Tag -> captions that get it.
        removed: Tag -> captions that lose it.
        elsewhere: Captions in which only the order, a spelling or another line changes.
        sentences: Changed captions that are sentences.
    """

    changed: int = 0
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    sentences: int = 0

    def add(self, before: str | None, after: str | None) -> None:
        """Count one change."""
        found = difference(before, after)
        self.changed += 1
        self.added.update(found.added)
        self.removed.update(found.removed)
        self.elsewhere += found.elsewhere
        if before and "." in before:
            self.sentences += any(map(prose.is_sentence, captions.split(before)))

    def summary(self) -> dict[str, Any]:
        """Return the counts for the summary of an operation."""
        return {
            "added": dict(self.added.most_common(_NAMED)),
            "removed": dict(self.removed.most_common(_NAMED)),
            "only_order_or_spelling": self.elsewhere,
            "sentences": self.sentences,
        }
