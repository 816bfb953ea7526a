"""Stage 3: the part of each image that the trainer uses, with the trainer's arithmetic."""

import asyncio
from typing import ClassVar

from PIL import Image
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from prep import events
from prep.dataset.index import ImageRow
from prep.images import decode
from prep.images.crops import Rect
from prep.images.pixels import fitted
from prep.ops import buckets
from prep.ops.preview import outlined
from tui import commands
from tui.about import fit_text
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.clipped import Clipped
from tui.widgets.line_list import ItemList, LineList, Piece, cell
from tui.widgets.picture import Picture

_BAR = 14


class CropScreen(StageScreen):
    """Buckets, the images of a bucket, and the crop of an image."""

    MODE = "crop"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("crop", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._buckets: list[events.Bucket] = []
        self._whole = False
        self._row: ImageRow | None = None
        self._part: Rect | None = None

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="buckets-panel"):
            yield ItemList(
                id="buckets", heading="  bucket", empty="no usable images", loading="loading…"
            )
            yield Clipped(id="advice")
            yield ItemList(id="members", heading="images of the bucket")
        with Vertical(id="crop-panel"):
            yield Clipped(id="crop-title", classes="side-title")
            yield Picture(self.session, id="crop-picture")
            yield Clipped(id="crop-about", classes="side-about")

    def start_focus(self) -> str:
        """The buckets."""
        return "#buckets"

    def reload(self) -> None:
        """Sort the images into buckets again."""
        self._load()

    @work(group="buckets", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        project = self.session.project
        found = await asyncio.to_thread(lambda: list(buckets.run(project)))
        self._buckets = [event for event in found if isinstance(event, events.Bucket)]
        most = max((len(bucket.images) for bucket in self._buckets), default=1)
        lines: list[list[Piece]] = []
        for bucket in self._buckets:
            count = len(bucket.images)
            length = max(1, count * _BAR // most)
            size = f"{bucket.width}x{bucket.height}"
            lines.append(
                [(f"{size:>10} ", ""), (cell("█" * length, _BAR), "key"), (f" {count}", "")]
            )
        complete = self.session.scanned
        self.query_one("#buckets", ItemList).show(lines, complete=complete)
        warnings = [f"! {e.message}\n  {e.hint}" for e in found if isinstance(e, events.Warned)]
        self.query_one("#advice", Clipped).update(Content("\n".join(warnings)))

    @on(LineList.Moved, "#buckets")
    def show_members(self) -> None:
        """List the images of the bucket."""
        number = self.query_one("#buckets", ItemList).cursor
        paths = self._buckets[number].images if self._buckets else []
        names = [[(path.rpartition("/")[2], "")] for path in paths]
        self.query_one("#members", ItemList).show(names, keep=False)

    @on(LineList.Moved, "#members")
    def member_moved(self) -> None:
        """Show the image under the cursor."""
        self._read()

    @on(LineList.Chosen, "#buckets")
    def to_members(self) -> None:
        """Move the focus to the images."""
        self.query_one("#members").focus()

    @work(group="member", exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        number = self.query_one("#buckets", ItemList).cursor
        place = self.query_one("#members", ItemList).cursor
        paths = self._buckets[number].images if self._buckets else []
        self._row = self._part = None
        if place < len(paths):
            self._part = Rect(*self._buckets[number].parts[place])
            self._row = await self.session.rows.run(lambda index: index.get(paths[place]))
        self._show()

    def action_toggle_crop(self) -> None:
        """Toggle between the whole picture with the cut-off parts marked, and the crop."""
        self._whole = not self._whole
        self._show()

    def _show(self) -> None:
        row, part, picture = self._row, self._part, self.query_one(Picture)
        if row is None or part is None or not row.usable:
            picture.show_text("no image")
            return
        fit = self.session.project.buckets.fit(part.size)
        file, whole = self.session.project.root / row.path, self._whole

        def load() -> Image.Image:
            image = decode(file).crop(part.corners)
            return outlined(image, fit) if whole else Image.fromarray(fitted(image, fit))

        picture.show((row.path, row.mtime_ns, part, fit, whole), load)
        title = "whole picture, cut off: red" if whole else "what the trainer uses"
        self.query_one("#crop-title", Clipped).update(Content(title))
        size = f"{row.width}x{row.height}"
        if part.size != (row.width, row.height):
            size = f"{part.size[0]}x{part.size[1]}, cropped from {size},"
        facts = f"{row.path}\n{size} scaled to {fit.resized[0]}x{fit.resized[1]}"
        self.query_one("#crop-about", Clipped).update(Content(f"{facts}\n{fit_text(fit)}"))
