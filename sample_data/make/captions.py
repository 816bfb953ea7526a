"""Captions as people write them for training: shuffled, incomplete, spaces for underscores."""

import random

from sample_data.make.world import Scene, character_tag, tags

KAOMOJI = frozenset({"^_^", ">_<", "o_o"})
"""Tags whose underscore is part of a face and stays."""

ALWAYS_TRUE = frozenset({"solo", "no_humans"})


def spoken(tag: str) -> str:
    """Write a tag the way captions do.

    Example:
        >>> spoken("straw_hat"), spoken("^_^")
        ('straw hat', '^_^')
    """
    return tag if tag in KAOMOJI else tag.replace("_", " ")


def caption(scene: Scene, rng: random.Random) -> str:
    """Describe a scene with a random part of its tags in random order.

    One caption in ten is empty, which is what classifier-free guidance needs; a third are
    complete; and tags that are true of every drawing are mostly left out, as they say nothing.
    """
    if rng.random() < 0.1:
        return ""
    keep = 1.0 if rng.random() < 0.35 else rng.uniform(0.3, 1.0)
    known = [*tags(scene), *filter(None, [character_tag(scene)])]
    kept = [tag for tag in known if rng.random() < (keep * 0.3 if tag in ALWAYS_TRUE else keep)]
    rng.shuffle(kept)
    return ", ".join(spoken(tag) for tag in kept)
