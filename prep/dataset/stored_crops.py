"""The crops of a project, stored in ``work.db``."""

import sqlite3
from contextlib import closing

from prep.dataset import work_db
from prep.images.crops import Box, from_text
from prep.project import Project


def read(connection: sqlite3.Connection) -> dict[str, tuple[Box, ...]]:
    """Return all crops of an open index, by path of the image."""
    rows = connection.execute("SELECT path, boxes FROM work.crops")
    return {path: from_text(boxes) for path, boxes in rows}


def of(project: Project, path: str) -> tuple[Box, ...]:
    """Return the crops of one image of a project."""
    return _read_from(project, "SELECT path, boxes FROM crops WHERE path = ?", path).get(path, ())


def of_image(connection: sqlite3.Connection, path: str) -> tuple[Box, ...]:
    """Return the crops of one image of an open index."""
    row = connection.execute("SELECT boxes FROM work.crops WHERE path = ?", (path,)).fetchone()
    return () if row is None else from_text(row[0])


def stored(project: Project) -> dict[str, tuple[Box, ...]]:
    """Return all crops of a project, by path of the image."""
    return _read_from(project, "SELECT path, boxes FROM crops")


def _read_from(project: Project, select: str, *values: str) -> dict[str, tuple[Box, ...]]:
    file = project.state / "work.db"
    if not file.exists():
        return {}
    work_db.prepare(file)
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        return {path: from_text(boxes) for path, boxes in connection.execute(select, values)}
