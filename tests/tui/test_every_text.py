"""Every text that is shown went through gettext: in a language of other letters, none is left out.

The language is English in Cyrillic letters, each for one Latin letter, so that nothing is cut or
wrapped in another way. Names of images, tags and models have no Latin letters; what may have some
(keys, settings, commands, formats of files) is taken away before letters are looked for.
"""

import gettext
import re
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

import pytest
from textual.widget import Widget
from textual.widgets import Select

from prep import events, language
from prep.ops import scan
from prep.project import Project
from prep.tagging.models.catalogue import KNOWN
from prep.tagging.models.tables import CHARACTER, GENERAL, RATING, TagTable
from tests.conftest import MakeImage
from tests.prep.scored import add_scores
from tests.tui.driving import Opened, running
from tests.tui.test_jobs import finished
from tests.tui.test_samples import draw
from tui.commands import COMMANDS

_LETTERS = str.maketrans(
    ascii_lowercase + ascii_uppercase,
    "".join(chr(first + n) for first in (0x430, 0x410) for n in range(26)),
)
_GAP = re.compile(r"(\{[^{}]*\}|\[/?[a-z$-]*\])")
"""Gaps for values, and markup."""
_KEYS = {"tab"} | {
    key for command in COMMANDS for key in re.findall("[a-z]+", command.label().lower())
}
_NAMES = (
    r"\$ shikomi[^│▏▕]*|^ *edit ·|--\w+",  # a command line and its parts
    r"Steps: .*|<lora:.*?>",  # what a picture says of how it was drawn
    *(rf"\b{re.escape(text)}" for each in KNOWN for text in (each.name, each.licence) if text),
    r"[\w./~-]*[/.][\w./~-]+",  # a path, a suffix, or the name of a command
    r"-\w+…|\w*(\d|_)[\w.-]*|\w+(-\w+)+",  # sizes, settings, options
    r"demo detector",
    r"\b(PNG|NaN|MB|GB|GiB|kB|demo|shikomi|base|keys|exclude)\b",
)


def foreign(text: str) -> str:
    """Return a text in the other letters; its gaps stay as they are.

    Example:
        >>> foreign("{count} cabs")
        '{count} вабт'
    """
    parts = _GAP.split(text)
    return "".join(part if n % 2 else part.translate(_LETTERS) for n, part in enumerate(parts))


class Foreign(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return foreign(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return foreign(msgid1 if n == 1 else msgid2)

    def translated(self, text: str) -> str:
        return foreign(text)


@pytest.fixture(autouse=True)
def _foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_catalogue", Foreign())
    monkeypatch.setattr(language, "_code", "foreign")
    monkeypatch.setattr(language, "_templates", lambda _code: Foreign())


def english(opened: Opened) -> Iterator[str]:
    """Yield the words of the screen, and of its tooltips, that are in English."""
    screen, stack = opened.app.screen, opened.app.screen_stack
    known = {str(select.value) for each in stack for select in each.query(Select)}
    known.add(opened.app.session.project.name)
    texts = [strip.text for strip in screen._compositor.render_strips()]
    texts += [str(widget.tooltip) for widget in screen.query(Widget) if widget.tooltip]
    for text in texts:
        bare = text
        for names in _NAMES:
            bare = re.sub(names, " ", bare)
        words = re.findall(r"[A-Za-z]{2,}", bare)
        if left := [word for word in words if word.lower() not in _KEYS | known]:
            yield f"{left} in {text.strip()!r}"


@pytest.fixture
def filled(project: Project, make_image: MakeImage) -> Project:
    """A project with something to show on every stage."""
    for name, number, caption in (("甲", 1, "もち, 犬"), ("乙", 1, "もち, 猫"), ("丙", 3, None)):
        make_image(f"10_もち/{name}.png", number, (300, 200), caption)
    make_image("20_だんご/丁.png", 4, (200, 300), "だんご")
    (project.dataset / "20_だんご" / "戊.png").write_bytes(b"no picture")
    list(scan.run(project))
    table = TagTable(("安全", "帽子", "もち"), (RATING, GENERAL, CHARACTER))
    add_scores(project, "甲乙", {"甲": {"帽子": 0.9}, "丙": {"もち": 0.8}}, table)
    metrics = [events.Metric(n, 9, 1, loss=1 / n, average_loss=0.5) for n in range(1, 10)]
    finished(project, *metrics, events.Metric(9, 9, 1, val_loss=0.2), title="もち")
    finished(project, events.Stage("load", note="on cpu"), title="だんご")
    (project.output / "lora").mkdir(parents=True)
    (project.output / "lora" / "もち.safetensors").touch()
    draw(project.output / "grids" / "cells" / "00--0.png", "もち", 1, 10)
    draw(project.output / "grids" / "cells" / "00-a.png", "もち <lora:もち:0.5>", 1, 20)
    return project


STAGES = {
    "images": ("e", "t", "f", "m", "m", "slash"),
    "review": ("t",),
    "dupes": ("space",),
    "crop": ("e",),
    "tag": ("t", "m"),
    "plan": ("e", "w", "c"),
    "train": ("w", "ctrl+o", "o", "d"),
    "samples": ("t", "space"),
}
"""Stage -> keys that change what it shows; esc follows each."""
DIALOGS = {
    "images": (*"adcwpFUBPb", "question_mark", "ctrl+p"),
    "dupes": ("X",),
    "plan": ("R",),
    "samples": ("n",),
}
"""Stage -> keys that open a dialog, a form or a question."""


def is_ready(opened: Opened) -> bool:
    """Return whether a dialog is open, and has all that it shows."""
    app = opened.app
    return len(app.screen_stack) > 1 and not any(
        worker.is_running and worker.node in app.screen.walk_children(with_self=True)
        for worker in app.workers
    )


async def test_no_text_is_left_in_english(filled: Project) -> None:
    found: list[str] = []
    async with running(filled, (220, 70)) as opened:
        for mode, keys in STAGES.items():
            if mode != opened.app.current_mode:
                await opened.go(mode)
            found += [f"{mode}: {text}" for text in english(opened)]
            for key in keys:
                await opened.press(key)
                found += [f"{mode}, {key}: {text}" for text in english(opened)]
                await opened.press("escape")
            for key in DIALOGS.get(mode, ()):
                await opened.pilot.press(key)
                await opened.until(lambda: is_ready(opened))
                found += [f"{mode}, {key}: {text}" for text in english(opened)]
                while len(opened.app.screen_stack) > 1:
                    await opened.pilot.press("escape")
                    await opened.pilot.pause()
    assert not found
