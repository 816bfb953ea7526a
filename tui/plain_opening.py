"""The commonest command line, ``shikomi`` or ``shikomi PROJECT``, read without cyclopts.

Whoever opens the application does not wait until the parser of all verbs has been imported, which
takes a tenth of the time to the first frame. Anything else, faults included, is left to the parser.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from prep.errors import UserError
from tui.terminal import ImageMode, in_browser
from tui.verbs.table import STAGES

IMAGES_VARIABLE = "SHIKOMI_IMAGES"
"""The environment variable of ``--images``."""
_IMAGES = "--images"


class PlainOpening(NamedTuple):
    """What is opened, and how; see ``tui.opening.run``."""

    project: Path | None
    images: ImageMode


def plain_opening(words: Sequence[str]) -> PlainOpening | None:
    """Return what a command line opens; ``None`` if it may say anything else."""
    images, rest = os.environ.get(IMAGES_VARIABLE, "auto"), list(words)
    if _IMAGES in rest[:-1]:
        place = rest.index(_IMAGES)
        images = rest[place + 1]
        del rest[place : place + 2]
    mode = next((mode for mode in get_args(ImageMode) if mode == images), None)
    if mode is None or len(rest) > 1 or any(map(_says_more, rest)):
        return None
    return PlainOpening(Path(rest[0]) if rest else None, mode)


def _says_more(word: str) -> bool:
    """Return whether a word is a verb, an option, or no folder."""
    verbs = {verb.name.partition(" ")[0] for group in STAGES.values() for verb in group}
    folder = os.path.isdir(word)  # noqa: PTH112 - Path's raises for names that no disk can hold
    return word in verbs or word.startswith("-") or not folder


def open_project(project: Path | None, images: ImageMode) -> int:
    """Open the terminal application on a project, or on a choice of them; return the exit code.

    Raises:
        UserError: There is no terminal to open it in, or as ``tui.opening.run``.
    """
    if not (sys.stdout.isatty() or in_browser()):
        raise UserError(
            "The terminal application needs a terminal.",
            "In scripts, use the verbs: shikomi --help",
        )
    gc.disable()  # see tui.garbage
    try:
        from tui.language_choice import use_preferred_language

        use_preferred_language()
        from tui.opening import run

        return run(project, images)
    finally:
        gc.enable()
