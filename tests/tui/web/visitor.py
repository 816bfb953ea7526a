"""Someone who speaks to the server as a browser does."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tui.web.server import Server

_STYLE = re.compile(rb"\x1b\[[0-9;?$]*[A-Za-z]")


class Visitor:
    """A browser that is let in, or not."""

    def __init__(self, client: aiohttp.ClientSession, port: int, token: str) -> None:
        self.client, self.port, self.token = client, port, token
        self.url = f"http://127.0.0.1:{port}"

    async def get(self, path: str = "/", **headers: str) -> aiohttp.ClientResponse:
        async with self.client.get(
            self.url + path, headers=headers, allow_redirects=False
        ) as answer:
            await answer.read()
            return answer

    async def enter(self) -> None:
        """Get the cookie."""
        answer = await self.get(f"/?token={self.token}")
        assert answer.status == 303

    @asynccontextmanager
    async def opened(
        self, columns: int = 100, rows: int = 30, **settings: Any
    ) -> AsyncIterator["Screen"]:
        """Open the WebSocket."""
        headers = settings.pop("headers", {"Origin": self.url})
        async with self.client.ws_connect(
            f"{self.url}/ws?width={columns}&height={rows}", headers=headers, **settings
        ) as socket:
            yield Screen(socket)


class Screen:
    """What the application has drawn."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.drawn = socket, b""

    async def until(self, text: str) -> None:
        """Read until this text was drawn; forget what was drawn before."""
        while text.encode() not in _STYLE.sub(b"", self.drawn):
            message = await self.socket.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, (message, self.drawn[-2000:])
            self.drawn += message.data
        self.drawn = b""

    async def closed(self) -> int:
        """Read until the server closes; return its code."""
        while not self.socket.closed:
            await self.socket.receive()
        return self.socket.close_code or 0

    async def press(self, keys: str) -> None:
        await self.socket.send_json(["stdin", keys])


@asynccontextmanager
async def visited(server: Server) -> AsyncIterator[Visitor]:
    """Serve on a free port, and yield who comes to it."""
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of numbers, too
        async with aiohttp.ClientSession(cookie_jar=jar) as client:
            yield Visitor(client, runner.addresses[0][1], server.access.token)
    finally:
        await runner.cleanup()


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    from pathlib import Path

    for _ in range(6000):
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")
