"""Resolve a path in a file that may have been written on another machine."""

from collections.abc import Callable
from pathlib import Path

from prep.errors import ConfigError
from prep.system.names import existing, with_home


def find(
    file: Path, text: str, home: Path | None, fits: Callable[[Path], bool] = Path.exists
) -> Path | None:
    """Return the place named by a path in a file; ``None`` if there is none.

    Searched as written, beside the file, in the current folder, and then where it would be
    if the file was moved together with its data.

    Args:
        file: The file with the path.
        text: The path, with slashes or backslashes.
        home: Ignore everything outside this folder; ``None`` for no limit.
        fits: Condition for the place.
    """
    if not text:
        return None
    try:
        path, beside = with_home(text.replace("\\", "/")), file.parent
    except ConfigError:  # ~somebody of another computer, or what no path holds
        return None
    tails = [Path(*path.parts[-count:]) for count in (2, 1) if len(path.parts) >= count]
    for place in (beside / path, Path.cwd() / path, *(beside / tail for tail in tails)):
        choice = existing(place)
        try:
            if (home is None or choice.resolve().is_relative_to(home)) and fits(choice):
                return choice.resolve()
        except OSError:  # no path at all: too long, or a loop of links
            continue
    return None
