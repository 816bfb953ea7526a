"""The folder of a person's own settings, outside of all projects."""

import os
import sys
from pathlib import Path


def user_folder() -> Path:
    r"""Return the folder; it may not exist yet.

    ``$XDG_CONFIG_HOME/shikomi`` or ``~/.config/shikomi``; on Windows ``%APPDATA%\shikomi``.
    Source: XDG Base Directory Specification 0.8, which has relative paths ignored.
    """
    variable = "APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME"
    given = Path(os.environ.get(variable, ""))
    base = given if given.is_absolute() else Path(os.path.expanduser("~/.config"))  # noqa: PTH111
    return base / "shikomi"
