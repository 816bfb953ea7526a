"""The journal: preview, apply, undo and redo, across restarts and front ends.

An edit is a list of changes. It is recorded before the first file is touched and marked done
after the last, so that an edit interrupted by a crash is finished at the next open. Files that
differ from the state that an edit expects are never written but reported as conflicts.

The order of writes to disk also survives a power cut: the record (SQLite waits
for the disk before the first file is touched), then the bytes of each new file before it replaces
the old one, then the folders, and last the mark that all is done. One process at a time does
this; others wait.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prep.dataset.index import Index
from prep.dataset.journal.changes import Change, ChangeApplier
from prep.errors import RetryError, UserError
from prep.system.files import remove_leftovers
from prep.system.locks import exclusive

_PATIENCE = 60.0
"""Seconds to wait for another process that is changing the project."""


@dataclass(frozen=True)
class Edit:
    """An edit in the history; ``state`` is done, undone, or pending after a crash.

    Attributes:
        kinds: Kind of change (see ``prep.dataset.journal.changes``) -> number of changes.
    """

    id: int
    time: float
    title: str
    state: str
    kinds: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """The result of applying, undoing or redoing an edit.

    Attributes:
        edit: Number of the edit; 0 if there was nothing to do.
        changed: Changes that were made.
        conflicts: Images left alone, with the reason.
        undone: The edit was undone.
    """

    edit: int
    title: str
    changed: list[Change] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    undone: bool = False


class Journal:
    """The edits of one project, using an open index."""

    def __init__(self, index: Index) -> None:
        """Open the journal and finish edits that a crash interrupted."""
        self._index = index
        self._connection = index.connection
        self.recovered: list[Outcome] = []
        with exclusive(self._lock, 0) as held:
            # Otherwise another process is working, which also finishes its edits.
            if held:
                self._recover()

    def apply(self, title: str, changes: Iterable[Change]) -> Outcome:
        """Record and make the changes; those that change nothing are dropped.

        Raises:
            UserError: The disk is full or a file is not writable. Changes made by then stay in the
                journal and can be undone.
        """
        wanted = [change for change in changes if change.before != change.after]
        if not wanted:
            return Outcome(0, title)
        with self._alone():
            outcome = self._carry_out(self._record(title, wanted), title, wanted, "done")
            if outcome.conflicts:
                self._forget(outcome.edit, wanted, outcome.changed)
            return outcome

    def _record(self, title: str, wanted: Sequence[Change]) -> int:
        with self._connection:
            # A new edit ends the list of redoable edits: their files may differ now.
            self._connection.execute("UPDATE work.edits SET state='dropped' WHERE state='undone'")
            cursor = self._connection.execute(
                "INSERT INTO work.edits(t, title, state) VALUES(?, ?, 'pending')",
                (time.time(), title),
            )
            edit = int(cursor.lastrowid or 0)
            self._connection.executemany(
                "INSERT INTO work.changes VALUES(?, ?, ?, ?, ?)",
                ((edit, c.path, c.what, c.before, c.after) for c in wanted),
            )
        return edit

    def _forget(self, edit: int, wanted: Sequence[Change], made: Sequence[Change]) -> None:
        """Drop the changes that could not be made: there is nothing to undo."""
        kept = {(change.path, change.what) for change in made}
        with self._connection:
            self._connection.executemany(
                "DELETE FROM work.changes WHERE edit = ? AND path = ? AND what = ?",
                ((edit, c.path, c.what) for c in wanted if (c.path, c.what) not in kept),
            )

    def undo(self) -> Outcome:
        """Undo the newest edit that is done.

        Raises:
            UserError: As in ``apply``.
        """
        with self._alone():
            return self._turn("done", "undone", "DESC")

    def redo(self) -> Outcome:
        """Redo the edit that was undone last.

        Raises:
            UserError: As in ``apply``.
        """
        with self._alone():
            return self._turn("undone", "done", "ASC")

    def history(self, limit: int = 100) -> list[Edit]:
        """Return the edits, newest first, without those that can no longer be redone."""
        rows = self._connection.execute(
            """SELECT id, t, title, state FROM work.edits WHERE state != 'dropped'
            ORDER BY id DESC LIMIT ?""",
            (limit,),
        ).fetchall()
        return [
            Edit(number, at, title, state, self._kinds(number)) for number, at, title, state in rows
        ]

    def _kinds(self, edit: int) -> dict[str, int]:
        return dict(
            self._connection.execute(
                "SELECT what, count(*) FROM work.changes WHERE edit = ? GROUP BY 1 ORDER BY 1",
                (edit,),
            ).fetchall()
        )

    def _turn(self, present: str, target: str, order: str) -> Outcome:
        row = self._connection.execute(
            f"SELECT id, title FROM work.edits WHERE state=? ORDER BY id {order} LIMIT 1",
            (present,),
        ).fetchone()
        if row is None:
            return Outcome(0, "")
        changes = self._changes(row[0])
        if target == "undone":
            changes = [change.reverse for change in changes]
        with self._connection:
            # Marked first: after a crash, recovery finishes in the requested direction.
            self._connection.execute(
                "UPDATE work.edits SET state=? WHERE id=?", (f"pending {target}", row[0])
            )
        return self._carry_out(row[0], row[1], changes, target)

    def _changes(self, edit: int) -> list[Change]:
        rows = self._connection.execute(
            "SELECT path, what, before, after FROM work.changes WHERE edit=? ORDER BY path", (edit,)
        )
        return [Change(*row) for row in rows]

    def _carry_out(self, edit: int, title: str, changes: Sequence[Change], state: str) -> Outcome:
        outcome = Outcome(edit, title, undone=state == "undone")
        workbench = ChangeApplier(self._index)
        try:
            for change, fault in workbench.make(changes):
                if fault:
                    outcome.conflicts.append((change.path, fault))
                else:
                    outcome.changed.append(change)
        finally:
            workbench.finish()
            if state == "done" and not outcome.changed:
                # Nothing was changed: there is nothing to undo.
                state = "dropped"
            with self._connection:
                self._connection.execute("UPDATE work.edits SET state=? WHERE id=?", (state, edit))
        return outcome

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Prevent other processes from changing files meanwhile."""
        with exclusive(self._lock, _PATIENCE) as held:
            if not held:
                raise RetryError(
                    "Another shikomi is changing this project.",
                    "Wait until it is done, then run the same command again.",
                )
            self._recover()
            yield

    @property
    def _lock(self) -> Path:
        return self._index.project.state / "journal.lock"

    def _recover(self) -> None:
        """Finish edits that a crash interrupted."""
        rows = self._connection.execute(
            "SELECT id, title, state FROM work.edits WHERE state LIKE 'pending%' ORDER BY id"
        ).fetchall()
        for edit, title, state in rows:
            target = "undone" if state.endswith("undone") else "done"
            changes = self._changes(edit)
            if target == "undone":
                changes = [change.reverse for change in changes]
            for folder in {(self._index.project.root / c.path).parent for c in changes}:
                remove_leftovers(folder)
            self.recovered.append(self._carry_out(edit, title, changes, target))


def states(index: Index) -> list[tuple[int, str]]:
    """Return the number and state of every edit: equal lists mean that nothing was changed."""
    return index.connection.execute("SELECT id, state FROM work.edits ORDER BY id").fetchall()


def check_found(outcome: Outcome, verb: str) -> Outcome:
    """Return the outcome, or raise if there was nothing to do.

    Raises:
        UserError: There was nothing to undo or redo.
    """
    if outcome.edit == 0:
        raise UserError(f"There is nothing to {verb}.", "See: shikomi history")
    return outcome
