"""A few pictures of screens. After an intended change: pytest tests/tui --snapshot-update."""

import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input, Static

from prep import events, language
from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box
from prep.ops import edit, scan
from prep.project import Project
from prep.system import jobs
from tests.prep.scored import add_scores
from tests.tui.driving import Opened, running
from tests.tui.test_samples import missing
from tui.app import ShikomiApp
from tui.screens.review.screen import ReviewScreen
from tui.widgets.completions import Completions
from tui.widgets.image_list import ImageList
from tui.widgets.line_list import ItemList
from tui.widgets.part_list import PartList
from tui.widgets.sample_grid import SampleGrid

MakeImage = Callable[..., Path]
Before = Callable[[Pilot[None]], Awaitable[None]]


@pytest.fixture
def pictured(project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that looks the same everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for number, name in enumerate(("beach", "forest", "もち 夜空")):
        caption = f"mochi, {name}" if number else None
        # BMP: its size does not depend on anybody's compressor.
        make_image(f"10_mochi/{name}.bmp", number, (300, 200 + 100 * number), caption)
    (project.dataset / "10_mochi" / "broken.png").write_bytes(b"no picture")
    job = jobs.Job(project.jobs / "20260101-120000-train")
    job.directory.mkdir(parents=True)
    jobs.save_settings(job, jobs.JobSettings("train", ["true"], title="mochi"))
    (job.directory / "began").touch()
    steps: list[events.Event] = [
        events.Metric(
            n, 90, 1 + n // 30, loss=1 / (1 + n / 9) + n * 7 % 10 / 40, memory_bytes=2**30
        )
        for n in range(1, 91)
    ]
    steps += [events.Metric(90, 90, 3, val_loss=0.2), events.Finished({"lora": "mochi"})]
    job.events_file.write_text("".join(events.to_json(e) + "\n" for e in steps), "utf-8")
    for path in project.root.rglob("*"):
        os.utime(path, (1_767_225_600, 1_767_225_600))
    return project


def at(mode: str, then: Callable[[Opened], Awaitable[None]] | None = None) -> Before:
    """Return what brings the application to a stage and lets it come to rest."""

    async def before(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, ShikomiApp)
        opened = Opened(pilot.app, pilot, [])
        await opened.settled()
        if mode != "images":
            await opened.go(mode)
        if then is not None:
            await then(opened)
        await opened.settled()

    return before


async def fault(opened: Opened) -> None:
    opened.app.screen.query_one("#filter", Input).value = "mochi has:wings"
    await opened.until(lambda: opened.app.screen.query_one("#filter-fault").display)


async def grid(opened: Opened) -> None:
    await opened.press("m", "l")
    images = opened.app.screen.query_one(ImageList)
    await opened.until(lambda: all(images.picture_at(index) for index in range(images.count)))


@pytest.mark.parametrize(
    ("mode", "size", "then"),
    [
        ("images", (140, 40), None),
        ("images", (80, 24), fault),
        ("images", (120, 34), grid),
        ("plan", (80, 24), None),
        ("train", (140, 40), None),
    ],
    ids=["images", "fault", "grid", "plan", "train"],
)
def test_screens(
    pictured: Project, snap_compare: Any, mode: str, size: tuple[int, int], then: Any
) -> None:
    app = ShikomiApp(pictured)
    assert snap_compare(app, terminal_size=size, run_before=at(mode, then))


async def cropping(opened: Opened) -> None:
    """Two crops of the first image, one of them being moved."""
    members = opened.app.screen.query_one(PartList)
    await opened.until(lambda: members.row is not None)
    await opened.press("enter", "e")
    about = opened.app.screen.query_one("#crop-about", Static)
    await opened.until(lambda: "p: around" in str(about.content))
    await opened.press("H", "H", "down", "c", "right")


@pytest.mark.parametrize("size", [(160, 50), (80, 24)], ids=["wide", "narrow"])
def test_crops(
    project: Project, make_image: MakeImage, snap_compare: Any, size: tuple[int, int]
) -> None:
    for number, shape in enumerate([(400, 300), (400, 300), (520, 300), (300, 520)]):
        make_image(f"10_mochi/{number}.bmp", number, shape)
    app = ShikomiApp(project)
    assert snap_compare(app, terminal_size=size, run_before=at("crop", cropping))


async def typing(opened: Opened) -> None:
    """The repeats of the first concept, with the findings of a check."""
    await opened.press("c")
    findings = opened.app.screen.query_one("#findings", ItemList)
    await opened.until(lambda: findings.count)
    await opened.press("l", "enter", "backspace")


def test_plan_while_one_types(project: Project, make_image: MakeImage, snap_compare: Any) -> None:
    for number in range(7):
        make_image(f"10_mochi/{number}.bmp", number, (512, 512), "cat")
    for number in range(3):
        make_image(f"4_hats/{number}.bmp", 10 + number, (448, 576), "hat")
    app = ShikomiApp(project)
    assert snap_compare(app, terminal_size=(160, 50), run_before=at("plan", typing))


async def lowered(opened: Opened) -> None:
    await opened.press("t")
    await opened.until(lambda: opened.app.screen.query("#slider-general"))
    await opened.press("H", "H", "H")
    counts = opened.app.screen.query_one("#threshold-counts", Static)
    await opened.until(lambda: "counting" not in str(counts.content))


@pytest.mark.parametrize("size", [(140, 40), (80, 24)], ids=["wide", "narrow"])
def test_thresholds(pictured: Project, snap_compare: Any, size: tuple[int, int]) -> None:
    list(scan.run(pictured))
    scores = {
        "beach": {"hat": 0.9, "smile": 0.5},
        "forest": {"hat": 0.3},
        "もち 夜空": {"smile": 0.25},
    }
    add_scores(pictured, "first", scores)
    app = ShikomiApp(pictured)
    assert snap_compare(app, terminal_size=size, run_before=at("tag", lowered))


async def shown(opened: Opened) -> None:
    grid = opened.app.screen.query_one(SampleGrid)
    await opened.until(lambda: grid.place is not None)
    await opened.press("right")
    await opened.until(lambda: not missing(grid))


@pytest.mark.parametrize("size", [(140, 40), (80, 24)], ids=["wide", "narrow"])
def test_samples(pictured: Project, snap_compare: Any, size: tuple[int, int]) -> None:
    cells = pictured.output / "grids" / "cells"
    for number, lora in enumerate(("", " <lora:mochi:0.5>", " <lora:mochi:1>")):
        cells.mkdir(parents=True, exist_ok=True)
        text = PngInfo()
        text.add_text("parameters", f"mochi, beach{lora}\nSteps: 12, Seed: 1")
        image = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
        image.paste((60 * number, 90, 200), (8, 8, 40, 40))
        image.save(cells / f"{number}.png", pnginfo=text)
        os.utime(cells / f"{number}.png", (1_767_225_600, 1_767_225_600))
    app = ShikomiApp(pictured)
    assert snap_compare(app, terminal_size=size, run_before=at("samples", shown))


async def all_found(opened: Opened) -> None:
    screen = opened.app.screen
    assert isinstance(screen, ReviewScreen)
    await opened.until(lambda: screen._complete and screen._seen)
    await opened.press("j")


@pytest.mark.parametrize("size", [(140, 40), (80, 24)], ids=["wide", "narrow"])
def test_review(pictured: Project, snap_compare: Any, size: tuple[int, int]) -> None:
    folder = pictured.dataset / "10_mochi"
    shutil.copyfile(folder / "forest.bmp", folder / "forest-2.bmp")
    os.utime(folder / "forest-2.bmp", (1_767_225_600, 1_767_225_600))
    app = ShikomiApp(pictured)
    assert snap_compare(app, terminal_size=size, run_before=at("review", all_found))


@pytest.fixture
def worked_on(pictured: Project) -> Project:
    """A project with a crop, a mask, words to complete, and edits in its history."""
    (pictured.root / "tags.csv").write_text('hat,0,340000,""\nhair_ribbon,0,12345,""\n', "utf-8")
    mask = Image.new("L", (300, 300), 0)
    mask.paste(255, (60, 40, 240, 260))
    mask.save(pictured.dataset / "10_mochi" / "forest-masklabel.png")
    project = pictured.saved({"vocabulary": {"files": ["tags.csv"]}})
    list(scan.run(project))
    list(edit.run(project, edit.EditOptions(add=("smile",))))
    list(edit.run(project, edit.EditOptions(add=("night",), where="name:もち")))
    crop = Box(0.25, 0.1, 0.5, 0.6)
    with Index(project) as index:
        change = crop_change("dataset/10_mochi/forest.bmp", (), (crop,))
        Journal(index, "terminal application").apply("crop", [change])
    with closing(sqlite3.connect(project.state / "work.db")) as connection, connection:
        connection.execute("UPDATE edits SET t = 1767225600 + 3600 * id")
    for path in project.root.rglob("*"):
        os.utime(path, (1_767_225_600, 1_767_225_600))
    return project


@pytest.mark.parametrize(
    ("size", "theme", "code"),
    [((200, 60), "light", "en"), ((80, 24), "dark", "ja")],
    ids=["large", "japanese"],
)
async def test_a_walk_through_images(
    worked_on: Project, snapshot: SnapshotAssertion, size: tuple[int, int], theme: str, code: str
) -> None:
    pictures = snapshot.use_extension(SVGImageExtension)
    language.use(code)
    try:
        await walk(worked_on, pictures, size, theme)
    finally:
        language.use("en")


async def walk(
    project: Project, pictures: SnapshotAssertion, size: tuple[int, int], theme: str
) -> None:
    """Compare pictures of overlays, of the history and of completion."""
    async with running(project, size) as opened:

        def picture() -> str:
            return opened.app.export_screenshot(title="shikomi", simplify=True)

        opened.app.theme = theme
        await opened.press("j", "j")
        for overlay in ("cut", "crop", "mask"):
            await opened.press("o")
            assert picture() == pictures(name=overlay)
        await opened.press("o", "U")
        await opened.until(lambda: opened.app.screen.query_one("#diffs", ItemList).count)
        assert picture() == pictures(name="history")
        await opened.press("escape", "e", "end")
        await opened.type(", ha")
        await opened.until(lambda: opened.app.screen.query_one(Completions).display)
        await opened.settled()
        assert picture() == pictures(name="completion")
        await opened.press("escape", "ctrl+z")
