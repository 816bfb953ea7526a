"""How ``--help`` looks: headings and two columns, without frames, in any width.

What tells a user nothing is left out: empty defaults, and switches that turn off what is off.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, get_args, get_origin

from prep.cli.examples import Example
from prep.language import _
from prep.language.wrapping import wrapped

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_NAMES_WIDTH = 28
"""Widest column of names, in characters; longer ones continue on the next line."""
_MARGINS = 4
"""Columns before the names, and between them and what they do."""
_NO_BREAK = "\N{NO-BREAK SPACE}"
_ON = "on"
_METAVARS = {"STR": "TEXT", "FLOAT": "NUMBER"}
"""Names of Python's types, and what they are called in help."""


class HelpFormatter:
    """Prints a page of help; an implementation of the protocol of the same name in cyclopts."""

    # ruff: noqa: ARG002  (the protocol has more parameters than are needed here)

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: object) -> None:
        """Print the usage."""
        _print(console, _("Usage: {usage}").format(usage=usage), "bold")

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: object
    ) -> None:
        """Print what the verb does."""
        for paragraph in plain(description).split("\n\n"):
            _print(console, "\n".join([*_wrapped(_(paragraph), console.width), ""]))

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print a group of verbs, arguments or options."""
        rows = [(", ".join(names_of(entry)), description_of(entry)) for entry in panel.entries]
        if not rows:
            return
        _print(console, _(plain(panel.title)), "bold")
        width = min(_NAMES_WIDTH, max(len(row[0]) for row in rows))
        for names, text in rows:
            left, right = _wrapped(names, width), _wrapped(text, console.width - width - _MARGINS)
            for name, line in zip_longest(left, right, fillvalue=""):
                _print(console, f"  {name.ljust(width) if line else name}", "cyan", end="")
                _print(console, f"  {line}" if line else "")
        _print(console)

    def render_examples(self, console: "Console", examples: Sequence[Example]) -> None:
        """Print worked examples."""
        _print(console, _("Examples"), "bold")
        for example in examples:
            _print(console, f"  {example.command}", "cyan")
            for line in _wrapped(_(example.does), console.width - 6):
                _print(console, f"      {line}")


def _wrapped(text: str, width: int) -> list[str]:
    """Return lines; names of options and choices stay in one piece."""
    return [line.replace(_NO_BREAK, " ") for line in wrapped(text, max(20, width))]


def _print(console: "Console", text: str = "", style: str = "", end: str = "\n") -> None:
    """Print text as it is, in a style."""
    from rich.text import Text

    console.print(Text(text, style=style), end=end, soft_wrap=True)


def shown_default(value: object) -> str | None:
    """Return a default value as help shows it, or ``None`` when there is nothing to show."""
    if value is True:
        return _ON
    if value is None or value is False or value in ("", (), {}):
        return None
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def names_of(entry: "HelpEntry") -> list[str]:
    """Return the names of an option or verb, the last positive one with what its value is.

    ``--no-FLAG`` is listed where the flag is on, or has a third state, unless it is given.
    """
    if entry.positional_label:
        return [entry.positional_label]
    names = [*entry.positive_names, *entry.positive_shorts]
    names[-1] += _value_of(entry)
    off = entry.type is bool and entry.default != _ON
    return names + [name for name in entry.negative_names if not (off and name.startswith("--no-"))]


def _value_of(entry: "HelpEntry") -> str:
    """Return what follows the name of an option: a placeholder, nothing for flags."""
    if get_origin(entry.type) is dict:
        value = get_args(entry.type)[-1]
        return f".NAME {_placeholder(getattr(value, '__origin__', value))}"
    # One option takes one value, even if it is repeatable.
    metavar = (entry.metavar or "").removesuffix("...")
    return f" {'CHOICE' if entry.choices else _METAVARS.get(metavar, metavar)}" if metavar else ""


def description_of(entry: "HelpEntry") -> str:
    """Return what an option or verb does, the choices it does not explain, and its default.

    It is in the language in use. Names are those of English help, whatever stands around them.
    """
    text = plain(entry.description)
    choices = [choice for choice in entry.choices or () if choice]
    parts = [_(text)]
    if any(not re.search(rf"(?<![\w-]){re.escape(choice)}(?![\w-])", text) for choice in choices):
        parts.append(_("[choices: {choices}]").format(choices=", ".join(choices)))
    if entry.default:
        parts.append(_("[default:\N{NO-BREAK SPACE}{value}]").format(value=entry.default))
    parts += [_("[required]")] if entry.required and not entry.positional_label else []
    return " ".join(parts)


def plain(text: object) -> str:
    """Return the text of what cyclopts would print, each paragraph on one line."""
    found = str(getattr(getattr(text, "primary_renderable", text), "plain", text))
    return "\n\n".join(" ".join(part.split()) for part in found.strip().split("\n\n"))


def usage_line(chain: Sequence[str], command: "App") -> str:
    """Return how a verb is called: its arguments by name, what is required, and ``[OPTIONS]``."""
    words, optional = ["shikomi", *chain], False
    for argument in command.assemble_argument_collection():
        if argument.show and argument.index is not None:
            label = argument.name.lstrip("-").upper()
            words.append(label if argument.required else f"[{label}]")
        elif argument.show and argument.required:
            words.append(f"{argument.name} {_placeholder(argument.hint)}")
        else:
            optional |= argument.show
    return " ".join([*words, "[OPTIONS]"] if optional else words)


def _placeholder(type_: Any) -> str:
    name = str(type_.__name__).upper()
    return _METAVARS.get(name, name)
