"""The stage Samples: the grid, flips, the nearest training images, the winner, and more of them."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from textual.widgets import Button, Input, Static

from prep.dataset.index import Index
from prep.errors import UserError
from prep.ops import scan
from prep.ops.most_alike import most_alike
from prep.project import Project
from prep.system import jobs
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from train.lora.file import RawTensor, serialise
from train.sampling.winner import name_of, read_winner
from tui.dialogs.fields import Fields
from tui.graphics.drawn import Drawn
from tui.pictures import made
from tui.sample_cells import LAST, Column, Row, cells
from tui.terminal import Terminal
from tui.widgets.sample_grid import Place, SampleGrid

MODULE, EMPTY = "lora_unet_mid_block_attentions_0_proj_in", RawTensor("F32", (1, 1), bytes(4))
FINAL = Column("mochi", LAST, 1.0, "mochi")
HALF = Column("mochi", LAST, 0.5, "mochi")
EARLY = Column("mochi", 40, 1.0, "mochi-step00000040")
BEACH, SKY = Row("mochi, beach", 1), Row("mochi, sky", 2)


def draw(file: Path, prompt: str, seed: int, red: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = PngInfo()
    text.add_text("parameters", f"{prompt}\nSteps: 12, Sampler: DDIM, Seed: {seed}, Size: 8x8")
    Image.new("RGB", (8, 8), (red, 90, 30)).save(file, pnginfo=text)
    return file


@pytest.fixture
def drawn(project: Project) -> Project:
    """Two prompts with the base, a sample of an early step, and two strengths."""
    lora = project.output / "lora"
    lora.mkdir(parents=True)
    for name in ("mochi", "mochi-step00000040"):
        pair = {f"{MODULE}.lora_{leaf}.weight": EMPTY for leaf in ("down", "up")}
        (lora / f"{name}.safetensors").write_bytes(serialise(pair, {}))
    grids, own = project.output / "grids", project.output / "samples"
    draw(grids / "cells" / "00--0.png", "mochi, beach", 1, 10)
    draw(grids / "cells" / "00-a.png", "mochi, beach <lora:mochi:0.5>", 1, 20)
    draw(grids / "cells" / "00-b.png", "mochi, beach <lora:mochi:0>", 1, 30)
    draw(grids / "grid-00.png", "mochi, beach", 1, 40)
    draw(own / "mochi" / "step00000040-00.png", "mochi, beach", 1, 50)
    draw(own / "mochi" / "step00000120-00.png", "mochi, beach", 1, 60)
    draw(own / "mochi" / "step00000120-01.png", "mochi, sky\nNegative prompt: bad", 2, 70)
    draw(own / "drawn" / "00001-2.png", "mochi, sky <lora:x:1> <lora:y:1>", 2)
    Image.new("RGB", (8, 8)).save(own / "says-nothing.png")
    return project


def grid(opened: Opened) -> SampleGrid:
    return opened.app.screen.query_one(SampleGrid)


def missing(grid: SampleGrid) -> list[Place]:
    """Return the places in view whose small picture is not drawn yet."""
    places = [place for place, _corner in grid._in_view() if grid.made(place)]
    return [place for place in places if not isinstance(grid.picture_at(place), Drawn)]


async def samples(opened: Opened) -> SampleGrid:
    await opened.go("samples")
    await opened.until(lambda: grid(opened).place is not None)
    return grid(opened)


def title(opened: Opened) -> str:
    return str(opened.app.screen.query_one("#sample-title", Static).content)


def test_pictures_find_their_places(drawn: Project) -> None:
    found = cells(drawn, made(drawn), {})
    assert found.columns == [Column(), EARLY, HALF, FINAL]
    assert found.rows == [BEACH, SKY]
    names = {place: one.path.name for place, one in found.at.items()}
    assert names[BEACH, EARLY] == "step00000040-00.png"
    assert names[BEACH, FINAL] == "step00000120-00.png"
    assert names[SKY, FINAL] == "step00000120-01.png"
    assert names[BEACH, Column()] in ("00--0.png", "00-b.png")
    assert len(names) == 5


def test_texts_are_read_once(drawn: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[object, str] = {}
    first = cells(drawn, made(drawn), known)  # type: ignore[arg-type]
    monkeypatch.setattr("tui.sample_cells.parameters", lambda _path: pytest.fail("read again"))
    assert cells(drawn, made(drawn), known).at == first.at  # type: ignore[arg-type]


async def test_the_grid_has_the_base_first_and_always(drawn: Project) -> None:
    async with running(drawn, (80, 24)) as opened:
        opened.app.overlay.terminal = Terminal("kitty", cell=(10, 20))
        shown = await samples(opened)
        heads = [shown.render_line(n).text for n in (0, 1)]
        assert heads[0].split() == ["base", "mochi", "mochi"]
        await opened.press("right", "right", "right")
        assert shown.place == (BEACH, FINAL)
        assert shown.render_line(0).text.split() == ["base", "mochi", "mochi"]
        assert shown.render_line(1).text.split() == ["last", "×", "0.5", "last", "×", "1"]
        assert title(opened) == "mochi · last · strength 1"
        await opened.until(lambda: not missing(shown))
        corners = [(region.x, region.y) for _graphic, region in shown.placed()]
        first = corners[0]
        # The first prompt with the base and two files; the second one with the last file.
        assert [(x - first[0], y - first[1]) for x, y in corners] == [
            (0, 0),
            (14, 0),
            (28, 0),
            (28, 7),
        ]
        await opened.press("down", "left")
        assert shown.place == (SKY, HALF)
        picture = opened.app.screen.query_one("#sample-picture")
        await opened.until(
            lambda: "no picture here" in str(picture.render_line(picture.size.height // 2).text)
        )


async def test_two_pictures_are_flipped_in_place(drawn: Project) -> None:
    async with running(drawn) as opened:
        shown = await samples(opened)
        await opened.press("b")
        assert any("Mark a picture" in text for text in opened.notices)
        await opened.press("right", "space", "right", "b")
        assert title(opened) == "A  mochi · step 40 · strength 1"
        parameters = opened.app.screen.query_one("#parameters", Static)
        assert "step00000040-00.png" in str(parameters.content)
        assert shown.place == (BEACH, HALF)
        await opened.press("b")
        assert title(opened) == "B  mochi · last · strength 0.5"


async def test_the_winner_is_picked_shown_and_taken_back(drawn: Project) -> None:
    async with running(drawn) as opened:
        shown = await samples(opened)
        await opened.press("w")
        assert any("cannot win" in text for text in opened.notices)
        await opened.press("right", "right", "w")
        await opened.until(lambda: read_winner(drawn) is not None)
        found = read_winner(drawn)
        assert found is not None
        assert (name_of(found), found.picture) == ("mochi:0.5", "output/grids/cells/00-a.png")
        await opened.until(lambda: "★" in shown.render_line(3).text)
        await opened.press("u")
        await opened.until(lambda: read_winner(drawn) is None)


async def test_more_is_drawn_through_the_queue(
    drawn: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[jobs.Job] = []
    monkeypatch.setattr(jobs, "start", started.append)
    async with running(drawn) as opened:
        await samples(opened)
        await opened.press("right")
        await opened.pilot.press("n")
        await opened.until(lambda: isinstance(opened.app.screen, Fields))
        dialog = opened.app.screen
        assert dialog.query_one("#lora", Input).value == "mochi-step00000040:1"
        assert str(dialog.query_one("#accept", Button).label) == "Draw"
        assert dialog.query_one("#count", Input).styles.margin.top == 0  # as all other inputs
        dialog.query_one("#prompt", Input).value = ""
        await opened.pilot.press("enter")
        await opened.until(
            lambda: "nothing to draw" in str(dialog.query_one("#fault", Static).content)
        )
        dialog.query_one("#prompt", Input).value = "mochi, moon"
        dialog.query_one("#count", Input).value = "3"
        await opened.pilot.press("enter")
        await opened.until(lambda: started)
    settings = started[0].settings()
    assert settings.lane == "train"
    assert (started[0].directory / jobs.TICKET).exists()
    assert settings.argv[3:] == [
        "sample",
        str(drawn.root),
        *("--prompt", "mochi, moon", "--seed", "1", "--count", "3"),
        *("--lora", "mochi-step00000040:1", "--json"),
    ]


async def test_all_pictures_are_still_listed(drawn: Project) -> None:
    async with running(drawn) as opened:
        await samples(opened)
        await opened.press("t")
        assert opened.app.screen.query_one("#samples").display
        await opened.press("down")
        text = opened.app.screen.query_one("#parameters", Static)
        await opened.until(lambda: ".png" in str(text.content))


def test_a_copy_of_a_training_image_is_found(
    project: Project, make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number + 1, (96, 96))
    list(scan.run(project))
    copy = tmp_path / "drawn.png"
    mirrored = Image.open(project.dataset / "10_mochi" / "2.png")
    mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(copy)
    with Index(project) as index:
        found = most_alike(index, copy, 2)
        assert Path(found[0].path).name == "2.png"
        assert found[0].share > 0.95 > found[1].share
        make_image("10_mochi/new.png", 9)
        list(scan.run(project))
        monkeypatch.setattr("prep.ops.most_alike._AT_ONCE", 0)
        with pytest.raises(UserError, match="compared"):
            most_alike(index, copy, 2)
