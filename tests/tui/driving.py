"""Drive the application without a terminal, and wait for conditions, never for time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot

from prep.language import _
from prep.project import Project
from tui.app import ShikomiApp
from tui.commands import STAGE_KEYS, function_key
from tui.notices import BUG

TURNS = 3000
"""Turns of the event loop after which a condition counts as never met: half a minute for an idle
machine, and longer for a busy one, whose turns take longer."""


async def until(pilot: Pilot[Any], condition: Callable[[], Any]) -> None:
    """Let the application work until the condition holds."""
    for _turn in range(TURNS):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("never came true")


class Opened:
    """A running application, what it has told the user, and ways to wait for it."""

    def __init__(self, app: ShikomiApp, pilot: Pilot[None], messages: list[Message]) -> None:
        self.app, self.pilot, self.messages = app, pilot, messages

    @property
    def notices(self) -> list[str]:
        return [m.notification.message for m in self.messages if isinstance(m, Notify)]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let the application work until the condition holds."""
        await until(self.pilot, condition)

    async def settled(self) -> None:
        """Wait until nothing but the following of jobs and open dialogs is at work."""
        waiting = {"follow", "bulk", "concept", "save", "quit"}
        quiet = 0
        while quiet < 3:
            await self.until(
                lambda: not any(w.is_running and w.group not in waiting for w in self.app.workers)
            )
            await self.pilot.pause()
            quiet += 1

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settled()

    async def go(self, mode: str) -> None:
        """Switch to a stage by its key."""
        await self.pilot.press(function_key(STAGE_KEYS[mode][0]))
        await self.until(
            lambda: self.app.current_mode == mode and self.app.screen.query("#body > *")
        )
        await self.settled()

    async def type(self, text: str) -> None:
        names = {" ": "space", ",": "comma", ":": "colon", "-": "minus", '"': "quotation_mark"}
        await self.pilot.press(*(names.get(letter, letter) for letter in text))


@asynccontextmanager
async def running(project: Project, size: tuple[int, int] = (140, 40)) -> AsyncIterator[Opened]:
    """Open the application; a fault of the program fails the test."""
    app, messages = ShikomiApp(project), list[Message]()
    async with app.run_test(size=size, notifications=True, message_hook=messages.append) as pilot:
        opened = Opened(app, pilot, messages)
        # Work begins after the first frame.
        await opened.until(lambda: any(worker.group == "follow" for worker in app.workers))
        await opened.settled()
        yield opened
        await opened.settled()
    told = [m.notification for m in messages if isinstance(m, Notify)]
    faults = [notice.message for notice in told if notice.title == _(BUG)]
    assert not faults, faults
