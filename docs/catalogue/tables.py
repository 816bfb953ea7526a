"""Texts that are in tables: the help of all verbs and settings, and the application's commands."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel
from rich.console import Console

from docs.catalogue.po import Text
from prep.cli.command_line import epilogue
from prep.cli.help_format import plain

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel

    from prep.cli.examples import Example


class _Collector:
    """Collects what a page of help shows, where the command line prints it."""

    # ruff: noqa: ARG002  (the protocol of formatters has more parameters than are needed here)

    def __init__(self) -> None:
        self.found: list[str] = []

    def render_usage(self, console: object, options: object, usage: object) -> None:
        """Leave the usage out: it is made of names."""

    def render_description(self, console: object, options: object, description: object) -> None:
        """Collect what the verb does."""
        self.found += plain(description).split("\n\n")

    def __call__(self, console: object, options: object, panel: "HelpPanel") -> None:
        """Collect a group of arguments or options."""
        if panel.entries:
            self.found += [plain(panel.title), *(plain(e.description) for e in panel.entries)]

    def render_examples(self, console: object, examples: Sequence["Example"]) -> None:
        """Collect what the examples do."""
        self.found += [example.does for example in examples]


def help_texts() -> Iterator[Text]:
    """Yield what ``--help`` and the forms of verbs show, verb by verb."""
    from tui.verbs.table import STAGES

    yield from _page("")
    for verbs in STAGES.values():
        for verb in verbs:
            yield from _page(verb.name)


def _page(verb: str) -> Iterator[Text]:
    """Yield the texts of one page; its options may be those of several verbs."""
    from tui.command_line import app

    collector = _Collector()
    usual, app.help_formatter = app.help_formatter, collector
    try:
        app.help_print(verb.split(), console=Console(file=io.StringIO()))
    finally:
        app.help_formatter = usual
    found = collector.found if verb else [*collector.found, *re.split(r"\n+", epilogue(app))]
    for text in found:
        yield Text(text, "", "help", (f"shikomi {verb}".strip(),))


def setting_texts() -> Iterator[Text]:
    """Yield the help of settings that have inputs in the application."""
    from prep.ops.tag import TagOptions
    from train.config import TrainSettings

    models: Iterable[type[BaseModel]] = (TagOptions, TrainSettings)
    for model in models:
        for info in model.model_fields.values():
            text = " ".join((info.description or "").split())
            if text:
                yield Text(text, "", "help", (model.__module__.replace(".", "/") + ".py",))


def labels() -> Iterator[Text]:
    """Yield the labels of all inputs, which are the names of options and settings."""
    from train.config import TrainSettings
    from tui.verbs.options import spec_of, verbs

    for _, verb in verbs():
        for option in spec_of(verb.name).options:
            yield Text(option.label, "", "label", (f"shikomi {verb.name}",))
    for name in TrainSettings.model_fields:
        yield Text(name.replace("_", " "), "", "label", ("train/settings",))


def kinds() -> Iterator[Text]:
    """Yield the words for kinds of decisions and states of jobs."""
    from prep.captions.traits import GROUPS
    from prep.curation.duplicates.groups import APART, REASONS
    from prep.curation.review import KINDS, NAMES

    for word in (*KINDS, *NAMES.values()):
        yield Text(word, "", "interface", ("prep/curation/review",))
    for word in (*GROUPS, "variety", "disagreement", "resolution"):
        yield Text(word, "", "interface", ("prep/curation/advice",))
    for word in (*REASONS, *sorted(APART)):
        yield Text(word, "", "interface", ("prep/curation/duplicates/groups.py",))
    for word in ("encode", "train", "sample"):
        yield Text(word, "", "interface", ("train/memory_plan/peak.py",))
    for word in ("error", "warning", "info"):
        yield Text(word, "", "interface", ("prep/events",))
    for word in ("new", "queued", "running", "done", "stopped", "failed", "lost", "stalled"):
        yield Text(word, "", "interface", ("prep/system/jobs.py",))
    for theme in ("Theme", "Change the current theme", "Screenshot"):
        yield Text(theme, "", "interface", ("textual",))
    yield Text("Save an SVG 'screenshot' of the current screen", "", "interface", ("textual",))


def commands() -> Iterator[Text]:
    """Yield titles and help of the application's commands, and the headings above them."""
    from tui import commands

    place = ("tui/commands.py",)
    for command in commands.COMMANDS:
        yield Text(command.title, "", "interface", place)
        yield Text(command.help, "", "interface", place)
    for _, title, _ in commands.STAGE_KEYS.values():
        yield Text(title, "", "interface", place)
