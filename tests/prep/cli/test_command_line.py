"""How words are read: values that look like options, values that are missing, wrong words."""

from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError
from hypothesis import example, given
from hypothesis import strategies as st

from prep.cli.command_line import attach_values
from tests.verbs import Words, all_verbs, arguments_of
from tui.cli import main
from tui.command_line import app

PLAIN = (str, str | None, tuple[str, ...], tuple[str, ...] | None)
"""Types of options whose values are kept as they are."""
FLAGS = {"-h", "--help", "--version"}


def bound(*words: str) -> dict[str, Any]:
    """Return what a command line gives to the function of its verb."""
    _, found, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return found.arguments


def value_of(verb: Words, option: str, *given_words: str) -> Any:
    """Return what an option is bound to, with all that the verb needs besides."""
    (argument,) = [one for one in arguments_of(verb) if one.name == option]
    needed = ["x" for one in arguments_of(verb) if one.index is not None and one.required]
    needed += [f"{one.name}=x" for one in arguments_of(verb) if one.index is None and one.required]
    if argument.required:
        needed.remove(f"{option}=x")
    found = bound(*verb, *needed, *given_words)
    if argument.keys:
        return getattr(found["options"], argument.keys[0])
    return found[argument.field_info.name]


def text_options() -> st.SearchStrategy[tuple[Words, str]]:
    """Choose one of the options of all verbs that take any text."""
    return st.sampled_from(
        [
            (words, argument.name)
            for words, _ in all_verbs()
            for argument in arguments_of(words)
            if argument.index is None and argument.field_info.annotation in PLAIN
        ]
    )


@given(st.deferred(text_options), st.text() | st.text().map(lambda text: f"-{text}"))
@example((("ls",), "--where"), "-smile")
@example((("ls",), "--where"), "--jsonl")
@example((("ls",), "--where"), "--")
@example((("ls",), "--where"), "-")
@example((("ls",), "--where"), "")
@example((("exclude",), "--reason"), "-1")
@example((("concept",), "--trigger"), "none")
@example((("train",), "--set"), "[1]")
@example((("sample",), "--prompt"), "--n bad")
def test_an_option_takes_any_text(option: tuple[Words, str], text: str) -> None:
    verb, name = option
    known = {name for argument in arguments_of(verb) for name in argument.names} | FLAGS
    if text.partition("=")[0] not in known:
        assert value_of(verb, name, name, text) in (text, (text,))
    assert value_of(verb, name, f"{name}={text}") in (text, (text,))


@pytest.mark.parametrize("option", ["--remove", "--add", "--prepend"])
@pytest.mark.parametrize("tag", ["-_-", "--_--", ";-;", "-", "=_="])
def test_tags_may_look_like_options(option: str, tag: str) -> None:
    words = bound("edit", "p", option, tag, "--dry-run", option, "hat")
    assert getattr(words["options"], option[2:]) == (tag, "hat")
    assert words["options"].dry_run is True


def test_names_and_values_of_mappings_may_begin_with_a_hyphen() -> None:
    words = bound("edit", "p", "--replace.-_-", "sleepy", "--replace.hat", "-_-", "--lower")
    assert words["options"].replace == {"-_-": "sleepy", "hat": "-_-"}
    assert words["options"].lower is True


def test_text_to_complete_may_begin_with_a_hyphen() -> None:
    assert bound("complete", "p", "-_-", "--limit", "3")["text"] == "-_-"


def test_words_behind_two_hyphens_are_arguments() -> None:
    known = app["prune"].assemble_argument_collection()
    words = ["--tag", "-a", "--", "--tag", "-b"]
    assert attach_values(words, known) == ["--tag=-a", "--", "--tag", "-b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ls", "p", "--where", "--json"], "--where needs a value."),
        (["ls", "p", "--where"], "--where needs a value."),
        (["edit", "p", "--add", "--remove", "x"], "--add needs a value."),
        (["edit", "p", "--add", "--remove=x"], "--add needs a value."),
        (["edit", "p", "--add", "--replace.hat", "x"], "--add needs a value."),
        (["edit", "p", "--replace.hat", "--no-lower"], "--replace.hat needs a value."),
        (["edit", "p", "--replace.hat=cap", "-x"], "Unknown option: -x."),
        (["ls", "p", "--json", "-x"], "Unknown option: -x."),
        (["shuffle", "p", "--seed", "-1"], "--seed: must be at least 0"),
        (["shuffle", "p", "--seed", "１２"], "--seed: must be in half-width digits: 12"),
        (
            ["dupes", "p", "--resolve", "x"],
            "--resolve: must be one of 'none', 'keep-best', not 'x'",
        ),
        (["concept", "p", "f", "--trigger", "a, b"], "--trigger: 'a, b' is 2 tags"),
        (["ls", "p", "--wher", "x"], "Unknown option: --wher. Did you mean --where?"),
        (["ls", "p", "-json"], "Unknown option: -json. Did you mean --json?"),
        (["ls", "p", "--zzz=1"], "Unknown option: --zzz.\n"),
        (["complete", "p", "--limt", "3"], "There is no such option."),
        (["jobs", "folow"], "Unknown verb: folow. Did you mean follow?"),
        (["lora", "x"], "Unknown verb: x. There are: info,"),
        (["quality", "--all=maybe"], "--all cannot be 'maybe'."),
        (["init", "x", "--family", "q"], "--family: must be one of 'sd15', 'sdxl', not 'q'."),
        (["lss"], "lss is neither a verb nor a folder.\n  Did you mean: shikomi ls?"),
        (["ls", "p", "q"], "Too many arguments: q\n"),
        (["preview", "p"], "IMAGE is missing."),
        (["exclude", "p"], "--where is missing."),
    ],
)
def test_wrong_words_are_named(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["shikomi", *words])
    assert main() == 2
    error = capsys.readouterr().err
    assert error.startswith("shikomi: ")
    assert told in error
    assert list(tmp_path.iterdir()) == []


def test_help_is_help_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["ls", "--help"], ["ls", "p", "-h"], ["ls", "p", "--where", "--help"]):
        app(words, exit_on_error=False)
        assert capsys.readouterr().out.startswith("Usage: shikomi ls [PROJECT]")


def test_negatives_that_help_does_not_list_are_understood() -> None:
    """The terminal application starts jobs with every option spelled out."""
    assert bound("tag", "p", "--no-dry-run")["options"].dry_run is False
    with pytest.raises(CycloptsError):
        bound("edit", "p", "--empty-add")
