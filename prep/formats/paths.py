"""Find what a path in somebody's file means: it may have been written on another machine."""

from collections.abc import Callable
from pathlib import Path


def find(
    file: Path, text: str, home: Path | None, fits: Callable[[Path], bool] = Path.exists
) -> Path | None:
    """Return the place that a path in a file names; ``None`` when there is none.

    Looked for as it is written, beside the file, in the current folder, and then where it would lie
    when the file was moved together with what it describes.

    Args:
        file: Where the path was read.
        text: The path, with slashes or backslashes.
        home: Nothing outside of this folder is looked at; ``None`` for no bound.
        fits: What the place must be.
    """
    if not text or "\0" in text:
        return None
    path, beside = Path(text.replace("\\", "/")).expanduser(), file.parent
    tails = [Path(*path.parts[-count:]) for count in (2, 1) if len(path.parts) >= count]
    for choice in (beside / path, Path.cwd() / path, *(beside / tail for tail in tails)):
        if (home is None or choice.resolve().is_relative_to(home)) and fits(choice):
            return choice.resolve()
    return None
