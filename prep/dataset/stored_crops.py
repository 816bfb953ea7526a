"""The crops of a project, stored in ``work.db``.

``read`` and ``of_image`` ask a connection, which is that of an open index as a rule; ``stored`` and
``stored_of_image`` ask the file alone, where no index is open.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from prep.dataset import work_db
from prep.images.crops import Box, from_text
from prep.project import Project


def read(connection: sqlite3.Connection) -> dict[str, tuple[Box, ...]]:
    """Return all crops, by path of the image."""
    rows = connection.execute("SELECT path, boxes FROM crops")
    return {path: from_text(boxes) for path, boxes in rows}


def of_image(connection: sqlite3.Connection, path: str) -> tuple[Box, ...]:
    """Return the crops of one image."""
    row = connection.execute("SELECT boxes FROM crops WHERE path = ?", (path,)).fetchone()
    return () if row is None else from_text(row[0])


def stored(project: Project) -> dict[str, tuple[Box, ...]]:
    """Return all crops of a project, by path of the image."""
    with _work(project) as connection:
        return {} if connection is None else read(connection)


def stored_of_image(project: Project, path: str) -> tuple[Box, ...]:
    """Return the crops of one image of a project."""
    with _work(project) as connection:
        return () if connection is None else of_image(connection, path)


@contextmanager
def _work(project: Project) -> Iterator[sqlite3.Connection | None]:
    """Open ``work.db``, if there is one."""
    file = project.state / "work.db"
    if not file.exists():
        yield None
        return
    work_db.prepare(file)
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        yield connection
