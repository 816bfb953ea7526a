"""``work.db``: data that cannot be recomputed, and must never be discarded.

The journal of edits, exclusions, crops, the manual edits behind captions, captions that are typed
and crops that are drawn but not saved, what was decided in the review; and where it was recorded
(``home``: see ``prep.system.home``).
Its schema grows by migrations; the list below is only ever appended to.
"""

import sqlite3
from pathlib import Path

from prep.dataset.database_faults import explain
from prep.errors import UserError
from prep.system.home import home_of

MIGRATIONS = (
    """
    CREATE TABLE edits(
        id INTEGER PRIMARY KEY, t REAL NOT NULL, title TEXT NOT NULL, state TEXT NOT NULL);
    CREATE TABLE changes(
        edit INTEGER NOT NULL REFERENCES edits(id), path TEXT NOT NULL, what TEXT NOT NULL,
        before TEXT, after TEXT, PRIMARY KEY(edit, path, what)) WITHOUT ROWID;
    CREATE TABLE exclusions(path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE hand(
        id INTEGER PRIMARY KEY, path TEXT NOT NULL, text TEXT NOT NULL, compiled TEXT NOT NULL,
        plus TEXT NOT NULL, minus TEXT NOT NULL, UNIQUE(path, text));
    """,
    """
    CREATE TABLE crops(path TEXT PRIMARY KEY, boxes TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE answers(path TEXT PRIMARY KEY, answers TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE home(place TEXT NOT NULL);
    """,
    """
    CREATE TABLE drafts(path TEXT PRIMARY KEY, base TEXT, text TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE decisions(path TEXT PRIMARY KEY, kept TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    ALTER TABLE edits ADD COLUMN author TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE crop_drafts(path TEXT PRIMARY KEY, base TEXT, text TEXT NOT NULL) WITHOUT ROWID;
    """,
    # Several drafts of one image, of as many applications; the newest has the highest id.
    """
    ALTER TABLE drafts RENAME TO single_drafts;
    CREATE TABLE drafts(
        id INTEGER PRIMARY KEY, path TEXT NOT NULL, base TEXT, text TEXT NOT NULL,
        UNIQUE(path, text));
    INSERT INTO drafts(path, base, text) SELECT path, base, text FROM single_drafts;
    DROP TABLE single_drafts;
    ALTER TABLE crop_drafts RENAME TO single_drafts;
    CREATE TABLE crop_drafts(
        id INTEGER PRIMARY KEY, path TEXT NOT NULL, base TEXT, text TEXT NOT NULL,
        UNIQUE(path, text));
    INSERT INTO crop_drafts(path, base, text) SELECT path, base, text FROM single_drafts;
    DROP TABLE single_drafts;
    """,
)


def prepare(file: Path) -> None:
    """Create ``work.db`` or bring it up to date.

    Raises:
        UserError: The file is damaged, was created by a newer version, or is not writable.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(file, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        _refuse_programs(connection, file)
        if _version(connection) != len(MIGRATIONS):
            with connection:
                # Look again under the write lock, so that two front ends cannot both migrate.
                connection.execute("BEGIN IMMEDIATE")
                _migrate(connection, file)
    except sqlite3.Error as error:
        raise explain(error, file.parent) or UserError(
            f"{file} cannot be used: {error}.",
            "It contains the journal: restore it from a backup, or move it away.",
        ) from error
    finally:
        if connection is not None:
            connection.close()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_programs(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse triggers and views: they would act on what we write, and none of them is ours."""
    found = "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')"
    for (name,) in connection.execute(found):
        raise UserError(
            f"{file} contains the program {name}, which shikomi did not write.",
            "Move the file away; the edits in it can then no longer be undone.",
        )


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise UserError(f"{file} was created by a newer version of shikomi.", "Update shikomi.")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")
    if version == 0:
        connection.execute("INSERT INTO home VALUES(?)", (home_of(file.parent),))
