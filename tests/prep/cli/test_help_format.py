"""Pages of help as people read them, in a terminal of 80 columns."""

import io
import re
from pathlib import Path
from typing import get_origin

import pytest
from rich.console import Console

from prep.cli.help_format import shown_default
from tests.verbs import Words, all_verbs, arguments_of
from tui.command_line import app
from tui.verbs.table import STAGES

ROOT = Path(__file__).resolve().parents[3]
VERBS = [words for words, _ in all_verbs()]


def page(*words: str, width: int = 80) -> str:
    stream = io.StringIO()
    app.help_print(list(words), console=Console(file=stream, width=width))
    return stream.getvalue()


def headings(text: str) -> dict[str, list[str]]:
    """Return the first word of each entry below each heading."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.match(r"\S.*[^.:]$", line):
            found[line] = entries = []
        elif match := re.match(r"  (\S+)", line):
            entries.append(match[1].rstrip(","))
    return found


def test_verbs_stand_in_the_stages_of_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    table = re.findall(r"^\| ([^|`]+) \| ((?:`[a-z]+` ?)+)\|", text, re.M)
    readme = {stage: re.findall(r"`([a-z]+)`", verbs) for stage, verbs in table}
    shown = headings(page())
    stages = list(shown)[list(shown).index("Start") :]
    assert stages[: len(readme) + 2] == [*readme, "Options", "General options"]
    assert {stage: shown[stage] for stage in readme} == readme
    assert len(readme) > 10


def test_a_page_has_all_its_parts() -> None:
    assert page("jobs", "stop").splitlines() == [
        "Usage: shikomi jobs stop [PROJECT] [OPTIONS]",
        "",
        "Stop a running job after its current step; training saves its state first.",
        "",
        "A queued job leaves the queue.",
        "",
        "Arguments",
        "  PROJECT  Project folder, or any folder of images. [default: .]",
        "",
        "Options",
        "  --job TEXT  Name of the job. Default: the job that runs, or the newest.",
        "  --now       End the job at once, without saving.",
        "  --json      Print events as JSON lines.",
        "",
        "Examples",
        "  shikomi jobs stop my_project",
        "      Stop the job that runs; shikomi train --resume continues it.",
        "  shikomi jobs stop my_project --job 20260301-181500-train --now",
        "      End this job at once: what came after its last saved state is lost.",
    ]


def test_a_group_lists_its_verbs() -> None:
    assert headings(page("jobs"))["Verbs"] == ["list", "compare", "follow", "stop", "move", "start"]
    assert "Exit codes" not in page("jobs") + page("jobs", "list")
    assert "Exit codes" in page()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_pages_are_readable(verb: Words) -> None:
    text = page(*verb)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r" $|\t|\bNone\b|Annotated|\bSTR\b|FLOAT", text, re.M)
    assert not re.search(r"--empty-|default: (False|True|\(|\{\}|\"|\])|choices: ,", text)
    assert not re.search(r"may be given|, as \d|\bis no\b|when absent|when empty", text)
    before, _, examples = text.partition("\nExamples\n")
    assert examples.count("\n  shikomi ") + examples.startswith("  shikomi ") == 2
    assert before.endswith("lines.\n"), "--json is the last option of every verb"


WITHOUT_PROJECT: set[Words] = {
    *(("allow",), ("demo",), ("models",), ("diff",)),
    *(("lora", "info"), ("lora", "verify")),
}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_project_is_the_first_argument(verb: Words) -> None:
    names = [one.name.lstrip("-").upper() for one in arguments_of(verb) if one.index is not None]
    assert "PROJECT" not in names[1:]
    if verb not in {
        ("allow",),
        ("demo",),
        ("models",),
        ("diff",),
        ("lora", "info"),
        ("lora", "verify"),
    }:
        assert names[0] == "PROJECT"
        (first, *others) = [one for one in arguments_of(verb) if one.index is not None]
        # What must be given cannot follow what may be omitted.
        assert first.required or not any(one.required for one in others)


def test_what_is_repeatable_says_so() -> None:
    repeatable = [
        (verb, argument)
        for verb in VERBS
        for argument in arguments_of(verb)
        if get_origin(argument.hint) in (tuple, dict)
    ]
    assert len(repeatable) > 20
    for verb, argument in repeatable:
        assert "repeatable" in (argument.parameter.help or "").lower(), (verb, argument.name)


def test_only_switches_that_are_on_have_a_negative() -> None:
    negatives = {(verb, name) for verb in VERBS for name in re.findall(r"(--no-\S+)", page(*verb))}
    assert negatives == {
        (("dupes",), "--no-mirrored"),
        (("dupes",), "--no-rotated"),
        (("shuffle",), "--no-shuffle"),
        (("crop",), "--no-snap"),
        (("concept",), "--no-regularization"),
        (("export",), "--no-shuffle"),
        (("lora", "extract"), "--no-text-encoder"),
    }
    assert "--link, --copy" in page("import")


def test_mappings_and_choices_are_shown() -> None:
    assert "--tags.NAME NUMBER" in page("tag")
    assert "--replace.NAME TEXT" in page("edit")
    assert "runs the model. [choices: auto, cpu, cuda," in " ".join(page("tag").split())
    assert "[choices" not in page("scores", "compare"), "the text names all of them"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (False, None),
        ("", None),
        ((), None),
        ({}, None),
        (True, "on"),
        (0, "0"),
        (0.05, "0.05"),
        (1.0, "1"),
        ((0.0, 0.6), "0, 0.6"),
        ("merge", "merge"),
    ],
)
def test_defaults(value: object, shown: str | None) -> None:
    assert shown_default(value) == shown


def test_every_verb_of_the_table_has_a_page() -> None:
    listed = [verb.name for verbs in STAGES.values() for verb in verbs if verb.target]
    assert sorted(listed) == sorted(" ".join(words) for words in VERBS)
    assert len(page("edit", width=120).splitlines()) < len(page("edit").splitlines())
