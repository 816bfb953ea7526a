"""Stage 1: view the images, write captions, change many at once."""

import asyncio
from array import array
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import CAPTION, Change, exclusion
from prep.images import decode
from tui import commands
from tui.about import about
from tui.dialogs.edit_tags import Decision, EditKind, EditTags
from tui.dialogs.question import Question
from tui.notices import tell
from tui.scope import Scope
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.clipped import Clipped
from tui.widgets.filter_bar import FilterBar
from tui.widgets.image_list import ImageList
from tui.widgets.line_list import ItemList, LineList, count_of
from tui.widgets.picture import Picture

EMPTY = """\
No images here yet.

Put images into {folder}
(one folder per character or style, such as 10_mychara), then press r.

Or try the demo project first:  shikomi demo --open
"""


class ImagesScreen(StageScreen):
    """List, picture, caption and tags."""

    MODE = "images"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("images")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._saving = asyncio.Lock()
        self._counts: list[tuple[str, int]] = []
        self._total = 0

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
            yield CaptionEditor(self.session, id="caption")
        yield ItemList(id="tag-counts", heading="tags of what is shown", empty="no tags yet")

    def start_focus(self) -> str:
        """The list."""
        return "#images"

    @property
    def _list(self) -> ImageList:
        return self.query_one(ImageList)

    @property
    def _editor(self) -> CaptionEditor:
        return self.query_one(CaptionEditor)

    # ---- reading -------------------------------------------------------------------------

    def reload(self) -> None:
        """Run the filter again."""
        self._load(self.query_one(FilterBar).text, hold=True)

    @work(group="filter", exclusive=True, exit_on_error=False)
    async def _load(self, where: str, *, hold: bool = False) -> None:
        kept = set(self._list.marked)
        if self._list.at_cursor is not None:
            kept.add(self._list.at_cursor)

        def found(index: Index) -> tuple["array[int]", int, dict[int, str]]:
            return index.ids(where), index.count(), index.paths(list(kept))

        ids, total, known = await self.session.queries.run(found)
        # What was selected while the filter ran is known to exist: it is on the screen.
        known |= dict.fromkeys(self._list.marked - kept, "")
        self._list.show(ids, known, hold=hold and self._list.at_cursor in known)
        self._tell(total)
        self._publish_scope()
        self._list.loaded = self.session.scanned
        self._show_empty(total == 0 and self.session.scanned)
        self._show_counts(await self.session.counts.run(lambda index: index.tag_counts(where)))

    def _show_empty(self, empty: bool) -> None:
        """Show what to do next if there is nothing to show."""
        text = EMPTY.format(folder=self.session.project.dataset)
        self.query_one("#empty", Static).update(Content(text))
        if empty and self.focused is self._list:
            # Hiding it would move the focus to the filter.
            self.set_focus(None)
        self.set_class(empty, "-no-images")
        if not empty and self.focused is None:
            self.call_after_refresh(self._list.focus)

    def _show_counts(self, counts: list[tuple[str, int]]) -> None:
        self._counts = counts
        width = max((len(str(n)) for _, n in counts), default=1)
        self.query_one("#tag-counts", ItemList).show(
            [[(f"{n:>{width}} ", "dim"), (name, "")] for name, n in counts]
        )

    def _tell(self, total: int | None = None) -> None:
        """Write the line below the list."""
        self._total = self._total if total is None else total
        images = self._list
        place = f"{min(images.cursor + 1, images.count)}/{images.count}"
        if images.count != self._total:
            place += f" of {self._total}"
        if images.marked:
            place += f" · {self._selected()}"
        if images.held is not None:
            place += " · this one no longer matches"
        self.query_one("#list-status", Static).update(Content(place))

    def _selected(self) -> str:
        """Say how many images are selected, and how many of those the filter hides."""
        images = self._list
        hidden = len(images.marked) - len(images.targets)
        return f"{len(images.marked)} selected" + (f" ({hidden} not shown)" if hidden else "")

    @on(LineList.Moved, "#images")
    def moved(self) -> None:
        """Show the image under the cursor."""
        self._show(self._list.row)
        self._tell()

    @on(ImageList.Marked)
    def marked(self) -> None:
        """Show how many are selected."""
        self._publish_scope()
        self._tell()

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
            picture.show_text("" if self._list.count else "no image")
        elif row.error is not None:
            picture.show_text("× this file cannot be read")
        else:
            file = self.session.project.root / row.path
            picture.show((row.path, row.mtime_ns), lambda: decode(file))
        if row is not None:
            text = about(self.session.project, row)
        self.query_one("#about", Static).update(Content(text))
        self._editor.show(row)

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

    @on(LineList.Chosen, "#tag-counts")
    def tag_chosen(self, event: LineList.Chosen) -> None:
        """Add the tag to the filter, or remove it."""
        bar = self.query_one(FilterBar)
        term = f'tag:"{self._counts[event.index][0]}"'
        if term in bar.text:
            bar.set(" ".join(bar.text.replace(term, "").split()))
        else:
            bar.set(f"{bar.text} {term}".strip())

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

    # ---- selecting -----------------------------------------------------------------------

    def action_mark(self) -> None:
        """Select the image and move on."""
        self._list.mark(self._list.cursor)
        self._list.action_move(1)

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
            self.set_focus(self._editor)
            self._editor.to_end()

    @on(CaptionEditor.DraftsChanged)
    def drafts_changed(self) -> None:
        """Mark unsaved captions in the list."""
        self._list.refresh()

    @on(CaptionEditor.StepWanted)
    def step(self, event: CaptionEditor.StepWanted) -> None:
        """Go to the next image, keeping the focus in the editor."""
        self._list.action_move(event.lines)

    @on(CaptionEditor.SaveWanted)
    def save(self, event: CaptionEditor.SaveWanted) -> None:
        """Write a caption."""
        self._save(event.path)

    @work(group="save", exit_on_error=False)
    async def _save(self, path: str) -> None:
        # Sequential: the second of two quick saves starts from the result of the first.
        async with self._saving:
            draft = self.session.drafts.get(path)
            if draft is None:
                return
            before, text = draft.base, draft.text
            present = await self.session.read_caption(path)
            if present != before and not await self._keeps_mine(path, present):
                return
            # A caption is never emptied to zero bytes: trainers refuse to start on such a file.
            after = text if text.strip() else None
            title = f"caption of {path.rpartition('/')[2]}"
            done = await self.session.edit(title, [Change(path, CAPTION, present, after)])
            if not done.conflicts:
                self._editor.settle(path, after)
                self._list.refresh()

    async def _keeps_mine(self, path: str, theirs: str | None) -> bool:
        """Ask what to do about a file changed by another program."""
        text = f"{path} was changed by another program. Its caption is now:\n\n{theirs or '(none)'}"
        answers = {"mine": "Write mine", "theirs": "Use theirs", "later": "Keep editing"}
        answer = await self.app.push_screen_wait(
            Question("Changed by another program", text, answers)
        )
        if answer == "theirs":
            self._editor.drop_draft(theirs)
            await self.app.run_action("rescan")
        return answer == "mine"

    # ---- many ----------------------------------------------------------------------------

    def _scope(self) -> str:
        images = self._list
        return self._selected() if images.marked else f"all {images.count} shown"

    def _nothing_shown(self) -> bool:
        """Tell if all selected images are hidden by the filter: a command acts on none of them."""
        hidden = bool(self._list.marked) and not self._list.targets
        if hidden:
            tell(self, "None of the selected images is shown.", "Clear the selection with esc.")
        return hidden

    async def action_edit_tags(self, kind: EditKind) -> None:
        """Change tags of the selected images, or of all that are shown."""
        images, first = self._list, ""
        if not images.count or self._nothing_shown():
            return
        ids, triggers = images.targets, dict[str, str]()
        if kind == "trigger":
            concept = self.session.project.concept
            folders = await self.session.rows.run(lambda index: index.folders_of(ids))
            triggers = {folder: concept(folder).trigger for folder in folders}
            if len(triggers) == 1:
                (first,) = triggers.values()
                triggers = {}
        dialog = EditTags(self.session, kind, ids, self._scope(), first=first, triggers=triggers)
        await self.app.push_screen(dialog, self._decided)

    def _decided(self, decision: Decision | None) -> None:
        if decision is not None:
            self._edit(*decision)

    @work(group="bulk", exit_on_error=False)
    async def _edit(self, title: str, changes: list[Change]) -> None:
        await self.session.edit(title, changes)

    async def action_exclude(self) -> None:
        """Exclude the selected images, or the one under the cursor; or include them again.

        Those that are not on the screen are excluded only after a question.
        """
        images = self._list
        if images.at_cursor is None or self._nothing_shown():
            return
        ids = images.targets if images.marked else [images.at_cursor]
        unseen = set(images.unseen)
        if not unseen:
            self._exclude(ids)
            return
        seen = [number for number in ids if number not in unseen]

        def answered(answer: str | None) -> None:
            if answer in ("seen", "all"):
                self._exclude(seen if answer == "seen" else ids)

        text = f"{len(unseen)} of the {len(ids)} selected images are not on the screen now."
        answers = {"seen": f"Only the {len(seen)} on it"} if seen else {}
        answers |= {"back": "Back", "all": f"All {len(ids)}"}
        await self.app.push_screen(Question("Exclude or include?", text, answers), answered)

    @work(group="exclude", exit_on_error=False)
    async def _exclude(self, ids: list[int]) -> None:
        rows = await self.session.rows.run(lambda index: index.rows(ids))
        out = any(row.excluded is None for row in rows)
        changes = [
            exclusion(row.path, row.excluded, "by hand" if out else None)
            for row in rows
            if (row.excluded is None) == out
        ]
        verb = "exclude" if out else "include"
        await self.session.edit(f"{verb} {count_of(len(changes), 'image')}", changes)
