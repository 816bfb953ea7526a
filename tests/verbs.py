"""The verbs of the command line, as tests walk through them."""

from collections.abc import Iterator
from functools import cache

from cyclopts import App
from cyclopts.argument import Argument

from tui.command_line import app

Words = tuple[str, ...]


def all_commands(parent: App = app, path: Words = ()) -> Iterator[tuple[Words, App]]:
    """Yield every verb and group of verbs with the words that name it."""
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            yield (*path, name), child
            yield from all_commands(child, (*path, name))


def all_verbs() -> Iterator[tuple[Words, App]]:
    """Yield what can be run."""
    for path, command in all_commands():
        if command.default_command is not None:
            yield path, command


@cache
def arguments_of(path: Words) -> tuple[Argument, ...]:
    """Return the arguments and options of a verb, with their help, as its users see them."""
    _, apps, _ = app.parse_commands(path)
    with app.app_stack(apps):
        found = apps[-1].assemble_argument_collection(parse_docstring=True)
    return tuple(argument for argument in found if argument.show)
