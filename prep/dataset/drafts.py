"""What is typed or drawn but not saved, in ``work.db``: a crash does not lose it."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

from prep.dataset import work_db
from prep.dataset.database_faults import explain
from prep.errors import UserError
from prep.project import Project
from prep.project.boundary import refuse_links

Kind = Literal["drafts", "crop_drafts"]
"""Captions, or crops as the journal writes them; the name of their table."""


class Draft(NamedTuple):
    """Unsaved text; ``base`` is the one from which it started, ``None`` for none."""

    base: str | None
    text: str


class DraftStore:
    """The drafts of one project; used by one thread at a time, which closes it for the next one.

    Several applications may draft something of one image. Each replaces only what it has read or
    written itself, so that none loses the text of another; the newest one is offered first.
    """

    def __init__(self, project: Project, kind: Kind = "drafts") -> None:
        self._project, self._kind = project, kind
        self._connection: sqlite3.Connection | None = None
        self._known: dict[str, str] = {}

    def read(self) -> dict[str, Draft]:
        """Return the newest draft of each image by its path; none if there is no ``work.db`` yet.

        Raises:
            UserError: ``work.db`` is damaged, or cannot be opened.
            ConfigError: It is a link that leads out of the project.
        """
        if not (self._project.state / "work.db").exists():
            return {}
        with _explained(self._project):
            query = f"SELECT path, base, text FROM {self._kind} ORDER BY path, id"
            found = {path: Draft(base, text) for path, base, text in self._open().execute(query)}
        self._known = {path: draft.text for path, draft in found.items()}
        return found

    def write(self, kept: Mapping[str, Draft], dropped: Iterable[str]) -> None:
        """Keep these drafts and drop others, in one transaction that is on the disk at the end.

        Raises:
            UserError: As in ``read``, or the disk is full.
        """
        changed = {*kept, *dropped}
        mine = [(path, self._known[path]) for path in changed if path in self._known]
        with _explained(self._project), (connection := self._open()):
            connection.executemany(f"DELETE FROM {self._kind} WHERE path = ? AND text = ?", mine)
            connection.executemany(
                f"INSERT OR REPLACE INTO {self._kind}(path, base, text) VALUES(?, ?, ?)",
                [(path, *draft) for path, draft in kept.items()],
            )
        self._known = {path: text for path, text in self._known.items() if path not in changed}
        self._known |= {path: draft.text for path, draft in kept.items()}

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
            f"Unsaved captions and crops cannot be kept in {project.state}: {error}.",
            "Save them: ctrl+s in the caption, enter in the crop.",
        ) from error
