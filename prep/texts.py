"""Text as people and programs write it: byte order marks, and accents in two forms.

Editors put a byte order mark before UTF-8, and Notepad's "Unicode" is UTF-16. macOS, and what is
copied from its file names, writes an accent as a character of its own (NFD), everything else as
part of the letter (NFC): one word for the eye, two for a program.
"""

import codecs
import unicodedata
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes, errors: str = "strict") -> str:
    r"""Return the text of a file, without its byte order mark; UTF-8 if it has none.

    Raises:
        UnicodeDecodeError: It is not text in that encoding.

    Example:
        >>> decoded(b"\xef\xbb\xbfbear"), decoded("bear".encode("utf-16")), decoded(b"bear")
        ('bear', 'bear', 'bear')
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors)


def read_text(file: Path, errors: str = "strict") -> str:
    """Read a text file in any encoding with a byte order mark, or UTF-8; ends of lines become LF.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is not text.
    """
    return decoded(file.read_bytes(), errors).replace("\r\n", "\n").replace("\r", "\n")


def composed(text: str) -> str:
    """Return a text with its accents as parts of the letters (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
