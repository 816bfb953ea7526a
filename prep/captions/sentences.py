"""Recognise sentences in captions, so that no tag operation splits one.

Captions of vision models are sentences, whose commas separate clauses, not tags. There is no
reliable marker, so a few signs are combined such that no booru tag alone is taken for a sentence:
words that only running text has, and a full stop.
"""

import re
from collections.abc import Sequence

_LEAST_LENGTH = 20
"""Characters below which a piece is not running text; this skips most tags quickly."""
_LEAST_WORDS = 5
_LONG = 10
"""Words from which running text needs no full stop: titles of works have fewer."""
_LEAST_CLAUSE = 3
_CLAUSE = 4
"""Maximum of words in a piece that continues the unfinished sentence before it."""
# fmt: off
_TELLING = frozenset({
    "a", "an", "is", "are", "was", "were", "has", "have", "with", "her", "his", "their", "its",
    "she", "he", "this", "these", "while", "who", "which", "there",
})
"""Words that are common in running text and rare in titles of works."""
_FUNCTION_WORDS = _TELLING | {
    "the", "and", "or", "in", "on", "of", "at", "to", "by", "from", "for", "into", "over", "under",
    "near", "they", "it", "that", "as",
}
# fmt: on
_ENDS = re.compile(r"""\w["'”’)\]]*[.!?…]["'”’)\]]*(?:\s|$)""")
_BRACKETED = re.compile(r"\([^()]*\)")
_NEXT_SENTENCE = re.compile(r"(?<=\w)[.!?]\s+(?=[A-Z])")
_FULL_WIDTH = re.compile("[。！？]")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LEAST_EAST_ASIAN = 6
"""Characters, without spaces, from which a piece may be a clause."""


def may_belong_to_sentence(piece: str) -> bool:
    """Return False if a piece between commas is certainly not part of a sentence."""
    return _is_running(piece) or _is_clause(piece) or _FULL_WIDTH.search(piece) is not None


def is_sentence(piece: str) -> bool:
    """Return whether this piece of a caption is running text rather than a tag.

    Example:
        >>> is_sentence("A bear in a red hat sits on the beach, smiling.")
        True
        >>> is_sentence("the legend of zelda: breath of the wild"), is_sentence("kimi no na wa.")
        (False, False)
    """
    if len(piece) < _LEAST_LENGTH and piece.isascii():
        return False
    if _is_running(piece):
        return _word_count(piece) >= _LONG or _ENDS.search(piece) is not None
    clauses = piece.split(",")
    if len(clauses) > 1 and _ENDS.search(piece) and all(map(_is_clause, clauses)):
        return True
    return not piece.isascii() and _is_east_asian_sentence(piece)


def sentence_span(pieces: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and the last of the pieces that make up sentences, or ``None``.

    Args:
        pieces: The pieces between the commas of a line, stripped.

    Example:
        >>> sentence_span(["mochi", "A bear sits on the beach", "smiling.", "hat"])
        (1, 2)
    """
    start = next((n for n, piece in enumerate(pieces) if _is_running(piece)), None)
    if start is None:
        return _clause_span(pieces) or _east_asian_span(pieces)
    end = _end_from(pieces, start)
    while start > 0 and _is_clause(pieces[start - 1]):
        start -= 1
    if end is not None:
        return start, end
    if _word_count(pieces[start]) < _LONG:
        return None
    return start, max(
        n for n in range(start, len(pieces)) if n == start or _word_count(pieces[n]) >= _CLAUSE
    )


def _clause_span(pieces: Sequence[str]) -> tuple[int, int] | None:
    """Return the span of short clauses of which the last ends a sentence, or ``None``."""
    start = 0
    for n, piece in enumerate(pieces):
        if not _is_clause(piece):
            start = n + 1
        elif n > start and _ENDS.search(piece):
            return start, n
    return None


def _is_clause(piece: str) -> bool:
    """Return whether it looks like a clause ("holding a sword"); booru tags omit articles."""
    words = piece.casefold().split()
    return len(words) >= _LEAST_CLAUSE and not _TELLING.isdisjoint(words)


def _end_from(pieces: Sequence[str], start: int) -> int | None:
    """Return the index of the piece in which sentences that begin at ``start`` end, or ``None``.

    Another sentence may follow, after a full stop within a piece or directly behind one.
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
    """Split ``hat. The bear sits here`` into the tag and the sentence, if it is such a piece.

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
    # Text in brackets names a work: "hiro (darling in the franxx)".
    words = _BRACKETED.sub("", piece.casefold()).split()
    if len(words) < _LEAST_WORDS or (": " in piece and len(words) < _LONG):
        return False  # a title: "the legend of zelda: breath of the wild"
    found = [word for word in words if word in _FUNCTION_WORDS]
    return len(found) > (1 if _TELLING.intersection(found) else 2)


def _is_east_asian_sentence(piece: str) -> bool:
    return _is_east_asian_clause(piece) and _FULL_WIDTH.search(piece) is not None


def _is_east_asian_clause(piece: str) -> bool:
    return len(piece) >= _LEAST_EAST_ASIAN and _EAST_ASIAN.search(piece) is not None


def _east_asian_span(pieces: Sequence[str]) -> tuple[int, int] | None:
    ends = [n for n, piece in enumerate(pieces) if _FULL_WIDTH.search(piece)]
    if not ends:
        return None
    start = ends[0]
    while start > 0 and _is_east_asian_clause(pieces[start - 1]):
        start -= 1
    whole = "".join(pieces[start : ends[-1] + 1])
    return (start, ends[-1]) if _is_east_asian_clause(whole) else None
