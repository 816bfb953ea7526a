"""A real browser without a window, driven over the DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Tab:
    """A tab: commands, and the addresses that it has asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.asked_for: list[str] = []
        self.said: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = json.loads(await self._socket.receive_str())
            self._note(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    def _note(self, answer: dict[str, Any]) -> None:
        if answer.get("method") == "Network.requestWillBeSent":
            self.asked_for.append(answer["params"]["request"]["url"])
        elif answer.get("method") == "Network.webSocketCreated":
            self.asked_for.append(answer["params"]["url"])
        elif answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.said.append(json.dumps(answer["params"]))

    async def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        for _ in range(1200):
            if await self.value(expression):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {expression}; {self.said}")

    async def press(self, text: str) -> None:
        """Press keys that write something."""
        for letter in text:
            await self.call("Input.dispatchKeyEvent", type="char", text=letter)

    async def picture(self, file: Path) -> None:
        """Write a picture of the page as PNG."""
        found = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def tab(folder: Path, size: tuple[int, int] = (1280, 800)) -> AsyncIterator[Tab]:
    """Start a browser with an empty profile, and yield its tab."""
    with (folder / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(
            [
                *(PROGRAM, "--headless=new", "--no-sandbox", "--remote-debugging-port=0"),
                *("--disable-gpu", "--no-first-run", f"--window-size={size[0]},{size[1]}"),
                *(f"--user-data-dir={folder / 'profile'}", "about:blank"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        port = folder / "profile" / "DevToolsActivePort"
        for _ in range(1200):
            if port.exists() and port.read_text().count("\n"):
                break
            await asyncio.sleep(0.05)
        number = port.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{number}/json") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            async with client.ws_connect(
                pages[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                made = Tab(socket)
                for name in ("Page", "Network", "Runtime", "Log"):
                    await made.call(f"{name}.enable")
                yield made
    finally:
        browser.terminate()
        browser.wait()
