"""Change the tags of many captions, after an exact preview."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Label, Static
from textual.worker import Worker

from prep import captions
from prep.dataset.index import Index
from prep.dataset.journal.changes import Change
from prep.language import _, marked, ngettext
from prep.ops.edit import EditOptions, preview
from tui.notices import report_worker
from tui.session import Session
from tui.widgets.line_list import ItemList, LineList, Piece, cell

EditKind = Literal["add", "remove", "replace", "merge", "trigger", "rules"]

_SHOWN = 200
"""Maximum of changes listed; the count is for all."""
_QUIET = 0.15
"""Seconds without a key press before the preview."""

_TITLES: dict[EditKind, tuple[str, str]] = {
    "add": (marked("Add tags"), marked("Tags to add, separated by commas")),
    "remove": (marked("Remove tags"), marked("Tags to remove, separated by commas")),
    "replace": (marked("Change a tag"), marked("Tag to change")),
    "merge": (marked("Merge tags"), marked("Tags to merge, separated by commas")),
    "trigger": (
        marked("Trigger word first"),
        marked("Trigger word; goes to the front of every caption"),
    ),
    "rules": (marked("Apply the caption rules"), ""),
}
_NEW = frozenset({"replace", "merge"})
"""Kinds that put a new tag in the place of others."""

Decision = tuple[str, list[Change]]


class TagSuggester(Suggester):
    """Completes the tag behind the last comma."""

    def __init__(self, names: Sequence[str]) -> None:
        """Offer these tags, the first that fits."""
        super().__init__(case_sensitive=True)
        self._names = [(name.casefold(), name) for name in names]

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole text with its last tag completed, or ``None``."""
        part = value.rpartition(",")[2].lstrip()
        typed = part.casefold()
        if not typed:
            return None
        found = (name for key, name in self._names if key.startswith(typed))
        name = next(found, None)
        # The letters that are typed stay as they are.
        return None if name is None else value + name[len(part) :]


class EditTags(ModalScreen[Decision | None]):
    """Returns a title and the changes to make, or ``None``."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(
        self,
        session: Session,
        kind: EditKind,
        ids: Sequence[int],
        scope: str,
        *,
        first: str = "",
        new: str = "",
        triggers: Mapping[str, str] | None = None,
    ) -> None:
        """Create the dialog.

        Args:
            session: The open project.
            kind: What to do.
            ids: The images.
            scope: Description of these images.
            first: Initial text.
            new: Initial text of the new tag, for kinds that have one.
            triggers: Folder -> trigger word of its concept, if the images are of several concepts.
                Each gets its own; a concept without one is left as it is.
        """
        super().__init__()
        self._session, self._kind, self._ids, self._scope = session, kind, list(ids), scope
        self._first, self._new, self._triggers = first, new, dict(triggers or {})
        self._changes: list[Change] = []

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        title, label = map(_, _TITLES[self._kind])
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = Content(f"{title} · {self._scope}")
            if self._triggers:
                yield Static(Content(_triggers_text(self._triggers)), classes="hint")
            elif self._kind != "rules":
                yield Label(label, classes="field-label")
                yield Input(self._first, id="tag", compact=True)
            if self._kind in _NEW:
                yield Label(_("New tag"), classes="field-label")
                yield Input(self._new, id="new", compact=True)
            yield Static(id="count")
            yield ItemList(id="diffs", empty=_("nothing changes"))
            with Horizontal(classes="buttons"):
                yield Button(_("Apply"), compact=True, id="apply", variant="primary", disabled=True)
                yield Button(_("Cancel"), compact=True, id="cancel")

    def on_mount(self) -> None:
        """Offer known tags, and preview the initial text."""
        field = self.query_one_optional("#tag", Input)
        new = self.query_one_optional("#new", Input) if self._first else None
        self.set_focus(new or field or self.query_one("#diffs"))
        if field is not None:
            self._offer_tags()
        self._preview(0.0)

    @work(group="tags", exclusive=True, exit_on_error=False)
    async def _offer_tags(self) -> None:
        counts = await self._session.counts.run(lambda index: index.tag_counts())
        names = TagSuggester([name for name, _count in counts])
        for field in self.query(Input):
            field.suggester = names

    def on_input_changed(self) -> None:
        """Preview after a short pause."""
        self._preview(_QUIET)

    @work(group="preview", exclusive=True, exit_on_error=False)
    async def _preview(self, quiet: float) -> None:
        self.query_one("#apply", Button).disabled = True
        edits = self._edits()
        changes: list[Change] = []
        if edits:
            await asyncio.sleep(quiet)
            ids = self._ids

            def changed(index: Index) -> list[Change]:
                rows = index.rows(ids)
                return [
                    change
                    for folder, options in edits.items()
                    for change in preview(
                        index, (row for row in rows if folder in ("", row.folder)), options
                    )
                ]

            changes = await self._session.queries.run(changed)
        self._show(changes, asked=bool(edits or self._triggers))

    def _edits(self) -> dict[str, EditOptions]:
        """Return what to do by folder, or with "" for all of them; nothing if fields are empty."""
        if self._triggers:
            return {folder: _first_place(word) for folder, word in self._triggers.items() if word}
        options = self._options()
        return {} if options is None else {"": options}

    def _options(self) -> EditOptions | None:
        if self._kind == "rules":
            return EditOptions(rules=True)
        text = self.query_one("#tag", Input).value
        tags = tuple(captions.split(text.replace("\n", " ")))
        if not tags:
            return None
        if self._kind == "add":
            return EditOptions(add=tags)
        if self._kind == "remove":
            return EditOptions(remove=tags)
        if self._kind in _NEW:
            new = self.query_one("#new", Input).value.strip()
            old = tags if self._kind == "merge" else tags[:1]
            return EditOptions(replace=dict.fromkeys(old, new)) if new else None
        return _first_place(tags[0])

    def _show(self, changes: list[Change], *, asked: bool) -> None:
        self._changes = changes
        text = _("Type a tag to see what would change.")
        if asked:
            text = ngettext(
                "{changed} of {count} caption would change.",
                "{changed} of {count} captions would change.",
                len(self._ids),
            ).format(changed=len(changes), count=len(self._ids))
            if len(changes) > _SHOWN:
                text += " " + _("The first {count}:").format(count=_SHOWN)
        self.query_one("#count", Static).update(Content(text))
        self.query_one("#diffs", ItemList).show(
            [difference(c, self._session.with_translation) for c in changes[:_SHOWN]], keep=False
        )
        self.query_one("#apply", Button).disabled = not changes

    @on(Input.Submitted)
    @on(LineList.Chosen)
    @on(Button.Pressed, "#apply")
    def apply(self) -> None:
        """Return the changes, if the preview is up to date."""
        edits = self._edits()
        if self._changes and edits and not self.query_one("#apply", Button).disabled:
            title = ", ".join(dict.fromkeys(options.title for options in edits.values()))
            self.dismiss((title, self._changes))

    @on(Button.Pressed, "#cancel")
    def cancel(self) -> None:
        """Close the dialog without changes."""
        self.dismiss(None)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)


def _first_place(word: str) -> EditOptions:
    # Removed first, so that a word in another place moves to the front.
    return EditOptions(remove=(word,), prepend=(word,))


def _triggers_text(triggers: Mapping[str, str]) -> str:
    """Say which concept gets which word."""
    lines = [f"{folder}: {word}" for folder, word in triggers.items() if word]
    lines += [
        _("{folder}: no trigger word yet, left as it is (set it in 5 Plan)").format(folder=folder)
        for folder, word in triggers.items()
        if not word
    ]
    return "\n".join(lines)


def difference(change: Change, shown: Callable[[str], str]) -> list[Piece]:
    """Return the tags added to and removed from a caption, on one line.

    Args:
        change: Of a caption.
        shown: What is written for a tag: with its translation, if there is one.
    """
    before, after = captions.split(change.before or ""), captions.split(change.after or "")
    pieces: list[Piece] = [(cell(change.path.rpartition("/")[2], 20) + " ", "dim")]
    pieces += [(f"+{shown(tag)} ", "good") for tag in after if tag not in before]
    pieces += [(f"-{shown(tag)} ", "bad") for tag in before if tag not in after]
    if len(pieces) == 1:
        pieces.append((_("order: {tags}").format(tags=", ".join(after)), ""))
    return pieces
