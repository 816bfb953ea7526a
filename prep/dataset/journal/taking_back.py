"""Take back one edit of many, where nothing later stands on it; this is an edit itself."""

from collections.abc import Sequence

from prep.dataset.index import Index
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Edit, Journal, Outcome
from prep.errors import RetryError

_LATER = """SELECT e.id, e.title, c.after FROM work.edits e
JOIN work.changes c ON c.edit = e.id AND c.what = ? AND c.path IN (?, ?)
WHERE e.id > ? AND e.state = 'done' ORDER BY e.id DESC LIMIT 1"""


def take_back(index: Index, journal: Journal, edit: Edit) -> Outcome:
    """Revert what an edit did, except where a later edit or another program changed it again.

    The newest edit is undone. Any other is reverted by a new edit, so that taking it back can be
    undone, too; what stays is among the conflicts, with the reason.

    Raises:
        RetryError: The edit is not in force.
        UserError: As ``Journal.apply``.
    """
    newest = journal.upcoming(undo=True)
    if newest is not None and newest.id == edit.id:
        return journal.undo(edit.id)
    if edit.state != "done":
        raise RetryError(
            f"This edit is not in force: {edit.title} ({edit.state}).", "Nothing was changed."
        )
    wanted: list[Change] = []
    blocked: list[tuple[str, str]] = []
    for change in journal.changes(edit.id):
        if reason := _later(index, edit.id, change):
            blocked.append((change.path, reason))
        else:
            wanted.append(change.reverse)
    title = f"take back {edit.id}: {edit.title}"
    done = journal.apply(title, _in_order(wanted))
    return Outcome(done.edit, title, done.changed, blocked + done.conflicts)


def _later(index: Index, edit: int, change: Change) -> str:
    """Return what changed the same thing after an edit, unless it is as it was left."""
    # A moved file is known to later edits by its new path.
    paths = (change.path, change.after or "") if change.what == "moved" else (change.path,) * 2
    row = index.connection.execute(_LATER, (change.what, *paths, edit)).fetchone()
    if row is None or (row[2] == change.after and change.what != "moved"):
        return ""
    return f"edit {row[0]} changed it since: {row[1]}"


def _in_order(changes: Sequence[Change]) -> list[Change]:
    """Return changes with those of one kind together: they are made together."""
    return sorted(changes, key=lambda change: change.what == "moved", reverse=True)
