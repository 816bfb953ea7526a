"""The review: keys, undo, kinds, what was changed meanwhile, and where it leads."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Static

from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.edits import Journal
from prep.ops import scan
from prep.ops.review.duplicates import Duplicates
from prep.project import Project
from tests.prep.pictures import busy
from tests.tui.driving import Opened, running
from tui.dialogs.preview import Preview
from tui.dialogs.question import Question
from tui.screens.review.screen import ReviewScreen
from tui.screens.review.search import Answering
from tui.screens.review.texts import answers, beside, nothing_proposed
from tui.widgets.filter_bar import FilterBar
from tui.widgets.image_list import ImageList
from tui.widgets.key_line import KeyLine
from tui.widgets.line_list import ItemList
from tui.widgets.rail import StageItem


def fill(project: Project) -> Project:
    """Make a copy, two dark images, and a wide one."""
    folder = project.dataset / "10_mochi"
    for number, name in enumerate(("a.png", "dark1.png", "dark2.png"), 1):
        image = busy(number, (640, 640))
        image = image.point(lambda level: level // 12) if number > 1 else image
        image.save(folder / name)
        tags = f"mochi, {('hat', 'long hair', 'smile')[number - 1]}"
        (folder / name).with_suffix(".txt").write_text(tags, "utf-8")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "b.txt").write_text("mochi", "utf-8")
    return project


@pytest.fixture
def mixed(project: Project) -> Project:
    return fill(project)


async def reviewing(opened: Opened) -> ReviewScreen:
    """Go to the review, and wait until everything was looked at."""
    await opened.go("review")
    screen = opened.app.screen
    assert isinstance(screen, ReviewScreen)
    await opened.until(lambda: screen._complete)
    await opened.settled()
    await opened.until(lambda: screen._seen or not screen._open)
    return screen


def lines(screen: ReviewScreen) -> list[str]:
    return ["".join(text for text, _ in line) for line in screen.query_one(ItemList)._items]


def text(screen: ReviewScreen, name: str) -> str:
    return str(screen.query_one(f"#review-{name}", Static).content).replace("\u00a0", " ")


def excluded(project: Project) -> list[str]:
    with Index(project) as index:
        return [Path(row.path).name for row in index.select("excluded:yes")]


async def only(opened: Opened, screen: ReviewScreen, kind: str) -> None:
    """Press t until only questions of a kind are shown."""
    for _ in range(9):
        if f"▸{kind}" in text(screen, "kinds"):
            return
        await opened.press("t")
    raise AssertionError(text(screen, "kinds"))


@pytest.mark.usefixtures("few_and_many")
async def test_yes_does_it_and_goes_on_and_undo_brings_it_back(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        assert text(screen, "title") == "a.png has a copy"
        assert "y  keep a.png, exclude b.png" in text(screen, "answers")
        before = lines(screen)
        assert before[0] == "! a.png has a copy"
        await opened.press("y")
        assert excluded(mixed) == ["b.png"]
        assert lines(screen) == before[1:]
        assert text(screen, "title") == "dark1.png: dark, flat"
        await opened.press("j", "u")
        assert excluded(mixed) == []
        assert lines(screen) == before
        assert text(screen, "title") == "a.png has a copy"


async def test_undo_shows_the_question_also_past_another_kind(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        await only(opened, screen, "quality")
        await opened.press("y")
        await only(opened, screen, "advice")
        await opened.press("u")
        assert text(screen, "title") == "dark1.png: dark, flat"
        assert "▸all" in text(screen, "kinds")


async def test_no_changes_nothing_and_holds_after_a_restart(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        await opened.press("n")
        assert lines(screen)[0] == "· dark1.png: dark, flat"
    assert excluded(mixed) == []
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        assert lines(screen)[0] == "· dark1.png: dark, flat"
        await opened.pilot.press("u")  # an edit of another session: asks first
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click("#yes")
        await opened.settled()
        assert lines(screen)[0] == "! a.png has a copy"


async def test_never_is_asked_no_more_for_this_image(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        await only(opened, screen, "quality")
        await opened.press("exclamation_mark")
        assert lines(screen) == ["· dark2.png: dark, flat"]
        path = mixed.dataset / "10_mochi" / "dark1.png"
        Image.new("RGB", (640, 640)).save(path)
        await opened.press("r")
        await opened.until(lambda: screen._complete)
        await opened.settled()
        assert not any("dark1" in line and "dark," in line for line in lines(screen))


async def test_no_to_all_alike_names_them_first_and_is_one_step_of_undo(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        await only(opened, screen, "quality")
        before = lines(screen)
        assert "n  keep it · N for all 2 like this" in text(screen, "answers")
        await opened.press("N")
        preview = opened.app.screen
        assert isinstance(preview, Preview)
        named = ["".join(part for part, _ in line) for line in preview.query_one(ItemList)._items]
        assert named == ["dark1.png: dark, flat  10_mochi", "dark2.png: dark, flat  10_mochi"]
        await opened.press("escape")
        assert lines(screen) == before
        await opened.press("N", "enter")
        assert not any("dark" in line for line in lines(screen))
        assert [m.done for m in opened.messages if isinstance(m, Answering)][-1] == 2
        await opened.press("u")
        assert [line for line in lines(screen) if "dark" in line] == before
        assert excluded(mixed) == []


async def test_later_comes_last(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        first, *others = lines(screen)
        await opened.press("s")
        assert lines(screen) == [*others, first.replace("! ", "… ")]
        assert text(screen, "title") == "dark1.png: dark, flat"
        assert excluded(mixed) == []


async def test_fix_keeps_the_other_picture(mixed: Project) -> None:
    async with running(mixed) as opened:
        await reviewing(opened)
        await opened.press("f")
        assert excluded(mixed) == ["a.png"]


async def test_fix_leads_to_the_image_also_past_a_filter(mixed: Project) -> None:
    async with running(mixed) as opened:
        opened.app.screen.query_one(FilterBar).set("name:dark1")
        await opened.settled()
        screen = await reviewing(opened)
        await only(opened, screen, "quality")
        await opened.press("j", "f")
        await opened.until(lambda: opened.app.current_mode == "images")
        await opened.settled()
        row = opened.app.screen.query_one(ImageList).row
        assert row is not None
        assert row.path.endswith("dark2.png")
        assert opened.app.screen.query_one(FilterBar).text == ""
        assert excluded(mixed) == []


async def test_where_nothing_is_proposed_yes_does_nothing(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        await only(opened, screen, "advice")
        before = lines(screen)
        keys = [place.text for place in screen.query_one(KeyLine).placed]
        assert keys[:2] == ["n No", "f Fix"]
        await opened.press("y")
        assert lines(screen) == before
        assert "There is nothing to propose" in opened.notices[-1]


async def test_keys_that_overtake_the_screen_decide_nothing_unseen(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        screen.action_answer("yes")
        screen.action_answer("yes")  # the next question has not been drawn yet
        await opened.settled()
        assert excluded(mixed) == ["b.png"]


async def test_a_question_that_comes_by_itself_is_noticed_before_it_is_answered(
    mixed: Project,
) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        screen._take(screen._open[1:])
        assert text(screen, "title") == "dark1.png: dark, flat"
        screen.action_answer("yes")  # meant for the one before
        await opened.settled()
        assert excluded(mixed) == []
        await opened.until(lambda: screen._seen)
        await opened.press("y")
        assert excluded(mixed) == ["dark1.png"]


async def test_what_was_excluded_elsewhere_is_not_asked_and_not_done(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        with Index(mixed) as index:
            change = exclusion("dataset/10_mochi/a.png", None, "by hand")
            Journal(index).apply("elsewhere", [change])
        await opened.press("y")
        assert excluded(mixed) == ["a.png"]
        assert "a.png is excluded" in opened.notices[-1]
        assert "! a.png has a copy" not in lines(screen)


async def test_what_is_left_is_counted_by_kind_and_in_the_rail(mixed: Project) -> None:
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        total = len(lines(screen))
        assert f"▸all {total} · " in text(screen, "kinds")
        assert "duplicates 1 · quality 2" in text(screen, "kinds")
        item = screen.query_one("#stage-review", StageItem)
        assert f"! {total} to decide" in str(item.content)
        await opened.press("y")
        assert f"! {total - 1} to decide" in str(item.content)
        assert "duplicates" not in text(screen, "kinds")


def test_of_an_unclear_pair_no_picture_goes_and_both_can_be_excluded(mixed: Project) -> None:
    list(scan.run(mixed))
    sure = Duplicates(
        kind="duplicates",
        images=("dataset/10_mochi/a.png", "dataset/10_mochi/b.png"),
        basis=frozenset(),
        importance=1,
        title="",
        reason="",
        yes="keep a.png, exclude b.png",
        reasons=("near",),
        turns=(0, 0),
    )
    unclear = replace(sure, yes="", no="keep both", fix="exclude b.png", instead="exclude a.png")
    with Index(mixed) as index:
        rows = [index.get(path) for path in sure.images]
    shown = [
        beside(mixed, each, row, place).partition(" · ")[0]
        for each in (sure, unclear)
        for place, row in enumerate(rows)
        if row is not None
    ]
    assert shown == ["stays: a.png", "goes: b.png", "A: a.png", "B: b.png"]
    assert answers(unclear).split("\n")[:3] == [
        "n  keep both",
        "f  exclude b.png",
        "b  exclude a.png",
    ]
    assert nothing_proposed(unclear) == "n: keep both · f: exclude b.png · b: exclude a.png"


async def test_an_empty_inbox_says_so(project: Project) -> None:
    folder = project.dataset / "10_mochi"
    async with running(project) as opened:
        screen = await reviewing(opened)
        while lines(screen):
            await opened.press("n")
        assert text(screen, "title") == "Nothing waits for a decision."
        assert "✓ nothing to decide" in str(screen.query_one("#stage-review", StageItem).content)
        assert not list(folder.iterdir())


async def test_the_images_of_a_question_are_shown_one_after_the_other(mixed: Project) -> None:
    folder = mixed.dataset / "10_mochi"
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    async with running(mixed) as opened:
        screen = await reviewing(opened)
        about = screen.query_one("#second-about", Static)
        assert "b.png" in str(about.content)
        await opened.press("space")
        assert "c.png" in str(about.content)
        await opened.press("space")
        assert "b.png" in str(about.content)
        await opened.press("space", "f")
        assert excluded(mixed) == ["a.png", "b.png"]
