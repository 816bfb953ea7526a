"""Which tags belong to the character itself, rather than to a picture of it.

A tag in nearly every caption is learned together with the trigger word, whether it is
written down or not. Leaving it out of the captions makes the trigger word absorb it; whatever
stays in the captions can be prompted, and left out, later.
"""

import re
from collections.abc import Iterable, Mapping

from prep import captions

SHARE = 0.85
"""A tag in at least this share of a concept's images is a trait of its character."""

_COUNT_TAG = re.compile(r"solo|no humans|multiple (girls|boys|others)|\d\+?(girl|boy|other)s?")


# fmt: off
GROUPS: Mapping[str, tuple[str, ...]] = {
    "backgrounds": (
        "simple background", "white background", "grey background", "black background",
        "blue background", "pink background", "red background", "green background",
        "yellow background", "brown background", "purple background", "orange background",
        "beige background", "gradient background", "transparent background",
        "multicolored background", "two-tone background", "blurry background",
        "abstract background", "starry background", "patterned background",
        "polka dot background", "outdoors", "indoors", "beach", "ocean", "underwater", "pool",
        "lake", "river", "forest", "nature", "field", "grass", "flower field", "garden",
        "mountain", "desert", "snow", "city", "cityscape", "street", "alley", "road", "rooftop",
        "building", "ruins", "castle", "room", "bedroom", "bathroom", "kitchen", "classroom",
        "library", "office", "cafe", "restaurant", "stage", "train interior", "car interior",
        "cave", "church", "shrine", "sky", "cloudy sky", "night sky", "starry sky", "sunset",
        "space", "park", "bridge",
    ),
    "framings": (
        "full body", "cowboy shot", "upper body", "lower body", "portrait", "close-up",
        "wide shot", "very wide shot", "feet out of frame", "head out of frame", "profile",
    ),
    "views": (
        "from above", "from below", "from side", "from behind", "from outside", "straight-on",
        "three quarter view", "looking at viewer", "looking back", "looking to the side",
        "looking away", "looking up", "looking down", "facing viewer", "facing away",
    ),
    "poses": (
        "standing", "sitting", "lying", "on back", "on stomach", "on side", "kneeling",
        "squatting", "crouching", "all fours", "leaning forward", "leaning back", "bent over",
        "walking", "running", "jumping", "flying", "swimming", "dancing", "fighting stance",
        "stretching", "arms up", "arm up", "arms behind back", "crossed arms",
        "hand on own hip", "hands on own hips", "arms at sides", "outstretched arms",
        "spread arms", "waving", "pointing", "holding", "reaching", "crossed legs", "wariza",
        "seiza", "indian style", "leg up", "own hands together", "v", "sleeping", "eating",
        "reading", "riding",
    ),
    "expressions": (
        "smile", "grin", ":d", "open mouth", "closed mouth", "parted lips", "closed eyes",
        "one eye closed", "half-closed eyes", "laughing", "crying", "tears", "frown", "angry",
        "sad", "surprised", "expressionless", "serious", "blush", "embarrassed", "scared",
        "smirk", "pout", "tongue out", ":p", ":3", ":o", "^_^", "o_o", ">_<", "clenched teeth",
        "light smile",
    ),
}
# fmt: on
"""Keys of tags (``captions.key``) for backgrounds, framing, poses and expressions."""

_CIRCUMSTANCES = frozenset(tag for tags in GROUPS.values() for tag in tags)


def is_circumstance(tag: str) -> bool:
    """Return whether the tag describes the picture (place, framing, pose, face), not the character.

    Example:
        >>> is_circumstance("full_body"), is_circumstance("star mark")
        (True, False)
    """
    return captions.key(tag) in _CIRCUMSTANCES


def is_count_tag(tag: str) -> bool:
    """Return whether the tag counts the characters, which says nothing about who they are.

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
        trigger: Trigger word, which is not a trait.
        share: Minimum share of the images, 0 to 1.

    Example:
        >>> own_traits([("solo", 20), ("bear", 19), ("hat", 11)], 20)
        ['bear']
    """
    return [
        tag
        for tag, count in counts
        if count >= share * images
        and not is_count_tag(tag)
        and not is_circumstance(tag)
        and captions.key(tag) != captions.key(trigger)
    ]
