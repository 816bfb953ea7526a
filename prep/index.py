"""The cache: what is in the dataset, counted, paged and searched without touching the files.

``cache.db`` can be deleted at any time; when its schema changes it is simply built again.
``work.db`` is attached beside it, so that exclusions take part in every query.
Measured before: paging by primary key takes 0.4 ms where OFFSET takes 17 ms at 90,000 rows.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from prep import captions, work
from prep.errors import UserError
from prep.project import Project
from prep.query import Query

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE images(
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    width INTEGER, height INTEGER, format TEXT, orientation INTEGER, alpha INTEGER,
    frames INTEGER, error TEXT, content TEXT,
    caption TEXT, caption_size INTEGER, caption_mtime_ns INTEGER, caption_error TEXT);
CREATE INDEX images_folder ON images(folder);
CREATE TABLE tags(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE image_tags(
    tag INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(tag, image)) WITHOUT ROWID;
CREATE INDEX image_tags_image ON image_tags(image);
CREATE TABLE hashes(content TEXT PRIMARY KEY, phash INTEGER NOT NULL, mirrored INTEGER NOT NULL,
    sharpness REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE taggers(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, tags TEXT NOT NULL);
CREATE TABLE scores(
    tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
"""
_COLUMNS = (
    "i.id, i.path, i.folder, i.size, i.mtime_ns, i.width, i.height, i.format, i.orientation,"
    " i.alpha, i.frames, i.error, i.content, i.caption, i.caption_error, x.reason"
)
_FROM = "FROM images i LEFT JOIN work.exclusions x ON x.path = i.path"


@dataclass(frozen=True)
class ImageRow:
    """One image as the index knows it.

    Attributes:
        path: Relative to the project, with slashes.
        folder: Concept folder below the dataset folder, ``.`` for the dataset folder itself.
        width: Pixels after the EXIF turn; 0 when the file is unreadable.
        height: As ``width``.
        error: Why the file cannot be used, else ``None``.
        content: Hash of the file's bytes, once some operation needed it.
        caption: Text of the caption file, ``None`` when there is none.
        caption_error: Why the caption file cannot be used, else ``None``.
        excluded: Why the image is left out, else ``None``.
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
        """Is it readable and not excluded?"""
        return self.error is None and self.excluded is None


@dataclass(frozen=True)
class Found:
    """What a scan found out about one image file; see ``ImageRow``."""

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


@dataclass(frozen=True)
class FoundCaption:
    """What a scan found out about the caption file of image ``path``."""

    path: str
    caption: str | None
    size: int | None
    mtime_ns: int | None
    error: str | None = None


class Index:
    """The index of one project; one object per thread."""

    def __init__(self, project: Project) -> None:
        """Open it, and make it when it is missing, outdated or damaged.

        Raises:
            UserError: ``.shikomi`` may not be written, or ``work.db`` is damaged.
        """
        self.project = project
        try:
            work.prepare(project.state / "work.db")
            self.connection = _open_cache(project.state / "cache.db")
            self.connection.execute("ATTACH ? AS work", (str(project.state / "work.db"),))
        except OSError as error:
            raise UserError(
                f"{project.state} cannot be written: {error.strerror}.",
                "shikomi keeps its index and journal there; check the permissions of the folder.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases."""
        self.connection.close()

    # ---- reading -------------------------------------------------------------------------

    def ids(self, where: str = "") -> "array[int]":
        """Return the ids of the images that match a query, in path order.

        Raises:
            ConfigError: The query has a fault; the message points at it.
        """
        condition, values = Query.parse(where).sql()
        rows = self.connection.execute(
            f"SELECT i.id {_FROM} WHERE {condition} ORDER BY i.path", values
        )
        return array("q", (row[0] for row in rows))

    def rows(self, ids: Sequence[int]) -> list[ImageRow]:
        """Return the images with these ids, in their order; ids that are gone are left out."""
        found: dict[int, ImageRow] = {}
        for start in range(0, len(ids), 500):
            part = list(ids[start : start + 500])
            marks = ",".join("?" * len(part))
            for row in self.connection.execute(
                f"SELECT {_COLUMNS} {_FROM} WHERE i.id IN ({marks})", part
            ):
                found[row[0]] = _row(row)
        return [found[number] for number in ids if number in found]

    def select(self, where: str = "") -> list[ImageRow]:
        """Return the images that match a query, in path order."""
        condition, values = Query.parse(where).sql()
        rows = self.connection.execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE {condition} ORDER BY i.path", values
        )
        return [_row(row) for row in rows]

    def usable(self) -> list[ImageRow]:
        """Return the images that are readable and not excluded, in path order."""
        return [row for row in self.select() if row.usable]

    def get(self, path: str) -> ImageRow | None:
        """Return one image by its path."""
        row = self.connection.execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE i.path = ?", (path,)
        ).fetchone()
        return None if row is None else _row(row)

    def count(self) -> int:
        """Return the number of image files, unreadable and excluded ones too."""
        return int(self.connection.execute("SELECT count(*) FROM images").fetchone()[0])

    def tag_counts(self, where: str = "") -> list[tuple[str, int]]:
        """Return (tag, number of usable images that match), most frequent first."""
        condition, values = Query.parse(where).sql()
        rows = self.connection.execute(
            f"""SELECT t.name, count(*) AS n FROM image_tags it JOIN tags t ON t.id = it.tag
            WHERE it.image IN (SELECT i.id {_FROM} WHERE {condition}
                AND i.error IS NULL AND x.reason IS NULL)
            GROUP BY t.id ORDER BY n DESC, t.name""",
            values,
        )
        return [(name, count) for name, count in rows]

    def folders(self) -> list[tuple[str, int]]:
        """Return (concept folder, number of usable images), in name order."""
        rows = self.connection.execute(
            f"SELECT i.folder, count(*) {_FROM} WHERE i.error IS NULL AND x.reason IS NULL"
            " GROUP BY i.folder ORDER BY i.folder"
        )
        return [(folder, count) for folder, count in rows]

    def known(self) -> dict[str, tuple[int, int, int | None, int | None]]:
        """Return, by path, the size and time (ns) of image and caption as last scanned."""
        rows = self.connection.execute(
            "SELECT path, size, mtime_ns, caption_size, caption_mtime_ns FROM images"
        )
        return {path: (size, t, csize, ct) for path, size, t, csize, ct in rows}

    # ---- writing -------------------------------------------------------------------------

    def put(self, found: Iterable[Found]) -> None:
        """Add images or replace what is known of them; their content is to be hashed again."""
        with self.connection:
            self.connection.executemany(
                """INSERT INTO images(path, folder, size, mtime_ns, width, height, format,
                    orientation, alpha, frames, error) VALUES(?,?,?,?,?,?,?,?,?,?,?)
                ON CONFLICT(path) DO UPDATE SET folder=excluded.folder, size=excluded.size,
                    mtime_ns=excluded.mtime_ns, width=excluded.width, height=excluded.height,
                    format=excluded.format, orientation=excluded.orientation,
                    alpha=excluded.alpha, frames=excluded.frames, error=excluded.error,
                    content=NULL""",
                (astuple(item) for item in found),
            )

    def put_captions(self, found: Iterable[FoundCaption]) -> None:
        """Record caption texts and index their tags; paths that are not indexed are left out."""
        with self.connection:
            for item in found:
                self._put_caption(item)

    def _put_caption(self, item: FoundCaption) -> None:
        execute = self.connection.execute
        row = execute("SELECT id FROM images WHERE path = ?", (item.path,)).fetchone()
        if row is None:
            return
        image: int = row[0]
        execute(
            "UPDATE images SET caption=?, caption_size=?, caption_mtime_ns=?, caption_error=?"
            " WHERE id=?",
            (item.caption, item.size, item.mtime_ns, item.error, image),
        )
        execute("DELETE FROM image_tags WHERE image = ?", (image,))
        for tag in captions.unique(captions.split(item.caption or "")):
            execute("INSERT OR IGNORE INTO tags(key, name) VALUES(?, ?)", (captions.key(tag), tag))
            execute(
                "INSERT INTO image_tags SELECT id, ? FROM tags WHERE key = ?",
                (image, captions.key(tag)),
            )

    def put_error(self, path: str, error: str) -> None:
        """Record that an image cannot be used."""
        with self.connection:
            self.connection.execute("UPDATE images SET error=? WHERE path=?", (error, path))

    def put_contents(self, contents: Iterable[tuple[str, str]]) -> None:
        """Record (path, content hash)."""
        with self.connection:
            self.connection.executemany(
                "UPDATE images SET content=? WHERE path=?",
                ((hash_, path) for path, hash_ in contents),
            )

    def rename(self, before: str, after: str, folder: str) -> None:
        """Note that an image file lies elsewhere now; everything else about it stays known."""
        self.remove([after])
        with self.connection:
            self.connection.execute(
                "UPDATE images SET path=?, folder=? WHERE path=?", (after, folder, before)
            )

    def remove(self, paths: Iterable[str]) -> None:
        """Forget images whose files are gone."""
        with self.connection:
            for path in paths:
                self.connection.execute(
                    "DELETE FROM image_tags WHERE image = (SELECT id FROM images WHERE path = ?)",
                    (path,),
                )
                self.connection.execute("DELETE FROM images WHERE path = ?", (path,))


def _row(row: tuple[object, ...]) -> ImageRow:
    values = list(row)
    values[5:12] = [
        row[5] or 0,
        row[6] or 0,
        row[7] or "",
        row[8] or 1,
        bool(row[9]),
        row[10] or 1,
        row[11],
    ]
    return ImageRow(*values)  # type: ignore[arg-type]  # SQLite's columns, checked by the tests


def _open_cache(file: Path) -> sqlite3.Connection:
    """Open ``cache.db``; a damaged or outdated one is thrown away, since it is only a cache."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2):
        connection = sqlite3.connect(file, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA_VERSION:
                return connection
            if version == 0:
                _create(connection)
                return connection
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or attempt == 2:
                connection.close()
                raise UserError(
                    f"{file} cannot be opened: {error}.", "Check that it may be written."
                ) from error
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{file}{suffix}").unlink()
    raise UserError(f"{file} cannot be made.", "Check that its folder may be written.")


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process has just done so."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
