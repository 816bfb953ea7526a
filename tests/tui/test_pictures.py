import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from textual.app import App, ComposeResult
from textual.widgets import Static

from prep.images.buckets import Buckets
from prep.ops.preview import outlined
from prep.project import Project
from tests.tui.driving import running
from train.job.comparison import smooth
from tui.graphics import drawing
from tui.graphics.blocks import halfblocks
from tui.graphics.drawing import fitted_size
from tui.pictures import made, parameters
from tui.terminal import Terminal
from tui.widgets.chart import Chart, Series, limits
from tui.widgets.line_list import ItemList
from tui.widgets.picture import Picture


def test_each_cell_shows_two_pixels() -> None:
    image = Image.new("RGB", (2, 2), "red")
    image.putpixel((0, 1), (0, 0, 255))
    image.putpixel((1, 1), (0, 0, 255))
    (strip,) = halfblocks(np.asarray(image))
    (segment,) = strip
    assert segment.text == "▀▀"
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    assert segment.style.color.get_truecolor() == (255, 0, 0)
    assert segment.style.bgcolor.get_truecolor() == (0, 0, 255)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (640, 480), (3, 3)])
@pytest.mark.parametrize("box", [(1, 1), (40, 12), (200, 60)])
def test_any_shape_fits_any_box(size: tuple[int, int], box: tuple[int, int]) -> None:
    width, height = fitted_size(size, *box)
    assert 1 <= width <= box[0]
    assert 1 <= height <= box[1]
    strips = drawing.draw(Image.new("RGB", size), *box, Terminal()).strips
    assert len(strips) == height
    assert {strip.cell_length for strip in strips} == {width}


def test_what_is_cut_off_is_red() -> None:
    fit = Buckets((512, 512)).fit((600, 512))
    shown = np.asarray(outlined(Image.new("RGB", (600, 512), "white"), fit))
    assert shown[fit.top, fit.left].tolist() == [255, 255, 255]
    assert shown[0, 0].tolist() == [223, 93, 105]


def draw(folder: Path, name: str, when: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = PngInfo()
    info.add_text("parameters", f"mochi, hat\nSeed: {when}")
    Image.new("RGB", (64, 64), "green").save(folder / name, pnginfo=info)
    os.utime(folder / name, (when, when))
    return folder / name


def test_generated_pictures_are_found_newest_first(project: Project) -> None:
    old = draw(project.output / "samples" / "mochi", "1.png", 1000)
    grid = draw(project.output / "grids", "2.png", 3000)
    own = draw(project.jobs / "20260101-000000-train" / "samples", "3.png", 2000)
    draw(project.output / "dataset" / "10_mochi", "4.png", 4000)
    assert [one.path for one in made(project)] == [grid, own, old]
    assert "Seed: 3000" in parameters(grid)
    assert parameters(project.file) == ""


async def test_samples_show_the_text_that_made_them(project: Project) -> None:
    draw(project.output / "samples", "1.png", 1000)
    async with running(project) as opened:
        await opened.go("samples")
        await opened.until(lambda: opened.app.screen.query_one("#samples", ItemList).count == 1)
        text = opened.app.screen.query_one("#parameters", Static)
        await opened.until(lambda: "Seed: 1000" in str(text.content))


class ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Chart()


async def test_a_curve_is_drawn_between_its_limits() -> None:
    app = ChartApp()
    async with app.run_test(size=(60, 16)):
        chart = app.query_one(Chart)
        assert "first steps" in chart.render_line(8).text
        points = [(float(step), 1.0 / step) for step in range(1, 101)]
        chart.show([Series("loss", "raw", points), Series("smoothed", "smooth", smooth(points))])
        lines = [chart.render_line(y).text for y in range(16)]
    assert "loss 0.01 " in lines[0]
    assert lines[-1].split() == ["step", "25", "50", "75", "100"]
    assert any("\u2800" < letter <= "\u28ff" for letter in "".join(lines[1:-1]))


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.5), (2.0, 0.5)], [(1.0, 0.0)]])
def test_flat_curves_have_room(points: list[tuple[float, float]]) -> None:
    box = limits([Series("loss", "raw", points)])
    assert box is not None
    assert box[1] > box[0]
    assert box[3] > box[2]


async def test_a_text_in_the_place_of_a_picture_is_measured_in_cells(project: Project) -> None:
    async with running(project) as opened:
        await opened.go("review")
        picture = opened.app.screen.query_one(Picture)
        picture.show_text("表示できる画像がありません")
        line = picture.render_line(picture.size.height // 2)
        assert line.text.strip() == "表示できる画像がありません"
        assert line.cell_length == picture.size.width
        left, right = (len(part) for part in line.text.split(line.text.strip()))
        assert abs(left - right) <= 1
