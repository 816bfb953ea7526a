"""``cache.db`` as a file: its tables, how it is opened, and when it is thrown away.

Everything in it can be computed again, so a damaged file, or one of a newer version, is replaced.
What is costly to compute (hashes, tagger scores) belongs to contents, not paths, and is kept when
only the index of the folder has to be built anew.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path

from prep.errors import UserError

SCHEMA_VERSION = 3
_REBUILT = (1, 2)
"""Older versions whose hashes and scores are kept; only the index is built again."""

PAGES_KIB = 32 * 1024
"""Page cache of one connection: an index of 100,000 images fits; the application opens four."""

_INDEX = """
CREATE TABLE images(
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
    format TEXT NOT NULL DEFAULT '', orientation INTEGER NOT NULL DEFAULT 1,
    alpha INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 1,
    mask INTEGER NOT NULL DEFAULT 0, error TEXT, faulty INTEGER NOT NULL DEFAULT 0, content TEXT,
    captioned INTEGER NOT NULL DEFAULT 0, tag_count INTEGER NOT NULL DEFAULT 0,
    more INTEGER NOT NULL DEFAULT 0, tags BLOB NOT NULL DEFAULT x'', caption_hash TEXT,
    caption_size INTEGER, caption_mtime_ns INTEGER, caption_error TEXT, caption TEXT);
CREATE INDEX images_folder ON images(folder);
CREATE INDEX images_facts ON images(width, height, folder, size, format, orientation, alpha,
    frames, mask, faulty, captioned, tag_count, more);
CREATE INDEX images_content ON images(content) WHERE content IS NOT NULL;
CREATE INDEX images_caption_hash ON images(caption_hash) WHERE caption_hash IS NOT NULL;
CREATE TABLE tags(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 0, sentence INTEGER NOT NULL DEFAULT 0);
CREATE TABLE image_tags(
    tag INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY(tag, image)) WITHOUT ROWID;
"""
_BY_CONTENT = """
CREATE TABLE IF NOT EXISTS taggers(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, tags TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scores(
    tagger INTEGER NOT NULL, content TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY(tagger, content)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scored(
    id INTEGER PRIMARY KEY, tagger INTEGER NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS scored_tagger ON scored(tagger, id);
"""
_TRIGGER = """CREATE TRIGGER IF NOT EXISTS scores_are_noted AFTER INSERT ON scores BEGIN
    INSERT INTO scored(tagger, content) VALUES(new.tagger, new.content); END"""
"""``scored`` numbers the scores in the order they came, so that new ones are found at once."""
_NOTE_OLD = """INSERT INTO scored(tagger, content) SELECT tagger, content FROM scores
    WHERE NOT EXISTS (SELECT 1 FROM scored)"""
_DROPPED = ("image_tags", "tags", "images", "hashes")
"""``hashes`` was a table of version 1 only."""


def open_cache(file: Path) -> sqlite3.Connection:
    """Open ``cache.db``; a damaged or outdated one is made again, since it is only a cache.

    Raises:
        UserError: It may not be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2):
        connection = sqlite3.connect(file, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA cache_size=-{PAGES_KIB}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA_VERSION:
                return connection
            if version == 0 or version in _REBUILT:
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
        if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            return
        for table in _DROPPED:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, (_INDEX + _BY_CONTENT).split(";")):
            connection.execute(statement)
        connection.execute(_NOTE_OLD)
        connection.execute(_TRIGGER)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Does the cache hold this table? Some are made by the first operation that fills them."""
    found = connection.execute(
        "SELECT 1 FROM main.sqlite_schema WHERE type='table' AND name=?", (name,)
    )
    return found.fetchone() is not None
