"""A form built from a settings model: its fields are the inputs, its docstrings the help.

The same model checks the file and the command line, so a form cannot accept what they refuse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label, Select, Static

from prep.errors import ConfigError
from prep.language import _, marked
from prep.project.faults import describe_faults
from prep.texts import half_width
from tui.widgets.clipped import Clipped

Model = TypeVar("Model", bound=BaseModel)

_UNSET = ""
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class FormField:
    """One setting in a form.

    Attributes:
        choices: Text -> value of its possible values; empty for free text.
        optional: It may be omitted.
        several: It is a list, typed with ``||`` between the entries.
        named: It is a table, typed as ``name = value || name = value``.
    """

    name: str
    text: str
    choices: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    several: bool = False
    named: bool = False

    @property
    def label(self) -> str:
        """The readable name."""
        return _(self.name.replace("_", " "))

    def write(self, value: Any) -> str:
        """Return a value as text."""
        if value is None:
            return _UNSET
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.named:
            return " || ".join(f"{key} = {part}" for key, part in value.items())
        if self.several:
            return " || ".join(str(part) for part in value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def read(self, text: str) -> Any:
        """Parse a text; the model checks and converts the result."""
        text = half_width(text.strip())
        if text == _UNSET and self.optional:
            return None
        parts = [part.strip() for part in text.split("||") if part.strip()]
        if self.named:
            pairs = (part.rpartition("=") for part in parts)
            return {key.strip(): value.strip() for key, _, value in pairs}
        if self.several:
            return tuple(parts)
        return self.choices.get(text, text)


def fields_of(model: type[BaseModel]) -> dict[str, FormField]:
    """Return the fields of a model."""
    return {
        name: _field(name, info.annotation, info.description or "")
        for name, info in model.model_fields.items()
    }


def _field(name: str, annotation: Any, text: str) -> FormField:
    text = " ".join(text.split())
    whole = get_origin(annotation) in (Literal, tuple, dict)
    parts = [] if whole else list(get_args(annotation))
    optional = NoneType in parts
    kinds = [part for part in parts if part is not NoneType] or [annotation]
    choices: dict[str, Any] = {}
    for kind in kinds:
        if get_origin(kind) is Literal:
            choices |= {str(choice): choice for choice in get_args(kind)}
        elif kind is bool:
            choices |= _YES_NO
    origin = get_origin(kinds[0])
    return FormField(name, text, choices, optional, origin is tuple, origin is dict)


class Form(Vertical, Generic[Model]):
    """Inputs for a model; the help of the one in focus is shown below.

    It is a draft over a version of the settings: fields that were not touched follow the file, and
    only those that were touched are written. One that was touched both here and in the file is a
    conflict, which is marked.
    """

    class Left(Message):
        """The user has finished typing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave the form"),
        Binding("ctrl+o", "more", "More/fewer settings"),
    ]

    def __init__(
        self,
        model: type[Model],
        values: Mapping[str, Any],
        *,
        first: Sequence[str] = (),
        hidden: Iterable[str] = (),
        known: Mapping[str, Sequence[str]] | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Create a form.

        Args:
            model: Model of the settings.
            values: The version of the settings; the model's defaults for the rest.
            first: Fields that are always shown, in this order; the others are hidden at first.
            hidden: Fields to leave out.
            known: Suggestions by field name.
            id: Name in the stylesheet.
        """
        super().__init__(id=id)
        self._model, self._known = model, known or {}
        found = fields_of(model)
        order = [*first, *(name for name in found if name not in first)]
        self._fields = {name: found[name] for name in order if name not in set(hidden)}
        self._first = set(first) or set(found)
        self._base = self._version(values)
        self._typed: dict[str, str] = {}
        """Texts of touched fields that have no input yet."""
        self._conflicts: set[str] = set()

    def _version(self, values: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._model.model_fields.items()
        defaults = {name: info.get_default(call_default_factory=True) for name, info in fields}
        return {**defaults, **values}

    def compose(self) -> ComposeResult:
        """Compose a row for each field that is always shown."""
        with VerticalScroll(classes="rows", can_focus=False):
            for name in self._fields:
                if name in self._first:
                    yield self._row(name)
            if self._first != set(self._fields):
                yield Button(_("More settings"), id="more", compact=True)
            yield Vertical(id="folded")
        yield Clipped(classes="form-help")

    def _row(self, name: str) -> Horizontal:
        one = self._fields[name]
        return Horizontal(Label(one.label), self._input(name, one), classes="row", id=f"row-{name}")

    def _input(self, name: str, one: FormField) -> Input | Select[str]:
        text = self.text(name)
        if one.choices:
            # Yes and no are words; other choices are names, as in the file.
            options = [(_(each) if each in _YES_NO else each, each) for each in one.choices]
            if one.optional:
                options = [(_("not set"), _UNSET), *options]
            return Select(options, value=text, allow_blank=False, compact=True, id=f"field-{name}")
        known = self._known.get(name)
        suggester = SuggestFromList(known, case_sensitive=False) if known else None
        return Input(
            text,
            compact=True,
            id=f"field-{name}",
            suggester=suggester,
            placeholder=_("not set") if one.optional else "",
        )

    # ---- values --------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """Return the text of a field, also while it is hidden."""
        widget = self.query_one_optional(f"#field-{name}")
        if isinstance(widget, Input | Select):
            return str(widget.value)
        return self._typed.get(name, self._saved(name))

    def _saved(self, name: str) -> str:
        return self._fields[name].write(self._base[name])

    def _set(self, name: str, text: str) -> None:
        widget = self.query_one_optional(f"#field-{name}")
        if isinstance(widget, Input | Select):
            widget.value = text
        else:
            self._typed[name] = text

    def fill(self, values: Mapping[str, Any]) -> None:
        """Type values into fields."""
        for name, value in values.items():
            if name in self._fields:
                self._set(name, self._fields[name].write(value))

    # ---- versions ------------------------------------------------------------------------

    @property
    def conflicts(self) -> dict[str, tuple[str, str]]:
        """(text in the file, text here) of fields that were touched in both."""
        return {
            name: (self._saved(name), self.text(name))
            for name in self._fields
            if name in self._conflicts and self.text(name) != self._saved(name)
        }

    def rebase(self, values: Mapping[str, Any]) -> None:
        """Take over a newer version of the settings; what was touched here stays."""
        base = self._version(values)
        for name, one in self._fields.items():
            if base[name] == self._base[name]:
                continue
            if self.text(name) == self._saved(name):
                self._set(name, one.write(base[name]))
            else:
                self._conflicts.add(name)
        self._base = base
        self._conflicts.intersection_update(self.conflicts)  # both say the same by now
        self._mark_conflicts()

    def resolve(self, *, mine: bool) -> None:
        """End all conflicts: keep what is typed here, or take what is in the file."""
        for name in self.conflicts if not mine else ():
            self._set(name, self._saved(name))
        self._conflicts.clear()
        self._mark_conflicts()

    def _mark_conflicts(self) -> None:
        for name in self._fields:
            row = self.query_one_optional(f"#row-{name}")
            if row is not None:
                row.set_class(name in self.conflicts, "-conflict")

    def read(self) -> Model:
        """Return the settings.

        Raises:
            ConfigError: With every fault; the first faulty field gets the focus.
        """
        given = {name: one.read(self.text(name)) for name, one in self._fields.items()}
        self.query(".row").remove_class("-fault")
        try:
            return self._model.model_validate(given)
        except ValidationError as error:
            for fault in reversed(error.errors()):
                name = str(fault["loc"][0]) if fault["loc"] else ""
                row = self.query_one_optional(f"#row-{name}")
                if row is not None:
                    row.add_class("-fault")
                    self.query_one(f"#field-{name}").focus()
            faults = describe_faults(error, self._model)
            raise ConfigError("; ".join(faults), marked("The fields are marked.")) from error

    def changed(self, settings: Model) -> dict[str, Any]:
        """Return what differs from the version; ``None`` for what is no longer set.

        ``None`` also stands for each entry of a table that is gone: tables are merged when saved.
        """
        result: dict[str, Any] = {}
        for name in self._fields:
            value, before = getattr(settings, name), self._base[name]
            if value == before:
                continue
            if isinstance(value, Mapping):
                value = {**dict.fromkeys(before), **value} if value else None
            result[name] = value
        return result

    def told(self, changes: Iterable[str]) -> str:
        """Return changed fields by their labels, with their texts."""
        return ", ".join(f"{self._fields[name].label} {self.text(name)}" for name in changes)

    def title(self, changes: Iterable[str]) -> str:
        """Return the title of the edit that saves these fields; English, as all in the journal."""
        named = ", ".join(f"{name} {self.text(name)}" for name in changes)
        return marked("set {settings}").format(settings=named)

    # ---- behaviour -----------------------------------------------------------------------

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Explain the field in focus."""
        name = (event.widget.id or "").removeprefix("field-")
        if name in self._fields:
            text = self._explained(name)
            if name in self.conflicts:
                changed = _("Changed in the file meanwhile; there it is {value}. {text}")
                text = changed.format(value=self._shown(name), text=text)
            self.query_one(".form-help", Static).update(Content(text))

    def _explained(self, name: str) -> str:
        """Return the help of a field; with its name, where its label is in another language."""
        one = self._fields[name]
        text = _(one.text)
        return text if one.label == name.replace("_", " ") else f"{name}  {text}"

    def _shown(self, name: str) -> str:
        return self._saved(name) or _("not set")

    @on(Input.Submitted)
    def next_field(self) -> None:
        """Move to the next field on enter."""
        self.screen.focus_next()

    @on(Button.Pressed, "#more")
    def action_more(self) -> None:
        """Show or hide the other fields. Created on demand: forty inputs take a second."""
        folded = self.query_one("#folded")
        if not folded.children:
            folded.mount_all(self._row(name) for name in self._fields if name not in self._first)
        self.toggle_class("-all")
        shown = self.has_class("-all")
        self.query_one("#more", Button).label = _("Fewer settings") if shown else _("More settings")

    def action_leave(self) -> None:
        """Leave the form, so that keys are commands."""
        self.post_message(self.Left())
