"""The part of the application that puts pixels on the screen."""

import sys
from dataclasses import replace
from typing import Any

from textual import events
from textual._compositor import CompositorUpdate
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.screen import Screen
from textual.timer import Timer

from tui.graphics.overlay import Overlay, WithPixels, seen
from tui.terminal import Terminal, cell_size

_REST = 0.1
"""Seconds without movement after which Sixel pictures are drawn again."""


class GraphicsApp(App[None]):
    """An application whose pictures are real ones where the terminal can show them."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        super().__init__()
        self.overlay = Overlay(terminal)
        self._rest: Timer | None = None

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Send an update, and the pixels that belong to it in one piece."""
        if (
            isinstance(renderable, CompositorUpdate)
            and self.overlay.terminal.pixels
            and not (self.is_headless or self._batch_count)
        ):
            pixels = self.overlay.after(renderable, seen(self.screen, self.overlay.pictures))
            if pixels:
                renderable = WithPixels(renderable, pixels)
            if self.overlay.moved:
                self._wait_for_rest()
        super()._display(screen, renderable)

    def _wait_for_rest(self) -> None:
        """Draw the pixels when no further movement comes for a while."""
        self._stop_waiting()
        self._rest = self.set_timer(_REST, self._at_rest)

    def _stop_waiting(self) -> None:
        if self._rest is not None:
            self._rest.stop()

    def _at_rest(self) -> None:
        pixels = self.overlay.rest(seen(self.screen, self.overlay.pictures))
        if self._driver is not None and pixels:
            self._driver.write(pixels)

    def on_mount(self) -> None:
        """Type what was typed before there was an application."""
        self.app_suspend_signal.subscribe(self, lambda _: self._stop_waiting())
        self.app_resume_signal.subscribe(self, lambda _: self.overlay.reset())
        if self.overlay.terminal.typed:
            for message in XTermParser().feed(self.overlay.terminal.typed):
                self.post_message(message)

    def on_resize(self, _event: events.Resize) -> None:
        """Follow a change of the font's size."""
        terminal = self.overlay.terminal
        if terminal.pixels and sys.__stdout__ is not None and not self.is_headless:
            cell = cell_size(sys.__stdout__.fileno())
            self.overlay.terminal = replace(terminal, cell=cell or terminal.cell)

    def on_exit_app(self) -> None:
        """Take the pixels away, while the terminal still shows the application."""
        if self._driver is not None and (text := self.overlay.cleared()):
            self._driver.write(text)
