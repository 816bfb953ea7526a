"""What is done to the images of the list: captions are saved, many are changed, some excluded."""

import asyncio
from typing import TYPE_CHECKING

from textual import on, work

from prep.dataset.journal.changes import CAPTION, Change, exclusion
from prep.language import _, english, marked
from tui.dialogs.question import Question
from tui.notices import tell
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.image_list import ImageList

if TYPE_CHECKING:
    from tui.dialogs.edit_tags import Decision, EditKind


class ImageEdits(StageScreen):
    """A stage with a list of images and a caption editor."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._saving = asyncio.Lock()

    @property
    def _list(self) -> ImageList:
        return self.query_one(ImageList)

    @property
    def _editor(self) -> CaptionEditor:
        return self.query_one(CaptionEditor)

    # ---- one caption ---------------------------------------------------------------------

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
            title = marked("caption of {name}").format(name=path.rpartition("/")[2])
            done = await self.session.edit(title, [Change(path, CAPTION, present, after)])
            if not done.conflicts:
                self._editor.settle(path, after)
                self._list.refresh()

    async def _keeps_mine(self, path: str, theirs: str | None) -> bool:
        """Ask what to do about a file changed by another program."""
        text = _("{path} was changed by another program. Its caption is now:").format(path=path)
        text += f"\n\n{theirs or _('(none)')}"
        answers = {
            "mine": _("Write mine"),
            "theirs": _("Use theirs"),
            "later": _("Keep editing"),
        }
        question = Question(_("Changed by another program"), text, answers)
        answer = await self.app.push_screen_wait(question)
        if answer == "theirs":
            self._editor.drop_draft(theirs)
            await self.app.run_action("rescan")
        return answer == "mine"

    # ---- many ----------------------------------------------------------------------------

    def _selected(self) -> str:
        """Say how many images are selected, and how many of those the filter hides."""
        images = self._list
        hidden = len(images.marked) - len(images.targets)
        text = _("{count} selected").format(count=len(images.marked))
        return f"{text} {_('({count} not shown)').format(count=hidden)}" if hidden else text

    def _scope(self) -> str:
        images = self._list
        return (
            self._selected() if images.marked else _("all {count} shown").format(count=images.count)
        )

    def _nothing_shown(self) -> bool:
        """Tell if all selected images are hidden by the filter: a command acts on none of them."""
        hidden = bool(self._list.marked) and not self._list.targets
        if hidden:
            tell(
                self,
                _("None of the selected images is shown."),
                _("Clear the selection with esc."),
            )
        return hidden

    async def action_edit_tags(self, kind: "EditKind") -> None:
        """Change tags of the selected images, or of all that are shown."""
        await self.edit_tags(kind)

    async def edit_tags(self, kind: "EditKind", first: str = "", new: str = "") -> None:
        """Open the dialog that changes tags of the selected images, or of all that are shown.

        Args:
            kind: What to do.
            first: Initial text.
            new: Initial text of the new tag.
        """
        from tui.dialogs.edit_tags import EditTags  # not needed for the first frame

        images = self._list
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
        dialog = EditTags(
            self.session, kind, ids, self._scope(), first=first, new=new, triggers=triggers
        )
        await self.app.push_screen(dialog, self._decided)

    def _decided(self, decision: "Decision | None") -> None:
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

        text = _("{unseen} of the {count} selected images are not on the screen now.").format(
            unseen=len(unseen), count=len(ids)
        )
        answers = {"seen": _("Only the {count} on it").format(count=len(seen))} if seen else {}
        answers |= {"back": _("Back"), "all": _("All {count}").format(count=len(ids))}
        await self.app.push_screen(Question(_("Exclude or include?"), text, answers), answered)

    @work(group="exclude", exit_on_error=False)
    async def _exclude(self, ids: list[int]) -> None:
        rows = await self.session.rows.run(lambda index: index.rows(ids))
        out = any(row.excluded is None for row in rows)
        changes = [
            exclusion(row.path, row.excluded, "by hand" if out else None)
            for row in rows
            if (row.excluded is None) == out
        ]
        title = (
            english("exclude {count} image", "exclude {count} images", len(changes))
            if out
            else english("include {count} image", "include {count} images", len(changes))
        )
        await self.session.edit(title, changes)
