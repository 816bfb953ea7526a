"""What is wrong with a command line, in words for people."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from prep.language import _, translated

if TYPE_CHECKING:
    from cyclopts import CycloptsError, UnknownOptionError
    from pydantic import ValidationError


def format_error(error: "CycloptsError") -> object:
    """Return what to print for a fault that was found while reading the command line.

    It reads as every other error does: what is wrong, and in the next line where to look.
    """
    from rich.text import Text

    command = " ".join(["shikomi", *(error.command_chain or ())])
    lines = [
        f"shikomi: {option}: {translated(text)}" if option else f"shikomi: {translated(text)}"
        for option, text in faults_of(error)
    ]
    hint = _("All options: {command} --help").format(command=command)
    return Text("\n".join([*lines, f"  {hint}"]))


def faults_of(error: "CycloptsError") -> list[tuple[str, str]]:
    """Return what is wrong: the name of the option, empty if it is in the text, and a sentence."""
    from pydantic import ValidationError

    cause = error.__cause__
    return list(_refused(cause)) if isinstance(cause, ValidationError) else [("", _fault(error))]


def _refused(cause: "ValidationError") -> Iterator[tuple[str, str]]:
    """Yield, by option, why a model of options refused its values."""
    from prep.project.faults import fault_of

    for fault in cause.errors():
        # Places in a list say nothing: each value is in its message.
        names = [str(part).replace("_", "-") for part in fault["loc"] if isinstance(part, str)]
        yield (f"--{'.'.join(names)}" if names else ""), fault_of(fault)


def _fault(error: "CycloptsError") -> str:
    """Return one sentence about a command line that cannot be read."""
    from cyclopts import (
        CoercionError,
        MissingArgumentError,
        UnknownCommandError,
        UnknownOptionError,
        UnusedCliTokensError,
    )

    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"Too many arguments: {' '.join(error.unused_tokens)}"
    if isinstance(error, UnknownOptionError):
        return _unknown(error)
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        return _unknown_verb(error.unused_tokens[0], list(error.app or ()))
    if isinstance(error, CoercionError) and error.msg is None and error.token and error.argument:
        name = error.token.keyword or error.argument.name.upper()
        if choices := ", ".join(map(repr, get_args(error.target_type))):
            return f"{name}: must be one of {choices}, not {error.token.value!r}."
        return f"{name} cannot be {error.token.value!r}."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        if error.keyword is not None:
            return f"{error.keyword} needs a value."
        return f"{name if name.startswith('-') else name.upper()} is missing."
    return str(error)


def _unknown_verb(word: str, names: list[str]) -> str:
    """Return what to say of a verb that a group does not have."""
    known = [name for name in names if not name.startswith("-")]
    if near := get_close_matches(word, known, n=1):
        return f"Unknown verb: {word}. Did you mean {near[0]}?"
    return f"Unknown verb: {word}. There are: {', '.join(known)}"


def _unknown(error: "UnknownOptionError") -> str:
    """Return what to say of an option that the verb does not have, with the nearest name."""
    word = (error.token.keyword or error.token.value).partition("=")[0]
    known = [
        name
        for argument in error.argument_collection
        for name in argument.names
        if name.startswith("-")
    ]
    near = get_close_matches(word, known, n=1)
    return f"Unknown option: {word}." + (f" Did you mean {near[0]}?" if near else "")
