"""The dialog that offers the tour, and makes the demo project for it."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from prep.language import _, marked
from prep.project import Project
from tui.chooser.dialogs import PathDialog
from tui.tour import progress

FOLDER = "~/shikomi-demo"
"""Where the demo project is made, unless somebody writes another folder."""


class TourDialog(PathDialog):
    """Says what the tour is; returns the demo project, on which it is under way then."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", marked("Not now")),
    ]
    TITLE_TEXT, BUTTON, BACK = marked("Tour"), marked("Start"), marked("Not now")
    HINT = marked("A project with about 40 images is made here, or continued.")
    START = FOLDER

    def before(self) -> ComposeResult:
        """Say what it is."""
        text = _(
            "Three steps on an example, in about five minutes: look at images and captions,"
            " tag them and decide what to keep, train a LoRA and see what it draws."
            " It needs neither the internet nor a graphics card.\n\n"
            "enter starts it, esc skips it."
        )
        yield Static(Content(text), classes="tour-text")

    def opened(self, path: Path) -> Project:
        """Make the demo project, or continue it, and begin the tour there."""
        from train import demo  # takes most of a second, and few need it

        project = demo.prepare(path, trigger=True)
        progress.begun(project.root)
        return project
