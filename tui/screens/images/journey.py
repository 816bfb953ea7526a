"""Going through images: the next one to do, marks for what is done, tags from one to another."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Literal

from rich.markup import escape
from textual import work
from textual.app import SuspendNotSupported

from prep import captions
from prep.dataset.index import Index
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Edit
from prep.dataset.journal.reviewed import review_changes, reviewed
from prep.language import _, english, ngettext, translated
from tui.dialogs.filters import SavedFilters
from tui.notices import tell
from tui.screens.images.tags import ImageTags
from tui.session import Session
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.filter_bar import FilterBar

_USABLE = "error:no excluded:no"
_TO_DO = {"untagged": "-has:tags", "unreviewed": "reviewed:no"}


class ImageJourney(ImageTags):
    """A stage in which images are gone through one after the other."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._copied: tuple[str, ...] = ()

    # ---- the next one --------------------------------------------------------------------

    def action_next(self, what: Literal["untagged", "unreviewed"]) -> None:
        """Go to the next image without tags, or to the next one that was not looked through."""
        self._to_next(what)

    @work(group="next", exclusive=True, exit_on_error=False)
    async def _to_next(self, what: Literal["untagged", "unreviewed"]) -> None:
        images = self._list
        ids, start = images.ids, images.cursor

        def found(index: Index) -> int | None:
            wanted = set(index.ids(f"{_USABLE} {_TO_DO[what]}"))
            # The one under the cursor comes last: it is what the user is leaving.
            places: Iterable[int] = chain(range(start + 1, len(ids)), range(start + 1))
            return next((place for place in places if ids[place] in wanted), None)

        place = await self.session.queries.run(found)
        if place is not None and images.ids is ids:
            images.cursor = place
        elif place is None and what == "untagged":
            tell(self, _("All images shown have tags."))
        elif place is None:
            tell(self, _("All images shown are reviewed."))

    def action_reviewed(self) -> None:
        """Mark the image, or all that are selected, as looked through; or take the mark away."""
        images = self._list
        if images.at_cursor is None or self._nothing_shown():
            return
        self._review(images.targets if images.marked else [images.at_cursor])

    @work(group="bulk", exit_on_error=False)
    async def _review(self, ids: list[int]) -> None:
        alone = len(ids) == 1

        def decided(index: Index) -> tuple[str, list[Change]]:
            rows = index.rows(ids)
            mark = len(reviewed(index, rows)) < len(rows)
            count = len(rows)
            title = (
                english("mark {count} image as reviewed", "mark {count} images as reviewed", count)
                if mark
                else english(
                    "take the mark from {count} image", "take the mark from {count} images", count
                )
            )
            return title, review_changes(index, rows, mark=mark)

        done = await self.session.decide(decided)
        if alone and any(change.after and "reviewed" in change.after for change in done.changed):
            self.action_next("unreviewed")

    # ---- selecting -----------------------------------------------------------------------

    def action_invert(self) -> None:
        """Select what is not selected, among those that are shown."""
        images = self._list
        images.mark_all(images.marked.symmetric_difference(images.ids))

    # ---- tags from one image to another --------------------------------------------------

    def action_copy_tags(self) -> None:
        """Remember the tags of this image, also for other programs."""
        self._copied = tuple(tag.tag for tag in self._chips.tags)
        if self._copied:
            self.app.copy_to_clipboard(captions.SEPARATOR.join(self._copied))
            count = len(self._copied)
            text = ngettext("{count} tag copied.", "{count} tags copied.", count)
            self.notify(text.format(count=count))

    async def action_paste_tags(self) -> None:
        """Add the copied tags to this image; to several after a look at what would change."""
        from prep.ops.edit import EditOptions, preview

        row = self._list.row
        if not self._copied:
            tell(self, _("No tags are copied yet."), _("y copies those of an image."))
        elif self._list.marked:
            await self.edit_tags("add", captions.SEPARATOR.join(self._copied))
        elif row is not None and row.path == self._editor.path and self._editor.unsaved:
            text = self._editor.text
            tags = captions.add(captions.split(text), self._copied)
            self._editor.rewrite(captions.with_tags(text, tags))
        elif row is not None:
            number, options = row.id, EditOptions(add=self._copied)
            count = len(self._copied)
            title = english("paste {count} tag", "paste {count} tags", count)
            self._decide(lambda index: (title, preview(index, index.rows([number]), options)))

    # ---- elsewhere -----------------------------------------------------------------------

    async def action_bulk(self) -> None:
        """Open the form of all bulk edits, for the images of the scope."""
        await self.app.run_action("verb('edit')")

    def action_history(self) -> None:
        """Show all edits; one of them may be taken back."""
        from tui.dialogs.history import History

        def chosen(edit: Edit | None) -> None:
            if edit is not None:
                self._take_back(edit)

        self.app.push_screen(History(self.session), chosen)

    @work(group="bulk", exit_on_error=False)
    async def _take_back(self, edit: Edit) -> None:
        done = await self.session.take_back(edit)
        count = len(done.changed)
        if count:
            text = ngettext(
                "Taken back: {title} ({count} change). Undo: u",
                "Taken back: {title} ({count} changes). Undo: u",
                count,
            )
            self.notify(escape(text.format(title=translated(edit.title), count=count)))

    def action_filters(self) -> None:
        """Use, save or delete a filter that has a name."""
        bar = self.query_one(FilterBar)

        def chosen(text: str | None) -> None:
            if text is not None:
                bar.set(text)

        self.app.push_screen(SavedFilters(self.session, bar.text), chosen)

    def action_external(self) -> None:
        """Write the caption in the editor that the environment names."""
        if self._editor.disabled:
            return
        path, before = self._editor.path, self._editor.text
        command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
        if not command:
            tell(self, _("No editor is set."), _("Set EDITOR in the shell, such as EDITOR=nano."))
            return
        try:
            after = _edited_elsewhere(self.app.suspend, shlex.split(command), path, before)
        except SuspendNotSupported:
            tell(self, _("No other editor can be opened here."))
        except (OSError, ValueError) as error:
            tell(self, _("{editor} cannot be used: {error}").format(editor=command, error=error))
        else:
            # The same way as for what is typed here: a draft, then saved if nothing is in between.
            if after != before and path == self._editor.path:
                self._editor.rewrite(after)
                self.post_message(CaptionEditor.SaveWanted(path))


def _edited_elsewhere(
    suspended: Callable[[], AbstractContextManager[None]], command: list[str], path: str, text: str
) -> str:
    """Return a text after a person has edited a copy of it in another program.

    Raises:
        OSError: The program cannot be started, or has deleted the copy.
        ValueError: What it wrote is not UTF-8.
    """
    with tempfile.TemporaryDirectory(prefix="shikomi-") as folder:
        copy = Path(folder) / f"{Path(path).stem}.txt"
        copy.write_bytes(text.encode())
        with suspended():
            subprocess.run([*command, str(copy)], check=False)
        after = copy.read_bytes().decode()
    # Editors end the last line; a caption is one line, and ends as it did.
    return after.removesuffix("\n") if not text.endswith("\n") else after
