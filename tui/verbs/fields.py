"""The inputs of a form: for each kind and shape of option one widget, whose value is what is typed.

Lists and tables grow: below the last entry there is always an empty one.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.reactive import reactive
from textual.suggester import Suggester, SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from prep.dataset.query import Query
from prep.dataset.query.tree import Term
from prep.errors import UserError
from prep.language import _, marked
from tui.scope import Scope
from tui.verbs.options import PATH, WHERE, Value, VerbOption

NOT_SET = ""
SCOPE_LABEL = marked("which images")
MOST_SELECTED = 500
"""Selected images that a command line may name."""
_THREE = {"yes": True, "no": False, NOT_SET: None}


class PathSuggester(Suggester):
    """Completes paths from what is on the disk."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the first path that begins with the text."""
        return await asyncio.to_thread(completed_path, value)


def completed_path(text: str) -> str | None:
    """Return the first path on the disk that begins with a text, a folder with its slash."""
    folder, slash, name = text.rpartition("/")
    if not text:
        return None
    try:
        with os.scandir(Path(f"{folder}{slash}" or ".").expanduser()) as found:
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in found
                if entry.name.startswith(name) and (name or not entry.name.startswith("."))
            )
    except (OSError, ValueError):
        return None
    return f"{folder}{slash}{names[0]}" if names else None


class Tick(Static, can_focus=True):
    """A box to tick. Textual's shows its state by colour alone, and grows with the focus."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "Tick", show=False),
        Binding("enter", "screen.next", "Next", show=False),
    ]
    value: reactive[bool] = reactive(False, init=False)

    @dataclass
    class Changed(Message):
        """It was ticked, or its tick was taken away."""

        tick: "Tick"

    def __init__(self, value: bool) -> None:
        super().__init__()
        self.set_reactive(Tick.value, value)

    def render(self) -> Content:
        """Draw the box."""
        return Content(f"[x] {_('yes')}" if self.value else f"[ ] {_('no')}")

    def watch_value(self) -> None:
        """Draw the other state, and tell of it."""
        self.refresh()
        self.post_message(self.Changed(self))

    def action_tick(self) -> None:
        """Tick it, or take the tick away."""
        self.value = not self.value

    def on_click(self) -> None:
        """Do so with the mouse."""
        self.action_tick()


class Field(Vertical):
    """An input with its label, and below it what is wrong with it."""

    @dataclass
    class Changed(Message):
        """Something was entered."""

        field: "Field"

    def __init__(self, name: str, label: str) -> None:
        super().__init__(classes="field")
        self.key, self._label = name, label

    def compose(self) -> ComposeResult:
        """Compose label, input and fault."""
        with Horizontal(classes="row"):
            yield Label(self._label)
            with Vertical(classes="entries"):
                yield from self.inputs()
        yield Static(classes="fault")

    def inputs(self) -> Iterator[Widget]:
        """Compose the input."""
        raise NotImplementedError

    @property
    def values(self) -> dict[str, Value]:
        """What is entered, by the names of options."""
        raise NotImplementedError

    def know(self, names: Sequence[str]) -> None:
        """Complete what is typed by these names."""

    def say(self, fault: str) -> None:
        """Show what is wrong; nothing if it is empty."""
        self.query_one(".fault", Static).update(Content(fault))
        self.set_class(bool(fault), "-fault")

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Tick.Changed)
    def entered(self, event: Message) -> None:
        """Tell the form."""
        event.stop()
        self.changed()
        self.post_message(self.Changed(self))

    def changed(self) -> None:
        """Make room for more."""


FieldKind = TypeVar("FieldKind", bound=Field)


def composed(form: DOMNode, kind: type[FieldKind]) -> list[FieldKind]:
    """Return the fields of a form whose inputs can be read: not those that are being mounted."""
    return [field for field in form.query(kind) if field.query(".entries > *")]


class OptionField(Field):
    """The input of one option."""

    def __init__(self, option: VerbOption, value: Value) -> None:
        super().__init__(option.name, _(option.label) + (" *" if option.required else ""))
        self.option, self._start = option, value
        self._suggester: Suggester | None = PathSuggester() if option.kind == "path" else None

    def know(self, names: Sequence[str]) -> None:
        """Complete what is typed by these names."""
        self._suggester = SuggestFromList(names, case_sensitive=False)
        for each in self.query(Input):
            each.suggester = self._suggester

    def entry(self, text: str) -> Widget:
        """Return an input for one value."""
        option = self.option
        if not option.choices:
            return self._input(text)
        shown = [(choice, choice) for choice in option.choices if choice]
        if "" in option.choices or option.shape != "one":
            shown = [(_("not set"), NOT_SET), *shown]
        return Select(shown, value=text, allow_blank=False, compact=True)

    def _input(self, text: str) -> Input:
        hint = _("not set") if not self.option.required and not self.option.default else ""
        return Input(text, compact=True, suggester=self._suggester, placeholder=hint)


class OneField(OptionField):
    """One value."""

    def inputs(self) -> Iterator[Widget]:
        """Compose a box to tick, a choice or a text."""
        if self.option.kind != "flag":
            yield self.entry(str(self._start or ""))
        elif self.option.three:
            text = next(text for text, value in _THREE.items() if value is self._start)
            shown = [(_("not set"), NOT_SET), (_("yes"), "yes"), (_("no"), "no")]
            yield Select(shown, value=text, allow_blank=False, compact=True)
        else:
            yield Tick(bool(self._start))

    @property
    def values(self) -> dict[str, Value]:
        """The value."""
        widget = self.query(".entries > *").first()
        if isinstance(widget, Tick):
            return {self.key: widget.value}
        assert isinstance(widget, Input | Select)
        text = _text(widget)
        return {self.key: _THREE[text] if self.option.three else text}


class ListField(OptionField):
    """Any number of values, each in a line of its own."""

    def inputs(self) -> Iterator[Widget]:
        """Compose a line for each value, and an empty one."""
        assert isinstance(self._start, tuple)
        for text in (*self._start, NOT_SET):
            yield self.entry(str(text))

    @property
    def values(self) -> dict[str, Value]:
        """The entries that are not empty."""
        texts = [_text(widget) for widget in self._lines]
        return {self.key: tuple(text for text in texts if text)}

    def changed(self) -> None:
        """Add a line when the last one is used."""
        if _text(self._lines[-1]):
            self.query_one(".entries").mount(self.entry(NOT_SET))

    @property
    def _lines(self) -> list[Input | Select[str]]:
        return [w for w in self.query_one(".entries").children if isinstance(w, Input | Select)]


class TableField(OptionField):
    """Any number of names with a value each."""

    def inputs(self) -> Iterator[Widget]:
        """Compose a line for each row, and an empty one."""
        assert isinstance(self._start, tuple)
        for name, text in (*self._start, (NOT_SET, NOT_SET)):
            yield self._line(name, text)

    @property
    def values(self) -> dict[str, Value]:
        """The rows that have a name."""
        return {self.key: tuple(row for row in self._rows if row[0])}

    def changed(self) -> None:
        """Add a line when the last one is used."""
        if any(self._rows[-1]):
            self.query_one(".entries").mount(self._line(NOT_SET, NOT_SET))

    def _line(self, name: str, text: str) -> "Pair":
        return Pair(self._input(name), self._input(text))

    @property
    def _rows(self) -> list[tuple[str, str]]:
        return [line.row for line in self.query(Pair)]


class Pair(Horizontal):
    """A row of a table; its inputs are known before they are mounted."""

    def __init__(self, name: Input, value: Input) -> None:
        super().__init__(name, Label("→"), value)
        self._name_input, self._value_input = name, value

    @property
    def row(self) -> tuple[str, str]:
        """What is typed: name and value."""
        return self._name_input.value.strip(), self._value_input.value


class ScopeField(Field):
    """Which images: the scope of the application, another kind of it, or another filter."""

    def __init__(
        self, scope: Scope, paths: Sequence[str], *, by_path: bool, where: str | None = None
    ) -> None:
        """Create the field.

        Args:
            scope: What is chosen in the list of images.
            paths: The paths of the selected images.
            by_path: The verb takes paths, not only a filter.
            where: Another filter to begin with.
        """
        super().__init__(WHERE, _(SCOPE_LABEL))
        self._scope, self._paths, self._by_path, self._where = scope, paths, by_path, where

    def inputs(self) -> Iterator[Widget]:
        """Compose the choice, and the text of another filter."""
        kinds = [
            kind
            for kind, there in (
                ("selection", bool(self._paths)),
                ("filter", bool(self._scope.where)),
                ("all", True),
            )
            if there
        ]
        shown = [(self._scope.words(kind), kind) for kind in kinds]
        value = "other" if self._where is not None else self._scope.kind
        shown.append((_("another filter"), "other"))
        yield Select(shown, value=value, allow_blank=False, compact=True)
        text = self._scope.where if self._where is None else self._where
        yield Input(text, compact=True, placeholder="smile -hat name:beach", classes="other-filter")

    def on_mount(self) -> None:
        """Show the text only where it counts."""
        self.changed()

    def changed(self) -> None:
        """Show the text only where it counts."""
        self.query_one(".other-filter").display = self._kind == "other"

    @property
    def _kind(self) -> str:
        return _text(self.query_one(Select))

    @property
    def by_selection(self) -> bool:
        """Return whether the selected images are meant."""
        return self._kind == "selection"

    def fault(self) -> str:
        """Return why a command line cannot name the selected images; empty if it can."""
        if not self.by_selection:
            return ""
        if len(self._paths) > MOST_SELECTED:
            text = _("a command line names {count} images at most: choose them by a filter")
            return text.format(count=MOST_SELECTED)
        odd = [] if self._by_path else [path for path in self._paths if not can_be_named(path)]
        text = _("no filter can name {image}: choose it by another")
        return text.format(image=odd[0]) if odd else ""

    @property
    def other(self) -> str | None:
        """The text of another filter, if that is chosen."""
        return self.query_one(Input).value if self._kind == "other" else None

    @property
    def values(self) -> dict[str, Value]:
        """The filter or the paths."""
        if self._kind == "selection":
            if self._by_path:
                return {WHERE: "", PATH: tuple(self._paths)}
            return {WHERE: " or ".join(exactly(path) for path in self._paths)}
        if self._kind == "filter":
            return {WHERE: self._scope.where}
        return {WHERE: self.other or ""}


def exactly(path: str) -> str:
    """Return the filter that only this image matches; see ``can_be_named``."""
    return f"file:{path}" if '"' in path else f'file:"{path}"'


def can_be_named(path: str) -> bool:
    """Return whether a filter can name an image: not with both spaces and quotation marks."""
    try:
        tree = Query.parse(exactly(path)).tree
    except UserError:
        return False
    return isinstance(tree, Term) and (tree.field, tree.value) == ("file", path)


def _text(widget: Input | Select[str]) -> str:
    value = widget.value
    return value if isinstance(value, str) else NOT_SET


def field_for(option: VerbOption, value: Value) -> OptionField:
    """Return the widget for an option."""
    kinds: dict[str, Callable[[VerbOption, Value], OptionField]]
    kinds = {"one": OneField, "list": ListField, "table": TableField}
    return kinds[option.shape](option, value)
