"""The chooser: an application of its own, which ends with the project that was chosen."""

import os
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from prep.errors import UserError
from prep.language import _, marked
from prep.project import Project
from tui.chooser import recent
from tui.chooser.dialogs import NewProject, PathDialog
from tui.chooser.importing import ImportScreen
from tui.chooser.tour import TourDialog
from tui.leaving import leave_when_told
from tui.line_breaks import break_lines
from tui.notices import report
from tui.preferences import apply_preferences
from tui.printable_lines import PRINTABLE
from tui.themes import THEMES
from tui.tour import progress
from tui.widgets.key_line import KeyLine
from tui.widgets.line_list import cell

_NAME, _TITLE = 24, 20
"""Cells for the name of a project, and for the title of an action."""
ACTIONS = {
    "open": ("o", marked("Open a folder…"), marked("A project, or any folder of images")),
    "new": ("n", marked("New project…"), marked("For images that you put into it")),
    "take": ("i", marked("Import…"), marked("A folder, a zip, or a dataset of another tool")),
    "tour": ("t", marked("Tour…"), marked("Three steps on an example, in five minutes")),
}
"""Action -> key, title, help."""


class ChooserScreen(Screen[None]):
    """Recent projects, and the ways to another one."""

    AUTO_FOCUS = "#projects"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"app.{name}", title.rstrip("…"))
            for name, (key, title, _h) in ACTIONS.items()
        ),
        Binding("delete,x", "forget", marked("Off the list")),
        Binding("j", "app.down", show=False),
        Binding("k", "app.up", show=False),
        Binding("q,escape,ctrl+q", "app.leave", marked("Quit")),
    ]

    def compose(self) -> ComposeResult:
        """Compose the list."""
        with Vertical(id="chooser"):
            yield Static(
                Content.assemble(("shikomi 仕込み", "bold $text-primary")), id="chooser-title"
            )
            yield Static(Content(_("Which project?")), id="chooser-question")
            yield OptionList(id="projects")
        yield KeyLine()

    def on_mount(self) -> None:
        """Fill the list; offer the tour to somebody who is here for the first time."""
        self.fill()
        if progress.read() is None and not recent.recent():
            progress.write(progress.Progress())
            self.call_after_refresh(self.offer_tour)

    async def offer_tour(self) -> None:
        """Ask whether the tour is wanted, unless a key has already led elsewhere."""
        if self.app.screen is self:
            await self.app.run_action("tour")

    def fill(self) -> None:
        """List what there is now."""
        options: list[Option | None] = [_option(path) for path in recent.recent()]
        if options:
            options.append(None)
        for name, (key, title, text) in ACTIONS.items():
            options.append(Option(_action(_(title), key, _(text)), id=name))
        projects = self.query_one(OptionList)
        projects.clear_options()
        projects.add_options(options)
        projects.highlighted = 0

    @on(OptionList.OptionSelected)
    async def choose(self, event: OptionList.OptionSelected) -> None:
        """Open the project, or do what the line says."""
        name = event.option.id or ""
        if name in ACTIONS:
            await self.app.run_action(name)
        elif isinstance(self.app, ChooserApp):
            self.app.open_project(Path(name))

    def action_forget(self) -> None:
        """Take the project off the list."""
        projects = self.query_one(OptionList)
        line = projects.highlighted
        option = projects.get_option_at_index(line) if line is not None else None
        if option is not None and option.id and option.id not in ACTIONS:
            recent.forget(Path(option.id))
            self.fill()


def _action(title: str, key: str, text: str) -> Content:
    """Return the line of an action: one line of a terminal of 80 columns."""
    return Content.assemble(
        cell(title, _TITLE), (f" {key}  ", "bold $text-accent"), (text, "$text-muted")
    )


def _option(path: Path) -> Option:
    there = path.is_dir()
    home = os.path.expanduser("~")  # noqa: PTH111
    shown = str(path)
    if shown.startswith(home + os.sep):
        shown = "~" + shown[len(home) :]
    mark = "" if there else _("  × missing")
    line = Content.assemble(
        (cell(path.name, _NAME), "" if there else "$text-muted"),
        (f"  {shown}", "$text-muted"),
        (mark, "$text-warning"),
    )
    return Option(line, id=str(path))


class ChooserApp(App[Path]):
    """Returns the folder to open, or ``None``."""

    TITLE = "shikomi"
    CSS_PATH: ClassVar = ["../app.tcss", "chooser.tcss"]
    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (12, "-low"), (34, "-high")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        break_lines()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def get_line_filters(self) -> Any:
        """Return what every line goes through on its way to the terminal."""
        return [*super().get_line_filters(), PRINTABLE]

    def get_default_screen(self) -> Screen[Any]:
        """Show the list first."""
        return ChooserScreen()

    def on_mount(self) -> None:
        """Look as the application does."""
        leave_when_told(self)
        apply_preferences(self)

    def on_app_focus(self) -> None:
        """Keys go somewhere: a browser tells only now that somebody looks."""
        if self.screen.focused is None:
            self.screen.focus_next()

    def open_project(self, path: Path) -> None:
        """End with a project; what cannot be opened is told."""
        try:
            self.exit(Project.open(path).root)
        except UserError as error:
            report(self, error)

    def _chosen(self, path: Path | None) -> None:
        if path is not None:
            self.open_project(path)

    def action_open(self) -> None:
        """Ask for a folder."""
        self.push_screen(PathDialog(), self._chosen)

    def action_new(self) -> None:
        """Make a project."""
        self.push_screen(NewProject(), self._chosen)

    def action_take(self) -> None:
        """Import a dataset."""
        self.push_screen(ImportScreen(), self._chosen)

    def action_tour(self) -> None:
        """Go through the application with an example."""
        self.push_screen(TourDialog(), self._chosen)

    def action_down(self) -> None:
        """Move down, also with a letter."""
        self.screen.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Move up, also with a letter."""
        self.screen.query_one(OptionList).action_cursor_up()

    def action_leave(self) -> None:
        """End without a project."""
        self.exit(None)
