"""Write the generated parts of the documents: ``python docs/regenerate.py``.

The text above the marker of a document is written by hand. Below it stand, in ``docs/cli.md``,
every verb with its options and its examples, as ``--help`` shows them, and every event; in
``docs/topics/training-settings.md`` the settings and presets of training; in
``docs/topics/from-kohya.md`` the arguments of sd-scripts; in ``docs/topics/terminal.md`` the keys
of the terminal application. The catalogues of translations are brought up to date and compiled, too
(``docs/catalogue``). A test fails when anything is out of date.
"""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from pydantic.fields import FieldInfo

    from prep.cli.examples import Example

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MARKER = "<!-- Generated below by docs/regenerate.py -->\n"


class MarkdownFormatter:
    """Collects a page of help as Markdown, where the command line prints it."""

    # ruff: noqa: ARG002  (the protocol of formatters has more parameters than are needed here)

    def __init__(self) -> None:
        self.lines: list[str] = []

    def render_usage(self, console: object, options: object, usage: object) -> None:
        """Collect the usage."""
        self.lines += ["", "```console", str(usage).rstrip(), "```"]

    def render_description(self, console: object, options: object, description: object) -> None:
        """Collect what the verb does."""
        from prep.cli.help_format import plain

        self.lines += ["", plain(description)]

    def __call__(self, console: object, options: object, panel: "HelpPanel") -> None:
        """Collect a group of arguments or options."""
        from prep.cli.help_format import description_of, names_of, plain

        if panel.entries:
            self.lines += ["", f"**{plain(panel.title)}**", ""]
        for entry in panel.entries:
            names = ", ".join(f"`{name}`" for name in names_of(entry))
            self.lines.append(f"- {names}: {_literal(description_of(entry))}")

    def render_examples(self, console: object, examples: Sequence["Example"]) -> None:
        """Collect worked examples."""
        self.lines += ["", "**Examples**", "", "```bash"]
        for example in examples:
            self.lines += [f"# {example.does}", example.command]
        self.lines.append("```")


def _literal(text: str) -> str:
    """Return text in which Markdown sees no marks of its own."""
    return re.sub(r"[*<]|\b_|_\b", r"\\\g<0>", text).replace("\N{NO-BREAK SPACE}", " ")


def _page(chain: Sequence[str]) -> list[str]:
    """Return the help of one verb as Markdown."""
    from rich.console import Console

    from tui.command_line import app

    page = MarkdownFormatter()
    usual, app.help_formatter = app.help_formatter, page
    try:
        app.help_print(list(chain), console=Console(file=io.StringIO()))
    finally:
        app.help_formatter = usual
    return page.lines


def _verbs() -> Iterator[str]:
    """Yield the documentation of all verbs."""
    from tui.verbs.table import STAGES

    for stage, verbs in STAGES.items():
        yield f"**{stage}**\n"
        for verb in verbs:
            anchor = f"shikomi-{verb.name}".replace(" ", "-")
            yield f"{'  ' * verb.name.count(' ')}- [`{verb.name}`](#{anchor}): {verb.help}"
        yield ""
    for verb in (verb for verbs in STAGES.values() for verb in verbs):
        yield f"### shikomi {verb.name}"
        yield from _page(verb.name.split())
        yield ""


def _events() -> Iterator[str]:
    """Yield every kind of event with its fields and what they mean."""
    from prep import events

    yield "## Events"
    yield ""
    yield "Types are Python's, where `None` is `null`. A field with a value behind `=` may be"
    yield "missing in a line that an older version has written; it had this value then."
    yield ""
    for kind, event in sorted(events.KINDS.items()):
        if event is not events.Unknown:
            listed = ", ".join(map(_field, fields(event)))
            yield f"- **`{kind}`** ({f'`{listed}`' if listed else 'no fields'}): {_said(event)}"
    yield ""


def _field(field: "Field[Any]") -> str:
    """Return a field with its type, and its default if it has one."""
    annotation = field.type
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    kind = str(annotation) if "[" in str(annotation) else name
    shown = f"{field.name}: {kind.replace('typing.', '')}"
    if field.default_factory is not MISSING:
        return f"{shown} = {json.dumps(field.default_factory())}"
    return shown if field.default is MISSING else f"{shown} = {json.dumps(field.default)}"


def _said(event: type) -> str:
    """Return a docstring on one line, as Markdown."""
    text = " ".join(str(event.__doc__).split())
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _reference() -> Iterator[str]:
    """Yield the documentation of the command line."""
    yield from _verbs()
    yield from _events()


def _setting(name: str, field: "FieldInfo") -> str:
    """Return a setting with its default and its range."""
    default = field.get_default(call_default_factory=True)
    shown = "absent" if default is None else json.dumps(default)
    what = ", ".join([f"default {shown}", *filter(None, [_range(field)])])
    return f"- **`{name}`** ({what}): {_literal(' '.join(str(field.description).split()))}"


def _range(field: "FieldInfo") -> str:
    """Return what a setting may be: its choices, or its limits."""
    options = [field.annotation, *get_args(field.annotation)]
    for option in options:
        if get_origin(option) is Literal:
            return "one of " + ", ".join(map(str, get_args(option)))
    limits = {"ge": "from {}", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    return " ".join(
        text.format(f"{getattr(limit, name):g}".replace("4.29497e+09", "2^32"))
        for limit in field.metadata
        for name, text in limits.items()
        if hasattr(limit, name)
    )


def _settings() -> Iterator[str]:
    """Yield every setting of training with its default and range, and the presets."""
    from prep.section import Section
    from train.config import PRESETS, TrainSettings, presets

    groups = [group for group in reversed(TrainSettings.__mro__) if issubclass(group, Section)]
    for group in groups:
        own = [
            name for name in vars(group).get("__annotations__", {}) if name in group.model_fields
        ]
        if own:
            yield f"## {str(group.__doc__).splitlines()[0].rstrip('.')}\n"
            yield from (_setting(name, group.model_fields[name]) for name in own)
            yield ""
    yield f"## Presets\n\nThe files are in `{PRESETS.relative_to(ROOT)}`.\n"
    yield from (f"- `{name}`: {text}." for name, text in presets().items())


def _arguments() -> Iterator[str]:
    """Yield the arguments of sd-scripts by what becomes of them."""
    from train.kohya.arguments import (
        ARGUMENTS,
        Differs,
        Harmless,
        Maps,
        OfDataset,
        Refused,
        Together,
    )
    from train.kohya.network_arguments import NETWORK_ARGUMENTS

    rules = {**ARGUMENTS, **{f"network_args {k}": rule for k, rule in NETWORK_ARGUMENTS.items()}}
    kinds = {
        Maps: "One setting does the same",
        Together: "Translated together with others",
        OfDataset: "Keys of the dataset file",
        Harmless: "They change nothing that is learned here",
        Differs: "Their effect is another one here",
        Refused: "They cannot be trained here",
    }
    for kind, title in kinds.items():
        found = {name: rule for name, rule in rules.items() if isinstance(rule, kind)}
        yield f"### {title} ({len(found)})\n"
        if kind in (Together, OfDataset):
            yield ", ".join(f"`{name}`" for name in found) + ".\n"
            continue
        reasons: dict[str, list[str]] = {}
        for name, rule in found.items():
            text = f"`{rule.setting}`" if isinstance(rule, Maps) else getattr(rule, "why", "")
            reasons.setdefault(text, []).append(f"`{name}`")
        yield from (f"- {', '.join(names)}: {_literal(why)}" for why, names in reasons.items())
        yield ""


def _keys() -> Iterator[str]:
    """Yield the commands of the terminal application: keys, what they do, and their names."""
    from prep.language import _
    from tui import commands

    for scope, heading in commands.titles():
        found = commands.of(scope)
        if not found:
            continue
        yield f"### {heading}"
        yield ""
        yield f"| {' | '.join(_(word) for word in commands.COLUMNS)} |"
        yield "|---|---|---|"
        for command in found:
            yield f"| `{command.label()}` | {_(command.help)} | `{command.id}` |"
        yield ""


def _keys_in_japanese() -> Iterator[str]:
    """Yield the same in Japanese."""
    from prep import language

    language.use("ja")
    try:
        yield from list(_keys())
    finally:
        language.use("en")


PAGES: Mapping[Path, Callable[[], Iterator[str]]] = {
    ROOT / "docs" / "cli.md": _reference,
    ROOT / "docs" / "topics" / "training-settings.md": _settings,
    ROOT / "docs" / "topics" / "from-kohya.md": _arguments,
    ROOT / "docs" / "topics" / "terminal.md": _keys,
    ROOT / "docs" / "topics" / "terminal.ja.md": _keys_in_japanese,
}
"""The documents, and the lines below the marker of each."""


def complete(page: Path) -> str:
    """Return a whole document as it should be."""
    head = page.read_text("utf-8").partition(MARKER)[0]
    return f"{head}{MARKER}\n" + "\n".join(PAGES[page]()).rstrip() + "\n"


if __name__ == "__main__":
    from docs import catalogue
    from prep import language

    language.use("en")
    for source in catalogue.CATALOGUES:
        for text in catalogue.missing(catalogue.refresh(source)):
            print(f"{source.parent.parent.name}: not translated: {text}")  # noqa: T201
    for page in PAGES:
        page.write_text(complete(page), "utf-8")
