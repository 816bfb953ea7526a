"""Which images a person has looked through: a decision like those of the review.

The mark covers the caption as it was then: when that changes, the image is unreviewed again. It is
set and taken away through the journal, so it can be undone. Filters ask for it:
``reviewed:yes``.
"""

from collections.abc import Iterable

from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import DECISIONS, Change
from prep.dataset.journal.decisions import DecisionStore, covered, merged, packed
from prep.system.files import text_hash

QUESTION = "reviewed"
"""The question whose answer the mark is; not of a kind that ``shikomi review`` asks."""


def _basis(caption: str | None) -> frozenset[str]:
    return frozenset({text_hash(caption or "")})


def reviewed(index: Index, rows: Iterable[ImageRow]) -> set[int]:
    """Return the ids of those images that were looked through, with the caption they have now."""
    rows = list(rows)
    decided = DecisionStore(index).of_many([row.path for row in rows])
    return {
        row.id for row in rows if covered(decided.get(row.path, {}), QUESTION, _basis(row.caption))
    }


def review_changes(index: Index, rows: Iterable[ImageRow], *, mark: bool) -> list[Change]:
    """Return the changes that mark images as looked through, or as not."""
    store, found = DecisionStore(index), []
    for row in rows:
        before = store.of(row.path)
        rest = {question: covers for question, covers in before.items() if question != QUESTION}
        after = merged(rest, QUESTION, _basis(row.caption)) if mark else rest
        found.append(Change(row.path, DECISIONS, packed(before), packed(after)))
    return found
