"""The screen: groups of images, the images of a group, and the crops of an image."""

import asyncio
from array import array
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from prep.dataset import stored_crops, training_parts
from prep.dataset.drafts import Draft
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import Change, crop_change
from prep.dataset.training_parts import TrainingParts
from prep.errors import RetryError, UserError
from prep.images import decode
from prep.images.crops import WHOLE, Box, Rect, from_text, to_text
from prep.images.crops.draft import CropDraft, opened
from prep.images.crops.heads import Head
from prep.images.pixels import fitted
from prep.language import _, marked
from prep.ops.crop import Kind, suggestions
from prep.tagging.heads import Heads
from prep.training_set.bucket_groups import Group, groups
from tui import commands
from tui.notices import tell
from tui.scope import Scope
from tui.screens.crop import words
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.clipped import Clipped
from tui.widgets.crop_picture import CropPicture
from tui.widgets.line_list import ItemList, LineList
from tui.widgets.part_list import PartList
from tui.widgets.picture import Picture

_QUIET = 0.15
"""Seconds that an image is looked at before crops are proposed, which takes computing."""


class CropScreen(StageScreen):
    """Groups of images on the left; the picture with its crops, and what the trainer gets."""

    MODE = "crop"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("crop", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._groups: list[Group] = []
        self._parts: TrainingParts | None = None
        self._loaded: Scope | None = None
        self._row: ImageRow | None = None
        self._proposals: dict[Kind, Box] = {}
        self._heads: tuple[Head, ...] | None = ()  # None: not looked for yet
        self._warned = False

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="buckets-panel"):
            yield ItemList(
                id="groups",
                heading=words.heading(),
                empty=_("no usable images"),
                loading=_("loading…"),
            )
            yield Clipped(id="advice")
            yield PartList(self.session, id="members")
            yield Clipped(id="crop-scope")
        with Vertical(id="crop-panel"):
            yield Clipped(id="crop-title", classes="side-title")
            with Horizontal(id="crop-look"):
                yield CropPicture(self.session, id="crop-picture")
                with Vertical(id="crop-side"):
                    yield Clipped(_("the trainer gets"), classes="side-title")
                    yield Picture(self.session, id="crop-kept")
            yield Clipped(id="crop-about", classes="side-about")

    def start_focus(self) -> str:
        """The groups."""
        return "#groups"

    @property
    def _picture(self) -> CropPicture:
        return self.query_one(CropPicture)

    @property
    def _members(self) -> PartList:
        return self.query_one(PartList)

    @property
    def _group(self) -> Group | None:
        place = self.query_one("#groups", ItemList).cursor
        return self._groups[place] if place < len(self._groups) else None

    # ---- reading -------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Follow the choice of images that was made in another stage."""
        self._stale |= self.session.scope != self._loaded

    def on_screen_suspend(self) -> None:
        """Save what was changed: it can be undone."""
        self._picture.on_blur()

    def reload(self) -> None:
        """Read the sizes and crops of all images again."""
        self._load()

    @work(group="buckets", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        scope, buckets = self.session.scope, self.session.project.buckets

        def read(index: Index) -> tuple[TrainingParts, list[Group]]:
            parts = training_parts.read(index)
            found = groups(buckets, parts)
            if scope.kind == "all":
                return parts, found
            chosen = scope.selected or index.ids(scope.where)
            wanted = np.isin(parts.ids, np.asarray(chosen, np.int64))
            return parts, [part for part in (each.among(wanted) for each in found) if len(part)]

        before = self._group
        parts, self._groups = await self.session.queries.run(read)
        self._parts, self._loaded = parts, scope
        self._members.crops = Counter[int](parts.ids[sorted(parts.crops)].tolist())
        self._show_groups(before)
        text = words.scope(scope, len(np.unique(parts.ids))) if scope.total else ""
        self.query_one("#crop-scope", Clipped).update(Content(text))

    def _show_groups(self, before: Group | None) -> None:
        most = max((len(group) for group in self._groups if group.bucket), default=1)
        lines = [words.group_line(group, most) for group in self._groups]
        listed = self.query_one("#groups", ItemList)
        listed.show(lines, complete=self.session.scanned)
        if before is not None:
            key = (before.kind, before.bucket)
            places = [n for n, each in enumerate(self._groups) if (each.kind, each.bucket) == key]
            listed.cursor = places[0] if places else listed.cursor

    @on(LineList.Moved, "#groups")
    def group_moved(self) -> None:
        """List the images of the group; the one that is looked at stays while it changes."""
        group = self._group
        text = "" if group is None else words.advice(group)
        self.query_one("#advice", Clipped).update(Content(text))
        ids: list[int] = []
        if group is not None and self._parts is not None:
            ids = list(dict.fromkeys(self._parts.ids[group.places].tolist()))
        self._members.loaded = self.session.scanned
        self._members.show(array("q", ids), hold=self._row is not None and self._picture.has_focus)
        if not ids:
            self._look(None)

    @on(LineList.Chosen, "#groups")
    def to_members(self) -> None:
        """Move the focus to the images."""
        self._members.focus()

    @on(LineList.Moved, "#members")
    def member_moved(self) -> None:
        """Show the image under the cursor."""
        row = self._members.row
        if row is not None or not self._members.count:
            self._look(row)

    # ---- one image -----------------------------------------------------------------------

    @work(group="member", exclusive=True, exit_on_error=False)
    async def _look(self, row: ImageRow | None) -> None:
        """Show an image with its crops."""
        picture = self._picture
        if row is None:
            self._row = None
            self.workers.cancel_group(self, "proposals")
            picture.show_nothing(_("no image"))
            self.query_one("#crop-kept", Picture).show_text("")
            self._describe()
            return
        path, size = row.path, (row.width, row.height)

        def read(index: Index) -> tuple[tuple[Box, ...], tuple[Head, ...] | None]:
            return stored_crops.of_image(index.connection, path), Heads(index).of_image(path)

        stored, heads = await self.session.rows.run(read)
        draft, same = picture.draft, self._row is not None and self._row.path == path
        as_known = row == self._row and heads == self._heads
        if same and as_known and draft is not None and draft.stored == stored:
            return  # and perhaps it is being changed
        if same and draft is not None and draft.changed and draft.stored != stored:
            return  # saving will tell of the conflict
        self._row, self._proposals, self._warned, self._heads = row, {}, False, heads
        draft = self._drafted(path, opened(size, self.session.project.buckets, stored))
        file = self.session.project.root / path
        picture.path = path
        picture.show_crops(
            (path, row.mtime_ns),
            lambda: _decoded(file, row.mtime_ns),
            draft if self._group is None else draft.at_bucket(self._group.bucket),
            heads or (),
        )
        self._changed()
        self._propose(row)

    def _drafted(self, path: str, saved: CropDraft) -> CropDraft:
        """Return the crops that were drawn earlier and not saved, if there are any."""
        drawn = self.session.crop_drafts.get(path)
        if drawn is None:
            return saved
        boxes, base = from_text(drawn.text), from_text(drawn.base)
        return replace(opened(saved.size, saved.buckets, boxes), stored=base)

    def _remember(self, path: str, draft: CropDraft) -> None:
        """Keep what is not saved yet: the end of the process does not wait for that."""
        if draft.changed:
            self.session.crop_drafts[path] = Draft(to_text(draft.stored), _text(draft))
        else:
            self.session.crop_drafts.pop(path, None)

    def _forget(self, path: str, saved: CropDraft) -> None:
        """Let go of what was saved, but not of what was drawn meanwhile."""
        kept = self.session.crop_drafts.get(path)
        if kept is not None and kept.text == _text(saved):
            del self.session.crop_drafts[path]

    @work(group="proposals", exclusive=True, exit_on_error=False)
    async def _propose(self, row: ImageRow) -> None:
        """Look for crops to propose."""
        heads = self._heads
        if heads is None:
            return  # what is proposed could cut one off
        await asyncio.sleep(_QUIET)
        project, usual = self.session.project, self._usual(row.id)
        self._proposals = await self.session.paint(lambda: suggestions(project, row, usual, heads))
        size = (row.width, row.height)
        self._picture.propose(tuple(box.pixels(size) for box in self._proposals.values()))
        self._describe()

    def _usual(self, number: int) -> tuple[int, int] | None:
        """Return the bucket that an image that is alone in its own could be cropped to."""
        parts = self._parts
        if parts is None:
            return None
        alone = (group for group in self._groups if group.lonely)
        return next((group.usual for group in alone if number in parts.ids[group.places]), None)

    @on(CropPicture.Changed)
    def _changed(self) -> None:
        """Show what the trainer gets of the crop that is looked at, and say it."""
        self._warned = False
        row, draft = self._row, self._picture.draft
        if row is None or draft is None:
            return
        if row.path == self._picture.path:
            self._remember(row.path, draft)
        rect, fit = draft.frame.rect, draft.buckets.fit(draft.frame.rect.size)
        file = self.session.project.root / row.path

        def load() -> Image.Image:
            part = _decoded(file, row.mtime_ns).crop(rect.corners)
            return Image.fromarray(fitted(part, fit))

        self.query_one("#crop-kept", Picture).show((row.path, row.mtime_ns, rect, fit), load)
        self._describe()

    def _describe(self) -> None:
        draft, picture = self._picture.draft, self._picture
        title = about = ""
        if draft is not None and self._row is not None:
            rects = {kind: box.pixels(draft.size) for kind, box in self._proposals.items()}
            title = words.title(
                draft, editing=picture.has_focus, step=picture.step, heads=self._heads or ()
            )
            if self._warned:
                title = _("! changed: enter saves it, esc again drops it")
            shown: dict[Kind, Rect] = rects
            about = words.about(self._row.path, draft, shown, self._heads)
        self.query_one("#crop-title", Clipped).update(Content(title))
        self.query_one("#crop-about", Clipped).update(Content(about))

    # ---- editing -------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what makes no sense while a crop is moved."""
        del parameters
        return action not in ("edit_crop", "clear_crops") or not self._picture.has_focus

    def on_descendant_focus(self) -> None:
        """Give the picture room while its crops are edited."""
        self.set_class(self._picture.has_focus, "-cropping")
        self.refresh_bindings()
        self._describe()

    @on(LineList.Chosen, "#members")
    def action_edit_crop(self) -> None:
        """Move and resize the crop."""
        if self._picture.draft is not None:
            self._picture.focus()

    def action_take(self, kind: Kind) -> None:
        """Crop as proposed, instead of the crop that is looked at."""
        draft, box = self._picture.draft, self._proposals.get(kind)
        if draft is None:
            return
        if box is None:
            tell(self, words.not_proposed(kind, self._heads))
            return
        self._picture.edit(draft.with_box(box))
        self._keep()

    def action_next_crop(self, step: int) -> None:
        """Look at the next crop of the image."""
        self._picture.action_next_crop(step)

    def action_clear_crops(self) -> None:
        """Use all of the image."""
        draft = self._picture.draft
        if draft is None or not draft.stored:
            tell(self, _("This image has no crops."))
            return
        whole = opened(draft.size, draft.buckets, ())
        self._picture.edit(replace(whole, stored=draft.stored))
        self._keep()

    @on(CropPicture.SaveWanted)
    @work(group="save", exit_on_error=False)
    async def save(self, event: CropPicture.SaveWanted) -> None:
        """Save the crops of an image."""
        if event.leave:
            self._members.focus()
        if event.draft is not None and event.draft.changed:
            await self._save(event.path, event.draft)
        if event.end:
            await self.app.run_action("quit")

    @on(CropPicture.DropWanted)
    def drop(self) -> None:
        """Go back to the list; what was changed is dropped when asked twice."""
        draft = self._picture.draft
        if draft is not None and draft.changed:
            if not self._warned:
                self._warned = True
                self._describe()
                return
            self.session.crop_drafts.pop(self._picture.path, None)
            self._picture.edit(opened(draft.size, draft.buckets, draft.stored))
        self._members.focus()
        self._look(self._row)  # what is saved may have been changed elsewhere

    def _keep(self) -> None:
        self._picture.keep(leave=False)

    async def _save(self, path: str, draft: CropDraft) -> None:
        name = path.rpartition("/")[2]

        def make(index: Index) -> tuple[str, list[Change]]:
            if stored_crops.of_image(index.connection, path) != draft.stored:
                raise RetryError(
                    _("{name}: its crops were changed elsewhere meanwhile.").format(name=name),
                    _("esc twice shows those; what you drew is still here."),
                )
            title = marked("crop {name}").format(name=name)
            return title, [crop_change(path, draft.stored, draft.boxes)]

        try:
            await self.session.decide(make)
            self._forget(path, draft)
        except UserError:
            shown = self._picture.draft
            if shown is not None and self._picture.path == path:
                self._picture.edit(replace(shown, stored=draft.stored))
            raise
        finally:
            self._describe()


def _text(draft: CropDraft) -> str:
    """Return crops as they are stored, all of the image as one: without crops is no draft."""
    return to_text(draft.boxes or (WHOLE,)) or ""


@lru_cache(maxsize=2)
def _decoded(file: Path, mtime_ns: int) -> Image.Image:
    """Return a picture, which is needed for two views and for each step of its crop."""
    del mtime_ns  # another version of the file is another picture
    return decode(file)
