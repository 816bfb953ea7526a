"""Sentences in captions: told from tags, so that no tag operation takes one apart.

Captions of vision models are sentences, whose commas separate clauses and not tags. There is no
certain mark, so a few signs are weighed, chosen such that no booru tag is taken for a sentence on
its own: the words that only running text has, and a full stop.
"""

import re
from collections.abc import Sequence

_LEAST_LENGTH = 20
"""Characters; shorter pieces are no running text, which spares most tags a closer look."""
_LEAST_WORDS = 5
_LONG = 9
"""Words from which on running text needs no full stop: titles of works have fewer."""
_CLAUSE = 4
"""Words of a piece that still belongs to an unfinished sentence before it."""
# fmt: off
_FUNCTION_WORDS = frozenset({
    "a", "an", "the", "is", "are", "was", "were", "has", "have", "with", "and", "or", "in", "on",
    "of", "at", "to", "by", "from", "for", "into", "over", "under", "near", "her", "his", "their",
    "its", "she", "he", "they", "it", "this", "that", "these", "while", "as", "who", "which",
    "there",
})
# fmt: on
_ENDS = re.compile(r"""\w["'”’)\]]*[.!?…]["'”’)\]]*(?:\s|$)""")
_NEXT_SENTENCE = re.compile(r"(?<=\w)[.!?]\s+(?=[A-Z])")
_FULL_WIDTH = re.compile("[。！？]")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LEAST_EAST_ASIAN = 6
"""Characters without spaces from which on a piece may be a clause."""


def may_hold_sentences(line: str, pieces: Sequence[str]) -> bool:
    """Return False when a line certainly holds no sentence; cheap.

    Args:
        line: One line of a caption.
        pieces: What stands between its commas.
    """
    if not line.isascii() and _FULL_WIDTH.search(line):
        return True
    for piece in [piece for piece in pieces if len(piece) >= _LEAST_LENGTH]:
        if piece.count(" ") + 1 >= _LEAST_WORDS:
            return True
    return False


def is_sentence(piece: str) -> bool:
    """Is this piece of a caption running text, rather than a tag?

    Example:
        >>> is_sentence("A bear in a red hat sits on the beach, smiling.")
        True
        >>> is_sentence("the legend of zelda: breath of the wild"), is_sentence("kimi no na wa.")
        (False, False)
    """
    if _is_running(piece):
        return _word_count(piece) >= _LONG or _ENDS.search(piece) is not None
    return not piece.isascii() and _is_east_asian_sentence(piece)


def sentence_span(pieces: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and the last of the pieces that make up sentences, or ``None``.

    Args:
        pieces: What stands between the commas of a line, stripped.

    Example:
        >>> sentence_span(["mochi", "A bear sits on the beach", "smiling.", "hat"])
        (1, 2)
    """
    start = next((n for n, piece in enumerate(pieces) if _is_running(piece)), None)
    if start is None:
        return _east_asian_span(pieces)
    end = _end_from(pieces, start)
    if end is not None:
        return start, end
    if _word_count(pieces[start]) < _LONG:
        return None
    return start, max(
        n for n in range(start, len(pieces)) if n == start or _word_count(pieces[n]) >= _CLAUSE
    )


def _end_from(pieces: Sequence[str], start: int) -> int | None:
    """Return the piece in which the sentences end that begin at ``start``; ``None`` for nowhere.

    They go on where the next one begins: after a full stop within a piece, or right behind one.
    """
    end = None
    for n in range(start, len(pieces)):
        stops = [match.end() for match in _ENDS.finditer(pieces[n])]
        if stops:
            end = n
            following = n + 1 < len(pieces) and _is_running(pieces[n + 1])
            if stops[-1] >= len(pieces[n]) and not following:
                break
    return end


def lead_in(piece: str) -> tuple[str, str] | None:
    """Split ``hat. The bear sits here`` into the tag and the sentence, when it is such a piece.

    Example:
        >>> lead_in("hat. The bear sits on a beach")
        ('hat', 'The bear sits on a beach')
    """
    found = _NEXT_SENTENCE.search(piece)
    if found is None or _word_count(piece[: found.start()]) >= _LEAST_WORDS:
        return None
    return piece[: found.start()], piece[found.end() :]


def _word_count(piece: str) -> int:
    return len(piece.split())


def _is_running(piece: str) -> bool:
    if len(piece) < _LEAST_LENGTH:
        return False
    words = piece.casefold().split()
    return len(words) >= _LEAST_WORDS and sum(word in _FUNCTION_WORDS for word in words) > 1


def _is_east_asian_sentence(piece: str) -> bool:
    return _is_clause(piece) and _FULL_WIDTH.search(piece) is not None


def _is_clause(piece: str) -> bool:
    return len(piece) >= _LEAST_EAST_ASIAN and _EAST_ASIAN.search(piece) is not None


def _east_asian_span(pieces: Sequence[str]) -> tuple[int, int] | None:
    ends = [n for n, piece in enumerate(pieces) if _FULL_WIDTH.search(piece)]
    if not ends:
        return None
    start = ends[0]
    while start > 0 and _is_clause(pieces[start - 1]):
        start -= 1
    whole = "".join(pieces[start : ends[-1] + 1])
    return (start, ends[-1]) if _is_clause(whole) else None
