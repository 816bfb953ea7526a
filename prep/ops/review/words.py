"""Names of files and lists of them, short enough for one line."""

from collections.abc import Sequence

_NAMED = 3


def name(path: str) -> str:
    """Return the name of a file without its folders.

    Example:
        >>> name("dataset/10_mochi/a.png")
        'a.png'
    """
    return path.rpartition("/")[2]


def listed(parts: Sequence[str], between: str = ", ") -> str:
    """Return the first few, and how many there are more.

    Example:
        >>> listed(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    more = len(parts) - _NAMED
    return between.join(parts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
