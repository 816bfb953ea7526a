"""``cache.db`` as a file: how it is opened, migrated from older versions, and discarded.

Everything in it can be recomputed, so a damaged file, or one of a newer version, is replaced.
What is costly to compute (hashes, comparisons, scores, descriptions) is keyed by content, not
path, and survives new versions; its tables are declared in ``cache_tables``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from prep.dataset import cache_tables
from prep.dataset.cache_tables import SCHEMA_VERSION
from prep.dataset.database_faults import discard, explain
from prep.errors import UserError

PAGES_KIB = 8 * 1024
"""Page cache of one connection, KiB. The system keeps the file in memory, too: four times as much
makes a scan or a filter of 100,000 images no quicker, and the TUI opens six connections."""

_NOTE_OLD = """INSERT INTO scored(tagger, content) SELECT tagger, content FROM scores
    WHERE NOT EXISTS (SELECT 1 FROM scored)"""


def open_cache(file: Path) -> sqlite3.Connection:
    """Open ``cache.db``; a damaged or outdated one is recreated, since it is only a cache.

    Raises:
        UserError: It is not writable.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2):
        connection = sqlite3.connect(file, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA cache_size=-{PAGES_KIB}")
            version = _version(connection)
            if version == SCHEMA_VERSION:
                return connection
            if 0 <= version < SCHEMA_VERSION:
                _create(connection)
                return connection
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or attempt == 2:
                connection.close()
                raise explain(error, file.parent) or UserError(
                    f"{file} cannot be opened: {error}.", "Check that it is writable."
                ) from error
        connection.close()
        discard(file)
    raise UserError(f"{file} cannot be created.", "Check that its folder is writable.")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection) -> None:
    """Create the tables, unless another process has just done so; keep data of older versions."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)
        if version == SCHEMA_VERSION:
            return
        searched = "dupes" in _tables(connection)
        _carry_over(connection, version)
        for statement in _statements():
            connection.execute(statement)
        if searched:
            connection.execute("INSERT INTO finished VALUES('dupes')")
        connection.execute(_NOTE_OLD)
        connection.execute(cache_tables.TRIGGER)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _carry_over(connection: sqlite3.Connection, version: int) -> None:
    """Rename the tables of an older version, and drop obsolete ones."""
    connection.execute("DROP TRIGGER IF EXISTS scores_are_noted")
    present = _tables(connection)
    for former in cache_tables.FORMER_TABLES:
        if former.name in present:
            connection.execute(f"ALTER TABLE {former.name} RENAME TO {former.now}")
            if former.version:
                connection.execute(
                    f"ALTER TABLE {former.now} ADD COLUMN version TEXT NOT NULL"
                    f" DEFAULT '{former.version}'"
                )
    dropped = {*cache_tables.DROPPED_TABLES, *_changed(connection)}
    if version < cache_tables.INDEX_VERSION:
        dropped.update(cache_tables.INDEX_TABLES)
    for table in tuple(dropped):
        dropped.update(cache_tables.DEPENDENT_TABLES.get(table, ()))
    for table in dropped:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def _changed(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the tables whose columns differ from those declared."""
    with closing(sqlite3.connect(":memory:")) as declared:
        for statement in _statements():
            declared.execute(statement)
        for table in _tables(declared) & _tables(connection):
            if _columns(connection, table) != _columns(declared, table):
                yield table


def _statements() -> Iterator[str]:
    return filter(str.strip, (cache_tables.INDEX + cache_tables.COMPUTED).split(";"))


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM main.sqlite_schema WHERE type='table'")
    return {name for (name,) in rows}


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """Return name, type, NOT NULL and position in the primary key of each column."""
    columns = 'name, type, "notnull", pk'
    return connection.execute(f"SELECT {columns} FROM pragma_table_info('{table}')").fetchall()
