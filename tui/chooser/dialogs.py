"""Two dialogs of the chooser: open a folder, and make a project."""

import asyncio
from pathlib import Path
from typing import ClassVar, Literal, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from prep.errors import UserError
from prep.language import _, marked, translated
from prep.project import Project
from prep.project.creation import initialise
from prep.system.names import with_home
from tui.chooser.paths import PathField, completions

_SHOWN = 6
"""Completions that are listed."""


class PathDialog(ModalScreen[Path | None]):
    """Asks for a folder; returns ``None`` if the user goes back."""

    AUTO_FOCUS = "#path"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", marked("Back")),
        Binding("ctrl+s", "accept", marked("Open")),
    ]
    TITLE_TEXT, BUTTON, BACK = marked("Open a folder"), marked("Open"), marked("Back")
    START = ""
    """The path that stands there at first."""
    HINT = marked("A project, or any folder of images. tab completes.")

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = _(self.TITLE_TEXT)
            yield from self.before()
            yield Label(_("folder"), classes="field-label")
            yield PathField(self.START, id="path")
            yield Static(Content(_(self.HINT)), id="path-hint", classes="hint")
            yield from self.more()
            yield Static(id="fault", classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(_(self.BUTTON), compact=True, id="accept", variant="primary")
                yield Button(_(self.BACK), compact=True, id="back")

    def before(self) -> ComposeResult:
        """Compose what stands above."""
        yield from ()

    def more(self) -> ComposeResult:
        """Compose further inputs."""
        yield from ()

    def opened(self, path: Path) -> Project:
        """Open, or make, the project; runs in a thread.

        Raises:
            UserError: That is not possible.
        """
        return Project.open(path)

    @on(Input.Changed, "#path")
    async def list_completions(self, event: Input.Changed) -> None:
        """Say what there is."""
        found = await asyncio.to_thread(completions, event.value) if event.value else []
        names = [Path(path).name + "/" for path in found[:_SHOWN]]
        more = " …" if len(found) > _SHOWN else ""
        self.query_one("#path-hint", Static).update(
            Content("  ".join(names) + more if names else _(self.HINT))
        )

    @on(Input.Submitted)
    @work(group="accept", exclusive=True)
    async def action_accept(self) -> None:
        """Return the folder, or say why it cannot be opened."""
        text = self.query_one(PathField).value.strip()
        try:
            if not text:
                raise UserError(_("No folder is named yet."))
            project = await asyncio.to_thread(self.opened, with_home(text))
        except UserError as error:
            fault = self.query_one("#fault", Static)
            fault.update(Content(translated(f"{error.message}\n{error.hint}".strip())))
            fault.display = True
        else:
            self.dismiss(project.root)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the folder, or go back."""
        if event.button.id == "accept":
            self.action_accept()
        else:
            self.dismiss(None)


class NewProject(PathDialog):
    """Asks for the folder of a new project, and the base model that it is for."""

    TITLE_TEXT, BUTTON = marked("New project"), marked("Create")
    HINT = marked("It is created, with dataset/, model/, output/ and shikomi.toml.")

    def more(self) -> ComposeResult:
        """Compose the choice of the base model."""
        yield Label(_("base model"), classes="field-label")
        yield family_choice()
        yield Static(Content(_("Decides the resolution: 512 or 1024.")), classes="hint")

    def opened(self, path: Path) -> Project:
        """Make the project."""
        family = cast(Literal["sd15", "sdxl"], self.query_one("#family", Select).value)
        return initialise(path, family)


def family_choice() -> Select[str]:
    """Return the choice of the family that a new project is for."""
    families = [(_("SDXL, Illustrious, NoobAI, Pony"), "sdxl"), (_("Stable Diffusion 1.5"), "sd15")]
    return Select(families, value="sdxl", allow_blank=False, compact=True, id="family")
