"""What the application is besides stages: its looks, and how it tells something.

Notices are a line at the bottom, in place of the job strip's, for as long as it takes to read them;
all of them are kept in a list. Nothing is laid over pictures and captions.
"""

import time
from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.timer import Timer
from textual.widget import Widget

from prep.language import translated
from prep.printable import printable
from tui.dialogs.jump import Jump, targets
from tui.dialogs.notices import Notices
from tui.garbage import collect_at_rest, free_lines
from tui.graphics.app import GraphicsApp
from tui.notices import MOST, Notice
from tui.printable_lines import PRINTABLE
from tui.stylesheet import ParsedOnce
from tui.terminal import Terminal
from tui.themes import THEMES
from tui.widgets.job_strip import JobStrip

_REST_SECONDS = 1.0
"""Seconds without a key or a move of the mouse after which nobody is kept waiting."""


class BaseApp(GraphicsApp):
    """Themes, safe text, notices, and jumping."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        super().__init__(terminal)
        free_lines()
        self._entered = 0.0
        self.notices: list[Notice] = []
        self.notice: Notice | None = None
        self._notice_timer: Timer | None = None
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        for name in set(self.available_themes) - {theme.name for theme in THEMES}:
            self.unregister_theme(name)
        self.stylesheet = ParsedOnce(variables=self.get_css_variables())

    def on_mount(self) -> None:
        """Look for garbage now and then."""
        self.set_interval(_REST_SECONDS, self._tidy)

    async def on_event(self, event: events.Event) -> None:
        """Note when something was entered."""
        if isinstance(event, events.InputEvent):
            self._entered = time.monotonic()
        await super().on_event(event)

    def _tidy(self) -> None:
        if time.monotonic() - self._entered > _REST_SECONDS:
            collect_at_rest()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line of every widget goes through on its way to the terminal."""
        return [*super().get_line_filters(), PRINTABLE]

    def _on_notify(self, event: Notify) -> None:
        """Show a notice on the line at the bottom, and keep it."""
        event.prevent_default()  # Textual's own would show it over pictures and captions as well
        told = event.notification
        text = Content.from_markup(told.message).plain if told.markup else told.message
        title = Content.from_markup(told.title).plain if told.markup else told.title
        # What comes from below the application is English.
        title, text = translated(title), translated(text)
        notice = Notice(time.time(), told.severity, printable(title), printable(text))
        self.notices = [*self.notices, notice][-MOST:]
        self.show_notice(notice)
        if self._notice_timer is not None:
            self._notice_timer.stop()
        self._notice_timer = self.set_timer(told.timeout, lambda: self.show_notice(None))

    def show_notice(self, notice: Notice | None) -> None:
        """Show a notice on the line of the stage that is seen, or take it away."""
        self.notice = notice
        for screen in self.screen_stack:
            for strip in screen.query(JobStrip):
                strip.notice = notice

    def action_notices(self) -> None:
        """List what was told."""
        if not isinstance(self.screen, Notices):
            self.push_screen(Notices(self.notices))

    def action_jump(self) -> None:
        """Show a letter on everything that can be focused; pressing it goes there."""
        here = self.screen
        if isinstance(here, Jump):
            return

        def go(widget: Widget | None) -> None:
            if widget is not None and widget.screen is here:
                here.set_focus(widget)

        self.push_screen(Jump(targets(here)), go)
