"""Find the tag meant by a misspelling: the nearest known tags by edit distance.

Distances count letters inserted, removed, replaced, or swapped with their neighbour ("optimal
string alignment"). All tags pass through two filters first, which compare single bits and
never lose a tag within the distance (of plain ASCII tags); few are left to be compared in full.
"""

import numpy as np

from prep.curation.vocabulary.words import LONGEST, Vocabulary, signatures

_SHORT, _MIDDLE = 4, 8
"""Minimum letters of a tag for allowing one edit, and for two edits."""
_PER_EDIT, _PAIRS_PER_EDIT = 2, 6
"""Maximum of bits of the two signatures that one edit changes."""


def allowed(key: str) -> int:
    """Return how many edits a tag of this length may be off, 0 to 2.

    Example:
        >>> [allowed(tag) for tag in ("hat", "smiel", "long hiar", 300 * "a")]
        [0, 1, 2, 0]
    """
    if not _SHORT <= len(key) <= LONGEST:
        return 0
    return 1 if len(key) < _MIDDLE else 2


def near(
    words: Vocabulary, key: str, most: int | None = None, at_least: int = 0
) -> list[tuple[int, int]]:
    """Return (entry, distance) of all keys within ``most`` edits, nearest and most frequent first.

    Args:
        words: The vocabulary.
        key: Key from ``captions.key``; not among the results itself.
        most: Maximum of edits; ``None`` for as many as its length allows.
        at_least: Minimum count of tags; others are not compared, which takes most of the time.

    Example:
        >>> from prep.captions.tag_lists import TagEntry
        >>> words = Vocabulary.build([TagEntry("smile"), TagEntry("small"), TagEntry("hat")])
        >>> [(words.key(entry), edits) for entry, edits in near(words, "smiel", 2)]
        [('smile', 1), ('small', 2)]
    """
    most = allowed(key) if most is None else most
    if not most or not len(words):
        return []
    typed = key.encode("utf-8", "replace")
    letters, pairs = signatures(b"\n" + typed + b"\n", np.array([1], np.uint32))
    known_letters, known_pairs = words.signatures
    # Letters outside ASCII take up to four bytes.
    slack = most if typed.isascii() else 4 * most
    alike = np.abs(words.lengths - min(len(typed), 255)) <= slack
    alike &= words.counts >= at_least
    alike &= np.bitwise_count(known_letters ^ letters[0]) <= _PER_EDIT * most
    alike &= np.bitwise_count(known_pairs ^ pairs[0]) <= _PAIRS_PER_EDIT * most
    found = []
    for entry in np.flatnonzero(alike).tolist():
        edits = distance(key, words.key(entry), most)
        if 0 < edits <= most:
            found.append((entry, edits))
    return sorted(found, key=lambda item: (item[1], -words.count(item[0]), item[0]))


def distance(first: str, second: str, most: int) -> int:
    """Return the number of edits between two texts; ``most + 1`` if there are more.

    Example:
        >>> distance("long hiar", "long hair", 2), distance("cat", "hut", 1)
        (1, 2)
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    # Only cells within ``most`` of the diagonal can matter; the others count as too far.
    far = most + 1
    width = len(second) + 1
    before_last, last = [far] * width, [min(column, far) for column in range(width)]
    for row, letter in enumerate(first, 1):
        present = [far] * width
        present[0] = min(row, far)
        for column in range(max(1, row - most), min(width, row + far)):
            cost = last[column - 1] + (letter != second[column - 1])
            cost = min(cost, last[column] + 1, present[column - 1] + 1)
            if (
                row > 1 < column
                and letter == second[column - 2]
                and second[column - 1] == first[row - 2]
            ):
                cost = min(cost, before_last[column - 2] + 1)
            present[column] = cost
        if min(present) >= far and min(last) >= far:
            return far
        before_last, last = last, present
    return min(last[-1], far)
