"""Spelling of tags: spaces or underscores between words, brackets plain or escaped."""

import re

from prep import captions

PLAIN_BRACKET = re.compile(r"(?<!\\)([()])")


def spelled(tag: str, words: str = "spaces", brackets: str = "plain") -> str:
    r"""Return a tag in a given spelling; faces such as ``^_^`` and ``(o)_(o)`` stay.

    Args:
        tag: A tag with spaces or underscores, its brackets plain or escaped.
        words: ``spaces`` or ``underscores``.
        brackets: ``plain``, or ``escaped`` for a backslash before each; other backslashes stay.

    Example:
        >>> spelled("poster_(object)"), spelled("poster_(object)", "underscores", "escaped")
        ('poster (object)', 'poster_\\(object\\)')
        >>> spelled("^_^"), spelled(";)", brackets="escaped"), spelled("\\m/", brackets="escaped")
        ('^_^', ';\\)', '\\m/')
    """
    if captions.is_face(tag):
        return tag
    tag = tag.replace("_", " ") if words == "spaces" else tag.replace(" ", "_")
    return PLAIN_BRACKET.sub(r"\\\1", tag) if brackets == "escaped" else tag
