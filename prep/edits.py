"""The journal: preview, apply, undo and redo, across restarts and front ends.

An edit is a list of changes. It is recorded before the first file is touched and marked done
after the last, so that a crash in between is finished at the next open. Files that differ from
what an edit expects are never written: they are reported as conflicts.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prep.changes import Change, Workbench
from prep.errors import UserError
from prep.index import Index


@dataclass(frozen=True)
class Edit:
    """A line of the history; ``state`` is done, undone, or pending after a crash."""

    id: int
    time: float
    title: str
    state: str
    changes: int


@dataclass(frozen=True)
class Outcome:
    """What applying, undoing or redoing did.

    Attributes:
        edit: Number of the edit; 0 when there was nothing to do.
        changed: What was written.
        conflicts: Images left alone, with the reason.
    """

    edit: int
    title: str
    changed: list[Change] = field(default_factory=list)
    conflicts: list[tuple[str, str]] = field(default_factory=list)


class Journal:
    """The edits of one project, over an open index."""

    def __init__(self, index: Index) -> None:
        """Open the journal and finish what a crash interrupted."""
        self._index = index
        self._connection = index.connection
        self.recovered = self._recover()

    def apply(self, title: str, changes: Iterable[Change]) -> Outcome:
        """Record and make the changes; those that change nothing are dropped.

        Raises:
            UserError: The disk is full or a file may not be written. What was written by then
                stays in the journal, and can be undone.
        """
        wanted = [change for change in changes if change.before != change.after]
        if not wanted:
            return Outcome(0, title)
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
        return self._carry_out(edit, title, wanted, "done")

    def undo(self) -> Outcome:
        """Take back the newest edit that is done."""
        return self._turn("done", "undone", "DESC")

    def redo(self) -> Outcome:
        """Make again the edit that was undone last."""
        return self._turn("undone", "done", "ASC")

    def history(self, limit: int = 100) -> list[Edit]:
        """Return the newest edits first; those that can no longer be redone are left out."""
        rows = self._connection.execute(
            """SELECT e.id, e.t, e.title, e.state,
                (SELECT count(*) FROM work.changes c WHERE c.edit = e.id)
            FROM work.edits e WHERE e.state != 'dropped' ORDER BY e.id DESC LIMIT ?""",
            (limit,),
        )
        return [Edit(*row) for row in rows]

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
        outcome = Outcome(edit, title)
        workbench = Workbench(self._index)
        try:
            for change in changes:
                fault = workbench.make(change)
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

    def _recover(self) -> list[Outcome]:
        """Finish edits that a crash interrupted."""
        rows = self._connection.execute(
            "SELECT id, title, state FROM work.edits WHERE state LIKE 'pending%'"
        ).fetchall()
        outcomes = []
        for edit, title, state in rows:
            target = "undone" if state.endswith("undone") else "done"
            changes = self._changes(edit)
            if target == "undone":
                changes = [change.reverse for change in changes]
            outcomes.append(self._carry_out(edit, title, changes, target))
        return outcomes


def check_found(outcome: Outcome, verb: str) -> Outcome:
    """Return the outcome, or complain that there was nothing to do.

    Raises:
        UserError: There was nothing to undo or redo.
    """
    if outcome.edit == 0:
        raise UserError(f"There is nothing to {verb}.", "See: shikomi history")
    return outcome
