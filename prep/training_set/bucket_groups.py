"""Training images in groups that are worth a look: by bucket, enlarged, cut, alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prep.dataset.training_parts import Ints, TrainingParts
from prep.images.buckets import Buckets, Size, enlargement

GroupKind = Literal["all", "enlarged", "cut", "alone", "cropped", "bucket"]

MUCH = 0.1
"""Share of the picture whose loss is reported."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some training images.

    Attributes:
        kind: What they have in common.
        places: Their places among all training images.
        bucket: Their bucket, for that kind.
        usual: Where the bucket has one image: the bucket of others with the nearest proportions, if
            there is one.
    """

    kind: GroupKind
    places: Ints
    bucket: Size | None = None
    usual: Size | None = None

    def __len__(self) -> int:
        return len(self.places)

    def among(self, wanted: NDArray[np.bool_]) -> "Group":
        """Return those of some training images only.

        Args:
            wanted: Which, of all training images.
        """
        return replace(self, places=self.places[wanted[self.places]])

    @property
    def lonely(self) -> bool:
        """Return whether it is a bucket of one training image among others."""
        return self.usual is not None


def groups(buckets: Buckets, parts: TrainingParts) -> list[Group]:
    """Return the groups: all, those with something to decide, then the buckets, tallest first."""
    fits = [buckets.fit(size) for size in parts.sizes]
    found: list[tuple[GroupKind, NDArray[np.bool_]]] = [
        ("enlarged", np.array([bool(enlargement(fit.scale)) for fit in fits], bool)),
        ("cut", np.array([fit.cut > MUCH for fit in fits], bool)),
    ]
    every = np.arange(len(parts))
    result = [Group("all", every)]
    if not len(parts):
        return result
    result += [Group(kind, every[test[parts.size_of]]) for kind, test in found]
    names = sorted({fit.bucket for fit in fits}, key=lambda size: (size[0] / size[1], size))
    place_of = {name: place for place, name in enumerate(names)}
    bucket_of = np.array([place_of[fit.bucket] for fit in fits])[parts.size_of]
    order = np.argsort(bucket_of, kind="stable")
    counts = np.bincount(bucket_of, minlength=len(names))
    members = np.split(order, np.cumsum(counts)[:-1])
    shared = {name: int(count) for name, count in zip(names, counts, strict=True) if count > 1}
    in_use = [
        Group("bucket", places, name, _usual(name, shared) if len(places) == 1 else None)
        for name, places in zip(names, members, strict=True)
        if len(places)
    ]
    alone = [group.places for group in in_use if group.lonely]
    if alone:
        result.append(Group("alone", np.sort(np.concatenate(alone))))
    result.append(Group("cropped", np.array(sorted(parts.crops), np.int64)))
    return [group for group in result if len(group)] + in_use


def _usual(bucket: Size, shared: Mapping[Size, int]) -> Size | None:
    """Return the bucket with several images whose proportions are nearest."""
    ratio = bucket[0] / bucket[1]

    def apart(size: Size) -> tuple[float, int]:
        return abs(math.log(size[0] / size[1] / ratio)), -shared[size]

    return min(shared, key=apart, default=None)
