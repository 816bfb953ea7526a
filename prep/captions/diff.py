"""Differences between captions in tags, for previews and their counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from prep import captions
from prep.captions import sentences, structure

_NAMED = 50
"""Maximum of tags with counts in a summary."""
_PORTION = 100_000
"""Number of tags that are counted in one batch."""


@dataclass(frozen=True)
class CaptionDifference:
    """One caption before and after.

    Attributes:
        added: New tags.
        removed: Removed tags.
        elsewhere: Something else changed: the order, a spelling, another line.
    """

    added: list[str]
    removed: list[str]
    elsewhere: bool


def difference(before: str | None, after: str | None) -> CaptionDifference:
    """Compare two captions, ``None`` for no file.

    Example:
        >>> difference("mochi, hat", "mochi, bow")
        CaptionDifference(added=['bow'], removed=['hat'], elsewhere=False)
        >>> difference("hat, bow", "bow, hat")
        CaptionDifference(added=[], removed=[], elsewhere=True)
    """
    old, new = captions.split(before or ""), captions.split(after or "")
    was, now = set(old), set(new)
    added = [tag for tag in new if tag not in was]
    removed = [tag for tag in old if tag not in now]
    return CaptionDifference(added, removed, not (added or removed) and before != after)


@dataclass
class DiffCounter:
    """Counts what an edit changes.

    Attributes:
        changed: Captions that change.
        created: Captions that did not exist before.
        elsewhere: Captions in which only the order, a spelling or another line changes.
        sentences: Changed captions that contain sentences.
    """

    changed: int = 0
    created: int = 0
    elsewhere: int = 0
    sentences: int = 0
    _added: list[str] = field(default_factory=list)
    _removed: list[str] = field(default_factory=list)
    _counts: tuple[Counter[str], Counter[str]] = field(
        default_factory=lambda: (Counter(), Counter())
    )

    def add(self, before: str | None, after: str | None) -> None:
        """Count one change."""
        old = captions.split(before or "")
        self.created += before is None
        self.add_tags(old, captions.split(after or ""))
        # A plain line contains none, and is quick to recognise.
        self.sentences += not structure.are_plain(old) and any(map(sentences.is_sentence, old))

    def add_tags(self, before: list[str], after: list[str]) -> None:
        """Count one change of a caption without sentences, given its tags."""
        added, removed = set(after).difference(before), set(before).difference(after)
        self.changed += 1
        self.elsewhere += not added and not removed
        self._added += added
        self._removed += removed
        # Counted in batches, since that is done in C.
        if len(self._added) + len(self._removed) > _PORTION:
            self._count()

    def _count(self) -> None:
        for counts, tags in zip(self._counts, (self._added, self._removed), strict=True):
            counts.update(tags)
            tags.clear()

    def summary(self) -> dict[str, Any]:
        """Return the counts for the summary of an operation: captions, and changes by tag."""
        self._count()
        added, removed = map(_most_common, self._counts)
        return {
            "added": added,
            "removed": removed,
            "created": self.created,
            "only_order_or_spelling": self.elsewhere,
            "sentences": self.sentences,
        }


def _most_common(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_NAMED])
