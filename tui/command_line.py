"""The whole command line: the verbs, and what is opened without one.

Nothing here loads torch, onnxruntime or Textual.
"""

from difflib import get_close_matches
from typing import Annotated

from cyclopts import Parameter

from prep.cli.arguments import ProjectOrChoice
from prep.errors import UserError
from prep.system.names import with_home
from tui.plain_opening import IMAGES_VARIABLE, open_project
from tui.terminal import ImageMode
from tui.verbs.registered import app

__all__ = ["app", "open_application"]


@app.default
def open_application(
    project: ProjectOrChoice = None,
    /,
    *,
    images: Annotated[
        ImageMode,
        Parameter(
            help="Draw pictures as Kitty graphics, Sixel, quadrant or half blocks, or not at all."
            " By default, what the terminal can show.",
            env_var=IMAGES_VARIABLE,
        ),
    ] = "auto",
) -> int:
    """Open the terminal application."""
    if project is not None and not with_home(project).exists():
        near = get_close_matches(str(project), list(app), n=1)
        meant = f"Did you mean: shikomi {near[0]}? " if near else ""
        raise UserError(
            f"{project} is neither a verb nor a folder.", f"{meant}All verbs: shikomi --help"
        )
    return open_project(project, images)
