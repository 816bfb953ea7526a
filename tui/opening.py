"""Open the application in a terminal: on a project, or on a choice of them."""

import gc
import threading
from contextlib import suppress
from pathlib import Path

from prep.project import Project
from tui.garbage import held_back
from tui.preferences import read_preferences
from tui.terminal import ImageMode, Terminal, detect


def run(path: Path | None, images: ImageMode = "auto") -> int:
    """Open the application on a project, or on any folder of images.

    Args:
        path: The folder; ``None`` for the current one if work goes on there, else for a choice.
        images: How pictures are drawn; ``auto`` for what this person prefers.

    Returns:
        The exit code.

    Raises:
        UserError: There is no such folder, or its ``shikomi.toml`` is not valid.
        Exception: The application has a fault; the terminal is restored by then.
    """
    from tui.chooser import recent

    if path is None and recent.is_worked_in(Path()):
        path = Path()
    project = None if path is None else Project.open(path)
    if images == "auto":
        images = read_preferences().preferences.images
    terminal = detect(images)
    while True:
        if project is None:
            chosen, code = _choose()
            if chosen is None:
                return code
            project = Project.open(chosen)
        recent.remember(project.root)
        another, leads_to, code = _open(project, terminal)
        if not another:
            return code
        project = None if leads_to is None else Project.open(leads_to)


def _choose() -> tuple[Path | None, int]:
    """Return the folder that was chosen, or the exit code."""
    from tui.chooser.app import ChooserApp

    gc.enable()
    app = ChooserApp()
    chosen = app.run()
    if app._exception is not None:
        raise app._exception
    _let_go_of_the_keyboard()
    return chosen, app.return_code or 0


def _open(project: Project, terminal: Terminal) -> tuple[bool, Path | None, int]:
    """Return whether another project is wanted, which if that is known, and the exit code."""
    with held_back():
        from tui.app import ShikomiApp

        app = ShikomiApp(project, terminal)
        app.run()
    if app._exception is not None:
        raise app._exception
    _let_go_of_the_keyboard()
    return app.another and not app.return_code, app.leads_to, app.return_code or 0


def _let_go_of_the_keyboard() -> None:
    """Wait until nobody reads keys for an application that has ended (Textual's WebDriver)."""
    for thread in threading.enumerate():
        if thread.name == "textual-input":
            with suppress(RuntimeError):
                thread.join(1.0)
