"""The palette finds commands and verbs by their words, however quickly they are typed."""

import asyncio
import threading

import pytest
from textual.command import Hits
from textual.widgets import Input, OptionList

from prep.project import Project
from tests.tui.driving import running
from tests.tui.verbs.test_screen import NAMES, Form
from tui.palette import TableProvider
from tui.verbs import screen as screens
from tui.verbs.options import VerbSpec, spec_of
from tui.verbs.screen import VerbScreen


async def test_the_palette_has_every_verb_in_the_order_of_the_work(project: Project) -> None:
    async with running(project) as opened:
        await opened.pilot.press("ctrl+p")
        await opened.until(lambda: opened.app.screen.query(OptionList))
        options = opened.app.screen.query_one(OptionList)
        await opened.until(lambda: options.option_count > len(NAMES))
        titles = [str(option.prompt).partition("\n")[0] for option in options.options]
        assert [t for t in titles if t.startswith("shikomi ")] == [f"shikomi {n}" for n in NAMES]
        await opened.type("blurred")
        await opened.until(lambda: "quality" in str(options.get_option_at_index(0).prompt))
        await opened.pilot.press("enter")
        await opened.until(lambda: isinstance(opened.app.screen, VerbScreen))
        assert Form(opened).command[0] == "quality"


async def test_enter_in_the_palette_waits_for_what_is_typed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, search = asyncio.Event(), TableProvider.search

    async def slow(self: TableProvider, query: str) -> Hits:
        if query == "undo":
            await found.wait()
        async for hit in search(self, query):
            yield hit

    monkeypatch.setattr(TableProvider, "search", slow)
    async with running(project) as opened:
        await opened.pilot.press("ctrl+p")
        await opened.until(lambda: opened.app.screen.query(OptionList))
        options = opened.app.screen.query_one(OptionList)
        await opened.type("scan")
        await opened.until(lambda: "scan" in str(options.get_option_at_index(0).prompt))
        opened.app.screen.query_one(Input).value = "undo"
        asyncio.get_running_loop().call_later(0.05, found.set)
        await opened.pilot.press("enter")
        await opened.until(lambda: isinstance(opened.app.screen, VerbScreen))
        assert Form(opened).command[0] == "undo"


async def test_what_is_typed_before_a_form_is_there_is_typed_into_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Event()

    def slow(name: str) -> VerbSpec:
        read.wait()
        return spec_of(name)

    monkeypatch.setattr(screens, "spec_of", slow)
    async with running(project) as opened:
        opened.app.call_later(opened.app.run_action, "verb('complete')")
        asyncio.get_running_loop().call_later(0.05, read.set)
        await opened.pilot.press("h", "a", "t")
        await opened.until(lambda: isinstance(opened.app.screen, VerbScreen))
        await opened.until(lambda: Form(opened).command[-1] == "hat")
