"""A few pictures of screens. After an intended change: pytest tests/tui --snapshot-update."""

import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from prep import events
from prep.project import Project
from prep.system import jobs
from tests.tui.driving import Opened
from tui.app import ShikomiApp
from tui.screens.review import ReviewScreen
from tui.widgets.image_list import ImageList

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
    thumbnails = opened.app.screen.query_one(ImageList)._thumbnails
    await opened.until(lambda: len(thumbnails._known) >= 4 and not thumbnails._busy)


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
