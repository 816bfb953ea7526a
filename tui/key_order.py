"""Keys in order: each one is handled to its end before the next one is looked at.

Textual hands a key to the widget that has the focus at once, but runs bindings only when the key
has bubbled up to the application; in a burst (a slow connection, held keys, a paste) the letters
that follow overtake it. ``wd``, twice backspace, ``demo`` became ``wdde``; ``e`` and ``x``, which
edits a caption and types an x, excluded an image. So a key waits here until its predecessor has
passed through the widgets, its binding has run, and focus and dialogs are as it left them.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from textual import events
from textual.app import App, ScreenStackError
from textual.message import Message
from textual.message_pump import MessagePump

_ROUNDS = 5
"""Turns through all queues after a key: it bubbles up, its binding runs, and what that posts is
done, such as enter in the filter: submitted, left, back to the list, focus."""
_PATIENCE = 0.5
"""Seconds after which a widget that is busy no longer holds up the keys."""

Press = Callable[[events.Event], Awaitable[None]]


class NextRound(Message):
    """What was in the application's queue before this is done."""


class KeyOrder:
    """The keys that wait, and the one that is being handled."""

    def __init__(self, app: App[None], press: Press) -> None:
        """Start without keys.

        Args:
            app: The application.
            press: Gives a key to the widget that has the focus.
        """
        self._app, self._press = app, press
        self._waiting: deque[events.Event] = deque()
        self._rounds = 0

    async def take(self, event: events.Event) -> None:
        """Handle a key or a paste at once, or after those before it."""
        self._waiting.append(event)
        if not self._rounds:
            await self._begin()

    async def _begin(self) -> None:
        self._rounds = _ROUNDS
        await self._press(self._waiting.popleft())
        self._app.post_message(NextRound())

    async def go_on(self) -> None:
        """Let the last key sink in a little more; then it is the turn of the next one."""
        await self._settle()
        self._rounds -= 1
        if self._rounds:
            self._app.post_message(NextRound())
        elif self._waiting:
            await self._begin()

    async def _settle(self) -> None:
        """Wait until what is in the queues from the focus up to the screen is handled."""
        try:
            nodes = (self._app.focused or self._app.screen).ancestors_with_self
        except ScreenStackError:  # the application ends
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                for node in nodes:
                    if node is not self._app:
                        await _passed(node)
        except TimeoutError:
            pass


async def _passed(node: MessagePump) -> None:
    """Wait until a queue has handled what is in it now."""
    done = asyncio.Event()
    if node.is_running and node.call_later(done.set):
        await done.wait()
