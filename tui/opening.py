"""Open the application in a terminal."""

from pathlib import Path

from prep.project import Project
from tui.app import ShikomiApp
from tui.preferences import read_preferences
from tui.terminal import ImageMode, detect


def run(path: Path, images: ImageMode = "auto") -> int:
    """Open the application on a project, or on any folder of images.

    Args:
        path: The folder.
        images: How pictures are drawn; ``auto`` for what this person prefers.

    Returns:
        The exit code.

    Raises:
        UserError: There is no such folder, or its ``shikomi.toml`` is not valid.
        Exception: The application has a fault; the terminal is restored by then.
    """
    project = Project.open(path)
    if images == "auto":
        images = read_preferences().preferences.images
    app = ShikomiApp(project, detect(images))
    app.run()
    if app._exception is not None:
        raise app._exception
    return app.return_code or 0
