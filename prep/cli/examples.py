"""Worked examples of verbs: they end ``--help``, stand in ``docs/cli.md``, and run in the tests."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

_Verb = TypeVar("_Verb", bound=Callable[..., Any])


class Example(NamedTuple):
    """A command line as a user types it in a POSIX shell, and what it does."""

    command: str
    does: str


_EXAMPLES: dict[Callable[..., Any], tuple[Example, ...]] = {}


def examples(first: tuple[str, str], second: tuple[str, str]) -> Callable[[_Verb], _Verb]:
    """Return a decorator that gives a verb its two examples.

    Args:
        first: Command line and what it does, in one sentence.
        second: The same for a more specific use.
    """

    def attach(verb: _Verb) -> _Verb:
        _EXAMPLES[verb] = (Example(*first), Example(*second))
        return verb

    return attach


def examples_of(verb: Callable[..., Any]) -> tuple[Example, ...]:
    """Return the examples of a verb; none for what is not decorated."""
    return _EXAMPLES.get(verb, ())
