"""Every verb has a form, and what is entered in it is what the verb gets."""

from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tests.verbs import all_verbs, arguments_of
from tui.command_line import app
from tui.verbs.command import words
from tui.verbs.fields import SCOPE_LABEL
from tui.verbs.options import PATH, WHERE, Value, VerbOption, VerbSpec, spec_of, verbs

NAMES = [verb.name for _, verb in verbs()]
PATHS = [path for path, _ in all_verbs()]
PROJECT = Path("/sets/my set")
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=","), min_size=1
).filter(lambda text: text == text.strip())
"""Options with tags take off the spaces around one."""
WHOLE = st.sampled_from(("1", "2", "0", "512"))
NUMBERS = st.sampled_from(("1", "0.5", "2", "0", "512"))


def entries(option: VerbOption) -> st.SearchStrategy[str]:
    if option.kind == "choice":
        return st.sampled_from([choice for choice in option.choices if choice])
    if option.kind == "number":
        return WHOLE if str(option.default).isdigit() else NUMBERS
    # A path is compared as one: "a//b" and "a/b" are the same.
    return TEXTS.map(lambda text: str(Path(text))) if option.kind == "path" else TEXTS


def entered(option: VerbOption) -> st.SearchStrategy[Value]:
    one = entries(option)
    if option.kind == "flag":
        return st.sampled_from((True, False, None) if option.three else (True, False))
    if option.shape == "list":
        return st.lists(one, min_size=1, max_size=3).map(tuple)
    if option.shape == "table":
        rows = st.lists(st.tuples(TEXTS, one), max_size=3, unique_by=lambda row: row[0])
        return rows.map(tuple)
    return one if option.required or option.default else st.just("") | one


@st.composite
def filled(draw: st.DrawFn, name: str) -> tuple[VerbSpec, dict[str, Value]]:
    """A verb, with some of its inputs filled in."""
    spec = spec_of(name)
    chosen = [o for o in spec.options if o.required or draw(st.booleans())]
    return spec, {option.name: draw(entered(option)) for option in chosen}


def bound(command: list[str]) -> dict[str, Any]:
    """Return what a command line gives to its verb, by the name of the option."""
    verb = next(path for path in PATHS if tuple(command[: len(path)]) == path)
    _, found, _ = app.parse_args(command, exit_on_error=False, print_error=False)
    found.apply_defaults()
    result: dict[str, Any] = {}
    for argument in arguments_of(verb):
        keys = argument.keys
        for value in found.arguments.values():
            if keys and isinstance(value, BaseModel) and keys[0] in type(value).model_fields:
                result[argument.name] = getattr(value, keys[0])
        if not keys and argument.field_info.name in found.arguments:
            result[argument.name] = found.arguments[argument.field_info.name]
    return result


def plain(value: Any, kind: str) -> Any:
    """Return a value in a shape in which both sides can be compared."""
    if isinstance(value, dict):
        return {key: plain(part, kind) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(part, kind) for part in value)
    if value is None or isinstance(value, bool):
        return value
    return float(value) if kind == "number" else str(value)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, phases=[Phase.generate])
@given(data=st.data())
def test_a_verb_gets_what_was_entered(name: str, data: st.DataObject) -> None:
    spec, values = data.draw(filled(name))
    command = words(spec, PROJECT, values, dry=spec.has_dry_run(values))
    try:
        got = bound(command)
    except CycloptsError as error:
        # Models may refuse a value; what reads the words must not.
        if not isinstance(error.__cause__, ValidationError) and "no such option" not in str(error):
            raise
        assume(False)
    for option in spec.options:
        value = values.get(option.name)
        if option.name in values and value not in ("", None, ()):
            wanted = dict(value) if option.shape == "table" else value  # type: ignore[arg-type]
            assert plain(got[option.name], option.kind) == plain(wanted, option.kind), option.name
    assert got.get("PROJECT", PROJECT) == PROJECT or not spec.on_project
    assert got.get("--dry-run", False) == spec.has_dry_run(values)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_inputs_of_a_form_have_the_same_label(name: str) -> None:
    labels = [option.label for option in spec_of(name).options if option.name not in (WHERE, PATH)]
    assert len({*labels, SCOPE_LABEL}) == len(labels) + 1
