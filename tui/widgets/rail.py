"""The rail: the states of the stages, as a column, or as a line if space is short."""

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.commands import STAGE_KEYS
from tui.stages import GLYPHS, SHORT, StageState


class StageItem(Static):
    """One stage; a click goes there."""

    ALLOW_SELECT = False
    narrow: reactive[bool] = reactive(False)

    def __init__(self, number: int, mode: str) -> None:
        super().__init__(id=f"stage-{mode}")
        self._number, self._mode = number, mode
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

    def watch_narrow(self) -> None:
        """Redraw for another width."""
        self._write()

    def _write(self) -> None:
        name = STAGE_KEYS[self._mode][1]
        glyph = GLYPHS[self._stage.state]
        if self.narrow:
            here = "▸" if self.has_class("-here") else ""
            self.update(Content(f"{here}{self._number}{glyph}{SHORT[self._mode]}"))
            return
        words = self._stage.words or self._stage.state
        self.update(Content(f"{self._number}  {name}\n   {glyph} {words}"))
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
        for number, mode in enumerate(SHORT, 1):
            stage = StageItem(number, mode)
            stage.set_class(mode == self._here, "-here")
            yield stage

    def show(self, states: Mapping[str, StageState]) -> None:
        """Show the states."""
        for mode, state in states.items():
            self.query_one(f"#stage-{mode}", StageItem).show(state)

    def on_resize(self) -> None:
        """Use short names if the rail is horizontal."""
        for stage in self.query(StageItem):
            stage.narrow = self.size.height < len(SHORT)
