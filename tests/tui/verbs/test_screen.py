"""The forms of verbs, driven as a user drives them."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input, Select, Static

from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from prep.system import jobs
from tests.tui.driving import Opened, running
from tests.verbs import all_verbs
from tui.verbs import fields
from tui.verbs import screen as screens
from tui.verbs.command import words
from tui.verbs.fields import Field, Pair, TableField, can_be_named, exactly
from tui.verbs.first import FIRST, first_of
from tui.verbs.options import NOT_HERE, spec_of, verbs
from tui.verbs.output import Output
from tui.verbs.screen import VerbScreen
from tui.verbs.table import CONDUCT

MakeImage = Callable[..., Path]
NAMES = [verb.name for _, verb in verbs()]


@pytest.fixture
def three(project: Project, make_image: MakeImage) -> Project:
    """Three images: two captioned, one not."""
    make_image("10_mochi/a.png", 1, caption="cat, hat")
    make_image("10_mochi/b.png", 2, caption="cat, long hair")
    make_image("10_mochi/c.png", 3)
    return project


def caption(project: Project, name: str) -> str | None:
    file = project.dataset / "10_mochi" / f"{name}.txt"
    return file.read_text("utf-8") if file.exists() else None


class Form:
    """The form of a verb in a running application."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    @property
    def screen(self) -> VerbScreen:
        assert isinstance(self.opened.app.screen, VerbScreen)
        return self.opened.app.screen

    def field(self, name: str) -> Field:
        (found,) = [field for field in self.screen.query(Field) if field.key == name]
        return found

    def enter(self, name: str, text: str) -> None:
        self.field(name).query(Input).last().value = text

    @property
    def state(self) -> str:
        return str(self.screen.query_one("#verb-state", Static).content)

    @property
    def output(self) -> str:
        return self.screen.query_one(Output).text

    @property
    def command(self) -> list[str]:
        line = str(self.screen.query_one("#verb-command", Static).content)
        return shlex.split(line)[2:]

    async def until(self, condition: Callable[[], Any]) -> None:
        await self.opened.until(condition)


async def form_of(opened: Opened, name: str) -> Form:
    await opened.app.run_action(f"verb({name!r})")
    await opened.until(lambda: isinstance(opened.app.screen, VerbScreen))
    form = Form(opened)
    await opened.until(lambda: form.screen.query("#verb-command") and form.command)
    return form


# ---- every verb ----------------------------------------------------------------------------


def test_every_verb_has_a_form() -> None:
    assert {" ".join(path) for path, _ in all_verbs()} == {*NAMES, *NOT_HERE}
    for name in NAMES:
        spec = spec_of(name)
        shown = first_of(spec)
        assert set(shown) <= {option.name for option in spec.options}
        assert {o.name for o in spec.options if o.required and o.name != "--where"} <= set(shown)
        assert all(option.help for option in spec.options), name


def test_the_conduct_of_verbs_names_verbs_and_their_options() -> None:
    assert set(CONDUCT) | set(FIRST) <= set(NAMES)
    for name, conduct in CONDUCT.items():
        known = {option.name for option in spec_of(name).options}
        for when in (conduct.writes, conduct.long, conduct.dry_run):
            assert isinstance(when, bool) or set(when) <= known, name
        assert not known.intersection(conduct.given), name
    for name, first in FIRST.items():
        assert set(first) <= {option.name for option in spec_of(name).options}, name


async def test_every_form_opens(three: Project) -> None:
    async with running(three, (80, 24)) as opened:
        for name in NAMES:
            spec = spec_of(name)
            if not spec.is_long({}) and not spec.writes({}):
                continue  # these run at once: see below
            form = await form_of(opened, name)
            assert form.command == words(spec, three.root, {})
            await opened.pilot.press("ctrl+o", "escape")
            await opened.until(lambda: not isinstance(opened.app.screen, VerbScreen))


# ---- working with one ----------------------------------------------------------------------


async def test_an_edit_is_previewed_made_and_undone(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "edit")
        form.enter("--remove", "hat")
        await form.until(lambda: "1 caption would change" in form.output)
        assert "a.png\n  - hat" in form.output
        await form.until(lambda: "nothing is written" in form.state)
        assert caption(three, "a") == "cat, hat"
        # An empty line follows each entry.
        form.enter("--remove", "cat")
        await form.until(lambda: "2 captions would change" in form.output)
        assert form.command[2:] == ["--remove", "hat", "--remove", "cat"]
        await opened.pilot.press("ctrl+t")
        await form.until(lambda: "Press u to undo" in form.state)
        assert caption(three, "a") is None or caption(three, "a") == ""
        assert caption(three, "b") == "long hair"
        await opened.pilot.click("#verb-undo")
        await opened.until(lambda: caption(three, "a") == "cat, hat")
        assert caption(three, "b") == "cat, long hair"


async def test_a_table_is_typed_in_rows(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "edit")
        table = form.field("--replace")
        assert isinstance(table, TableField)
        name, new = table.query(Input).results()
        name.value, new.value = "long hair", "-_-"
        await form.until(lambda: "1 caption would change" in form.output)
        assert form.command[2:] == ["--replace.long hair=-_-"]
        assert len(table.query(Pair)) == 2


async def test_a_fault_is_shown_below_its_input_and_nothing_is_lost(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "edit")
        form.enter("--move", "somewhere")
        table = form.field("--move")
        next(iter(table.query(Input))).value = "hat"
        await form.until(lambda: table.has_class("-fault"))
        assert "front, end, after:TAG" in str(table.query_one(".fault", Static).content)
        assert form.screen.query_one("#verb-run", Button).disabled
        await opened.pilot.press("escape")
        await opened.until(lambda: not isinstance(opened.app.screen, VerbScreen))
        form = await form_of(opened, "edit")
        assert form.field("--move").values["--move"] == (("hat", "somewhere"),)


async def test_what_fails_says_why_and_with_which_exit_code(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "concept")
        assert form.screen.query_one("#verb-run", Button)
        await form.until(lambda: form.field("FOLDER").has_class("-fault"))
        form.enter("FOLDER", "10_nobody")
        form.enter("--repeats", "4")
        await form.until(lambda: not form.screen.query_one("#verb-run", Button).disabled)
        await opened.pilot.press("ctrl+t")
        await form.until(lambda: "concept failed (exit code 2)" in form.state)
        assert "10_nobody" in form.output
        assert form.screen.run is not None
        assert form.screen.run.code == 2


async def test_what_reads_only_runs_by_itself(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "ls")
        await form.until(lambda: "Result" in form.state)
        assert "10_mochi/b.png  cat, long hair" in form.output
        select = form.field("--where").query_one(Select)
        select.value = "other"
        form.enter("--where", "hat")
        await form.until(lambda: form.output.count(".png") == 1)
        form.enter("--where", "has:wings")
        where = form.field("--where")
        await form.until(lambda: where.has_class("-fault"))
        assert "has takes one of caption" in str(where.query_one(".fault", Static).content)


@pytest.mark.parametrize("verb", ["ls", "edit"])
async def test_verbs_work_on_the_selected_images(three: Project, verb: str) -> None:
    async with running(three) as opened:
        await opened.press("down", "space")
        form = await form_of(opened, verb)
        shown = form.field("--where").query_one(Select)
        assert "1 selected image" in str(shown.query_one("#label", Static).content)
        if verb == "edit":
            form.enter("--add", "new")
            await form.until(lambda: "1 caption would change" in form.output)
        await form.until(lambda: "b.png" in form.output and "a.png" not in form.output)


async def test_a_filter_that_hides_the_selection_does_not_widen_it(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("space")
        assert opened.app.session.scope.words() == "1 selected image"
        opened.app.screen.query_one("#filter", Input).value = "long"
        await opened.until(lambda: opened.app.session.scope.where == "long")
        form = await form_of(opened, "ls")
        await form.until(lambda: "a.png" in form.output)
        assert "b.png" not in form.output


@pytest.mark.parametrize("verb", ["tags", "edit"])
async def test_more_images_than_a_command_names_are_refused_not_widened(
    three: Project, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(fields, "MOST_SELECTED", 1)
    async with running(three) as opened:
        await opened.press("space", "space")
        form = await form_of(opened, verb)
        where = form.field("--where")
        await form.until(lambda: where.has_class("-fault"))
        assert "1 images at most" in str(where.query_one(".fault", Static).content)
        assert form.screen.query_one("#verb-run", Button).disabled
        assert form.output == ""


def test_a_filter_names_exactly_one_image(three: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/(d) -x or.png", 4)
    make_image('10_mochi/"e".png', 5)
    with Index(three) as index:
        list(scan.run(three))
        paths = [row.path for row in index.select()]
        for path in paths:
            assert [row.path for row in index.select(exactly(path))] == [path]
        assert all(can_be_named(path) for path in paths)
        assert not can_be_named('dataset/a "b" c.png')
        both = " or ".join(exactly(path) for path in paths[:2])
        assert [row.path for row in index.select(both)] == paths[:2]


async def test_the_filter_of_the_list_is_that_of_the_form(three: Project) -> None:
    async with running(three) as opened:
        opened.app.screen.query_one("#filter", Input).value = "hat"
        await opened.until(lambda: opened.app.session.scope.words() == "filter: hat (1 image)")
        await opened.go("plan")
        form = await form_of(opened, "tags")
        assert form.command[2:] == ["--where", "hat"]


async def test_what_is_not_in_the_first_inputs_is_behind_more(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "edit")
        assert not [field for field in form.screen.query(Field) if field.key == "--regex"]
        await opened.pilot.press("ctrl+o")
        await form.until(lambda: form.screen.query("#folded Field"))
        names, new = form.field("--regex").query(Input).results()
        names.value, new.value = "ca(.)", r"ba\1"
        await form.until(lambda: "bat" in form.output)


async def test_the_command_is_copied(three: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    async with running(three) as opened:
        monkeypatch.setattr(opened.app, "copy_to_clipboard", copied.append)
        form = await form_of(opened, "edit")
        form.enter("--add", "it's")
        await form.until(lambda: "--add" in form.command)
        await opened.pilot.press("ctrl+l")
    assert [shlex.split(line) for line in copied] == [
        ["shikomi", "edit", str(three.root), "--add", "it's"]
    ]


async def test_leaving_does_not_end_what_writes(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "edit")
        form.enter("--add", "new")
        await form.until(lambda: "would change" in form.output)
        await opened.pilot.press("ctrl+t")
        await form.until(lambda: form.screen.run is not None)
        await opened.pilot.press("escape")
        await opened.until(lambda: caption(three, "c") == "new")
        await opened.until(lambda: any("Press u to undo" in text for text in opened.notices))
        await opened.press("u")
        await opened.until(lambda: caption(three, "c") is None)


async def test_an_exclusion_is_seen_in_the_list_at_once(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "exclude")
        await opened.pilot.press("ctrl+t")
        await form.until(lambda: "Press u to undo" in form.state)
        await opened.pilot.press("escape")
        with Index(three) as index:
            assert all(row.excluded for row in index.select())


async def test_long_work_is_a_job_with_its_words_and_its_end(three: Project) -> None:
    async with running(three) as opened:
        form = await form_of(opened, "quality")
        await form.until(lambda: "runs as a job" in form.state)
        await opened.pilot.press("ctrl+t")
        await form.until(lambda: form.state.startswith("quality: done"))
        (job,) = jobs.listed(three.jobs)
        settings = job.settings()
        assert (settings.kind, settings.argv[:4]) == (
            "quality",
            [sys.executable, "-P", "-m", "tui.cli"],
        )
        lines = job.events_file.read_text("utf-8").splitlines()
        assert json.loads(lines[-1])["summary"]["images"] == 3
        assert form.output
        assert form.output == job.log_file.read_text("utf-8").rstrip("\n")
        assert not any("quality" in text for text in opened.notices)


WAITING = """
import json, time
event = {"v": 1, "t": 0, "kind": "progress", "what": "measure", "done": 3, "total": 9, "note": ""}
print(json.dumps(event), flush=True)
while True: time.sleep(0.02)
"""


async def test_a_job_is_started_once_shown_and_stopped(
    three: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "argv", lambda _: [sys.executable, "-c", WAITING])
    async with running(three) as opened:
        form = await form_of(opened, "quality")
        await form.until(lambda: "runs as a job" in form.state)
        await opened.pilot.press("ctrl+t", "ctrl+t")
        try:
            await form.until(lambda: "measure" in form.state and "3/9" in form.state)
            (job,) = jobs.listed(three.jobs)
            await form.until(lambda: opened.app.session.board.running())
            await opened.pilot.click("#verb-stop")
            await form.until(lambda: "quality: stopped" in form.state)
            assert not jobs.alive(job)
            assert form.screen.query_one("#verb-stop", Button).disabled
        finally:
            for left in jobs.listed(three.jobs):
                jobs.send(left, "kill")
