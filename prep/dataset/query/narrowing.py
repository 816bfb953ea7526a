"""Narrow a text search to the images with tags that contain the text.

A caption is tags with separators between them, so letters without separators lie within one tag.
The table of tags is small, with one spelling each; in the end, the captions decide.
"""

import re
import sqlite3

from prep.texts import composed

_WITHIN_TAG = re.compile(r"(?:[^\W_]|[ _'()-])+")
"""Characters that never separate two tags; a space at the edge may, and is stripped."""
_LEAST = 2
"""Minimum of letters: single ones are in nearly every tag."""
_PLAIN = {"_": " ", "ı": "i", "\u0307": ""}
_PLAIN_VALUES = tuple(value for pair in _PLAIN.items() for value in pair)
_HOLDING = """SELECT id, count FROM tags
    WHERE instr(replace(replace(replace(key, ?, ?), ?, ?), ?, ?), ?)"""
_BY_NUMBER = re.compile(r"\\[xuUN\dpPL]|\(\?")
"""Escapes for characters by code or class, and special groups."""
_PIECE = re.compile(
    r"(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|\\(?P<sign>[^\w\s\\])|(?P<class>\\.|[.^$])"
    r"|(?P<group>[()])|(?P<times>[*?{]|\+)|(?P<letter>.)",
    re.DOTALL,
)
_COUNTED = re.compile(r"\d*,?\d*\}")


def tags_around(connection: sqlite3.Connection, text: str) -> dict[int, int] | None:
    """Return the tags that may contain a text, with the number of their images.

    An image whose caption contains the text, in any case, has one of these tags or more lines.
    ``None`` if nothing is known.
    """
    pieces = [piece.strip() for piece in _WITHIN_TAG.findall(text)]
    longest = max(pieces, key=len, default="")
    if len(longest) < _LEAST:
        return None
    # Keys have no underscores, except in emoticons. Regular expressions match ı and İ as an i.
    spoken = composed(longest.casefold())
    for letter, plain in _PLAIN.items():
        spoken = spoken.replace(letter, plain)
    rows = connection.execute(_HOLDING, (*_PLAIN_VALUES, spoken.strip()))
    return dict(rows.fetchall())


def literal(pattern: str) -> str:
    r"""Return the longest text that every match of a regular expression contains, or an empty one.

    Conservative: alternatives and groups are ignored.

    Example:
        >>> literal(r"^red hats?\b"), literal("cat|dog"), literal(r"(long|short) hair")
        ('red hat', '', ' hair')
    """
    if _BY_NUMBER.search(pattern):
        return ""
    runs, depth, at = [""], 0, 0
    while at < len(pattern):
        match = _PIECE.match(pattern, at)
        assert match is not None, "a single character always matches"
        at = match.end()
        kind, sign = match.lastgroup, match["sign"] or match["letter"]
        if kind == "times":
            at = _after_count(pattern, match)
            runs = [*runs[:-1], runs[-1][: -1 if match[0] != "+" else None], ""]
        elif kind == "group":
            depth += 1 if match[0] == "(" else -1
            runs.append("")
        elif sign is None or not sign.isascii():
            runs.append("")
        elif sign == "|" and kind == "letter":
            if depth == 0:
                return ""
        elif depth == 0:
            runs[-1] += sign
    return max(runs, key=len)


def _after_count(pattern: str, match: "re.Match[str]") -> int:
    """Return the position behind a quantifier, its numbers and its ``?`` or ``+``."""
    end = match.end()
    if match[0] == "{" and (count := _COUNTED.match(pattern, end)):
        end = count.end()
    return end + 1 if pattern[end : end + 1] in ("?", "+") else end
