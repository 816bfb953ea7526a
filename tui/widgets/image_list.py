"""The list of images: one a line, or as a grid of pictures."""

from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from prep.dataset.index import ImageRow
from prep.language import _, marked, ngettext
from tui.graphics.drawn import Drawn, Graphic
from tui.graphics.overlay import Pictured
from tui.session import Session
from tui.widgets.image_rows import PAGE as PAGE
from tui.widgets.image_rows import ImageRows
from tui.widgets.line_list import Piece, cell, clean
from tui.widgets.thumbnails import Small, Thumbnails, line_of, pixels_of

_LOADING = marked("looking for images…")
_SIZE, _TAGS, _STATE = 10, 4, 13


class ImageList(ImageRows, Pictured):
    """Images with marks, one per line or as a grid, under the headings of their folders."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(session, id=id)
        self._thumbnails = Thumbnails(session, self._picture_made)

    def on_mount(self) -> None:
        """Let the application know where there may be pixels."""
        self._session.overlay.pictures.add(self)

    def on_unmount(self) -> None:
        """Make no more pictures."""
        self._thumbnails.close()

    def fetched(self) -> None:
        """Ask for the pictures on the screen, then for a page below and above."""
        if not self.grid:
            return
        seen = self.in_view
        below = range(seen.stop, min(self.count, seen.stop + len(seen)))
        above = range(max(0, seen.start - len(seen)), seen.start)
        rows = [self._rows.get(self.ids[place]) for part in (seen, below, above) for place in part]
        wanted = [_small(row) for row in rows if row is not None]
        self._thumbnails.want(wanted, self.picture_size)

    def _picture_made(self, made: Small) -> None:
        """Draw a picture that is on the screen, and only that: the others stay as they are."""
        for index in self.in_view:
            row = self._rows.get(self.ids[index])
            if self.grid and row is not None and row.path == made.path:
                x, y = self._corner(index)
                self.refresh(Region(x, y, self.cell_width, self.layout_.height - 1))

    def picture_at(self, index: int) -> Drawn | str | None:
        """Return a picture of the grid, why there is none, or ``None`` if it is not made yet."""
        row = self._rows.get(self.ids[index])
        return None if row is None else self._thumbnails.of(_small(row), self.picture_size)

    # ---- drawing -------------------------------------------------------------------------

    def header(self, width: int) -> str:
        """Return the names of the columns; a grid has none."""
        if self.grid:
            return ""
        size = f"{cell(_('size'), _SIZE, right=True)} " if self._roomy(width) else ""
        name = cell(f"  {_('name')}", self._name_width(width))
        return f"{name} {size}{cell(_('tags'), _TAGS, right=True)}  {cell(_('caption'), _STATE)}"

    def heading(self, group: int) -> str:
        """Return the concept folder and the number of its images that are shown."""
        number = self.layout_.size(group)
        count = ngettext("{count} image", "{count} images", number).format(count=number)
        folder = self._runs[group].folder
        return f"▾ {self._session.project.dataset.name if folder == '.' else folder} · {count}"

    def render_line(self, y: int) -> Strip:
        """Draw one line; while images are looked for, say so."""
        if y == self._top and not self.ids and not self.loaded:
            style = self.rich_style + self._look("dim")
            return Strip([Segment(cell(_(_LOADING), self.size.width), style)], self.size.width)
        return super().render_line(y)

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return one image as a line."""
        number = self.ids[index]
        mark = "▪ " if number in self.marked else "  "
        row = self._rows.get(number)
        if row is None:
            return [(mark, "key"), (cell("…", width - 2), "dim")]
        name_width = self._name_width(width) - 2
        name = self.name_of(row)
        pieces = [(mark, "key"), (cell_left(name, name_width), "" if row.usable else "dim")]
        if self._roomy(width):
            size = f"{row.width}x{row.height}" if row.width else "-"
            pieces.append((f" {size:>{_SIZE}}", "dim"))
        count = str(len(row.tags)) if row.caption is not None else "-"
        word, look = self._state(row)
        return [*pieces, (f" {count:>{_TAGS}}  ", ""), (cell(word, _STATE), look)]

    @property
    def shape(self) -> float:
        """Width of a cell of the terminal divided by its height."""
        wide, high = self._session.overlay.terminal.cell
        return wide / high

    def draw_cell(self, index: int, part: int, width: int, style: Style) -> Iterable[Segment]:
        """Return one line of a picture with its name below, an edge left of the cursor."""
        number, here = self.ids[index], index == self.cursor
        row = self._rows.get(number)
        edge = style + self._look("key") if here else style
        yield Segment("▌" if here else " ", edge)
        if part == self.layout_.height - 1:
            under = self._cursor_style() if here else Style()
            mark = "▪" if number in self.marked else " "
            yield Segment(mark, style + self._look("key") + under)
            name, glyph, look = "…", " ", ""
            if row is not None:
                name = row.path.rpartition("/")[2]
                word, look = self._state(row)
                glyph = word[0]
            yield Segment(cell_left(name, width - 4), style + under)
            yield Segment(f"{glyph} ", style + (self._look(look) if look else Style()) + under)
            return
        yield from line_of(self.picture_at(index), part, self.picture_size, style)
        yield Segment(" ", style)

    def placed(self) -> list[tuple[Graphic, Region]]:
        """Return the pixels of the cells in view."""
        found: list[tuple[Graphic, Region]] = []
        left, top = self.content_region.offset
        for index in self.in_view if self.grid else ():
            x, y = self._corner(index)
            picture = self.picture_at(index)
            found += pixels_of(picture, left + x + 1, top + y, self.picture_size)
        return found

    @property
    def _prefix(self) -> str:
        project = self._session.project
        return "" if project.dataset == project.root else f"{project.relative(project.dataset)}/"

    def name_of(self, row: ImageRow) -> str:
        """Return the path of an image below its concept folder, which a heading names if needed."""
        name = row.path.removeprefix(self._prefix)
        return name.removeprefix(f"{row.folder}/") if self._runs else name

    def _roomy(self, width: int) -> bool:
        return width >= 52

    def _name_width(self, width: int) -> int:
        return width - _TAGS - _STATE - 3 - (_SIZE + 1 if self._roomy(width) else 0)

    def _state(self, row: ImageRow) -> tuple[str, str]:
        """Return a word for the state of an image, and its style."""
        if row.error is not None:
            return _("× unreadable"), "bad"
        if row.excluded is not None:
            return _("– excluded"), "dim"
        if row.path in self._session.drafts:
            return _("✎ unsaved"), "warn"
        if row.caption_error is not None:
            return _("× not text"), "bad"
        if row.caption is None or not row.caption.strip():
            return _("○ none"), "warn"
        if row.id in self._reviewed:
            return _("◆ reviewed"), "good"
        return _("✓ written"), "good"


def _small(row: ImageRow) -> Small:
    return Small(row.path, row.mtime_ns, row.content)


def cell_left(text: str, width: int) -> str:
    """Return a path truncated at its start, since its end identifies the image.

    Example:
        >>> cell_left("10_mochi/001.png", 12), cell_left("10_mochi/001.png", 7)
        ('…/001.png   ', '…01.png')
        >>> cell_left("10_mochi/もち 夜空.png", 10)
        '… 夜空.png'
        >>> cell_left("dataset/\u30cf\u309a\u30f3.png", 8)
        '…ン.png '
    """
    text = clean(text)
    if cell_len(text) > width:
        text = f"…/{text.rpartition('/')[2]}"
    if cell_len(text) > width > 0:
        start, room = len(text), width - 1
        while start and (room := room - cell_len(text[start - 1])) >= 0:
            start -= 1
        while start < len(text) and not cell_len(text[start]):
            start += 1  # a mark that belongs to the character before
        text = f"…{text[start:]}"
    return cell(text, width)
