"""The screen: the list or the grid, the picture under the cursor, its tags and its caption."""

from array import array
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from prep.dataset.folder_runs import FolderRun, folder_runs
from prep.dataset.index import ImageRow, Index
from prep.images import decode
from prep.language import _, marked
from tui import commands
from tui.about import about
from tui.overlays import OVERLAYS, Overlay, legend, overlaid
from tui.scope import Scope
from tui.screens.images.journey import ImageJourney
from tui.session import Session
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.clipped import Clipped
from tui.widgets.completions import Completions
from tui.widgets.filter_bar import FilterBar
from tui.widgets.image_list import ImageList
from tui.widgets.line_list import LineList
from tui.widgets.picture import Picture, Source
from tui.widgets.tag_chips import TagChips
from tui.widgets.tag_panel import TagPanel

EMPTY = marked("""\
No images here yet.

Put images into {folder}
(one folder per character or style, such as 10_mychara), then press r.

From another tool:  O imports its dataset.
New here:           I offers a tour of three steps.
""")


class ImagesScreen(ImageJourney):
    """List, picture, caption and tags."""

    MODE = "images"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("images", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._total = 0
        self._overlay: Overlay = ""
        self._revision = 0

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="list-panel"):
            yield FilterBar()
            yield ImageList(self.session, id="images")
            yield Static(id="empty")
            yield Clipped(id="list-status")
        with Vertical(id="look-panel"):
            yield Picture(self.session, id="picture")
            yield Clipped(id="about")
            yield TagChips(id="chips")
            yield CaptionEditor(self.session, id="caption")
            yield Completions(id="completions")
        yield TagPanel(id="tag-counts")

    def start_focus(self) -> str:
        """The list."""
        return "#images"

    def on_screen_resume(self) -> None:
        """Go to the image that another stage wants to be seen here."""
        if self.session.wanted:
            self._go_to(self.session.wanted)
            self.session.wanted = ""

    @work(group="filter", exit_on_error=False)
    async def _go_to(self, path: str) -> None:
        """Move the cursor to an image, without the filter if that hides it."""
        row = await self.session.queries.run(lambda index: index.get(path))
        if row is None:
            return
        bar = self.query_one(FilterBar)

        def found(index: Index) -> tuple["array[int]", list[FolderRun], bool]:
            ids = index.ids(bar.text)
            inside = row.id in ids
            ids = ids if inside else index.ids()
            return ids, folder_runs(index, ids), inside

        ids, runs, inside = await self.session.queries.run(found)
        if not inside:
            bar.set("")
        self._list.show(ids, runs=runs)
        self._list.cursor = ids.index(row.id)

    # ---- reading -------------------------------------------------------------------------

    def reload(self) -> None:
        """Run the filter again."""
        self.forget_origins()
        self._revision += 1
        self._load(self.query_one(FilterBar).text, hold=True)

    @work(group="filter", exclusive=True, exit_on_error=False)
    async def _load(self, where: str, *, hold: bool = False) -> None:
        kept = set(self._list.marked)
        if self._list.at_cursor is not None:
            kept.add(self._list.at_cursor)

        def found(index: Index) -> tuple["array[int]", int, dict[int, str], list[FolderRun]]:
            ids = index.ids(where)
            return ids, index.count(), index.paths(list(kept)), folder_runs(index, ids)

        ids, total, known, runs = await self.session.queries.run(found)
        # What was selected while the filter ran is known to exist: it is on the screen.
        known |= dict.fromkeys(self._list.marked - kept, "")
        self._list.show(ids, known, runs, hold=hold and self._list.at_cursor in known)
        self._tell(total)
        self._publish_scope()
        self._list.loaded = self.session.scanned
        self._show_empty(total == 0 and self.session.scanned)
        self._count_tags()

    def _show_empty(self, empty: bool) -> None:
        """Show what to do next if there is nothing to show."""
        text = _(EMPTY).format(folder=self.session.project.dataset)
        self.query_one("#empty", Static).update(Content(text))
        if empty and self.focused is self._list:
            # Hiding it would move the focus to the filter.
            self.set_focus(None)
        self.set_class(empty, "-no-images")
        if not empty and self.focused is None:
            self.call_after_refresh(self._list.focus)

    def _tell(self, total: int | None = None) -> None:
        """Write the line below the list."""
        self._total = self._total if total is None else total
        images = self._list
        place = f"{min(images.cursor + 1, images.count)}/{images.count}"
        if images.count != self._total:
            place += " " + _("of {count}").format(count=self._total)
        if images.marked:
            place += f" · {self._selected()}"
        if images.held is not None:
            place += " · " + _("this one no longer matches")
        self.query_one("#list-status", Static).update(Content(place))

    @on(LineList.Moved, "#images")
    def moved(self) -> None:
        """Show the image under the cursor."""
        self._show(self._list.row)
        self._tell()

    @on(ImageList.Marked)
    def marked(self) -> None:
        """Show how many are selected, and their tags."""
        self._publish_scope()
        self._tell()
        self._count_tags()

    def _publish_scope(self) -> None:
        """Let the other stages and the forms of verbs work on what is chosen here."""
        images = self._list
        # Where the filter hides all that is selected, it is still not the others that are meant.
        selected = tuple(images.targets or sorted(images.marked)) if images.marked else ()
        where = self.query_one(FilterBar).text
        self.session.scope = Scope(selected, where, images.count, self._total)

    def _show(self, row: ImageRow | None) -> None:
        picture, text = self.query_one(Picture), ""
        if row is None:
            picture.show_text("" if self._list.count else _("no image"))
        elif row.error is not None:
            picture.show_text(_("× this file cannot be read"))
        else:
            ahead = [self._source(each) for each in self._list.beside if each.error is None]
            source = self._source(row)
            picture.show(source.key, source.load, ahead)
        if row is not None:
            text = about(self.session.project, row)
        self.query_one("#about", Static).update(Content(text))
        if row is not None and row.error is None and self._overlay:
            self._explain(row, text)
        self._editor.show(row)
        self.show_tags(row)

    @work(group="legend", exclusive=True, exit_on_error=False)
    async def _explain(self, row: ImageRow, text: str) -> None:
        """Say below the picture what lies over it."""
        project, overlay = self.session.project, self._overlay
        words = await self.session.paint(lambda: legend(project, row, overlay))
        if row is self._list.row and overlay == self._overlay:
            self.query_one("#about", Static).update(Content(f"{words}\n{text}"))

    def action_overlay(self) -> None:
        """Lay the next thing over the picture: the bucket's cut, the crops, the mask, nothing."""
        self._overlay = OVERLAYS[(OVERLAYS.index(self._overlay) + 1) % len(OVERLAYS)]
        self._show(self._list.row)

    @work(group="counts", exclusive=True, exit_on_error=False)
    async def _count_tags(self) -> None:
        """Count the tags of the selected images, or of all that are shown."""
        chosen, where = self._list.targets if self._list.marked else None, self.session.scope.where
        counts = await self.session.counts.run(lambda index: index.tag_counts(where, chosen))
        self.query_one(TagPanel).show_counts(counts, selected=len(chosen or ()))

    def _source(self, row: ImageRow) -> Source:
        project, overlay = self.session.project, self._overlay
        if not overlay:
            return Source((row.path, row.mtime_ns), lambda: decode(project.root / row.path))
        # Crops and masks may change without the image.
        key = (row.path, row.mtime_ns, overlay, self._revision)
        return Source(key, lambda: overlaid(project, row, overlay))

    # ---- filter --------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Focus the filter."""
        self.set_focus(self.query_one("#filter", Input))

    @on(FilterBar.Changed)
    def filter_changed(self, event: FilterBar.Changed) -> None:
        """Show matching images."""
        self._load(event.text)

    @on(FilterBar.Left)
    @on(CaptionEditor.Left)
    def back_to_list(self) -> None:
        """Focus the list."""
        self.set_focus(self._list)

    def action_clear(self) -> None:
        """Clear the selection first, then the filter."""
        if self._list.marked:
            self._list.mark_all(())
        else:
            self.query_one(FilterBar).set("")

    def action_tags(self) -> None:
        """Show or hide the tags."""
        self.toggle_class("-tags")
        counts = self.query_one("#tag-counts")
        (counts if counts.display else self._list).focus()

    def action_grid(self) -> None:
        """Show the images as pictures side by side, or as a list."""
        self._list.grid = not self._list.grid
        self.set_class(self._list.grid, "-grid")
        self.set_focus(self._list)

    # ---- selecting -----------------------------------------------------------------------

    def action_mark(self) -> None:
        """Select the image and move on."""
        self._list.mark(self._list.cursor)
        self._list.cursor += 1

    def action_mark_range(self) -> None:
        """Select a range."""
        self._list.mark_range()

    def action_mark_all(self) -> None:
        """Select all, or none."""
        images = self._list
        images.mark_all(() if len(images.marked) == images.count else images.ids)

    # ---- one caption ---------------------------------------------------------------------

    @on(LineList.Chosen, "#images")
    def action_edit(self) -> None:
        """Write the caption."""
        if not self._editor.disabled:
            if not self.query_one("#look-panel").display:
                self.remove_class("-tags")
                if self._list.grid:
                    self.action_grid()
            self.set_focus(self._editor)
            self._editor.to_end()

    @on(CaptionEditor.DraftsChanged)
    def drafts_changed(self) -> None:
        """Mark unsaved captions in the list."""
        self._list.refresh()

    @on(CaptionEditor.Typed)
    def typed(self, event: CaptionEditor.Typed) -> None:
        """Show the tags as they are typed, what they may become, and their number of tokens."""
        self.complete(event.part)
        self.count_tokens()
        row = self._list.row
        # Another image shows its own.
        typing = self._editor.unsaved or self._editor.has_focus
        if row is not None and row.path == self._editor.path and typing:
            self.show_tags(row)

    @on(CaptionEditor.StepWanted)
    def step(self, event: CaptionEditor.StepWanted) -> None:
        """Go to the next image, keeping the focus in the editor."""
        self._list.cursor += event.lines
