"""Prompt weights around tags, ``(smile:1.2)``, ``((smile))``, ``[smile]``: read only on request.

Training captions usually have none, and ``poster (object)`` is a tag, so nothing reads weights
unless the user says that the captions have them. A weight around several tags is left alone.
"""

import re

_NUMBER = re.compile(r":\s*-?(?:\d+(?:\.\d+)?|\.\d+)\s*$")
_DEEPEST = 16
"""Maximum of bracket pairs around a tag that are read as its weight."""
_PAIRS = {"(": ")", "[": "]"}


def unweighted(tag: str) -> tuple[str, str, str]:
    r"""Split a tag into the opening of its weight, the tag itself and the closing of the weight.

    Example:
        >>> unweighted("((smile:1.2))"), unweighted("poster (object)")
        (('((', 'smile', ':1.2))'), ('', 'poster (object)', ''))
        >>> unweighted("(poster (object):0.9)"), unweighted(r"\(o\)")
        (('(', 'poster (object)', ':0.9)'), ('', '\\(o\\)', ''))
    """
    opening, closing = "", ""
    while len(tag) > 2 and len(opening) < _DEEPEST and _is_wrapped(tag):
        opening, closing = opening + tag[0], tag[-1] + closing
        tag = tag[1:-1]
    number = _NUMBER.search(tag) if "(" in opening else None
    if number is not None and number.start() > 0:
        tag, closing = tag[: number.start()], number[0] + closing
    return (opening, tag, closing) if tag.strip() else ("", opening + tag + closing, "")


def _is_wrapped(tag: str) -> bool:
    """Return whether the whole tag is inside one pair of unescaped brackets."""
    end = _PAIRS.get(tag[0])
    if end is None or tag[-1] != end or tag[-2] == "\\":
        return False
    depth, place = 0, 0
    while place < len(tag):
        if tag[place] == "\\":
            place += 1
        elif tag[place] == tag[0]:
            depth += 1
        elif tag[place] == end:
            depth -= 1
            if depth == 0 and place < len(tag) - 1:
                return False
        place += 1
    return depth == 0
