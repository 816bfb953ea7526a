"""What the terminal can show: asked once, before the application starts.

Afterwards Textual reads the keyboard, and answers of the terminal would arrive as keys. Every
terminal answers "primary device attributes", so that question is asked last: with its answer, all
others have been given. What the user types meanwhile is kept for the application.
"""

import os
import re
import select
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from prep.language import _, marked

ImageMode = Literal["auto", "kitty", "sixel", "quadrants", "half", "none"]
Drawing = Literal["kitty", "sixel", "quadrants", "half", "none"]

PATIENCE = 1.0
"""Seconds to wait for answers. Terminals take milliseconds, and those behind a slow line a few
hundred."""
_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_CELL = "\x1b[16t"
_ATTRIBUTES = "\x1b[c"
_REGISTERS = "\x1b[?1;1;0S"
_GEOMETRY = "\x1b[?2;1;0S"
_ANSWERS = re.compile(
    r"\x1b_Gi=31;(?P<kitty>[^\x1b]*)\x1b\\"
    r"|\x1b\[6;(?P<high>\d+);(?P<wide>\d+)t"
    r"|\x1b\[\?1;0;(?P<registers>\d+)S"
    r"|\x1b\[\?2;0;(?P<across>\d+);(?P<down>\d+)S"
    r"|\x1b\[\?[12];[\d;]+S"
    r"|\x1b\[\?(?P<attributes>[\d;]*)c"
)
_SIXEL = "4"
"""The attribute of terminals that draw Sixel."""
_NEITHER = marked("This terminal shows no real pictures (neither Kitty's protocol nor Sixel).")
_TMUX = marked("Outside of tmux, or in tmux 3.4 built with Sixel, they can be real pictures.")
_TOLD = {
    "kitty": marked("Real pictures, by the protocol of Kitty"),
    "sixel": marked("Real pictures, as Sixel"),
    "quadrants": marked("Drawn with blocks, 4 pixels a cell"),
    "half": marked("Drawn with half blocks, 2 pixels a cell"),
    "none": marked("Off (--images none)"),
}
_BROWSER = marked(
    "In a browser, pictures are drawn with blocks; smaller letters show more of them."
)
_QUIET = frozenset({"dumb", "linux", "unknown", ""})


@dataclass(frozen=True)
class Terminal:
    """What a terminal can show.

    Attributes:
        drawing: How pictures are drawn.
        cell: Width and height of a cell, pixels.
        colours: The number of colours of a Sixel picture.
        most: Largest width and height of a Sixel picture, pixels; 0 for no limit.
        typed: What the user typed while the terminal was asked.
        hint: Why pictures are not better than they are, or an empty string.
    """

    drawing: Drawing = "quadrants"
    cell: tuple[int, int] = (10, 20)
    colours: int = 256
    most: tuple[int, int] = (0, 0)
    typed: str = ""
    hint: str = ""

    @property
    def told(self) -> str:
        """Say how pictures are drawn, and what would be better."""
        how = _(_TOLD[self.drawing])
        return _("{how}. {hint}").format(how=how, hint=_(self.hint)) if self.hint else how

    @property
    def pixels(self) -> bool:
        """Return whether it shows real pictures."""
        return self.drawing in ("kitty", "sixel")


def in_browser(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal is a browser: Textual is told so by its server."""
    return "TEXTUAL_DRIVER" in environ


def detect(wanted: ImageMode, environ: Mapping[str, str] = os.environ) -> Terminal:
    """Return what the terminal can show, or is made to show.

    Args:
        wanted: ``auto``, or how pictures are to be drawn whatever the terminal says.
        environ: The environment.
    """
    if wanted in ("quadrants", "half", "none"):
        return Terminal(wanted)
    if in_browser(environ):
        return Terminal(hint=_BROWSER)
    multiplexed = bool(environ.get("TMUX") or environ.get("STY"))
    asked = environ.get("TERM", "") not in _QUIET
    found = Terminal()
    if asked and sys.__stdin__ is not None and sys.__stdout__ is not None:
        try:
            ends = sys.__stdin__.fileno(), sys.__stdout__.fileno()
            if all(map(os.isatty, ends)):
                found = ask(*ends, kitty=not multiplexed)
        except (OSError, ValueError):
            pass
    drawing: Drawing = found.drawing if wanted == "auto" else wanted
    hint = ""
    if drawing == "quadrants":
        hint = _TMUX if environ.get("TMUX") else _NEITHER
    return Terminal(drawing, found.cell, found.colours, found.most, found.typed, hint)


def ask(keyboard: int, screen: int, *, kitty: bool = True, patience: float = PATIENCE) -> Terminal:
    """Ask a terminal what it can show.

    Args:
        keyboard: File descriptor to read from.
        screen: File descriptor to write to.
        kitty: Ask for the protocol of Kitty; multiplexers would take the question for a title.
        patience: Seconds to wait for all answers together.

    Raises:
        OSError: It is not a terminal, or gone.
    """
    with _raw(keyboard) as works:
        if not works:
            return Terminal()
        until = time.monotonic() + patience
        heard = _asked(keyboard, screen, (_KITTY if kitty else "") + _CELL, until)
        found = _facts(heard)
        sixel = _SIXEL in found.get("attributes", "").split(";")[1:]
        if sixel and found.get("kitty") != "OK":
            # Only now: others might take these for "scroll up".
            heard += _asked(keyboard, screen, _REGISTERS + _GEOMETRY, until)
            found = _facts(heard)
    drawing: Drawing = "sixel" if sixel else "quadrants"
    if found.get("kitty") == "OK":
        drawing = "kitty"
    cell = int(found.get("wide", 0)), int(found.get("high", 0))
    return Terminal(
        drawing,
        cell if all(cell) else cell_size(screen) or Terminal.cell,
        max(2, min(256, int(found.get("registers", 256)))),
        (int(found.get("across", 0)), int(found.get("down", 0))),
        _ANSWERS.sub("", heard),
    )


def cell_size(screen: int) -> tuple[int, int] | None:
    """Return width and height of a cell, pixels, as the system knows them; ``None`` if not."""
    try:
        import fcntl
        import struct
        import termios

        packed = fcntl.ioctl(screen, termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError, ValueError):
        return None
    rows, columns, width, height = struct.unpack("4H", packed)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return width // columns, height // rows


def _facts(heard: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ANSWERS.finditer(heard):
        found |= {name: text for name, text in match.groupdict().items() if text is not None}
    return found


def _asked(keyboard: int, screen: int, questions: str, until: float) -> str:
    """Ask, and return what is heard up to the answer that comes last."""
    os.write(screen, (questions + _ATTRIBUTES).encode("ascii"))
    heard = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([keyboard], [], [], left)[0]:
            break
        some = os.read(keyboard, 4096)
        heard += some
        if not some or "attributes" in _facts(heard.decode("utf-8", "replace")):
            break
    return heard.decode("utf-8", "replace")


@contextmanager
def _raw(keyboard: int) -> Iterator[bool]:
    """Let answers through at once and unseen; yields whether that is possible here."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield False
        return
    try:
        before = termios.tcgetattr(keyboard)
    except termios.error as error:
        raise OSError(*error.args) from error
    try:
        # TCSANOW: what is typed already must not be thrown away.
        tty.setcbreak(keyboard, termios.TCSANOW)
        yield True
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
