"""Write the generated part of ``docs/cli.md``: ``python docs/regenerate.py``.

The text above the marker is written by hand; below it stands every verb with its options and its
examples, as ``--help`` shows them. A test fails when it is out of date.
"""

import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel

    from prep.cli.examples import Example

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "cli.md"
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

    from tui.cli import app

    page = MarkdownFormatter()
    usual, app.help_formatter = app.help_formatter, page
    try:
        app.help_print(list(chain), console=Console(file=io.StringIO()))
    finally:
        app.help_formatter = usual
    return page.lines


def _lines() -> Iterator[str]:
    from tui.cli import STAGES

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


def generated() -> str:
    """Return the documentation of all verbs, in Markdown."""
    sys.path.insert(0, str(ROOT))
    return "\n".join(_lines()).rstrip() + "\n"


def complete() -> str:
    """Return the whole file as it should be."""
    head = FILE.read_text("utf-8").partition(MARKER)[0]
    return f"{head}{MARKER}\n{generated()}"


if __name__ == "__main__":
    FILE.write_text(complete(), "utf-8")
