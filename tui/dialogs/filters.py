"""Filters that have a name: used, saved, deleted. They are kept in ``shikomi.toml``."""

from typing import ClassVar

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static
from textual.worker import Worker

from prep.language import _, marked
from tui.notices import report_worker
from tui.session import Session
from tui.widgets.line_list import ItemList, LineList, cell


class SavedFilters(ModalScreen[str | None]):
    """Returns the text of a filter to use, or ``None``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("d,delete", "delete", "Delete"),
    ]

    def __init__(self, session: Session, present: str) -> None:
        """Create the dialog.

        Args:
            session: The open project.
            present: The filter that is in use, which can be saved; empty for none.
        """
        super().__init__()
        self._session, self._present = session, present
        self._filters = dict(session.project.settings.filters)

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = _("Filters")
            dialog.border_subtitle = _("enter uses · d deletes · esc back")
            yield ItemList(id="parts", empty=_("no filter is saved yet"))
            if self._present:
                text = _("Save {filter} under this name").format(filter=self._present)
                yield Label(Content(text), classes="field-label")
                yield Input(id="name", compact=True)
            else:
                text = _("To save a filter, type it in the list of images first.")
                yield Static(Content(text), classes="hint")

    def on_mount(self) -> None:
        """Show the filters; without any, a name is what is wanted."""
        self._show()
        field = self.query_one_optional(Input)
        self.set_focus(self.query_one(ItemList) if self._filters or field is None else field)

    def _show(self) -> None:
        width = 2 + max(map(cell_len, self._filters), default=0)
        self.query_one(ItemList).show(
            [[(cell(name, width), "key"), (text, "")] for name, text in self._filters.items()]
        )

    @on(LineList.Chosen)
    def chosen(self, event: LineList.Chosen) -> None:
        """Use a filter."""
        self.dismiss(list(self._filters.values())[event.index])

    @on(Input.Submitted)
    def named(self, event: Input.Submitted) -> None:
        """Save the present filter; one of the same name is replaced."""
        name = " ".join(event.value.split())
        if name:
            self._filters[name] = self._present
            self._save({name: self._present})

    def action_delete(self) -> None:
        """Delete the filter under the cursor."""
        if self._filters and not isinstance(self.focused, Input):
            name = list(self._filters)[self.query_one(ItemList).cursor]
            del self._filters[name]
            self._save({name: None})

    @work(group="save-filters", exit_on_error=False)
    async def _save(self, changes: dict[str, str | None]) -> None:
        title = marked("filter {name}").format(name=", ".join(changes))
        await self._session.save_settings(title, {"filters": changes})
        self._show()
        self.set_focus(self.query_one(ItemList))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)
