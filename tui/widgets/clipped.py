"""Text that says so when there is more of it than fits."""

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Static


class Clipped(Static):
    """A text whose last visible line ends with … if other lines follow."""

    def render_line(self, y: int) -> Strip:
        """Draw one line of the text."""
        strip = super().render_line(y)
        width, height = self.content_size
        if y != height - 1:
            return strip
        if self.get_content_height(self.container_size, self.app.size, width) <= height:
            return strip
        kept = strip.crop(0, max(0, min(width - 1, len(strip.text.rstrip()))))
        return Strip([*kept, Segment("…", self.rich_style)]).adjust_cell_length(
            width, self.rich_style
        )
