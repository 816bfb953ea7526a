"""The plan: typed in place, counted live, saved by the journal, checked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.content import Content
from textual.widgets import Input, Select, Static

from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.events import Finished
from prep.images.buckets import Buckets
from prep.ops import plan as plan_op
from prep.project import Project
from prep.training_set.plan import PlanItem, StepSettings, make_plan
from tests.tui.driving import Opened, running
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.fields import Fields
from tui.dialogs.question import Question
from tui.screens.plan import PlanScreen, words
from tui.widgets.concept_table import ConceptTable
from tui.widgets.image_list import ImageList
from tui.widgets.line_list import ItemList

MakeImage = Callable[..., Path]


@pytest.fixture
def two(project: Project, make_image: MakeImage) -> Project:
    """Two concepts: six images and two."""
    for number in range(6):
        make_image(f"10_mochi/{number}.png", number, (512, 512), "cat")
    for number in range(2):
        make_image(f"10_hats/{number}.png", 10 + number, (512, 512), "hat")
    project.file.write_text("# mine\n[train]\nepochs = 4  # few\n", "utf-8")
    return Project.open(project.root)


def said(opened: Opened, name: str) -> str:
    return str(opened.app.screen.query_one(f"#{name}", Static).content)


async def at_plan(opened: Opened) -> ConceptTable:
    await opened.go("plan")
    table = opened.app.screen.query_one(ConceptTable)
    await opened.until(lambda: table.count == 2 and table.lines[0].exposures)
    return table


def cell(opened: Opened) -> Input:
    return opened.app.screen.query_one("#cell", Input)


async def test_steps_follow_while_one_types_and_nothing_is_saved_by_that(two: Project) -> None:
    async with running(two) as opened:
        table = await at_plan(opened)
        assert table.lines[0].folder == "10_hats"
        assert (table.lines[0].exposures, table.lines[0].times) == (20, 40)
        assert said(opened, "arithmetic").startswith("160 steps · 4 epochs")
        await opened.press("l", "enter")
        assert cell(opened).has_focus
        assert cell(opened).value == "10"
        await opened.press("backspace", "backspace", "3")
        await opened.until(lambda: table.lines[0].exposures == 6)
        assert said(opened, "arithmetic").startswith("132 steps")
        assert table.lines[0].times == 12
        await opened.press("escape")
        await opened.until(lambda: table.lines[0].exposures == 20)
        assert table.has_focus
    assert not Project.open(two.root).settings.concepts


async def test_cells_are_saved_as_steps_of_undo_and_keep_the_file(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        await opened.press("l", "e", "backspace", "backspace", "3", "ctrl+s")
        await opened.until(lambda: Project.open(two.root).concept("10_hats").repeats == 3)
        text = two.file.read_text("utf-8")
        assert text.startswith("# mine\n[train]\nepochs = 4  # few\n")
        await opened.press("u")
        await opened.until(lambda: "concepts" not in two.file.read_text("utf-8"))
    with Index(two) as index:
        titles = [edit.title for edit in Journal(index).history()]
    assert any("10_hats" in title for title in titles)


async def test_tab_goes_to_the_next_cell_and_saves(two: Project) -> None:
    async with running(two) as opened:
        table = await at_plan(opened)
        await opened.press("l", "e", "backspace", "backspace", "5", "tab")
        await opened.until(lambda: Project.open(two.root).concept("10_hats").repeats == 5)
        await opened.until(lambda: cell(opened).has_focus and table.field == "prune")
        await opened.press("tab")
        await opened.until(lambda: table.cursor == 1 and table.field == "trigger")
        await opened.until(lambda: cell(opened).has_focus)
        await opened.press("shift+tab")
        await opened.until(lambda: table.cursor == 0 and table.field == "prune")


async def test_a_trigger_word_is_saved_and_written_into_captions_on_request(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        await opened.press("j", "e")
        await opened.type("mochi")
        await opened.pilot.press("enter")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        assert Project.open(two.root).concept("10_mochi").trigger == "mochi"
        diffs = opened.app.screen.query_one("#diffs", ItemList)
        await opened.until(lambda: diffs.count == 6)
        await opened.pilot.press("enter")
        caption = two.dataset / "10_mochi" / "0.txt"
        await opened.until(lambda: caption.read_text("utf-8") == "mochi, cat")
        assert (two.dataset / "10_hats" / "0.txt").read_text("utf-8") == "hat"


async def test_the_cell_under_the_cursor_is_explained(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        for key, text in (("g", "Comes first"), ("l", "How often"), ("l", "left out of captions")):
            await opened.press(key)
            assert text in said(opened, "plan-help")


@pytest.mark.parametrize(
    ("keys", "text", "words"),
    [
        (("l",), "many", "not a whole number"),
        (("l",), "0", "0 is not a whole number from 1"),
        ((), "mochi, cat", "is 2 tags"),
    ],
)
async def test_what_cannot_be_saved_is_refused_and_stays_typed(
    two: Project, keys: tuple[str, ...], text: str, words: str
) -> None:
    async with running(two) as opened:
        table = await at_plan(opened)
        await opened.press(*keys, "e")
        cell(opened).value = text
        await opened.press("enter")
        assert words in said(opened, "plan-help")
        assert cell(opened).has_focus
        assert cell(opened).value == text
        assert table.lines[0].exposures == 20
        await opened.press("escape")
    assert not Project.open(two.root).settings.concepts


@pytest.mark.parametrize(("answer", "repeats"), [("theirs", 7), ("mine", 3)])
async def test_what_was_changed_elsewhere_is_asked_about(
    two: Project, answer: str, repeats: int
) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        await opened.press("l", "e", "backspace", "backspace", "3")
        two.saved({"concepts": {"10_hats": {"repeats": 7}, "10_mochi": {"repeats": 8}}})
        await opened.pilot.press("enter")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click(f"#{answer}")
        await opened.until(lambda: isinstance(opened.app.screen, PlanScreen))
        await opened.until(lambda: opened.app.session.project.concept("10_hats").repeats == repeats)
    saved = Project.open(two.root)
    assert saved.concept("10_hats").repeats == repeats
    assert saved.concept("10_mochi").repeats == 8


async def test_the_balance_is_taken_over_by_one_key(two: Project) -> None:
    async with running(two) as opened:
        table = await at_plan(opened)
        await opened.until(lambda: table.lines[0].even)
        assert {line.folder: line.even for line in table.lines} == {"10_hats": 20, "10_mochi": 7}
        await opened.press("b")
        await opened.until(lambda: Project.open(two.root).concept("10_mochi").repeats == 7)
        await opened.until(lambda: not any(line.even for line in table.lines))
        await opened.press("b")
        await opened.until(lambda: any("balanced as well" in text for text in opened.notices))
        await opened.press("u")
        await opened.until(lambda: not Project.open(two.root).settings.concepts)


async def test_settings_and_presets_change_the_steps_and_only_those_are_written(
    two: Project,
) -> None:
    async with running(two, (160, 50)) as opened:
        await at_plan(opened)
        opened.app.screen.query_one("#field-batch_size", Input).value = "4"
        await opened.until(lambda: said(opened, "arithmetic").startswith("80 steps"))
        opened.app.screen.query_one("#field-max_steps", Input).value = "7"
        await opened.until(lambda: said(opened, "arithmetic").startswith("7 steps"))
        await opened.press("ctrl+s")
        await opened.until(lambda: "max_steps" in two.file.read_text("utf-8"))
        assert Project.open(two.root).settings.train == {
            "epochs": 4,
            "batch_size": 4,
            "max_steps": 7,
        }
        assert "# few" in two.file.read_text("utf-8")
        preset = opened.app.screen.query_one("#plan-preset-purpose", Select)
        before = said(opened, "arithmetic")
        preset.value = "character"
        await opened.until(lambda: said(opened, "arithmetic") != before)


async def test_findings_are_listed_fixed_and_lead_to_their_images(two: Project) -> None:
    (two.dataset / "10_mochi" / "3.txt").write_bytes("ねこ".encode("shift_jis"))
    async with running(two) as opened:
        await at_plan(opened)
        findings = opened.app.screen.query_one("#findings", ItemList)
        await opened.press("c")
        await opened.until(lambda: findings.count)
        titles = ["".join(text for text, _ in line) for line in findings._items]
        (place,) = (n for n, title in enumerate(titles) if "f fixes" in title)
        findings.cursor = place
        await opened.settled()
        assert "3.txt" in said(opened, "finding") or "3.png" in said(opened, "finding")
        await opened.press("f")
        caption = two.dataset / "10_mochi" / "3.txt"
        await opened.until(lambda: caption.read_bytes() == "ねこ".encode())
        screen = opened.app.screen
        assert isinstance(screen, PlanScreen)
        await opened.until(lambda: findings.count and "caption-encoding" not in screen._found)
        await opened.press("u")
        await opened.until(lambda: caption.read_bytes() != "ねこ".encode())


async def test_a_finding_leads_to_its_images_one_after_the_other(two: Project) -> None:
    for name in ("2.txt", "4.txt"):
        (two.dataset / "10_mochi" / name).unlink()
    async with running(two) as opened:
        await at_plan(opened)
        screen = opened.app.screen
        assert isinstance(screen, PlanScreen)
        findings = screen.query_one("#findings", ItemList)
        await opened.press("c")
        await opened.until(lambda: findings.count)
        paths = [[each.path for each in found] for found in screen._found.values()]
        expected = ["dataset/10_mochi/2.png", "dataset/10_mochi/4.png"]
        findings.cursor = paths.index(expected)
        for path in (*expected, expected[0]):
            await opened.press("i")
            await opened.until(lambda: opened.app.current_mode == "images")
            images = opened.app.screen.query_one(ImageList)
            await opened.until(
                lambda: images.row is not None and images.row.path == path  # noqa: B023
            )
            await opened.go("plan")


async def test_memory_is_calculated_by_a_process_of_its_own(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        await opened.press("m")
        # There is no base model: what the verb says of it is shown.
        await opened.until(lambda: said(opened, "plan-memory").startswith("×"))
        assert "base" in said(opened, "plan-memory")


def test_memory_is_told_with_what_makes_it_fit() -> None:
    gib = 2**30
    found = {"room": 8 * gib, "needed": 13 * gib, "fits": False, "changed": 7 * gib}
    text = words.memory_words({**found, "changes": {"gradient_checkpointing": True}})
    assert "needs 13.0 GiB, there are 8.0 GiB" in text
    assert "fits (7.0 GiB) with gradient_checkpointing = true" in text
    assert "lower the resolution" in words.memory_words({**found, "changes": {}})
    fits = words.memory_words({**found, "needed": 2 * gib, "fits": True, "changes": {}})
    assert fits == "✓ fits: needs 2.0 GiB of 8.0 GiB"


def test_the_time_is_that_of_the_last_run() -> None:
    settings = StepSettings(batch_size=1, epochs=10)
    plan = make_plan([PlanItem("mochi", 10, (512, 512))] * 36, Buckets((512, 512)), settings)
    assert words.sums(plan, 1.5).startswith("3,600 steps · 10 epochs · about 40 min at 1.5")
    assert "no run yet" in words.sums(plan, None)
    assert words.rough_duration(89) == "89 s"
    assert words.rough_duration(90 * 60) == "1 h 30 min"


async def test_the_plan_that_is_shown_is_that_of_the_verb(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        shown = said(opened, "arithmetic").split("\n")[1:]
    end = list(plan_op.run(two))[-1]
    assert isinstance(end, Finished)
    assert shown == end.summary["arithmetic"]


async def test_the_resolution_is_changed_where_the_run_is_planned(two: Project) -> None:
    async with running(two) as opened:
        await at_plan(opened)
        await opened.press("R")
        assert isinstance(opened.app.screen, Fields)
        await opened.type("12")
        await opened.press("enter")  # less than the least: it says so, and stays
        assert isinstance(opened.app.screen, Fields)
        assert "64" in str(opened.app.screen.query_one("#fault", Static).content)
        await opened.type("8")
        await opened.press("enter")
        await opened.until(lambda: Project.open(two.root).settings.project.resolution == 128)
        assert two.file.read_text("utf-8").startswith("# mine\n[train]\nepochs = 4  # few\n")
        await opened.press("u")
        await opened.until(lambda: Project.open(two.root).settings.project.resolution == 512)


async def test_a_title_shows_brackets_of_a_folder_as_they_are(
    two: Project, make_image: MakeImage
) -> None:
    make_image("-rin [fox]/a.png", 20, (512, 512), "fox")
    async with running(two) as opened:
        await opened.go("plan")
        table = opened.app.screen.query_one(ConceptTable)
        await opened.until(lambda: table.count == 3 and table.lines[0].exposures)
        await opened.pilot.press("e", "r", "i", "n", "enter")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        title = opened.app.screen.query_one(".dialog").border_title
        assert Content.from_markup(title or "").plain.endswith(" · -rin [fox]")
        await opened.press("escape")
