"""Writing to the index: whole batches in one transaction, instead of one per row.

Measured: a statement per row and tag took 220 us per image with 25 tags, this takes 60. The tags of
an image are stored twice: in ``image_tags``, which filters use, and as a packed list in its row,
which says what to remove when the caption changes; an index by image would cost as much again.
"""

import itertools
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from prep import captions
from prep.captions import sentences
from prep.captions.structure import split_lines
from prep.system.files import text_hash
from prep.system.names import natural

T = TypeVar("T")

MARKS = 500
"""Values per statement; SQLite allows 32,766, older builds 999."""
BATCH = 2048
"""Images per transaction: enough to spread its cost, few enough for a short wait."""
CAPTIONS = 16_384
"""Captions per transaction. Each touches the last page of every tag, and writing pages dominates
the cost: in portions of 2,048, a million images wrote gigabytes more."""
_KNOWN_TAGS = 200_000
"""Maximum of tags cached by a writer; each sentence counts as one."""


class ScannedImage(NamedTuple):
    """Result of scanning one image file; see ``ImageRow``."""

    path: str
    folder: str
    size: int
    mtime_ns: int
    width: int = 0
    height: int = 0
    format: str = ""
    orientation: int = 1
    alpha: bool = False
    frames: int = 1
    error: str | None = None
    mask: bool = False
    profile: bool = False


class ScannedCaption(NamedTuple):
    """Result of scanning the caption file of image ``path``."""

    path: str
    caption: str | None
    size: int | None
    mtime_ns: int | None
    error: str | None = None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock from the first read, so that ids and counts stay valid."""
    with connection:
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        yield


def chunks(values: Sequence[str] | Sequence[int]) -> Iterator[tuple[str, list[str | int]]]:
    """Yield values in portions that fit one statement, each with its placeholders."""
    for start in range(0, len(values), MARKS):
        part: list[str | int] = list(values[start : start + MARKS])
        yield ",".join("?" * len(part)), part


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of ``size``; the last one may be shorter."""
    stream = iter(items)
    while batch := list(itertools.islice(stream, size)):
        yield batch


class Writer:
    """Writes images, captions and tags through one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._tags: dict[str, int] = {}
        self._sentences: set[int] = set()
        """Ids of tags that are sentences."""

    def put_images(self, found: Sequence[ScannedImage]) -> None:
        """Add or update images, in one transaction.

        Their content hashes are dropped, since their bytes may have changed.
        """
        with transaction(self._connection):
            self._put_images(found)

    def put_captions(self, written: Sequence[ScannedCaption]) -> None:
        """Record captions in one transaction; paths that are not indexed are skipped."""
        try:
            with transaction(self._connection):
                self._put_captions(written)
        except BaseException:
            self._forget()  # new ids among them were rolled back
            raise

    def _put_images(self, found: Sequence[ScannedImage]) -> None:
        self._connection.executemany(
            """INSERT INTO images(natural, path, folder, size, mtime_ns, width, height, format,
                orientation, alpha, frames, error, mask, profile, faulty)
            VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
            ON CONFLICT(path) DO UPDATE SET folder=excluded.folder, size=excluded.size,
                mtime_ns=excluded.mtime_ns, width=excluded.width, height=excluded.height,
                format=excluded.format, orientation=excluded.orientation, alpha=excluded.alpha,
                frames=excluded.frames, error=excluded.error, faulty=excluded.faulty,
                mask=excluded.mask, profile=excluded.profile, content=NULL""",
            ((natural(each.path), *each, each.error is not None) for each in found),
        )

    def _put_captions(self, written: Sequence[ScannedCaption]) -> None:
        newest = {item.path: item for item in written}
        before = self._rows(list(newest))
        texts = [(before[path], item) for path, item in newest.items() if path in before]
        tags = self._numbered([item.caption for _, item in texts])
        self._connection.executemany(
            """UPDATE images SET caption=?, caption_size=?, caption_mtime_ns=?, caption_error=?,
                caption_hash=?, captioned=?, tag_count=?, more=?, tags=? WHERE id=?""",
            (
                (
                    *(item.caption, item.size, item.mtime_ns, item.error),
                    *_about(item.caption),
                    *(self._tag_count(numbers), _more(item.caption), numbers.tobytes(), image),
                )
                for ((image, _), item), numbers in zip(texts, tags, strict=True)
            ),
        )
        self._link([(image, old, new) for ((image, old), _), new in zip(texts, tags, strict=True)])

    def _rows(self, paths: list[str]) -> dict[str, tuple[int, bytes]]:
        """Return the ids of indexed paths, and their packed tags."""
        return {
            path: (image, packed)
            for marks, part in chunks(paths)
            for path, image, packed in self._connection.execute(
                f"SELECT path, id, tags FROM images WHERE path IN ({marks})", part
            )
        }

    def _link(self, items: list[tuple[int, bytes, "array[int]"]]) -> None:
        """Update ``image_tags`` and the counts from the old packed tags to the new ids."""
        added: dict[int, list[int]] = defaultdict(list)
        removed: dict[int, list[int]] = defaultdict(list)
        for image, packed, new in items:
            if packed == new.tobytes():
                continue
            old = unpacked(packed)
            for tag in set(new).difference(old) if old else new:
                added[tag].append(image)
            for tag in set(old).difference(new):
                removed[tag].append(image)
        execute_all = self._connection.executemany
        execute_all("DELETE FROM image_tags WHERE tag=? AND image=?", _pairs(removed))
        execute_all("INSERT OR IGNORE INTO image_tags VALUES(?, ?)", _pairs(added))
        execute_all(
            "UPDATE tags SET count = count + ? WHERE id = ?",
            ((len(added[tag]) - len(removed[tag]), tag) for tag in {*added, *removed}),
        )

    def _numbered(self, texts: list[str | None]) -> list["array[int]"]:
        """Return the ids of the tags of each text, creating ids of new tags."""
        keyed = [_keyed(text) for text in texts]
        wanted = {key: name for tags in keyed for key, name in tags.items()}
        known = self._known(wanted)
        return [array("I", (known[key] for key in tags)) for tags in keyed]

    def _known(self, wanted: dict[str, str]) -> dict[str, int]:
        """Return the ids of these tags (key -> name), using a bounded cache."""
        if len(self._tags) > _KNOWN_TAGS:
            self._forget()
        missing = [key for key in wanted if key not in self._tags]
        self._connection.executemany(
            "INSERT OR IGNORE INTO tags(key, name, sentence) VALUES(?, ?, ?)",
            ((key, wanted[key], sentences.is_sentence(wanted[key])) for key in missing),
        )
        for marks, part in chunks(missing):
            select = f"SELECT key, id, sentence FROM tags WHERE key IN ({marks})"
            for key, number, sentence in self._connection.execute(select, part):
                self._tags[key] = number
                if sentence:
                    self._sentences.add(number)
        return self._tags

    def _forget(self) -> None:
        self._tags.clear()
        self._sentences.clear()

    def _tag_count(self, numbers: "array[int]") -> int:
        """Return how many of these are tags rather than sentences."""
        return len(numbers) - len(self._sentences.intersection(numbers) if self._sentences else ())

    def put_error(self, path: str, error: str) -> None:
        """Record that an image cannot be used."""
        with self._connection:
            self._connection.execute(
                "UPDATE images SET error=?, faulty=1 WHERE path=?", (error, path)
            )

    def put_contents(self, contents: Iterable[tuple[str, str]]) -> None:
        """Record (path, content hash)."""
        with self._connection:
            self._connection.executemany(
                "UPDATE images SET content=? WHERE path=?",
                ((hash_, path) for path, hash_ in contents),
            )

    def rename(self, before: str, after: str, folder: str) -> None:
        """Record that an image file was moved; everything else about it is kept."""
        with transaction(self._connection):
            self._remove([after])
            self._connection.execute(
                "UPDATE images SET path=?, natural=?, folder=? WHERE path=?",
                (after, natural(after), folder, before),
            )

    def remove(self, paths: Iterable[str]) -> None:
        """Forget images whose files are gone."""
        for gone in batches(paths):
            with transaction(self._connection):
                self._remove(gone)

    def _remove(self, paths: list[str]) -> None:
        nothing = array("I")
        rows = self._rows(paths)
        self._link([(image, packed, nothing) for image, packed in rows.values()])
        self._connection.executemany(
            "DELETE FROM images WHERE id=?", ((image,) for image, _ in rows.values())
        )


def _pairs(images: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
    """Yield (tag, image) in the order of the table: neighbours land on the same page."""
    for tag in sorted(images):
        for image in sorted(images[tag]):
            yield tag, image


def unpacked(packed: bytes) -> "array[int]":
    """Return the tag ids of a row of ``images``."""
    numbers = array("I")
    numbers.frombytes(packed)
    return numbers


def _keyed(text: str | None) -> dict[str, str]:
    """Return the tags of a caption by their keys; the first spelling counts."""
    keyed: dict[str, str] = {}
    for tag in captions.split(text or ""):
        keyed.setdefault(captions.key(tag), tag)
    return keyed


def _about(text: str | None) -> tuple[str | None, bool]:
    return (None, False) if text is None else (text_hash(text), True)


def _more(text: str | None) -> bool:
    """Return whether it has more than the first line, which contains the tags."""
    return text is not None and bool(split_lines(text)[2].strip())
