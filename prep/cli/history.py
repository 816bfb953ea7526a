"""The command line of the journal: what was done, undoing it, doing it again."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, ProjectPath, ShownCount
from prep.cli.changes import Limited, change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.dataset.journal.changes import (
    ANSWERS,
    CAPTION,
    CONTENT,
    CROPS,
    DECISIONS,
    EXCLUDED,
    MOVED,
)
from prep.language import _, quantity, translated
from prep.language.wrapping import padded
from prep.ops import edit as edit_op

_MOST = 20
"""Changes that are printed; all of them are in the output of --json."""
_COUNTED: Mapping[str, Callable[[int], str]] = {
    CAPTION: lambda count: quantity(count, "caption"),
    EXCLUDED: lambda count: quantity(count, "exclusion"),
    CROPS: lambda count: quantity(count, "crop"),
    MOVED: lambda count: quantity(count, "moved file"),
    CONTENT: lambda count: quantity(count, "file"),
    ANSWERS: lambda count: quantity(count, "answered image"),
    DECISIONS: lambda count: quantity(count, "decision"),
}
_STATE = 10
"""Terminal cells of the state of an edit."""


@examples(
    ("shikomi undo my_project", "Undo the last edit, tagging run, import, crop or exclusion."),
    ("shikomi undo my_project --show 0", "The same, printing every change instead of 20."),
)
def undo(project: ProjectPath = HERE, /, *, show: ShownCount = _MOST, json: Json = False) -> int:
    """Undo the last edit; repeat it to undo earlier ones.

    A file that was changed since by another program is left alone and reported.

    Args:
        show: Number of changes to print; 0 for all.
    """
    return _turn(project, edit_op.undo, "taken back", "again with: shikomi redo", show, json=json)


@examples(
    ("shikomi redo my_project", "Redo what the last shikomi undo has undone."),
    ("shikomi redo my_project --show 0", "The same, printing every change instead of 20."),
)
def redo(project: ProjectPath = HERE, /, *, show: ShownCount = _MOST, json: Json = False) -> int:
    """Redo the edit that was undone last.

    Args:
        show: Number of changes to print; 0 for all.
    """
    return _turn(project, edit_op.redo, "made again", "back with: shikomi undo", show, json=json)


def _turn(project: ProjectPath, turn: Any, done: str, back: str, show: int, *, json: bool) -> int:
    printer = Limited(change_line, show)

    def summary(found: Mapping[str, Any]) -> str:
        left = f"; {quantity(found['conflicts'], 'file')} left alone" if found["conflicts"] else ""
        changes = quantity(found["changed"], "change")
        return f"{done}: {found['title']} (edit {found['edit']}, {changes}{left}); {back}"

    return operate(project, turn, json=json, printer=printer, summary=printer.before(summary))


@examples(
    ("shikomi history my_project", "List the edits, with time, state and number of changes."),
    ("shikomi history my_project --json", "The same for scripts."),
)
def history(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """List the edits, newest first."""
    return operate(
        project,
        edit_op.history,
        json=json,
        rescan=False,
        printer=_edit_line,
        summary=lambda found: "" if found["edits"] else "No edits yet.",
    )


def _edit_line(event: events.Event) -> str | None:
    if not isinstance(event, events.HistoryEntry):
        return None
    when = datetime.fromtimestamp(event.time).strftime("%Y-%m-%d %H:%M")
    facts = [translated(_COUNTED[kind](number)) for kind, number in event.kinds.items()]
    if event.author:
        facts.append(_("by the {author}").format(author=_(event.author)))
    state = padded(_(event.state), _STATE)
    told = _("({text})").format(text=_(", ").join(facts))
    return f"{event.id:>4}  {when}  {state}{translated(event.title)}  {told}"
