"""The journal: preview, apply, undo and redo, across restarts and front ends.

An edit is a list of changes. It is recorded before the first file is touched and marked done
after the last, so that an edit interrupted by a crash is finished at the next open. So is an undo
or redo that failed or was interrupted: until it is finished, it is pending. Files that
differ from the state that an edit expects are never written but reported as conflicts.

What was recorded elsewhere, because the project was copied or comes from somebody else, is never
finished by itself: it waits for an explicit undo or redo.

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
from prep.language import marked
from prep.project.boundary import ProjectBoundary
from prep.system.home import home_of
from prep.system.leftovers import sweep
from prep.system.locks import exclusive

_COMMAND_LINE = marked("command line")
_PATIENCE = 60.0
"""Seconds to wait for another process that is changing the project."""

_NEXT = {
    "undone": "state = 'done' OR state LIKE 'pending%' ORDER BY id DESC",
    "done": "state = 'undone' OR state LIKE 'pending%' ORDER BY state LIKE 'pending%' DESC, id",
}
"""Which edit is next to be undone, or done again."""
_COLUMNS = "id, t, title, state, author"
_Row = tuple[int, float, str, str, str]


@dataclass(frozen=True)
class Edit:
    """An edit in the history; ``state`` is done, undone, or pending: not finished.

    Attributes:
        kinds: Kind of change (see ``prep.dataset.journal.changes``) -> number of changes.
        author: The front end that made it; empty for edits from before that was noted.
    """

    id: int
    time: float
    title: str
    state: str
    kinds: dict[str, int]
    author: str = ""

    @property
    def pending(self) -> bool:
        """Return whether it is not finished."""
        return self.state == "pending"


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


@dataclass(frozen=True)
class Unfinished:
    """An edit, undo or redo that could not be finished, and why."""

    title: str
    undone: bool
    error: UserError


class Journal:
    """The edits of one project, using an open index.

    Attributes:
        recovered: What was interrupted, and finished by this object.
        unfinished: What was interrupted and still cannot be finished: a folder is not writable.
    """

    def __init__(self, index: Index, front_end: str = _COMMAND_LINE) -> None:
        """Open the journal and finish what was interrupted; never fails for that.

        Args:
            index: Open index of a project.
            front_end: Where edits are made, which is noted with them.
        """
        self._index, self._front_end = index, front_end
        self._connection = index.connection
        self.recovered: list[Outcome] = []
        self.unfinished: list[Unfinished] = []
        with exclusive(self._lock, 0) as held:
            # Otherwise another process is working, which also finishes its edits.
            if held:
                self._recover()

    def apply(self, title: str, changes: Iterable[Change]) -> Outcome:
        """Record and make the changes; those that change nothing are dropped.

        Raises:
            UserError: The disk is full or a file is not writable. Changes made by then stay in the
                journal and can be undone. Or an earlier undo or redo cannot be finished.
        """
        wanted = [change for change in changes if change.before != change.after]
        if not wanted:
            return Outcome(0, title)
        with self._alone():
            self._refuse_unfinished()
            self._settle()
            outcome = self._carry_out(self._record(title, wanted), title, wanted, "done")
            if outcome.conflicts:
                self._forget(outcome.edit, wanted, outcome.changed)
            return outcome

    def _record(self, title: str, wanted: Sequence[Change]) -> int:
        with self._connection:
            # A new edit ends the list of redoable edits: their files may differ now.
            self._connection.execute("UPDATE work.edits SET state='dropped' WHERE state='undone'")
            cursor = self._connection.execute(
                "INSERT INTO work.edits(t, title, state, author) VALUES(?, ?, 'pending', ?)",
                (time.time(), title, self._front_end),
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

    def undo(self, expected: int | None = None) -> Outcome:
        """Undo the newest edit that is done or pending.

        If an undo had been interrupted, finishing it is all that this does.

        Args:
            expected: Number of the edit that the user was told; nothing else is then undone.

        Raises:
            UserError: The disk is full or a file is not writable. The undo is then pending: it is
                finished at the next open, or by another undo.
            RetryError: Another edit is the newest by now.
        """
        return self._turn("undone", expected)

    def redo(self, expected: int | None = None) -> Outcome:
        """Redo the edit that is pending, or else the one that was undone last.

        If a redo or an edit had been interrupted, finishing it is all that this does.

        Args:
            expected: As in ``undo``.

        Raises:
            UserError: As in ``undo``.
            RetryError: As in ``undo``.
        """
        return self._turn("done", expected)

    def upcoming(self, *, undo: bool) -> Edit | None:
        """Return the edit that ``undo`` would undo, or ``redo`` redo; ``None`` for none."""
        row = self._next("undone" if undo else "done")
        return None if row is None else self._edit(row)

    def _recovered(self, *, undone: bool) -> Outcome | None:
        """Return, once, what was interrupted in this direction and has been finished."""
        for number, outcome in enumerate(self.recovered):
            if outcome.undone == undone:
                return self.recovered.pop(number)
        return None

    @property
    def waiting(self) -> list[Edit]:
        """The edits that were recorded elsewhere and are not finished, oldest first."""
        return [] if self._at_home() else [edit for edit in self.history() if edit.pending][::-1]

    def history(self, limit: int = 100) -> list[Edit]:
        """Return the edits, newest first, without those that can no longer be redone."""
        rows = self._connection.execute(
            f"""SELECT {_COLUMNS} FROM work.edits WHERE state != 'dropped'
            ORDER BY id DESC LIMIT ?""",
            (limit,),
        ).fetchall()
        return [self._edit(row) for row in rows]

    def _edit(self, row: _Row) -> Edit:
        number, at, title, state, author = row
        return Edit(number, at, title, state.partition(" ")[0], self._kinds(number), author)

    def _kinds(self, edit: int) -> dict[str, int]:
        return dict(
            self._connection.execute(
                "SELECT what, count(*) FROM work.changes WHERE edit = ? GROUP BY 1 ORDER BY 1",
                (edit,),
            ).fetchall()
        )

    def _next(self, target: str) -> _Row | None:
        """Return the number, time, title and state of the edit that is turned next."""
        row: _Row | None = self._connection.execute(
            f"SELECT {_COLUMNS} FROM work.edits WHERE {_NEXT[target]} LIMIT 1"
        ).fetchone()
        return row

    def _turn(self, target: str, expected: int | None) -> Outcome:
        with self._alone():
            if (finished := self._recovered(undone=target == "undone")) is not None:
                return finished
            row = self._next(target)
            if row is None:
                return Outcome(0, "")
            if expected not in (None, row[0]):
                raise RetryError(
                    f"Meanwhile, another edit was made: {row[2]}.", "Nothing was undone or redone."
                )
            return self._turned(row[0], row[2], target)

    def _turned(self, edit: int, title: str, target: str) -> Outcome:
        self._settle()
        changes = self.changes(edit)
        if target == "undone":
            changes = [change.reverse for change in changes]
        with self._connection:
            # Marked first: after a crash, recovery finishes in the requested direction.
            self._connection.execute(
                "UPDATE work.edits SET state=? WHERE id=?", (f"pending {target}", edit)
            )
        return self._carry_out(edit, title, changes, target)

    def changes(self, edit: int, limit: int = -1) -> list[Change]:
        """Return the changes of an edit by path, or only the first ones."""
        rows = self._connection.execute(
            "SELECT path, what, before, after FROM work.changes WHERE edit=? ORDER BY path LIMIT ?",
            (edit, limit),
        )
        return [Change(*row) for row in rows]

    def _carry_out(self, edit: int, title: str, changes: Sequence[Change], state: str) -> Outcome:
        """Make the changes and mark the edit; ``_mark`` says what a failure leaves."""
        outcome = Outcome(edit, title, undone=state == "undone")
        applier = ChangeApplier(self._index)
        stopped: BaseException | None = None
        try:
            for change, fault in applier.make(changes):
                if fault:
                    outcome.conflicts.append((change.path, fault))
                else:
                    outcome.changed.append(change)
        except BaseException as error:
            stopped = error
            raise
        finally:
            applier.finish()
            self._mark(outcome, state, stopped)
        return outcome

    def _mark(self, outcome: Outcome, state: str, stopped: BaseException | None) -> None:
        """Record the state of an edit after its changes were made, or some of them.

        A new edit that was stopped keeps what it did, which can be undone. An undo or redo that was
        stopped stays pending: otherwise what it did not do would be out of reach.
        """
        connection = self._connection
        if stopped is not None:
            present = connection.execute(
                "SELECT state FROM work.edits WHERE id=?", (outcome.edit,)
            ).fetchone()
            if present != ("pending",):
                return
        # When somebody interrupts, files may have changed that are not counted yet.
        counted = stopped is None or isinstance(stopped, UserError)
        if state == "done" and counted and not outcome.changed:
            state = "dropped"  # nothing was changed: there is nothing to undo
        with connection:
            connection.execute("UPDATE work.edits SET state=? WHERE id=?", (state, outcome.edit))

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
        """Finish what was interrupted here; note what cannot be finished."""
        self.unfinished.clear()
        rows = self._pending()
        if not rows or not self._at_home():
            return
        for edit, title, state in rows:
            target = "undone" if state.endswith("undone") else "done"
            changes = self.changes(edit)
            if target == "undone":
                changes = [change.reverse for change in changes]
            self._sweep(changes)
            try:
                self.recovered.append(self._carry_out(edit, title, changes, target))
            except UserError as error:
                self.unfinished.append(Unfinished(title, target == "undone", error))

    def _sweep(self, changes: Iterable[Change]) -> None:
        root, boundary = self._index.project.root, ProjectBoundary(self._index.project)
        for folder in {(root / c.path).parent for c in changes if not boundary.fault(c.path)}:
            sweep(folder)

    def _pending(self) -> list[tuple[int, str, str]]:
        return self._connection.execute(
            "SELECT id, title, state FROM work.edits WHERE state LIKE 'pending%' ORDER BY id"
        ).fetchall()

    def _refuse_unfinished(self) -> None:
        """Refuse a new edit on files of which some are of one state and some of another."""
        for what in self.unfinished:
            verb, back = ("undo", "redo") if what.undone else ("redo", "undo")
            raise UserError(
                f"An interrupted {verb} must be finished first: {what.title}. {what.error.message}",
                f"{what.error.hint} Or reverse it with: shikomi {back}".strip(),
            )

    def _at_home(self) -> bool:
        """Return whether this journal was written by this user, on this machine, in this folder."""
        row = self._connection.execute("SELECT place FROM work.home").fetchone()
        return row is not None and row[0] == home_of(self._index.project.state)

    def _settle(self) -> None:
        """Make this the home of a journal from elsewhere, once nothing in it is pending."""
        if self._at_home() or self._pending():
            return
        with self._connection:
            self._connection.execute("DELETE FROM work.home")
            place = home_of(self._index.project.state)
            self._connection.execute("INSERT INTO work.home VALUES(?)", (place,))


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
