"""One picture, drawn in a thread, and dropped if the user has moved on."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image
from rich.segment import Segment
from textual import events, work
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from prep.errors import UserError
from prep.language import _, marked, translated
from tui.graphics.drawn import Drawn, Graphic, Over
from tui.graphics.frames import Marks
from tui.graphics.overlay import Pictured
from tui.graphics.view import STEP, WHOLE, Box, View
from tui.session import Session
from tui.widgets.line_list import centred

Load = Callable[[], Image.Image]

_REMEMBERED = 4
"""Drawn pictures that are kept: this one, those beside it, and one more. Each may be megabytes of
control sequences, or tens of thousands of objects to look through for garbage."""
_PAN = 0.2
"""Share of what is seen that one key moves it by."""
_OFF = marked("pictures are off (--images)")


@dataclass(frozen=True)
class Source:
    """A picture that can be loaded.

    Attributes:
        key: What the picture depends on; the same key is not loaded again.
        load: Returns the picture as RGB; called in a thread.
    """

    key: Hashable
    load: Load


class Picture(Pictured):
    """Shows the picture from a loader; a newer request replaces an older one.

    Attributes:
        view: The part that is shown.
        marks: Places with a dashed line around them.
        over: What else is drawn into it.
    """

    @dataclass
    class Viewed(Message):
        """The user looks at another part of the picture."""

        picture: "Picture"

        @property
        def control(self) -> "Picture":
            """The picture."""
            return self.picture

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self._source: Source | None = None
        self._ahead: Sequence[Source] = ()
        self._drawn: Drawn | None = None
        self._painted: Drawn | None = None
        self._text = ""
        self._cache: LRUCache[Hashable, Drawn] = LRUCache(_REMEMBERED)
        self._decoded: tuple[Hashable, Image.Image] | None = None
        self.view: View | Box = View()
        self.marks: tuple[Box, ...] = ()
        self.over: Over | None = None

    def on_mount(self) -> None:
        """Let the application know where there may be pixels."""
        self._session.overlay.pictures.add(self)

    # ---- what is shown -------------------------------------------------------------------

    def show(
        self,
        key: Hashable,
        load: Load,
        ahead: Sequence[Source] = (),
        view: View | Box | None = None,
        marks: Sequence[Box] = (),
    ) -> None:
        """Show a picture, and all of it unless it is the one that is shown.

        Args:
            key: See ``Source``.
            load: See ``Source``.
            ahead: Pictures that may be wanted next; they are drawn beforehand.
            view: How to look at it, or the part to enlarge.
            marks: Places to draw a line around.
        """
        self._ahead = ahead
        if self._source is None or key != self._source.key:
            self._source = Source(key, load)
            self.view, self.marks = view or View(), tuple(marks)
            if self._text:  # of what was here before
                self._text = ""
                self.refresh()
            self._paint()
        elif view is not None:
            self.look(view, marks)

    def show_text(self, text: str) -> None:
        """Show text instead of a picture."""
        self._source, self._drawn, self._text, self._ahead = None, None, text, ()
        self._decoded = None
        self.workers.cancel_group(self, "picture")
        self.refresh()

    def look(self, view: View | Box, marks: Sequence[Box] = ()) -> None:
        """Look at it in another way, or at a part, and mark places in it."""
        if (view, tuple(marks)) != (self.view, self.marks):
            self.view, self.marks = view, tuple(marks)
            self._paint()

    def draw_over(self, over: Over | None) -> None:
        """Draw something else into it."""
        if over != self.over:
            self.over = over
            self._paint()

    @property
    def enlarged(self) -> bool:
        """Return whether it is not shown whole."""
        return self.view != View()

    def placed(self) -> Sequence[tuple[Graphic, Region]]:
        """Return the pixels and the cells on the screen that they cover, as drawn last."""
        if self._painted is None or (graphic := self._painted.graphic) is None:
            return ()
        size = self.size
        left, top = (size.width - graphic.columns) // 2, (size.height - graphic.rows) // 2
        place = self.content_region
        return ((graphic, Region(place.x + left, place.y + top, graphic.columns, graphic.rows)),)

    # ---- looking -------------------------------------------------------------------------

    def zoom(self, steps: float, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """Zoom in, or out with negative steps; 0 shows the whole picture."""
        if self._drawn is not None:
            view = self._present.zoomed(STEP**steps, self._part, at) if steps else View()
            self._look(view if view.zoom > 1 else View())

    def pan(self, across: float, down: float) -> None:
        """Move by steps."""
        if self._drawn is not None and self.enlarged:
            self._look(self._present.moved(across * _PAN, down * _PAN, self._part))

    @property
    def _present(self) -> View:
        """The view, which may be ahead of what is drawn."""
        if isinstance(self.view, View):
            return self.view
        return self._drawn.view if self._drawn is not None else View()

    @property
    def _part(self) -> Box:
        """The part that is shown in the present view."""
        drawn = self._drawn or Drawn([])
        return self._present.part(*drawn.shapes) if drawn.strips else WHOLE

    def _look(self, view: View) -> None:
        if view != self.view:
            self.look(view, self.marks)
            self.post_message(self.Viewed(self))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in to the place under the pointer."""
        event.stop()
        self.zoom(1, self._pointed(event))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out."""
        event.stop()
        self.zoom(-1, self._pointed(event))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the picture."""
        if self.enlarged:
            event.stop()
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag it."""
        if self.app.mouse_captured is self and self._drawn is not None:
            event.stop()
            width, height = self._extent
            across, down = -event.delta_x / width, -event.delta_y / height
            self._look(self._present.moved(across, down, self._part))

    def on_mouse_up(self) -> None:
        """Let go of it."""
        self.release_mouse()

    @property
    def _extent(self) -> tuple[int, int]:
        """Columns and rows of the picture as it is drawn, at least 1."""
        strips = self._drawn.strips if self._drawn is not None else []
        return (strips[0].cell_length if strips else 1), max(1, len(strips))

    def _pointed(self, event: events.MouseEvent) -> tuple[float, float]:
        """Return the place under the pointer, in shares of what is shown."""
        width, height = self._extent
        x = (event.x + 0.5 - (self.size.width - width) // 2) / width
        y = (event.y + 0.5 - (self.size.height - height) // 2) / height
        return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)

    # ---- drawing -------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self._source is not None:
            self._paint()

    def prepare(self, size: Size) -> None:
        """Draw for another size, which the widget will have."""
        self._prepare(size)

    @work(group="prepare", exclusive=True, exit_on_error=False)
    async def _prepare(self, size: Size) -> None:
        if self._source is not None and size.area and size != self.size:
            with suppress(UserError):  # told when it is shown
                await self._made(self._source, self.view, self._over, size)

    @work(group="picture", exclusive=True, exit_on_error=False)
    async def _paint(self) -> None:
        source = self._source
        if source is None or self.size.width < 1 or self.size.height < 1:
            return
        if self._session.overlay.terminal.drawing == "none":
            drawn, text = None, _(_OFF)
        else:
            try:
                drawn, text = await self._made(source, self.view, self._over, self.size), ""
            except UserError as error:
                drawn, text = (
                    None,
                    _("no picture: {reason}").format(reason=translated(error.message)),
                )
        # An exclusive worker that was replaced is cancelled at the await and never gets here.
        self._drawn, self._text = drawn, text
        self.refresh()
        if drawn is not None and self.view == View():
            await self.wait_for_refresh()  # drawing would hold the interpreter's lock meanwhile
            for neighbour in self._ahead:
                with suppress(UserError):  # told when it is shown
                    await self._made(neighbour, View(), (), self.size)

    @property
    def _over(self) -> tuple[Over, ...]:
        """All that is drawn into it."""
        marks = (Marks(self.marks),) if self.marks else ()
        return marks if self.over is None else (*marks, self.over)

    async def _made(
        self, source: Source, view: View | Box, over: tuple[Over, ...], size: Size
    ) -> Drawn:
        width, height = size
        terminal = self._session.overlay.terminal
        place = (source.key, width, height, terminal.cell, view, over)
        if (drawn := self._cache.get(place)) is not None:
            return drawn
        known, current = self._decoded, source is self._source
        console = self.app.console
        image = known[1] if known is not None and known[0] == source.key else None

        def make() -> tuple[Drawn, Image.Image]:
            # These need numpy.
            from tui.graphics.blocks import encode
            from tui.graphics.drawing import draw

            whole = image or source.load()
            picture = draw(whole, width, height, terminal, view, over)
            encode(picture.strips, console)
            return picture, whole

        made, whole = await self._session.paint(make)
        self._cache[place] = made
        if current:
            self._decoded = (source.key, whole)  # for zooming
        return made

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw, and note which pixels belong to what is drawn."""
        self._painted = self._drawn
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw one line, the picture in the middle."""
        width, height = self.size
        style = self.rich_style
        if self._text:
            if y != height // 2:
                return Strip.blank(width, style)
            return Strip([Segment(centred(self._text.strip(), width), style)], width)
        strips = self._drawn.strips if self._drawn is not None else []
        top = (height - len(strips)) // 2
        if not top <= y < top + len(strips):
            return Strip.blank(width, style)
        strip = strips[y - top]
        left = max(0, (width - strip.cell_length) // 2)
        joined = Strip([Segment(" " * left, style), *strip], left + strip.cell_length)
        return joined.adjust_cell_length(width, style)
