"""Count, for each concept, the tags a tagger found, those captioned, and where both agree.

The scores are read in portions, so that a million images with ten thousand scores each need no more
memory than a few hundred.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prep import captions
from prep.curation.advice.fusion import TagFacts
from prep.dataset.index import ImageRow, Index
from prep.dataset.values.score_blobs import PORTION
from prep.dataset.writer import batches
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.sparse import Bits
from prep.tagging.scores.taggers import StoredTagger, stored
from prep.tagging.scores.thresholds import Thresholds

_NO_SIGN = 0.5
"""Share of its threshold below which a score is no sign of the tag."""
_SENTENCE = 5
"""Number of words from which a piece of a caption is a sentence, searched for tags as words."""


def stored_tagger(index: Index, contents: Sequence[str]) -> StoredTagger | None:
    """Return the tagger that has scored most of these contents, the newest of several."""
    wanted, best, most = set(contents), None, 0
    for one in sorted(stored(index), key=lambda one: one.number):
        known = len(wanted & one.store(index).known())
        if known and known >= most:
            best, most = one, known
    return best


@dataclass(frozen=True)
class ConceptTags:
    """The tags of one concept.

    Attributes:
        facts: One per tag that is found or captioned anywhere.
        tags: For each image, the keys of the tags that are found or captioned.
    """

    facts: list[TagFacts]
    tags: list[tuple[str, ...]]


def tally(
    index: Index,
    rows: Sequence[ImageRow],
    tagger: StoredTagger | None,
    thresholds: Thresholds | None = None,
    renamed: Mapping[str, str] | None = None,
) -> ConceptTags:
    """Count the tags of one concept.

    Args:
        index: Open index.
        rows: The images of the concept; with a tagger, only those it has scored.
        tagger: Tagger whose scores are compared; without one, only captions are counted.
        thresholds: Those of the tagger; ``None`` for the defaults.
        renamed: The ``replace`` rules of the project.
    """
    if tagger is None:
        return _captions_only(rows)
    columns = _columns(tagger.table, renamed or {})
    width = len(tagger.table)
    counts = np.zeros((4, width), np.int64)
    others: dict[str, int] = {}
    names: dict[str, str] = {}
    tags: list[tuple[str, ...]] = []
    by_column = {column: key for key, column in columns.items()}
    for part, seen, unseen in _scored(index, rows, tagger, thresholds or Thresholds()):
        captioned = np.zeros_like(seen)
        for number, row in enumerate(part):
            found = _caption_keys(row, columns, seen[number], by_column, names)
            captioned[number, [columns[key] for key in found if key in columns]] = True
            for key in found - columns.keys():
                others[key] = others.get(key, 0) + 1
            visible = {
                by_column[c] for c in np.flatnonzero(seen[number]).tolist() if c in by_column
            }
            tags.append(tuple(found | visible))
        counts += [b.sum(0) for b in (captioned, seen, captioned & seen, captioned & unseen)]
    facts = [
        TagFacts(names.get(key, key), len(rows), *map(int, counts[:, column]))
        for key, column in columns.items()
        if counts[:2, column].any()
    ]
    facts += [TagFacts(names[key], len(rows), count) for key, count in others.items()]
    return ConceptTags(sorted(facts, key=_importance), tags)


def _columns(table: TagTable, renamed: Mapping[str, str]) -> dict[str, int]:
    """Return the column of each tag but ratings, by the key that captions give it.

    Args:
        table: What the columns mean.
        renamed: old = new, the ``replace`` rules of the project.
    """
    new = {captions.key(old): captions.key(name) for old, name in renamed.items()}
    keys = (captions.key(name) for name in table.names)
    ratings = set(table.ratings.tolist())
    return {new.get(key, key): n for n, key in enumerate(keys) if n not in ratings}


def _captions_only(rows: Sequence[ImageRow]) -> ConceptTags:
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    tags = []
    for row in rows:
        found = captions.unique(row.tags)
        tags.append(tuple(map(captions.key, found)))  # a fifth of the memory of a set
        for tag in found:
            names.setdefault(captions.key(tag), tag)
            counts[captions.key(tag)] = counts.get(captions.key(tag), 0) + 1
    facts = [TagFacts(names[key], len(rows), count) for key, count in counts.items()]
    return ConceptTags(sorted(facts, key=_importance), tags)


def _importance(facts: TagFacts) -> tuple[int, int, str]:
    return -(facts.seen or 0), -facts.captioned, facts.name


def _scored(
    index: Index,
    rows: Sequence[ImageRow],
    tagger: StoredTagger,
    thresholds: Thresholds,
) -> Iterator[tuple[Sequence[ImageRow], Bits, Bits]]:
    """Yield images, masks of tags found, and of those without a sign; shapes (n, tags)."""
    store = tagger.store(index)
    least = thresholds.limits(tagger.table)
    for part in batches(rows, PORTION):
        scores = store.load([row.content or "" for row in part])
        yield part, scores >= least, (scores < least * _NO_SIGN) & np.isfinite(least)


def _caption_keys(
    row: ImageRow,
    columns: Mapping[str, int],
    seen: Bits,
    by_column: Mapping[int, str],
    names: dict[str, str],
) -> set[str]:
    """Return the keys of a caption's tags; for sentences, found tags that occur in them."""
    found: set[str] = set()
    sentences = []
    for tag in row.tags:
        key = captions.key(tag)
        if key not in columns and len(key.split()) >= _SENTENCE:
            sentences.append(key)
        else:
            found.add(key)
            names.setdefault(key, tag)
    if sentences:
        text = "".join(c if c.isalnum() else " " for c in " ".join(sentences))
        words = f" {' '.join(text.split())} "
        candidates = (by_column[c] for c in np.flatnonzero(seen).tolist() if c in by_column)
        found |= {key for key in candidates if f" {key} " in words}
    return found
