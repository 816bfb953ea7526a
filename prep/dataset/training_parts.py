"""The training images of a dataset: whole images, and the crops of those that have some.

What is counted from them (buckets, exposures, steps) is arithmetic on arrays: at 100,000 images one
query over an index of SQLite takes a fifth of a second, where reading whole rows takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from prep.dataset.index import Index
from prep.images.buckets import Size
from prep.images.crops import Rect, from_text, rects
from prep.system.names import natural_key

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingParts:
    """The training images, in the order of the list of images; arrays have one entry for each.

    Attributes:
        ids: The image in the index.
        folder_of: Place in ``folders``.
        size_of: Place in ``sizes``.
        folders: Concept folders below the dataset folder, in natural order.
        sizes: All sizes that occur (width, height), pixels.
        crops: The part of its image, for those that are crops, by place.
    """

    ids: Ints
    folder_of: Ints
    size_of: Ints
    folders: tuple[str, ...]
    sizes: tuple[Size, ...]
    crops: Mapping[int, Rect]

    def __len__(self) -> int:
        return len(self.ids)


_known: WeakKeyDictionary[Index, tuple[tuple[int, ...], TrainingParts]] = WeakKeyDictionary()
"""What was read last by each index, and the state of the databases then."""


def read(index: Index) -> TrainingParts:
    """Return the training images: of usable images, without those whose captions are unreadable.

    Nothing is read again until something is written.
    """
    connection = index.connection
    pragmas = ("PRAGMA main.data_version", "PRAGMA work.data_version")
    versions = (connection.execute(pragma).fetchone()[0] for pragma in pragmas)
    state = (*versions, connection.total_changes)
    known = _known.get(index)
    if known is None or known[0] != state:
        known = _known[index] = state, _read(index)
    return known[1]


def _read(index: Index) -> TrainingParts:
    connection = index.connection
    facts = connection.execute(
        "SELECT id, folder, width, height FROM images WHERE faulty = 0"
    ).fetchall()
    left_out = {
        number
        for (number,) in connection.execute(
            """SELECT i.id FROM work.exclusions x CROSS JOIN images i ON i.path = x.path
            UNION ALL SELECT id FROM images WHERE caption_error IS NOT NULL"""
        )
    }
    cropped = {
        number: from_text(boxes)
        for number, boxes in connection.execute(
            "SELECT i.id, c.boxes FROM work.crops c CROSS JOIN images i ON i.path = c.path"
        )
    }
    place_of = np.zeros(index.highest_id() + 1, np.int64)
    order = np.frombuffer(index.ids(), np.int64) if facts else np.zeros(0, np.int64)
    place_of[order] = np.arange(len(order))
    facts = [row for row in facts if row[0] not in left_out]
    ids = np.array([row[0] for row in facts], np.int64)
    found = _Found()
    for place in np.argsort(place_of[ids], kind="stable").tolist():
        number, folder, width, height = facts[place]
        boxes = cropped.get(number)
        if boxes is None:
            found.add(number, folder, (width, height))
            continue
        for rect in rects(boxes, (width, height)):
            found.add(number, folder, rect.size, rect)
    return found.parts()


class _Found:
    """Collects parts."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._folder_of: list[int] = []
        self._size_of: list[int] = []
        self._folders: dict[str, int] = {}
        self._sizes: dict[Size, int] = {}
        self._crops: dict[int, Rect] = {}

    def add(self, number: int, folder: str, size: Size, crop: Rect | None = None) -> None:
        if crop is not None:
            self._crops[len(self._ids)] = crop
        self._ids.append(number)
        self._folder_of.append(self._folders.setdefault(folder, len(self._folders)))
        self._size_of.append(self._sizes.setdefault(size, len(self._sizes)))

    def parts(self) -> TrainingParts:
        """Return them, with folders in natural order."""
        folders = sorted(self._folders, key=natural_key)
        new = np.zeros(len(folders), np.int64)
        new[[self._folders[folder] for folder in folders]] = np.arange(len(folders))
        return TrainingParts(
            np.array(self._ids, np.int64),
            new[np.array(self._folder_of, np.int64)],
            np.array(self._size_of, np.int64),
            tuple(folders),
            tuple(self._sizes),
            self._crops,
        )
