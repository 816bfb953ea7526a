"""Text that says so when there is more of it than fits."""

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.visual import VisualType
from textual.widgets import Static


class Clipped(Static):
    """A text whose last visible line ends with … if other lines follow."""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Show another text; the screen is laid out again only if its height is another one.

        A layout paints the whole screen: half of what a key in the list of images cost.
        """
        before = self._lines
        super().update(content, layout=False)
        self.clear_cached_dimensions()
        if layout and (not before or self._lines != before):
            self.refresh(layout=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the text."""
        strip = super().render_line(y)
        width, height = self.content_size
        if y != height - 1:
            return strip
        if self._lines <= height:
            return strip
        kept = strip.crop(0, max(0, min(width - 1, cell_len(strip.text.rstrip()))))
        return Strip([*kept, Segment("…", self.rich_style)]).adjust_cell_length(
            width, self.rich_style
        )

    @property
    def _lines(self) -> int:
        """The height of the whole text at the present width; 0 before there is one."""
        width = self.content_size.width
        return self.get_content_height(self.container_size, self.app.size, width)
