"""The index: the images of the dataset, counted, paged and searched without touching the files.

It lives in ``cache.db`` (see ``cache_db``); ``work.db`` is attached beside it, so that exclusions,
crops and manual edits can be used in any query. Listing a million images means reading their
ids, 8 MB, and the rows of one page: paging by primary key takes 0.4 ms where OFFSET takes 17 ms.
"""

import sqlite3
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from prep import captions
from prep.dataset import work_db
from prep.dataset.cache_db import open_cache
from prep.dataset.database_faults import explain, refuse_special
from prep.dataset.query import Query
from prep.dataset.query.evaluate import Evaluator
from prep.dataset.query.sets import ids_of, in_order, numbers, set_of
from prep.dataset.tag_counts import tag_counts
from prep.dataset.values.token_counts import ensure_counts
from prep.dataset.writer import CAPTIONS, ScannedCaption, ScannedImage, Writer, batches, chunks
from prep.errors import UserError
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system.names import natural_key

__all__ = ["ImageRow", "Index", "ScannedCaption", "ScannedImage"]

_FACTS = (
    "i.id, i.path, i.folder, i.size, i.mtime_ns, i.width, i.height, i.format, i.orientation,"
    " i.alpha, i.frames, i.error, i.content, i.caption, i.caption_error"
)
_COLUMNS = f"{_FACTS}, x.reason"
_FROM = "FROM images i LEFT JOIN work.exclusions x ON x.path = i.path"
_FEW = 5_000
"""Maximum of ids that SQLite sorts; for more, the order of all is read once."""


class ImageRow(NamedTuple):
    """One image in the index.

    Attributes:
        path: Relative to the project, with slashes.
        folder: Concept folder below the dataset folder, ``.`` for the dataset folder itself.
        width: Pixels after EXIF rotation; 0 if the file is unreadable.
        height: Like ``width``.
        alpha: The file can hold transparency.
        error: Why the file cannot be used, else ``None``.
        content: Hash of the file's bytes, once an operation has needed it.
        caption: Text of the caption file, ``None`` if there is none.
        caption_error: Why the caption file cannot be used, else ``None``.
        excluded: Why the image is excluded, else ``None``.
    """

    id: int
    path: str
    folder: str
    size: int
    mtime_ns: int
    width: int
    height: int
    format: str
    orientation: int
    alpha: bool
    frames: int
    error: str | None
    content: str | None
    caption: str | None
    caption_error: str | None
    excluded: str | None

    @property
    def tags(self) -> list[str]:
        """The tags of the caption."""
        return captions.split(self.caption or "")

    @property
    def usable(self) -> bool:
        """Return whether it is readable and not excluded."""
        return self.error is None and self.excluded is None


class KnownFile(NamedTuple):
    """Data of a file and its caption in the index, to notice changes."""

    id: int
    size: int
    mtime_ns: int
    mask: bool
    caption_size: int | None
    caption_mtime_ns: int | None


class SizeCount(NamedTuple):
    """Images of one size that are not excluded.

    Attributes:
        width: Pixels, as in ``ImageRow``.
        height: Like ``width``.
        faulty: The image files cannot be used.
        images: Number of images.
        captioned: Number of images whose caption has more than spaces and commas.
    """

    width: int
    height: int
    faulty: bool
    images: int
    captioned: int


def _image_row(columns: tuple[Any, ...]) -> ImageRow:
    """Return a row; those of one folder share its name, since lists of rows may be long."""
    number, path, folder, size, mtime_ns, width, height, kind, *rest = columns
    folder, kind = sys.intern(folder), sys.intern(kind)
    return ImageRow(number, path, folder, size, mtime_ns, width, height, kind, *rest)


class Index:
    """The index of one project; one object per thread."""

    def __init__(self, project: Project) -> None:
        """Open the index; create it if it is missing, outdated or damaged.

        Raises:
            UserError: ``.shikomi`` is not writable, or ``work.db`` is damaged.
            ConfigError: A link leads out of the project.
        """
        self.project = project
        try:
            for name in ("work.db", "cache.db"):
                refuse_links(project, project.state / name)
                refuse_special(project.state / name)
            work_db.prepare(project.state / "work.db")
            self.connection = open_cache(project.state / "cache.db")
            self._attach(project.state / "work.db")
        except OSError as error:
            raise UserError(
                f"{project.state} cannot be written: {error.strerror}.",
                "The index and the journal are there: check the permissions of the folder, or copy"
                f" its images into a new project: shikomi import NEW_PROJECT {project.root}",
            ) from error
        self._writer = Writer(self.connection)
        self._order: array[int] = array("q")
        self._order_of: tuple[int, int] | None = None

    def _attach(self, file: Path) -> None:
        try:
            self.connection.execute("ATTACH ? AS work", (str(file),))
        except sqlite3.Error as error:
            self.connection.close()
            fault = explain(error, file.parent)
            if fault is None:
                raise
            raise fault from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the databases.

        Raises:
            UserError: Work with them failed because of their state; see ``database_faults``.
        """
        self.close()
        fault = explain(error, self.project.state) if isinstance(error, Exception) else None
        if fault is not None:
            raise fault from error

    def close(self) -> None:
        """Close the databases."""
        self.connection.close()

    # ---- reading -------------------------------------------------------------------------

    def ids(self, where: str = "") -> "array[int]":
        """Return the ids of the images that match a query, in natural order.

        Raises:
            ConfigError: The query is not valid; the message points at the fault.
        """
        found = self._found(where)
        if found is None:
            return array("q", self._ordered())
        if found.bit_count() > _FEW:
            return in_order(found, self._ordered())
        few: list[tuple[str, str, int]] = []
        for places, part in chunks(ids_of(found)):
            few += self.connection.execute(
                f"SELECT natural, path, id FROM images WHERE id IN ({places})", part
            )
        return array("q", (number for _, _, number in sorted(few)))

    def _found(self, where: str) -> int | None:
        """Return the set of ids that match a query; ``None`` if all do."""
        query = Query.parse(where)
        if query.tree is None:
            return None
        if query.uses("tokens"):
            ensure_counts(self.connection)
        return Evaluator(where, query.tree, self.project, self.connection).run()

    def _ordered(self) -> "array[int]":
        """Return all ids in natural order; cached until something is written."""
        changes = self.connection.execute("PRAGMA data_version").fetchone()[0]
        state = (changes, self.connection.total_changes)
        if state != self._order_of:
            everything = "SELECT id AS n FROM images ORDER BY natural, path"
            self._order = array("q", numbers(self.connection, everything, ()))
            self._order_of = state
        return self._order

    def rows(self, ids: Sequence[int]) -> list[ImageRow]:
        """Return the images with these ids, in that order; missing ids are skipped."""
        found: dict[int, ImageRow] = {}
        for places, part in chunks(ids):
            select = f"SELECT {_COLUMNS} {_FROM} WHERE i.id IN ({places})"
            for row in self.connection.execute(select, part):
                found[row[0]] = _image_row(row)
        return [found[number] for number in ids if number in found]

    def paths(self, ids: Sequence[int]) -> dict[int, str]:
        """Return the paths of the images with these ids; missing ids are skipped."""
        found: dict[int, str] = {}
        for places, part in chunks(ids):
            found.update(
                self.connection.execute(f"SELECT id, path FROM images WHERE id IN ({places})", part)
            )
        return found

    def folders_of(self, ids: Sequence[int]) -> list[str]:
        """Return the concept folders of the images with these ids, in natural order."""
        found: set[str] = set()
        for places, part in chunks(ids):
            select = f"SELECT DISTINCT folder FROM images WHERE id IN ({places})"
            found.update(folder for (folder,) in self.connection.execute(select, part))
        return sorted(found, key=natural_key)

    def select(self, where: str = "") -> list[ImageRow]:
        """Return the images that match a query, in natural order.

        Raises:
            ConfigError: The query is not valid; the message points at the fault.
        """
        return list(self.iterate(where))

    def iterate(self, where: str = "") -> Iterator[ImageRow]:
        """Yield the images that match a query, in natural order, a few at a time.

        Raises:
            ConfigError: The query is not valid; the message points at the fault.
        """
        found = self._found(where)
        if found is None:
            yield from self._all_rows()
            return
        for part in batches(self.ids(where)):
            yield from self.rows(part)

    def usable(self) -> list[ImageRow]:
        """Return the images that are readable and not excluded, in natural order."""
        return list(self.each_usable())

    def each_usable(self) -> Iterator[ImageRow]:
        """Yield the images that are readable and not excluded, in natural order, one at a time."""
        return self._all_rows("i.faulty = 0", usable=True)

    def _all_rows(self, condition: str = "1", *, usable: bool = False) -> Iterator[ImageRow]:
        # Looking up the few exclusions here takes a quarter of the time of a join.
        excluded = dict(self.connection.execute("SELECT path, reason FROM work.exclusions"))
        for row in self.connection.execute(
            f"SELECT {_FACTS} FROM images i WHERE {condition} ORDER BY i.natural, i.path"
        ):
            reason = excluded.get(row[1])
            if reason is None or not usable:
                yield _image_row((*row, reason))

    def get(self, path: str) -> ImageRow | None:
        """Return one image by its path."""
        select = f"SELECT {_COLUMNS} {_FROM} WHERE i.path = ?"
        row = self.connection.execute(select, (path,)).fetchone()
        return None if row is None else _image_row(row)

    def count(self) -> int:
        """Return the number of image files, including unreadable and excluded ones."""
        return int(self.connection.execute("SELECT count(*) FROM images").fetchone()[0])

    def tag_counts(self, where: str = "", of: Sequence[int] | None = None) -> list[tuple[str, int]]:
        """Return (tag, number of usable images that match, or of these), most frequent first.

        Raises:
            ConfigError: The query is not valid; the message points at the fault.
        """
        return tag_counts(self.connection, self._found(where) if of is None else set_of(of))

    def folders(self) -> list[tuple[str, int]]:
        """Return (concept folder, number of usable images), in natural order."""
        counts = dict(
            self.connection.execute(
                "SELECT folder, count(*) FROM images WHERE faulty = 0 GROUP BY folder"
            ).fetchall()
        )
        for folder, number in self.connection.execute(
            """SELECT i.folder, count(*) FROM work.exclusions x
            CROSS JOIN images i ON i.path = x.path WHERE i.faulty = 0 GROUP BY i.folder"""
        ):
            counts[folder] -= number
        found = ((folder, number) for folder, number in counts.items() if number)
        return sorted(found, key=lambda each: natural_key(each[0]))

    def sizes(self) -> Iterator[SizeCount]:
        """Yield the number of images of each size, without excluded ones."""
        rows = self.connection.execute(
            """SELECT i.width, i.height, i.error IS NOT NULL, count(*),
                sum(trim(coalesce(i.caption, ''), ' ,' || char(9, 10, 13)) != '')
            FROM images i LEFT JOIN work.exclusions x ON x.path = i.path
            WHERE x.reason IS NULL GROUP BY 1, 2, 3"""
        )
        return map(SizeCount._make, rows)

    def known(self, paths: Sequence[str]) -> dict[str, KnownFile]:
        """Return the state of these files at the last scan, by path."""
        return {
            path: KnownFile(*row)
            for places, part in chunks(paths)
            for path, *row in self.connection.execute(
                "SELECT path, id, size, mtime_ns, mask, caption_size, caption_mtime_ns"
                f" FROM images WHERE path IN ({places})",
                part,
            )
        }

    def version(self, of: Literal["main", "work"]) -> int:
        """Return a number that changes with what others write; edits are in ``work``."""
        return int(self.connection.execute(f"PRAGMA {of}.data_version").fetchone()[0])

    def faults(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Yield (path, fault of the image, fault of its caption) where there are any."""
        return iter(
            self.connection.execute(
                """SELECT path, error, caption_error FROM images
                WHERE faulty OR caption_error IS NOT NULL ORDER BY natural, path"""
            ).fetchall()
        )

    def with_profile(self) -> frozenset[str]:
        """Return the paths of images whose files say which colours their numbers stand for."""
        rows = self.connection.execute("SELECT path FROM images WHERE profile")
        return frozenset(path for (path,) in rows)

    # ---- writing -------------------------------------------------------------------------

    def put(self, found: Iterable[ScannedImage]) -> None:
        """Add or update images; their contents must be hashed again."""
        for batch in batches(found):
            self._writer.put_images(batch)

    def put_captions(self, found: Iterable[ScannedCaption]) -> None:
        """Record caption texts and index their tags; paths that are not indexed are skipped."""
        for batch in batches(found, CAPTIONS):
            self._writer.put_captions(batch)

    def put_error(self, path: str, error: str) -> None:
        """Record that an image cannot be used."""
        self._writer.put_error(path, error)

    def put_contents(self, contents: Iterable[tuple[str, str]]) -> None:
        """Record (path, content hash)."""
        self._writer.put_contents(contents)

    def rename(self, before: str, after: str, folder: str) -> None:
        """Record that an image file was moved; everything else about it is kept."""
        self._writer.rename(before, after, folder)

    def remove(self, paths: Iterable[str]) -> None:
        """Forget images whose files are gone."""
        self._writer.remove(paths)

    def highest_id(self) -> int:
        """Return the highest id in use, 0 for none."""
        return int(self.connection.execute("SELECT max(id) FROM images").fetchone()[0] or 0)

    def keep_only(self, seen: bytearray) -> None:
        """Remove the images with ids below ``len(seen)`` that are not marked with 1 in it."""
        kept = int.from_bytes(seen, "little")
        below = "SELECT id AS n FROM images WHERE id < ?"
        known = set_of(numbers(self.connection, below, (len(seen),)))
        for places, part in chunks(ids_of(known & ~kept)):
            rows = self.connection.execute(f"SELECT path FROM images WHERE id IN ({places})", part)
            self.remove([path for (path,) in rows.fetchall()])
