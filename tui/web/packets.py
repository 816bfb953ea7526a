"""What browser, server and application say to each other.

Browser and server exchange JSON lists over a WebSocket, as the client of textual-serve has them;
server and application exchange packets over pipes, as Textual's WebDriver has them: a letter, four
bytes of size (big endian), and so many bytes of content.
"""

import asyncio
import json
from typing import Any

MOST = 1000
"""Columns and rows that a browser may ask for; each cell costs memory in the application."""
LARGEST = 16 << 20
"""Bytes in a packet of the application; a screen has some ten thousand."""
READY = b"__GANGLION__\n"
"""The application's first line, by which it says that packets follow."""


class ProtocolError(ValueError):
    """The other side says something that does not belong here."""


def packet(letter: bytes, content: bytes) -> bytes:
    r"""Return a packet for the application.

    Example:
        >>> packet(b"D", b"x")
        b'D\x00\x00\x00\x01x'
    """
    return letter + len(content).to_bytes(4, "big") + content


def meta(**values: object) -> bytes:
    """Return a packet that says something about the terminal."""
    return packet(b"M", json.dumps(values).encode())


async def read_packet(stream: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """Read a packet of the application; ``None`` at its end.

    Raises:
        ProtocolError: It is no packet.
    """
    try:
        head = await stream.readexactly(5)
        size = int.from_bytes(head[1:], "big")
        if head[:1] not in b"DMP" or size > LARGEST:
            raise ProtocolError(f"the application wrote {head!r}")
        return head[:1], await stream.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def says_exit(content: bytes) -> bool:
    """Return whether the application says that it ends; of its other wishes none is granted.

    Opening addresses and handing out files are not for a browser that may be anybody's.
    """
    try:
        return bool(json.loads(content)["type"] == "exit")
    except (ValueError, KeyError, TypeError):
        return False


def from_browser(text: str) -> bytes | None:
    """Return the packet that a message of a browser means; ``None`` for a ping.

    Raises:
        ProtocolError: The message is not one that its client sends.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError("no JSON") from None
    match message:
        case ["stdin", str(keys)]:
            return packet(b"D", keys.encode("utf-8", "replace"))
        case ["resize", {"width": int(width), "height": int(height)}]:
            return meta(type="resize", width=within(width), height=within(height))
        case ["focus" | "blur" as what]:
            return meta(type=what)
        case ["ping", *_]:
            return None
    raise ProtocolError("an unknown message")


def pong(text: str) -> str | None:
    """Return the answer to a ping; ``None`` for anything else."""
    message: Any = json.loads(text)
    match message:
        case ["ping", str(stamp)] if len(stamp) <= 32:
            return json.dumps(["pong", stamp])
    return None


def within(cells: int) -> int:
    """Return a number of columns or rows that is not absurd.

    Example:
        >>> within(0), within(80), within(10**9)
        (1, 80, 1000)
    """
    return max(1, min(MOST, cells))
