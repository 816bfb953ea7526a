"""The rail: the states of the stages, as a column, or as a line if space is short."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from prep.language import _
from tui.commands import STAGE_KEYS
from tui.stages import GLYPHS, SHORT, STATES, StageState

_HIGH, _GAP = 3, 2
"""Lines of a stage with its words; cells between two stages in one line."""
_AROUND = 4
"""Lines of a screen above and below a rail that is a column."""


class StageItem(Static):
    """One stage; a click goes there."""

    ALLOW_SELECT = False
    form: reactive[str] = reactive("full")
    """full: two lines; line: one line; short: a few cells; number: fewer."""

    def __init__(self, mode: str) -> None:
        super().__init__(id=f"stage-{mode}")
        self._number, self._mode = STAGE_KEYS[mode][0], mode
        self._stage = StageState("open", "")

    def start(self, form: str) -> None:
        """Write it for the first time, before the first layout."""
        self.set_reactive(StageItem.form, form)
        self.set_class(form == "line", "-line")
        self._write()

    def show(self, stage: StageState) -> None:
        """Show a state."""
        if stage != self._stage:
            self._stage = stage
            self._write()
        for name in GLYPHS:
            self.set_class(stage.state == name, f"-{name.replace(' ', '-')}")

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
        return f"{here}{self._number}{GLYPHS[self._stage.state]}{_(SHORT[self._mode])}"

    def _write(self) -> None:
        name = _(STAGE_KEYS[self._mode][1])
        glyph = GLYPHS[self._stage.state]
        state = _(STATES[self._stage.state])
        words = self._stage.words or state
        texts = {
            "full": f"{self._number}  {name}\n   {glyph} {words}",
            "line": f"{self._number} {glyph} {name}",
            "short": self.short,
            "number": f"{self._number}{glyph}",
        }
        self.update(Content(texts[self.form]))
        self.tooltip = f"{name}: {state}, {words}"

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
        stages = [StageItem(mode) for mode in SHORT]
        for mode, stage in zip(SHORT, stages, strict=True):
            stage.set_class(mode == self._here, "-here")
        # Its own size is known only when the first frame has been drawn.
        row = self.screen.has_class("-narrow") or self.screen.has_class("-flat")
        width, height = self.app.size
        form = _form(stages, width, 1 if row else height - _AROUND)
        for stage in stages:
            stage.start(form)
            yield stage

    def show(self, states: Mapping[str, StageState]) -> None:
        """Show the states."""
        for mode, state in states.items():
            self.query_one(f"#stage-{mode}", StageItem).show(state)

    def on_resize(self) -> None:
        """Use the longest form in which all stages can be seen."""
        stages = list(self.query(StageItem))
        form = _form(stages, *self.size)
        for stage in stages:
            stage.form = form


def _form(stages: Sequence[StageItem], width: int, height: int) -> str:
    """Return the longest form in which all stages can be seen."""
    if height >= _HIGH * len(stages):
        return "full"
    if height >= len(stages):
        return "line"
    room = sum(cell_len(stage.short) + _GAP for stage in stages)
    return "short" if room <= width else "number"
