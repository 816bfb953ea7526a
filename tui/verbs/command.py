"""The command line of what is entered in a form, and what is wrong with it."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cyclopts import CycloptsError

from prep.cli.usage import faults_of
from prep.dataset.query import Query
from prep.errors import UserError
from prep.language import _, translated
from tui.verbs.options import DRY_RUN, READING, WHERE, Value, VerbOption, VerbSpec
from tui.verbs.registered import app


class Fault(NamedTuple):
    """What is wrong with an input; with all of them, if ``name`` is empty."""

    name: str
    text: str


def words(
    spec: VerbSpec,
    project: Path,
    values: Mapping[str, Value],
    *,
    dry: bool = False,
    as_events: bool = False,
) -> list[str]:
    """Return the words after ``shikomi``, without what is the default anyway.

    A positional argument that is missing is represented by its name.

    Args:
        spec: The verb.
        project: The open project.
        values: What was entered, by the names of the options.
        dry: With ``--dry-run``.
        as_events: With ``--json``.
    """
    named = [str(project)] if spec.on_project else []
    options: list[str] = []
    for option in spec.options:
        value = values.get(option.name, option.default)
        if not option.positional:
            if option.required or value != option.default:
                options += _words(option, value)
        elif value or option.required:
            named.append(str(value or option.name))
    options += spec.conduct.given
    options += [DRY_RUN] if dry else []
    options += ["--json"] if as_events else []
    if any(word.startswith("-") for word in named):
        return [*spec.verb.name.split(), *options, "--", *named]
    return [*spec.verb.name.split(), *named, *options]


def missing(spec: VerbSpec, values: Mapping[str, Value]) -> list[Fault]:
    """Return the positional arguments that are required and empty."""
    return [
        Fault(option.name, _("is missing"))
        for option in spec.options
        if option.positional and option.required and not values.get(option.name)
    ]


def shell_line(command: list[str]) -> str:
    """Return the command as one types it in a POSIX shell.

    Example:
        >>> shell_line(["ls", "my set", "--where", "-hat"])
        "shikomi ls 'my set' --where -hat"
    """
    return shlex.join(["shikomi", *command])


def faults(spec: VerbSpec, values: Mapping[str, Value], command: list[str]) -> list[Fault]:
    """Return what the verb refuses before it begins, by the models that it reads its words with.

    Args:
        spec: The verb.
        values: What was entered.
        command: Its words.
    """
    where = values.get(WHERE)
    try:
        Query.parse(str(where or ""))
    except UserError as error:
        return [Fault(WHERE, translated(f"{error.message} {error.hint}".rstrip()))]
    try:
        with READING:
            app.parse_args(command, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return [_placed(spec, name, translated(text)) for name, text in faults_of(error)]
    return []


def _placed(spec: VerbSpec, name: str, text: str) -> Fault:
    for option in spec.options:
        if name == option.name or name.startswith(f"{option.name}."):
            entry = name.removeprefix(option.name).lstrip(".")
            return Fault(option.name, f"{entry}: {text}" if entry else text)
    return Fault("", f"{name}: {text}" if name else text)


def _words(option: VerbOption, value: Value) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, bool):
        yield option.name if value else option.off
    elif isinstance(value, str):
        yield from _given(option.name, value)
    elif option.shape == "table":
        yield from _rows(option, [(row[0], row[1]) for row in value])
    else:
        for entry in value:
            yield from _given(option.name, str(entry))


def _given(name: str, text: str) -> list[str]:
    """Return an option with its value; joined where the value might be taken for an option."""
    return [f"{name}={text}"] if not text or text.startswith("-") else [name, text]


def _rows(option: VerbOption, rows: list[tuple[str, str]]) -> Iterator[str]:
    """Yield ``--replace.OLD NEW`` for each row; as JSON where a name would be taken apart."""
    if all(name and "=" not in name for name, _ in rows):
        for name, text in rows:
            yield from _given(f"{option.name}.{name}", text)
        return
    table = {name: _number(text) if option.kind == "number" else text for name, text in rows}
    yield from (option.name, json.dumps(table, ensure_ascii=False))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
