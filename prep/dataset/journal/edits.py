"""The journal: preview, apply, undo and redo, across restarts and front ends.

An edit is a list of changes. It is recorded before the first file is touched and marked done
after the last, so that a crash in between is finished at the next open. Files that differ from
what an edit expects are never written: they are reported as conflicts.

What reaches the disk, and when, so that a power cut loses nothing either: the record (SQLite waits
for the disk before the first file is touched), then the bytes of each new file before it takes the
old one's place, then the folders, and last the mark that all is done. One process at a time does
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
    """A line of the history; ``state`` is done, undone, or pending after a crash.

    Attributes:
        kinds: What was changed, as ``prep.dataset.journal.changes`` names it -> how often.
    """

    id: int
    time: float
    title: str
    state: str
    kinds: dict[str, int]


@dataclass(frozen=True)
class Outcome:
    """What applying, undoing or redoing did.

    Attributes:
        edit: Number of the edit; 0 when there was nothing to do.
        changed: What was written.
        conflicts: Images left alone, with the reason.
        undone: It was taken back.
    """

    edit: int
    title: str
    changed: list[Change] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    undone: bool = False


class Journal:
    """The edits of one project, over an open index."""

    def __init__(self, index: Index) -> None:
        """Open the journal and finish what a crash interrupted."""
        self._index = index
        self._connection = index.connection
        self.recovered: list[Outcome] = []
        with exclusive(self._lock, 0) as held:
            # Otherwise another process is at work: what it has begun, it also ends.
            if held:
                self._recover()

    def apply(self, title: str, changes: Iterable[Change]) -> Outcome:
        """Record and make the changes; those that change nothing are dropped.

        Raises:
            UserError: The disk is full or a file may not be written. What was written by then
                stays in the journal, and can be undone.
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
            # A new edit ends what could be redone: its files may look different now.
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
        """Drop the changes that could not be made: an undo has nothing to take back there."""
        kept = {(change.path, change.what) for change in made}
        with self._connection:
            self._connection.executemany(
                "DELETE FROM work.changes WHERE edit = ? AND path = ? AND what = ?",
                ((edit, c.path, c.what) for c in wanted if (c.path, c.what) not in kept),
            )

    def undo(self) -> Outcome:
        """Take back the newest edit that is done.

        Raises:
            UserError: As ``apply``.
        """
        with self._alone():
            return self._turn("done", "undone", "DESC")

    def redo(self) -> Outcome:
        """Make again the edit that was undone last.

        Raises:
            UserError: As ``apply``.
        """
        with self._alone():
            return self._turn("undone", "done", "ASC")

    def history(self, limit: int = 100) -> list[Edit]:
        """Return the newest edits first; those that can no longer be redone are left out."""
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
            # Marked first: after a crash, recovery finishes in the direction that was asked for.
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
                # Nothing came of it: an undo would have nothing to take back.
                state = "dropped"
            with self._connection:
                self._connection.execute("UPDATE work.edits SET state=? WHERE id=?", (state, edit))
        return outcome

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from changing files meanwhile."""
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


def check_found(outcome: Outcome, verb: str) -> Outcome:
    """Return the outcome, or complain that there was nothing to do.

    Raises:
        UserError: There was nothing to undo or redo.
    """
    if outcome.edit == 0:
        raise UserError(f"There is nothing to {verb}.", "See: shikomi history")
    return outcome
