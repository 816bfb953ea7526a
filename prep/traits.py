"""Which tags belong to the character itself, rather than to a picture of it.

A tag that stands in nearly every caption is learnt together with the trigger word, whether it is
written down or not. Leaving it out of the captions makes the trigger word absorb it; whatever
stays in the captions can be prompted, and left out, later.
"""

import re
from collections.abc import Iterable

from prep import captions

SHARE = 0.85
"""A tag in at least this share of a concept's images is one of its traits."""

_COUNT_TAG = re.compile(r"solo|no humans|multiple (girls|boys|others)|\d\+?(girl|boy|other)s?")


def is_count_tag(tag: str) -> bool:
    """Does the tag say how many are in the picture? Such a tag tells nothing about who it is.

    Example:
        >>> is_count_tag("2girls"), is_count_tag("no_humans"), is_count_tag("bear")
        (True, True, False)
    """
    return _COUNT_TAG.fullmatch(captions.key(tag)) is not None


def own_traits(
    counts: Iterable[tuple[str, int]], images: int, trigger: str = "", share: float = SHARE
) -> list[str]:
    """Return the tags that belong to the character itself, most frequent first.

    Args:
        counts: (tag, number of images with it).
        images: Number of images in the concept.
        trigger: Is no trait.
        share: From this share of the images on, 0 to 1.

    Example:
        >>> own_traits([("solo", 20), ("bear", 19), ("hat", 11)], 20)
        ['bear']
    """
    return [
        tag
        for tag, count in counts
        if count >= share * images
        and not is_count_tag(tag)
        and captions.key(tag) != captions.key(trigger)
    ]
