"""The journal: preview, apply, undo and redo, across restarts and front ends.

An edit is a list of changes. It is recorded before the first file is touched and marked done
after the last, so that a crash in between is finished at the next open. Files that differ from
what an edit expects are never written: they are reported as conflicts.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prep import captions
from prep.errors import UnreadableError, UserError
from prep.files import fingerprint, write_text
from prep.index import FoundCaption, Index

CAPTION = "caption"
EXCLUDED = "excluded"


@dataclass(frozen=True)
class Change:
    """One change to one image.

    Attributes:
        path: The image, as the index names it.
        what: ``caption`` (before and after are texts of the caption file) or ``excluded``
            (they are reasons). ``None`` means no file, and not excluded.
    """

    path: str
    what: str
    before: str | None
    after: str | None

    @property
    def reverse(self) -> "Change":
        """The change that takes this one back."""
        return Change(self.path, self.what, self.after, self.before)


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
        self._project = index.project
        self._connection = index.connection
        self.recovered = self._recover()

    def caption_file(self, path: str) -> Path:
        """Return the caption file of an image."""
        extension = self._project.settings.captions.extension
        return (self._project.root / path).with_suffix(extension)

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
        written: list[FoundCaption] = []
        try:
            for change in changes:
                fault = self._make(change, written)
                if fault:
                    outcome.conflicts.append((change.path, fault))
                else:
                    outcome.changed.append(change)
        finally:
            self._index.put_captions(written)
            if state == "done" and not outcome.changed:
                # Nothing came of it: an undo would have nothing to take back.
                state = "dropped"
            with self._connection:
                self._connection.execute("UPDATE work.edits SET state=? WHERE id=?", (state, edit))
        return outcome

    def _make(self, change: Change, written: list[FoundCaption]) -> str:
        """Make one change; return why it could not be made, or an empty text."""
        if change.what == EXCLUDED:
            return self._exclude(change)
        file = self.caption_file(change.path)
        try:
            present = captions.read(file)
        except UnreadableError as error:
            return error.message
        if present != change.after:
            if present != change.before:
                return "the caption was changed elsewhere in the meantime"
            if change.after is None:
                file.unlink(missing_ok=True)
            else:
                write_text(file, change.after)
        mark = fingerprint(file)
        size, mtime = (mark.size, mark.mtime_ns) if mark else (None, None)
        written.append(FoundCaption(change.path, change.after, size, mtime))
        return ""

    def _exclude(self, change: Change) -> str:
        with self._connection:
            if change.after is None:
                self._connection.execute("DELETE FROM work.exclusions WHERE path=?", (change.path,))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO work.exclusions VALUES(?, ?)",
                    (change.path, change.after),
                )
        return ""

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


def caption_change(path: str, before: str | None, tags: Sequence[str]) -> Change:
    """Return the change that gives an image's caption these tags, keeping its other lines.

    No file is made for no tags, and a caption is never emptied to zero bytes: trainers refuse
    to start on an empty caption file.
    """
    if before is None:
        text = captions.SEPARATOR.join(tags)
        return Change(path, CAPTION, None, text or None)
    after = captions.with_tags(before, tags)
    return Change(path, CAPTION, before, after if after.strip() else None)


def exclusion(path: str, before: str | None, reason: str | None) -> Change:
    """Return the change that leaves an image out (or takes it in again, for ``None``)."""
    return Change(path, EXCLUDED, before, reason)


def check_found(outcome: Outcome, verb: str) -> Outcome:
    """Return the outcome, or complain that there was nothing to do.

    Raises:
        UserError: There was nothing to undo or redo.
    """
    if outcome.edit == 0:
        raise UserError(f"There is nothing to {verb}.", "See: shikomi history")
    return outcome
