"""The application behind the command line: how its words are read, and what ``--help`` shows.

Two things are done otherwise than cyclopts does them. An option takes the word that follows it
even when it begins with a hyphen, as tags (``-_-``) and filters (``-smile``) do. And the help of a
verb is its own text, with its examples.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import UNSET, App, Parameter

from prep.cli.examples import examples_of
from prep.cli.help_format import usage_line
from prep.language import _
from prep.language.wrapping import wrapped

if TYPE_CHECKING:
    from cyclopts.argument import ArgumentCollection

_END_OF_OPTIONS = "--"


class CommandLine(App):
    """An application whose verbs take values with leading hyphens and explain themselves."""

    def parse_args(
        self, tokens: str | Iterable[str] | None = None, **settings: Any
    ) -> tuple[Callable[..., Any], inspect.BoundArguments, dict[str, Any]]:
        """Read a command line; see ``attach_values``.

        Raises:
            CycloptsError: It cannot be read.
        """
        return super().parse_args(
            tokens if tokens is None or isinstance(tokens, str) else self._attached([*tokens]),
            **settings,
        )

    # cyclopts reads this signature, too, since ``--help`` is a command to it.
    def help_print(
        self,
        tokens: Annotated[str | Iterable[str] | None, Parameter(show=False)] = None,
        *,
        console: Annotated[Any, Parameter(parse=False)] = None,
    ) -> None:
        """Print this help."""
        chain, apps, _ = self.parse_commands(tokens)
        command = apps[-1]
        if not chain or command.default_command is None:
            self._list_verbs(command, tokens, console)
            return
        listed = command.help
        command.help = _description(command.default_command)
        command.help_epilogue = ""
        with self.app_stack(apps):
            command.usage = usage_line(chain, command)
        try:
            super().help_print(tokens, console=console)
        finally:
            command.help = listed
        render = getattr(self.help_formatter, "render_examples", None)
        if render is not None:
            render(console or self.console, examples_of(command.default_command))

    def _list_verbs(self, group: App, tokens: Any, console: Any) -> None:
        """Print the help of a group of verbs; cyclopts prints what stands below them by itself."""
        written = group.help_epilogue
        if written:
            group.help_epilogue = epilogue(group, (console or self.console).width)
        try:
            super().help_print(tokens, console=console)
        finally:
            group.help_epilogue = written

    def _attached(self, tokens: list[str]) -> list[str]:
        chain, apps, rest = self.parse_commands(tokens)
        command, flags = apps[-1], (*self.help_flags, *self.version_flags)
        # To cyclopts ``--help`` is a verb, too.
        if command.default_command is None or (chain and chain[-1] in flags):
            return tokens
        with self.app_stack(apps):
            known = command.assemble_argument_collection()
        return [*chain, *attach_values(rest, known, flags)]


def epilogue(group: App, width: int = 0) -> str:
    """Return the text below a list of verbs in the language in use, each sentence in a line.

    Args:
        group: The application or group.
        width: Cells of a line; 0 for lines of any length.
    """
    shown = [
        [_(line) for line in paragraph.split("\n")]
        for paragraph in str(group.help_epilogue).split("\n\n")
    ]
    return "\n\n".join(
        "\n".join(part for line in lines for part in (wrapped(line, width) if width else [line]))
        for lines in shown
    )


def attach_values(
    tokens: Sequence[str], known: "ArgumentCollection", flags: Sequence[str] = ()
) -> list[str]:
    """Join values that begin with a hyphen to their options: ``--where -smile`` to one word.

    A word that is an option of the verb is never taken for a value, so that a forgotten value is
    noticed; ``--where=--json`` passes it nevertheless. Words after ``--`` stay as they are.

    Args:
        tokens: Words after the verb.
        known: What the verb takes.
        flags: Other options, which every verb has.
    """
    found: list[str] = []
    awaiting = False
    for index, word in enumerate(tokens):
        is_value = awaiting and not _is_option(word, known, flags)
        if is_value and word.startswith("-"):
            found[-1] += f"={word}"
        elif word == _END_OF_OPTIONS:
            return [*found, *tokens[index:]]
        else:
            found.append(word)
        awaiting = not is_value and _takes_next(word, known)
    return found


def _is_option(word: str, known: "ArgumentCollection", flags: Sequence[str]) -> bool:
    """Is this an option of the verb, with a value or without?"""
    return word in flags or (word.startswith("-") and _has(known, word.partition("=")[0]))


def _takes_next(word: str, known: "ArgumentCollection") -> bool:
    """Is this an option whose value is the next word?"""
    name, equals, _ = word.partition("=")
    if not word.startswith("-") or not _has(known, word) or (equals and _has(known, name)):
        return False
    return known.match(word)[2] is UNSET


def _has(known: "ArgumentCollection", name: str) -> bool:
    try:
        known.match(name)
    except ValueError:
        return False
    return True


def _description(verb: Callable[..., Any]) -> str:
    """Return the text of a verb's docstring that stands before the sections."""
    paragraphs = (inspect.getdoc(verb) or "").split("\n\n")
    kept = []
    for paragraph in paragraphs:
        if paragraph.startswith(("Args:", "Returns:", "Raises:")):
            break
        kept.append(paragraph)
    return "\n\n".join(kept)
