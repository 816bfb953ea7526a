"""What is done to tags: to those of one image, and to those of all that are shown."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual import on, work

from prep import captions
from prep.captions.structure import split_lines
from prep.captions.tokens import clip_tokenizer
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import CAPTION, Change
from prep.editing.one_caption import TagOrigin, TagOrigins, moved_tag, place_of, without_tag
from prep.errors import RetryError
from prep.language import _, marked
from tui.screens.images.edits import ImageEdits
from tui.session import Session
from tui.widgets.completions import MOST, Completions
from tui.widgets.filter_bar import FilterBar
from tui.widgets.line_list import LineList
from tui.widgets.tag_chips import TagChips
from tui.widgets.tag_panel import TagPanel

if TYPE_CHECKING:
    from prep.curation.vocabulary.complete import Completer


class ImageTags(ImageEdits):
    """A stage with the tags of an image, and those of all images with their counts."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._origins: TagOrigins | None = None
        self._completer: Completer | None = None

    def on_mount(self) -> None:
        """Let the caption offer tags, and show what they mean."""
        self._editor.completions = self.query_one(Completions)
        for widget in (self._chips, self.query_one(TagPanel)):
            widget.translate = self.session.translation
        self.session.translated.subscribe(self, self._translated)

    def _translated(self, _nothing: None) -> None:
        """Show other translations than before."""
        self._completer = None
        self._chips.show(self._chips.path, self._chips.tags)
        self.query_one(TagPanel).write()

    @property
    def _chips(self) -> TagChips:
        return self.query_one(TagChips)

    # ---- of one image --------------------------------------------------------------------

    def show_tags(self, row: ImageRow | None) -> None:
        """Show the tags of an image at once, and where they are from as soon as it is known."""
        if row is None or row.error is not None:
            self.workers.cancel_group(self, "chips")
            self._chips.show("", ())
            return
        draft = self.session.drafts.get(row.path)
        row = row if draft is None else row._replace(caption=draft.text)
        if (row.path, row.tags) != (self._chips.path, [tag.tag for tag in self._chips.tags]):
            self._chips.show(row.path, [TagOrigin(tag, "tagger") for tag in row.tags])
        self._find_origins(row)

    def forget_origins(self) -> None:
        """Look for scores, rules and tags again: they may have changed."""
        self._origins = self._completer = None

    @work(group="chips", exclusive=True, exit_on_error=False)
    async def _find_origins(self, row: ImageRow) -> None:
        known = self._origins

        def found(index: Index) -> tuple[TagOrigins, list[TagOrigin]]:
            origins = known if known is not None and known.index is index else TagOrigins(index)
            return origins, origins.of(row)

        self._origins, tags = await self.session.queries.run(found)
        self._chips.show(row.path, tags)

    # ---- while typing --------------------------------------------------------------------

    @work(group="complete", exclusive=True, exit_on_error=False)
    async def complete(self, part: str) -> None:
        """Offer tags of the dataset and the vocabulary for a beginning."""
        if not part:
            self.query_one(Completions).hide()
            return
        if self._completer is None:
            from prep.ops.complete import completer

            project, known = self.session.project, self.session.translations
            self._completer = await self.session.counts.run(
                lambda index: completer(project, index, translations=known)
            )
        there = captions.split(self._editor.text)
        limit = MOST + len(there)
        found = await asyncio.to_thread(self._completer.complete, part, limit)
        # What is in the caption needs no offer; what is being typed now is in it, too.
        keys = frozenset(captions.keys(there))
        self._editor.propose(part, [one for one in found if captions.key(one.tag) not in keys])

    @on(LineList.Chosen, "#completions")
    def completion_clicked(self) -> None:
        """Take the tag."""
        self._editor.accept()

    @work(group="tokens", exclusive=True, exit_on_error=False)
    async def count_tokens(self) -> None:
        """Count the tokens of the line that trainers read."""
        from prep.ops.tokens import train_limit

        text, project = self._editor.text, self.session.project

        def counted() -> tuple[int, int]:
            line = split_lines(text)[1]
            return clip_tokenizer().count(line), train_limit(project)

        self._editor.tell_tokens(text, *await asyncio.to_thread(counted))

    # ---- chips ---------------------------------------------------------------------------

    def action_chips(self) -> None:
        """Go to the tags of this image."""
        if self._chips.path:
            self.add_class("-chips")
            self.set_focus(self._chips)

    @on(TagChips.Left)
    def left_chips(self) -> None:
        """Go back to the list."""
        self.remove_class("-chips")
        self.set_focus(self._list)

    @on(TagChips.Deleted)
    def tag_deleted(self, event: TagChips.Deleted) -> None:
        """Take a tag from the caption."""
        title = marked("remove {tag}").format(tag=event.tag)
        self._change_tags(title, event.path, event.tag, event.place, None)

    @on(TagChips.Dragged)
    def tag_moved(self, event: TagChips.Dragged) -> None:
        """Move a tag within the caption."""
        title = marked("move {tag}").format(tag=event.tag)
        self._change_tags(title, event.path, event.tag, event.place, event.to)

    def _change_tags(self, title: str, path: str, tag: str, place: int, to: int | None) -> None:
        """Change the caption; one that is not saved yet stays so."""
        if path == self._editor.path and self._editor.unsaved:
            text = _changed(self._editor.text, tag, place, to)
            if text is not None:
                self._editor.rewrite(text)
            return
        self._edit_text(title, path, partial(_changed, tag=tag, place=place, to=to))

    def _edit_text(self, title: str, path: str, change: Callable[[str], str | None]) -> None:
        """Change a caption as one edit, from the text that it has when its turn comes."""

        def decided(index: Index) -> tuple[str, list[Change]]:
            row = index.get(path)
            text = None if row is None else change(row.caption or "")
            if row is None or text is None:
                raise RetryError(_("The tag is not there any more."), _("Nothing was changed."))
            # A caption is never emptied to zero bytes: trainers refuse to start on such a file.
            return title, [Change(path, CAPTION, row.caption, text if text.strip() else None)]

        self._decide(decided)

    @work(group="bulk", exit_on_error=False)
    async def _decide(self, decided: Callable[[Index], tuple[str, list[Change]]]) -> None:
        await self.session.decide(decided)

    @on(TagChips.Chosen)
    def tag_looked_up(self, event: TagChips.Chosen) -> None:
        """Show the images with this tag."""
        self.query_one(FilterBar).set(tag_term(event.tag))

    # ---- of all that are shown -----------------------------------------------------------

    @on(LineList.Chosen, "#tag-counts")
    def tag_chosen(self) -> None:
        """Add the tag to the filter, or remove it."""
        bar, panel = self.query_one(FilterBar), self.query_one(TagPanel)
        if panel.tag is not None:
            bar.toggle(tag_term(panel.tag))

    @on(TagPanel.EditWanted)
    async def edit_tags_of_panel(self, event: TagPanel.EditWanted) -> None:
        """Change tags in the images of the scope, after a look at what would change."""
        await self.edit_tags(event.kind, ", ".join(event.tags), new=event.new)


def tag_term(tag: str) -> str:
    """Return the filter for the images with a tag.

    A filter has no sign for a quotation mark between others: a word goes without them.

    Example:
        >>> tag_term("long hair"), tag_term('12" doll'), tag_term('"hat" on')
        ('tag:"long hair"', 'tag:12"_doll', 'tag:*hat"_on')
    """
    if '"' not in tag:
        return f'tag:"{tag}"'
    word = "_".join(tag.split())
    return f"tag:*{word[1:]}" if word.startswith('"') else f"tag:{word}"


def _changed(text: str, tag: str, place: int, to: int | None) -> str | None:
    """Return a caption without a tag, or with it elsewhere; ``None`` if the tag is gone."""
    found = place_of(captions.split(text), tag, place)
    if found is None:
        return None
    return without_tag(text, found) if to is None else moved_tag(text, found, to)
