"""Text that gives no orders: what is shown, and what is taken over from lists of others.

Names of files, captions, triggers, and what servers and programs say may hold escape sequences,
which set a terminal's title, write its clipboard or overwrite its lines; and marks that turn the
direction of text, so that ``gnp.exe`` reads ``exe.png``. Everything that front ends show goes
through here.
"""

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed; delete; C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # Unicode's Bidi_Control
    "\u2028\u2029"  # line and paragraph separator
    "\ud800-\udfff]"  # bytes of file names that are not UTF-8
)
_BYTES = range(0xDC80, 0xDD00)
"""How Python represents such bytes (PEP 383)."""


def printable(text: str, mark: str | None = None) -> str:
    r"""Return text without characters that control a terminal or the direction of writing.

    Args:
        text: Any text; tabs and line feeds stay.
        mark: What to write instead of each of them; by default, an escape that names it.

    Example:
        >>> printable("a\x1b[31mb\u202e"), printable("a\x1b[31mb", "")
        ('a\\x1b[31mb\\u202e', 'a[31mb')
    """
    return _UNSAFE.sub(_escaped if mark is None else mark, text)


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number in _BYTES:
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def json_printable(line: str) -> str:
    r"""Return JSON in which these characters are written as escapes of JSON.

    Example:
        >>> json_printable('{"path": "\x9b1m"}')
        '{"path": "\\u009b1m"}'
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
