"""The training images that a picture is most like, by their perceptual hashes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from prep.curation.duplicates.hash_store import (
    hash_pictures,
    images_of,
    unseen,
    usable_hashes,
)
from prep.curation.duplicates.hashes import perceptual_hash
from prep.dataset.contents import hash_contents
from prep.dataset.index import Index
from prep.errors import UserError

_BITS = 64
_AT_ONCE = 500
"""Images that are hashed for this; more are left to the duplicates, with their progress."""


class Alike(NamedTuple):
    """An image and how much of its hash is the same, 0.5 on average for unrelated pictures."""

    path: str
    share: float


def most_alike(index: Index, picture: Path, count: int) -> list[Alike]:
    """Return the usable images most like a picture, upright or mirrored, the nearest first.

    Args:
        index: Open index.
        picture: A file, which need not be in the project.
        count: How many to return.

    Raises:
        UserError: The picture cannot be read, or too many images have no hash yet.
    """
    new = [row for row in index.usable() if not row.content]
    if max(len(new), len(unseen(index))) > _AT_ONCE:
        raise UserError("Most images have not been compared yet.", "Find duplicates first (2, f).")
    for _ in hash_contents(index, new):
        pass
    for _ in hash_pictures(index, unseen(index)):
        pass
    found = usable_hashes(index)
    if not len(found.ids):
        return []
    own = np.array(perceptual_hash(picture).whole, np.uint64)
    # The mirrored hash of the picture against upright ones: a flip trains either.
    differing = np.bitwise_count(found.hashes[0][None, :] ^ own[:2, None]).min(axis=0)
    order = np.argsort(differing, kind="stable")[:count]
    ids = found.ids[order].tolist()
    rows = images_of(index, ids)  # copies share a hash: the first one stands for them
    pairs = zip(ids, differing[order].tolist(), strict=True)
    return [Alike(rows[id_][0].path, 1 - bits / _BITS) for id_, bits in pairs if rows.get(id_)]
