"""Captions that are typed but not saved, in ``work.db``: a crash does not lose them."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from prep.dataset import work_db
from prep.dataset.database_faults import explain
from prep.errors import UserError
from prep.project import Project
from prep.project.boundary import refuse_links


class Draft(NamedTuple):
    """Unsaved text; ``base`` is the caption from which it started, ``None`` for no file."""

    base: str | None
    text: str


class DraftStore:
    """The drafts of one project; one object per thread, the connection is opened when needed."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._connection: sqlite3.Connection | None = None

    def read(self) -> dict[str, Draft]:
        """Return all drafts, by path of the image; none if the project has no ``work.db`` yet.

        Raises:
            UserError: ``work.db`` is damaged, or cannot be opened.
            ConfigError: It is a link that leads out of the project.
        """
        if not (self._project.state / "work.db").exists():
            return {}
        with _explained(self._project):
            rows = self._open().execute("SELECT path, base, text FROM drafts ORDER BY path")
            return {path: Draft(base, text) for path, base, text in rows}

    def write(self, kept: Mapping[str, Draft], dropped: Iterable[str]) -> None:
        """Keep these drafts and drop others, in one transaction that is on the disk at the end.

        Raises:
            UserError: As in ``read``, or the disk is full.
        """
        with _explained(self._project), (connection := self._open()):
            connection.executemany(
                "DELETE FROM drafts WHERE path = ?", [(path,) for path in dropped]
            )
            connection.executemany(
                "INSERT OR REPLACE INTO drafts VALUES(?, ?, ?)",
                [(path, *draft) for path, draft in kept.items()],
            )

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            file = self._project.state / "work.db"
            refuse_links(self._project, file)
            work_db.prepare(file)
            self._connection = sqlite3.connect(file, timeout=30)
        return self._connection


@contextmanager
def _explained(project: Project) -> Iterator[None]:
    """Turn errors of SQLite into sentences."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, project.state) or UserError(
            f"Unsaved captions cannot be kept in {project.state}: {error}.",
            "Save them: ctrl+s in the caption.",
        ) from error
