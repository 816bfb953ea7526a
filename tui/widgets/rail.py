"""The rail: the states of the stages, as a column, or as a line if space is short."""

from collections.abc import Mapping

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.commands import STAGE_KEYS
from tui.stages import GLYPHS, SHORT, StageState

_HIGH, _GAP = 3, 2
"""Lines of a stage with its words; cells between two stages in one line."""


class StageItem(Static):
    """One stage; a click goes there."""

    ALLOW_SELECT = False
    form: reactive[str] = reactive("full")
    """full: two lines; line: one line; short: a few cells; number: fewer."""

    def __init__(self, mode: str) -> None:
        super().__init__(id=f"stage-{mode}")
        self._number, self._mode = STAGE_KEYS[mode][0], mode
        self._stage = StageState("open", "")

    def show(self, stage: StageState) -> None:
        """Show a state."""
        if stage != self._stage:
            self._stage = stage
            self._write()
        for name in GLYPHS:
            self.set_class(stage.state == name, f"-{name.replace(' ', '-')}")

    def on_mount(self) -> None:
        """Write it for the first time."""
        self._write()

    def watch_form(self, form: str) -> None:
        """Redraw for another space."""
        self.set_class(form == "line", "-line")
        self._write()
        # Textual keeps the width of the old text if it measured it after a layout was asked for,
        # as a change of size does: ask once more when that is over.
        self.call_after_refresh(self.refresh, layout=True)

    @property
    def short(self) -> str:
        """The text for a rail that is one line."""
        here = "▸" if self.has_class("-here") else ""
        return f"{here}{self._number}{GLYPHS[self._stage.state]}{SHORT[self._mode]}"

    def _write(self) -> None:
        name = STAGE_KEYS[self._mode][1]
        glyph = GLYPHS[self._stage.state]
        words = self._stage.words or self._stage.state
        texts = {
            "full": f"{self._number}  {name}\n   {glyph} {words}",
            "line": f"{self._number} {glyph} {name}",
            "short": self.short,
            "number": f"{self._number}{glyph}",
        }
        self.update(Content(texts[self.form]))
        self.tooltip = f"{name}: {self._stage.state}, {words}"

    async def on_click(self) -> None:
        """Go there."""
        await self.app.run_action(f"go('{self._mode}')")


class Rail(Container):
    """All stages, in the order of the work."""

    def __init__(self, here: str) -> None:
        super().__init__(id="rail")
        self._here = here

    def compose(self) -> ComposeResult:
        """Compose the stages."""
        for mode in SHORT:
            stage = StageItem(mode)
            stage.set_class(mode == self._here, "-here")
            yield stage

    def show(self, states: Mapping[str, StageState]) -> None:
        """Show the states."""
        for mode, state in states.items():
            self.query_one(f"#stage-{mode}", StageItem).show(state)

    def on_resize(self) -> None:
        """Use the longest form in which all stages can be seen."""
        stages = list(self.query(StageItem))
        width, height = self.size
        if height >= _HIGH * len(stages):
            form = "full"
        elif height >= len(stages):
            form = "line"
        else:
            room = sum(cell_len(stage.short) + _GAP for stage in stages)
            form = "short" if room <= width else "number"
        for stage in stages:
            stage.form = form
