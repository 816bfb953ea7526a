"""One picture, drawn in a thread, and dropped if the user has moved on."""

from collections.abc import Callable, Hashable

from PIL import Image
from rich.segment import Segment
from textual import work
from textual.cache import LRUCache
from textual.strip import Strip
from textual.widget import Widget

from prep.errors import UserError
from tui.session import Session
from tui.widgets.halfblocks import halfblocks
from tui.widgets.line_list import cell

Load = Callable[[], Image.Image]

_REMEMBERED = 32


class Picture(Widget):
    """Shows the picture from a loader; a newer request replaces an older one."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self._key: Hashable = None
        self._load: Load | None = None
        self._strips: list[Strip] = []
        self._text = ""
        self._cache: LRUCache[Hashable, list[Strip]] = LRUCache(_REMEMBERED)

    def show(self, key: Hashable, load: Load) -> None:
        """Show a picture.

        Args:
            key: What the picture depends on; the same key is not loaded again.
            load: Returns the picture as RGB; called in a thread.
        """
        if key != self._key:
            self._key, self._load = key, load
            self._paint()

    def show_text(self, text: str) -> None:
        """Show text instead of a picture."""
        self._key, self._load, self._strips, self._text = None, None, [], text
        self.workers.cancel_group(self, "picture")
        self.refresh()

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self._load is not None:
            self._paint()

    @work(group="picture", exclusive=True, exit_on_error=False)
    async def _paint(self) -> None:
        load, (width, height) = self._load, self.size
        if load is None or width < 1 or height < 1:
            return
        place = (self._key, width, height)
        strips = self._cache.get(place)
        text = ""
        if strips is None:
            try:
                strips = await self._session.paint(lambda: halfblocks(load(), width, height))
                self._cache[place] = strips
            except UserError as error:
                strips, text = [], f"no picture: {error.message}"
        # An exclusive worker that was replaced is cancelled at the await and never gets here.
        self._strips, self._text = strips, text
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line, the picture in the middle."""
        width, height = self.size
        style = self.rich_style
        if self._text:
            if y != height // 2:
                return Strip.blank(width, style)
            text = cell(self._text.strip(), min(width, len(self._text)))
            return Strip([Segment(text.center(width), style)], width)
        top = (height - len(self._strips)) // 2
        if not top <= y < top + len(self._strips):
            return Strip.blank(width, style)
        strip = self._strips[y - top]
        left = max(0, (width - strip.cell_length) // 2)
        joined = Strip([Segment(" " * left, style), *strip], left + strip.cell_length)
        return joined.adjust_cell_length(width, style)
