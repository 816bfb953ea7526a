"""All edits: when, by whom, how much, what exactly; any of them can be taken back."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static
from textual.worker import Worker

from prep.dataset.journal.changes import CAPTION, EXCLUDED, MOVED, Change
from prep.dataset.journal.edits import Edit
from prep.language import _, ngettext, translated
from tui.about import moment
from tui.dialogs.edit_tags import difference
from tui.notices import report_worker
from tui.session import Session
from tui.widgets.line_list import ItemList, LineList, Piece, cell

_SHOWN = 200
"""Maximum of changes listed."""
_STATES = {"done": "✓", "undone": "↶", "pending": "…"}
_TRASH = ".shikomi/trash/"


class History(ModalScreen[Edit | None]):
    """Returns the edit to take back, or ``None``."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._edits: list[Edit] = []

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = _("History")
            dialog.border_subtitle = _("✓ in force · ↶ undone · enter takes back")
            yield ItemList(id="parts", empty=_("no edits yet"), loading=_("looking…"))
            yield Static(id="edit-facts")
            yield ItemList(id="diffs", empty=_("nothing to show"))
            with Horizontal(classes="buttons"):
                yield Button(_("Take back"), compact=True, id="apply", variant="primary")
                yield Button(_("Back"), compact=True, id="cancel")

    def on_mount(self) -> None:
        """Look for the edits."""
        self.set_focus(self.query_one("#parts"))
        self._load()

    @work(group="history", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        self._edits = await self._session.history()
        self.query_one("#parts", ItemList).show([_line(edit) for edit in self._edits], keep=False)

    @property
    def _edit(self) -> Edit | None:
        place = self.query_one("#parts", ItemList).cursor
        return self._edits[place] if place < len(self._edits) else None

    @on(LineList.Moved, "#parts")
    def moved(self) -> None:
        """Show the edit under the cursor."""
        edit = self._edit
        self.query_one("#apply", Button).disabled = edit is None or edit.state != "done"
        if edit is not None:
            self.query_one("#edit-facts", Static).update(Content(_facts(edit)))
            self._show_changes(edit)

    @work(group="changes", exclusive=True, exit_on_error=False)
    async def _show_changes(self, edit: Edit) -> None:
        changes = await self._session.changes_of(edit, _SHOWN)
        self.query_one("#diffs", ItemList).show(
            [_change(one, self._session) for one in changes], keep=False
        )

    @on(LineList.Chosen, "#parts")
    @on(Button.Pressed, "#apply")
    def accept(self) -> None:
        """Return the edit, if it is in force."""
        if self._edit is not None and self._edit.state == "done":
            self.dismiss(self._edit)

    @on(Button.Pressed, "#cancel")
    def cancel(self) -> None:
        """Close the dialog."""
        self.dismiss(None)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)


def _line(edit: Edit) -> list[Piece]:
    when = moment(edit.time)
    look = "" if edit.state == "done" else "dim"
    size = f"{sum(edit.kinds.values()):>6} "
    return [
        (f"{_STATES.get(edit.state, '…')} {when} ", "dim"),
        (size, "key"),
        (translated(edit.title), look),
    ]


def _facts(edit: Edit) -> str:
    """Return number, state, size and author of an edit."""
    number = sum(edit.kinds.values())
    size = ngettext("{count} change", "{count} changes", number).format(count=number)
    state = {"done": _("in force"), "undone": _("undone")}.get(edit.state, _("not finished"))
    facts = [_("edit {number}").format(number=edit.id), state, size]
    if edit.author:
        facts.append(_("by the {author}").format(author=_(edit.author)))
    if number > _SHOWN:
        facts.append(_("the first {count}:").format(count=_SHOWN))
    return " · ".join(facts)


def _change(change: Change, session: Session) -> list[Piece]:
    """Return one change on one line."""
    if change.what == CAPTION:
        return difference(change, session.with_translation)
    name: Piece = (cell(change.path.rpartition("/")[2], 20) + " ", "dim")
    if change.what == EXCLUDED:
        why = change.after or ""
        words = _("excluded: {reason}").format(reason=why) if why else _("included again")
    elif change.what == MOVED:
        target = change.after or ""
        to_trash = target.startswith(_TRASH)
        words = _("to the trash") if to_trash else _("moved to {path}").format(path=target)
    else:
        what = {
            "crops": _("crops"),
            "answers": _("answers about tags"),
            "decisions": _("decisions"),
            "content": _("content of the file"),
        }
        words = what.get(change.what, change.what)
    return [name, (words, "")]
