"""What a verb takes, read from its function and its models of options: one entry for each input.

Names, types, choices, defaults and help are those that ``shikomi VERB --help`` shows, so that a new
option of a verb is in its form without another line of code.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from prep.cli.help_format import plain
from prep.language import _
from prep.section import PARSING
from tui.verbs.registered import app
from tui.verbs.table import CONDUCT, STAGES, Conduct, Verb, When

if TYPE_CHECKING:
    from cyclopts.argument import Argument

Kind = Literal["flag", "choice", "number", "text", "path"]
Shape = Literal["one", "list", "table"]
Value = bool | str | tuple[str, ...] | tuple[tuple[str, str], ...] | None
"""What is entered: a flag (``None``: not set), a text, entries of a list, rows of a table."""

READING = threading.RLock()
"""Taken while cyclopts reads: its stack of applications is shared by all threads."""
PROJECT = "PROJECT"
DRY_RUN = "--dry-run"
WHERE, PATH = "--where", "--path"
"""The images that a verb works on: those that match a filter, and single ones."""
_HIDDEN = ("--json",)
NOT_HERE = ("serve",)
"""Verbs that are no work on a project: a server prints a token, which no log of a job may keep."""
_CREATES = ("init",)
"""Verbs whose project does not exist yet; that of all others is the one that is open."""


@dataclass(frozen=True)
class VerbOption:
    """An option or a positional argument.

    Attributes:
        name: As typed (``--where``); of a positional argument as in help (``FOLDER``).
        help: What it does.
        kind: What one value is.
        shape: One value, a list of them, or a table of names and values (``--replace.OLD NEW``).
        choices: The values of a choice; the empty one stands for none.
        default: What is meant when it is not given.
        required: It must be given.
        three: A flag that may also be unset.
        off: How a flag is turned off.
    """

    name: str
    help: str
    kind: Kind
    shape: Shape = "one"
    choices: tuple[str, ...] = ()
    default: Value = ""
    required: bool = False
    three: bool = False
    off: str = ""

    @property
    def positional(self) -> bool:
        """Return whether it is given by its place."""
        return not self.name.startswith("-")

    @property
    def label(self) -> str:
        """The readable name."""
        return self.name.lstrip("-").replace("-", " ").lower()

    @property
    def explained(self) -> str:
        """What it does; with its name, where the label is in another language."""
        text = _(self.help)
        return text if _(self.label) == self.label else f"{self.name}  {text}"


@dataclass(frozen=True)
class VerbSpec:
    """All that is known about a verb.

    Attributes:
        stage: The stage of the work that it belongs to.
        options: Its inputs: positional arguments first; without the open project, ``--json`` and
            what the conduct gives in any case.
        previews: It has a dry run, which is no input.
        on_project: It works on the open project.
    """

    verb: Verb
    stage: str
    conduct: Conduct
    options: tuple[VerbOption, ...]
    previews: bool
    on_project: bool

    def option(self, name: str) -> VerbOption | None:
        """Return an input by its name."""
        return next((option for option in self.options if option.name == name), None)

    def writes(self, values: Mapping[str, Value]) -> bool:
        """Return whether it changes anything when it is run with these values."""
        return self._holds(self.conduct.writes, values)

    def is_long(self, values: Mapping[str, Value]) -> bool:
        """Return whether it runs as a job with these values."""
        return self._holds(self.conduct.long, values)

    def has_dry_run(self, values: Mapping[str, Value]) -> bool:
        """Return whether ``--dry-run`` may be given with these values."""
        needs = self.conduct.dry_run
        return self.previews and (self._holds(needs, values) if needs else self.writes(values))

    def _holds(self, when: When, values: Mapping[str, Value]) -> bool:
        if isinstance(when, bool):
            return when
        return any(values.get(name) not in (None, self._default(name)) for name in when)

    def _default(self, name: str) -> Value:
        found = self.option(name)
        return None if found is None else found.default


def verbs() -> Iterable[tuple[str, Verb]]:
    """Yield stage and verb of everything that can be run, in the order of ``shikomi --help``."""
    for stage, found in STAGES.items():
        for verb in found:
            if verb.target and verb.name not in NOT_HERE:
                yield stage, verb


@cache
def spec_of(name: str) -> VerbSpec:
    """Return what is known about a verb; its module is imported for that.

    Raises:
        KeyError: There is no such verb.
    """
    stage, verb = {verb.name: (stage, verb) for stage, verb in verbs()}[name]
    conduct = CONDUCT.get(name, Conduct())
    with READING:
        _, apps, _ = app.parse_commands(name.split())
        with app.app_stack(apps), PARSING:
            found = [
                argument
                for argument in apps[-1].assemble_argument_collection(parse_docstring=True)
                if argument.show
            ]
    names = {argument.name for argument in found}
    optional = any(a.name == PROJECT and _without_none(a.hint)[1] for a in found)
    on_project = PROJECT in names and name not in _CREATES and not optional
    hidden = {*_HIDDEN, *([PROJECT] if on_project else [])}
    previews = DRY_RUN in names
    if previews:
        hidden.add(DRY_RUN)
    options = tuple(
        _option(argument)
        for argument in found
        if argument.name not in hidden and not set(argument.names) & set(conduct.given)
    )
    ordered = sorted(options, key=lambda option: not option.positional)
    return VerbSpec(verb, stage, conduct, tuple(ordered), previews, on_project)


def _option(argument: "Argument") -> VerbOption:
    hint, three = _without_none(argument.hint)
    shape: Shape = "one"
    if get_origin(hint) is dict:
        shape, hint = "table", get_args(hint)[1]
    elif get_origin(hint) is tuple:
        shape, hint = "list", get_args(hint)[0]
    choices = _choices(hint)
    kind = "choice" if choices else _kind(hint)
    if three and choices:
        choices = ("", *choices)
    default = argument.field_info.default
    required = bool(argument.required)
    return VerbOption(
        argument.name,
        plain(argument.parameter.help or ""),
        kind,
        shape,
        choices,
        _default(None if required else default, shape, kind),
        required,
        three and kind == "flag",
        next((name for name in reversed(argument.names) if name in argument.negatives), ""),
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type without ``None`` and ``Annotated``, and whether it had ``None``."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    parts = get_args(hint)
    if NoneType in parts:
        rest = [part for part in parts if part is not NoneType]
        return (rest[0], True) if len(rest) == 1 else (hint, True)
    return hint, False


def _choices(hint: Any) -> tuple[str, ...]:
    hint, _ = _without_none(hint)
    if get_origin(hint) is Literal:
        return tuple(str(choice) for choice in get_args(hint))
    found = [_choices(part) for part in get_args(hint)]
    return tuple(dict.fromkeys(choice for part in found for choice in part))


_KINDS: dict[type, Kind] = {bool: "flag", int: "number", float: "number", Path: "path"}


def _kind(hint: Any) -> Kind:
    hint, _ = _without_none(hint)
    return _KINDS.get(hint, "text")


def _default(value: Any, shape: Shape, kind: Kind) -> Value:
    if shape == "table":
        return tuple((str(key), _text(part)) for key, part in (value or {}).items())
    if shape == "list":
        return tuple(_text(part) for part in value or ())
    if kind == "flag":
        return value if value is None else bool(value)
    return _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
