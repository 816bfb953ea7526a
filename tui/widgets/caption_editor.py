"""Writing one caption. Typed text is never lost: it becomes a draft when the user moves on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import TextArea

from prep.dataset.index import ImageRow
from prep.language import _
from tui import commands
from tui.drafts import Draft
from tui.session import Session
from tui.widgets.completions import Completions

if TYPE_CHECKING:
    from prep.curation.vocabulary.complete import TagCompletion


class CaptionEditor(TextArea):
    """The caption of the image under the cursor; trainers read its first line."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"caption--unread"}
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("editor")

    @dataclass
    class SaveWanted(Message):
        """The draft of an image should be written."""

        path: str

    @dataclass
    class StepWanted(Message):
        """Another image should be edited."""

        lines: int

    class Left(Message):
        """The user is done with typing for now."""

    @dataclass
    class Typed(Message):
        """The text has changed.

        Attributes:
            part: The beginning of a tag in front of the cursor, if it was typed now.
        """

        part: str

        def can_replace(self, message: Message) -> bool:
            """Only the newest text matters."""
            return isinstance(message, CaptionEditor.Typed)

    class DraftsChanged(Message):
        """There is one more draft, or one less."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, disabled=True, placeholder=_("tag, another tag, …"))
        self._session = session
        self.path = ""
        self._base: str | None = None
        self._loaded = ""
        self._accepted = ""
        self._tokens: tuple[int, int] | None = None
        self.completions: Completions | None = None
        self.border_title = _("Caption")

    def get_line(self, line_index: int) -> Text:
        """Return a line; those that trainers do not read are marked."""
        line = super().get_line(line_index)
        if line_index:
            line.stylize(self.get_component_rich_style("caption--unread", partial=True))
        return line

    def show(self, row: ImageRow | None) -> None:
        """Edit the caption of an image, or nothing."""
        if row is None or row.error is not None:
            self._load("", None, "")
            return
        draft = self._session.drafts.get(row.path)
        if draft is not None and draft.text == (row.caption or ""):
            # It was saved after all, here or elsewhere.
            del self._session.drafts[row.path]
            draft = None
        if row.path == self.path and row.caption == self._base:
            self._tell()
        elif draft is not None:
            self._load(row.path, draft.base, draft.text)
        else:
            self._load(row.path, row.caption, row.caption or "")

    @property
    def unsaved(self) -> bool:
        """Return whether there is typed text that is not in the file."""
        return bool(self.path) and self.path in self._session.drafts

    def settle(self, path: str, text: str | None) -> None:
        """Record that the file of ``path`` now contains ``text``."""
        draft = self._session.drafts.get(path)
        if draft is not None and draft.text.strip() == (text or "").strip():
            del self._session.drafts[path]
        elif draft is not None:
            # Typing went on while the file was being written.
            self._session.drafts[path] = Draft(text, draft.text)
        if path == self.path:
            self._base = text
            self._loaded = self.text if path not in self._session.drafts else (text or "")
            self._tell()

    def rewrite(self, text: str) -> None:
        """Change the text as typing it would: it becomes a draft."""
        self.replace(text, (0, 0), self.document.end)

    def to_end(self) -> None:
        """Move the cursor to the end of the tags, which are the first line."""
        self.move_cursor((0, len(self.document.get_line(0))))

    def drop_draft(self, text: str | None) -> None:
        """Discard the draft and show ``text`` instead."""
        self._session.drafts.pop(self.path, None)
        self._load(self.path, text, text or "")

    def _load(self, path: str, base: str | None, text: str) -> None:
        self.path, self._base, self._accepted = path, base, ""
        self.disabled = not path
        if self.text != text:
            self.load_text(text)
            self.to_end()
        # A text area may not return exactly the newlines it was given.
        self._loaded = self.text if text == (base or "") else base or ""
        self._tell()

    def on_text_area_changed(self) -> None:
        """Keep a draft of text that differs from the file."""
        if not self.path:
            return
        before = self.unsaved
        if self.text == self._loaded:
            self._session.drafts.pop(self.path, None)
        else:
            self._session.drafts[self.path] = Draft(self._base, self.text)
        if self.unsaved != before:
            self.post_message(self.DraftsChanged())
        self.post_message(self.Typed(self._part if self.has_focus else ""))
        self._tell()

    def _tell(self) -> None:
        if not self.path:
            self.border_subtitle = ""
            self._tokens = None
        elif self.unsaved:
            self.border_subtitle = _("✎ unsaved · ctrl+s saves")
        else:
            self.border_subtitle = _("no file yet") if self._base is None else _("✓ saved")
        title = _("Caption")
        if self._tokens is not None:
            count, limit = self._tokens
            text = _("{count}/{limit} tokens") if count <= limit else _("! {count}/{limit} tokens")
            title += " · " + text.format(count=count, limit=limit)
        if any(line.strip() for line in self.document.lines[1:]):
            title += " · " + _("only line 1 is read")
        self.border_title = title

    def tell_tokens(self, text: str, count: int, limit: int) -> None:
        """Show how many tokens the text has, and after how many it is cut; unless it changed."""
        if text == self.text and self.path:
            self._tokens = count, limit
            self._tell()

    # ---- completing ----------------------------------------------------------------------

    @property
    def _part(self) -> str:
        """The beginning of a tag in front of the cursor; empty inside of one, and after one."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        if line[column:].partition(",")[0].strip():
            return ""
        part = line[:column].rpartition(",")[2].lstrip()
        return "" if part == self._accepted else part

    def propose(self, part: str, found: Sequence["TagCompletion"]) -> None:
        """Offer tags for a beginning, if it is still what is typed."""
        if self.completions is not None and self.has_focus and part == self._part:
            self.completions.propose(found, self.cursor_screen_offset)

    def accept(self) -> None:
        """Write the tag that is offered in the place of its beginning."""
        if self.completions is None:
            return
        part, self._accepted = self._part, self.completions.tag
        row, column = self.cursor_location
        self.completions.hide()
        self.replace(self._accepted, (row, column - len(part)), (row, column))

    def on_key(self, event: events.Key) -> None:
        """Choose among what is offered.

        Offers come when they are ready, so no key may lead elsewhere because of one: escape always
        leaves, tab never does.
        """
        offered = self.completions
        shown = offered is not None and offered.display
        if event.key == "tab":
            if shown:
                self.accept()
        elif offered is not None and shown and event.key in ("down", "up"):
            offered.choose(1 if event.key == "down" else -1)
        elif offered is not None and shown and event.key == "enter" and offered.chosen:
            self.accept()
        else:
            return
        event.stop()
        event.prevent_default()

    def on_blur(self) -> None:
        """Offer nothing any more."""
        if self.completions is not None:
            self.completions.hide()

    # ---- keys ----------------------------------------------------------------------------

    def action_save(self) -> None:
        """Request that the text is written."""
        if self.unsaved:
            self.post_message(self.SaveWanted(self.path))

    def action_step(self, lines: int) -> None:
        """Save, and go to another image."""
        self.action_save()
        self.post_message(self.StepWanted(lines))

    def action_leave_editor(self) -> None:
        """Go back to the list."""
        self.post_message(self.Left())
