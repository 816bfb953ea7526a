"""A visit: one process of the application, for as long as one browser looks at it.

When the browser is gone, the application is asked to end, as by the key q; then told to; then
killed. What is typed is in ``work.db`` by then, and jobs are processes of their own. Should this
server die instead, the application sees its input closed, and ends (``tui/leaving.py``).
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from prep import language
from prep.printable import printable
from prep.system import processes
from prep.system.jobs import child_environment
from tui.web import packets
from tui.web.access import TOKEN_KEY

ASKED = 10.0
"""Seconds to end in after being asked; then the process is told to (SIGTERM)."""
TOLD = 12.0
"""Seconds to end in after being told, a little more than the application gives itself."""
_MOST_WORDS = 64 << 10
"""Bytes of error messages that are kept."""
_A_SCREEN = 256
"""Bytes that only a drawing has; what sets the terminal up is shorter."""
_OTHER_TERMINAL = (
    *("TMUX", "STY", "TERM_PROGRAM", "KITTY_WINDOW_ID", "SHIKOMI_IMAGES", "COLUMNS", "LINES"),
    *("NO_COLOR", TOKEN_KEY),
)
"""Variables about the terminal that the server was started in, and its secret."""


def environment(columns: int, rows: int) -> dict[str, str]:
    """Return the environment of the application: its terminal is the browser."""
    kept = {name: v for name, v in child_environment().items() if name not in _OTHER_TERMINAL}
    # People read it, unlike what other children say: in the language of the server.
    del kept[language.VARIABLE]
    if asked := os.environ.get(language.VARIABLE):
        kept[language.VARIABLE] = asked
    return {
        **kept,
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "COLORTERM": "truecolor",
        "TERM": "xterm-256color",
        "COLUMNS": str(columns),
        "ROWS": str(rows),
    }


class Visit:
    """A process of the application, and its two pipes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._words = bytearray()
        self._ending: asyncio.Task[None] | None = None
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, project: Path | None, columns: int, rows: int) -> "Visit":
        """Start the application for a browser of this size, in cells.

        Raises:
            OSError: No process can be started.
        """
        named = [] if project is None else [str(project.absolute())]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "tui.cli", *named),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(columns, rows),
            **processes.OWN_GROUP,  # ctrl+c in the server's terminal is for the server
        )
        return cls(process)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def show(self, send: Callable[[bytes], Awaitable[None]]) -> bool:
        """Send what the application draws, until it ends.

        Returns:
            Whether it ended by itself and in order; not, if it could not start.

        Raises:
            ConnectionError: Nobody is at the other end any more.
        """
        stream = self._process.stdout
        assert stream is not None
        with suppress(ValueError):  # a line without an end
            ended = False
            while await stream.readline() == packets.READY:  # again, with another project
                ended = drawn = False
                while not ended and (found := await packets.read_packet(stream)) is not None:
                    letter, content = found
                    if letter == b"D":
                        await send(content)
                        if not drawn and len(content) > _A_SCREEN:
                            drawn = True
                            # Textual begins without the focus; who opens a page looks at it.
                            await self.take(packets.meta(type="focus"))
                    ended = letter == b"M" and packets.says_exit(content)
            if ended and not self._words:
                return True
        await self._listening
        if self._words:
            text = printable(self._words.decode("utf-8", "replace")).replace("\n", "\r\n")
            await send(f"\x1b[?1049l\x1b[2J\x1b[H{text}\r\n".encode())
        return False

    async def take(self, content: bytes) -> None:
        """Pass a packet on to the application; one that has ended takes nothing."""
        stream = self._process.stdin
        assert stream is not None
        with suppress(ConnectionError):
            stream.write(content)
            await stream.drain()

    async def end(self) -> None:
        """End the application, and wait until it has ended; also when called again."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)  # goes on, whoever is cancelled while waiting for it

    async def _end(self) -> None:
        drained = asyncio.create_task(self._drain())
        await self.take(packets.meta(type="quit"))
        if not await self._gone(ASKED):
            with suppress(ProcessLookupError):
                self._process.terminate()
        if not await self._gone(TOLD):
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await drained
        await self._listening

    async def _gone(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _drain(self) -> None:
        """Read on: an application whose pipe is full could not even end."""
        stream = self._process.stdout
        assert stream is not None
        while await stream.read(1 << 16):
            pass

    async def _listen(self) -> None:
        """Keep the first of what it says on stderr, and throw the rest away."""
        stream = self._process.stderr
        assert stream is not None
        while more := await stream.read(1 << 12):
            self._words += more[: _MOST_WORDS - len(self._words)]
