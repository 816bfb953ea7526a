"""Pictures as block characters, as Sixel and for Kitty, checked by other means than those used."""

import re
import zlib
from base64 import b64decode
from itertools import product

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region

from tests.tui import sixel_decoder
from tui.graphics import kitty, sixel
from tui.graphics.blocks import quadrants
from tui.graphics.drawing import draw, fitted_size
from tui.graphics.drawn import Graphic
from tui.graphics.frames import Marks
from tui.graphics.overlay import Overlay, Spot, WithPixels
from tui.graphics.view import WHOLE, Box, View, around
from tui.terminal import Terminal

_SHAPES = dict(zip(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█", product((0, 1), repeat=4), strict=True))
"""Block -> lower right, lower left, upper right, upper left."""


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


# ---- blocks ------------------------------------------------------------------------------


def painted(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> list[list[list[int]]]:
    """Return the four pixels of the only cell as a terminal shows them."""
    ((segment,),) = quadrants(pixels)
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    pair = [segment.style.bgcolor.get_truecolor(), segment.style.color.get_truecolor()]
    lower_right, lower_left, upper_right, upper_left = _SHAPES[segment.text]
    shown = [[upper_left, upper_right], [lower_left, lower_right]]
    return [[list(pair[number]) for number in row] for row in shown]


@pytest.mark.parametrize("filled", list(product((0, 1), repeat=4)))
def test_a_cell_shows_two_colours_in_any_arrangement(filled: tuple[int, ...]) -> None:
    colours = np.array([[8, 40, 200], [252, 240, 16]], np.uint8)
    pixels = colours[np.array(filled).reshape(2, 2)]
    assert painted(pixels) == pixels.tolist()


def test_the_arrangement_with_the_least_error_is_chosen() -> None:
    random = np.random.default_rng(1)
    for _ in range(200):
        pixels = random.integers(0, 256, (2, 2, 3), np.uint8)
        wanted = pixels.reshape(4, 3).astype(float)
        errors = []
        for shape in product((False, True), repeat=4):
            which = np.array(shape)
            errors.append(
                sum(
                    ((part - part.mean(axis=0)) ** 2).sum()
                    for part in (wanted[which], wanted[~which])
                    if len(part)
                )
            )
        shown = np.array(painted(pixels), float).reshape(4, 3)
        # Colours are cut to 6 bits: at most 3 levels off each.
        off = np.sqrt(((shown - wanted) ** 2).sum())
        assert off <= np.sqrt(min(errors)) + 3.5 * np.sqrt(12)


def test_cells_are_in_their_places() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[2:, 4:] = 252
    lines = quadrants(pixels)
    shades = [
        [segment.style.bgcolor.get_truecolor()[0] for segment in line for _ in segment.text]  # type: ignore[union-attr]
        for line in lines
    ]
    assert shades == [[0, 0, 0], [0, 0, 252]]


# ---- Sixel -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (130, 6), (64, 64), (1100, 11)])
def test_sixel_draws_every_pixel(size: tuple[int, int]) -> None:
    colours = np.array([[255, 0, 0], [0, 255, 51], [0, 0, 0], [102, 153, 204]], np.uint8)
    random = np.random.default_rng(size[0])
    which = random.integers(0, 4, size[::-1])
    which[:, size[0] // 2 :] = 2  # long runs, and colours that come back
    picture = Image.fromarray(colours[which])
    shown = sixel_decoder.decode(sixel.encode(picture))
    assert np.abs(shown - np.asarray(picture)).max() <= 1


@pytest.mark.parametrize("colours", [4, 16])
def test_sixel_uses_no_more_colours_than_there_are(colours: int) -> None:
    pixels = np.array(noise(40, 40))
    pixels[::7] = 0
    text = sixel.encode(Image.fromarray(pixels), colours)
    shown = sixel_decoder.decode(text)
    assert shown.min() >= 0
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= colours
    assert max(int(number) for number in re.findall(r"#(\d+)", text)) < colours


def test_thin_lines_keep_their_colour_in_sixel() -> None:
    picture = noise(6, 6, 2).resize((900, 700), Image.Resampling.BICUBIC)
    pixels = np.array(picture)
    pixels[333, 100:800] = 255  # not among the pixels that the palette is chosen from
    pixels[334, 100:800] = 0
    shown = sixel_decoder.decode(sixel.encode(Image.fromarray(pixels)))
    assert shown[333, 100:800].mean() > 245
    assert shown[334, 100:800].mean() < 10


def test_sixel_is_close_to_a_photograph() -> None:
    photograph = noise(12, 9, 5).resize((240, 180), Image.Resampling.BICUBIC)
    shown = sixel_decoder.decode(sixel.encode(photograph))

    def soft(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Image.Image:
        return Image.fromarray(pixels.astype(np.uint8)).reduce(4)  # dithered: look from afar

    off = np.asarray(soft(shown), float) - np.asarray(photograph.reduce(4), float)
    assert np.abs(off).mean() < 4


# ---- Kitty -------------------------------------------------------------------------------


def test_kitty_gets_every_pixel_in_small_pieces() -> None:
    picture = noise(90, 50)
    text = kitty.transmit(77, picture)
    pieces = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in pieces) == text
    assert pieces[0][0] == "a=t,i=77,f=24,s=90,v=50,o=z,t=d,q=2,m=1"
    assert [keys for keys, _ in pieces[1:]] == ["m=1"] * (len(pieces) - 2) + ["m=0"]
    assert all(len(data) == 4096 for _, data in pieces[:-1])
    data = zlib.decompress(b64decode("".join(data for _, data in pieces)))
    assert data == np.asarray(picture).tobytes()


# ---- drawing and looking -----------------------------------------------------------------


def test_pixels_fill_the_cells_of_the_text_below() -> None:
    drawn = draw(noise(400, 300), 30, 30, Terminal("sixel", cell=(9, 17)))
    assert drawn.graphic is not None
    shown = sixel_decoder.decode(drawn.graphic.data)
    assert (drawn.graphic.columns, drawn.graphic.rows) == (30, 12)
    assert shown.shape == (12 * 17, 30 * 9, 3)
    assert (len(drawn.strips), drawn.strips[0].cell_length) == (12, 30)


def test_a_sixel_picture_is_not_larger_than_the_terminal_draws() -> None:
    drawn = draw(noise(50, 50), 200, 90, Terminal("sixel", cell=(10, 20), most=(300, 1000)))
    assert drawn.graphic is not None
    assert (drawn.graphic.columns, drawn.graphic.rows) == (30, 15)


def test_a_wide_cell_makes_a_picture_of_more_rows() -> None:
    assert fitted_size((100, 100), 40, 40, (10, 20)) == (40, 20)
    assert fitted_size((100, 100), 40, 40, (10, 15)) == (40, 27)


def test_only_the_part_in_view_is_drawn() -> None:
    picture = Image.new("RGB", (100, 100), "black")
    picture.paste("white", (50, 0, 100, 50))
    drawn = draw(picture, 10, 5, Terminal(), View(2.0, 0.75, 0.25))
    assert drawn.part == Box(0.5, 0.0, 1.0, 0.5)
    shades = [
        segment.style.bgcolor.get_truecolor()[0]  # type: ignore[union-attr]
        for strip in drawn.strips
        for segment in strip
    ]
    assert min(shades) > 220  # scaling mixes a little of what is beside it into the edges


def test_zooming_keeps_the_place_under_the_pointer() -> None:
    seen = WHOLE
    view = View()
    at = (0.25, 0.6)
    for _ in range(4):
        view = view.zoomed(1.5, seen, at)
        seen = view.part(1.0, 1.0)
        assert seen.left + at[0] * (seen.right - seen.left) == pytest.approx(0.25)
        assert seen.top + at[1] * (seen.bottom - seen.top) == pytest.approx(0.6)
    assert view.zoomed(0.001, seen).zoom == 1.0


def test_panning_ends_at_the_edge() -> None:
    view = View(4.0)
    for _ in range(30):
        view = view.moved(0.2, -0.2, view.part(1.0, 1.0))
    assert view.part(1.0, 1.0) == Box(0.75, 0.0, 1.0, 0.25)
    back = view.moved(-0.2, 0.0, view.part(1.0, 1.0))
    assert back.part(1.0, 1.0).left < 0.75  # no steps are lost at the edge


def test_a_part_is_shown_whole_with_what_is_around_it() -> None:
    box = Box(0.7, 0.1, 0.8, 0.4)
    part = around(box, 1.5, 0.8).part(1.5, 0.8)
    assert part.left < box.left
    assert part.right > box.right
    assert part.top < box.top
    assert part.bottom > box.bottom
    assert (part.bottom - part.top) < 0.5


def test_marks_are_seen_on_every_ground() -> None:
    for ground in ("black", "white", "gray"):
        drawn = draw(
            Image.new("RGB", (400, 400), ground), 40, 20, Terminal("sixel", (10, 20)), None,
            [Marks((Box(0.25, 0.25, 0.75, 0.75),))],
        )  # fmt: skip
        assert drawn.graphic is not None
        shown = sixel_decoder.decode(drawn.graphic.data)
        edge = shown[100, 100:300]
        assert {0, 255} <= set(edge[:, 0].tolist())


# ---- in step with the text ---------------------------------------------------------------


class Update(CompositorUpdate):
    def render_segments(self, console: Console) -> str:
        return "text"


ALL = LayoutUpdate([], Region(0, 0, 100, 40))
ELSEWHERE = ChopsUpdate([], [(5, 0, 40), (30, 0, 100)], [])
THERE = ChopsUpdate([], [(12, 49, 51)], [])
SPOT = Spot(Graphic(5, 20, 10, "<data>", (9, 18)), Region(50, 6, 20, 10))
WHOLE_SPOT = (0, 0, 180, 180)
MOVED = Spot(SPOT.graphic, Region(40, 6, 20, 10))
OTHER = Spot(Graphic(6, 20, 10, "<other>", (9, 18)), Region(50, 6, 20, 10))
HERE = "\x1b[7;51H"


def test_sixel_is_sent_again_when_its_cells_were() -> None:
    overlay = Overlay(Terminal("sixel"))
    assert overlay.after(ALL, [SPOT]) == f"{HERE}<data>"
    assert overlay.after(ELSEWHERE, [SPOT]) == ""
    assert overlay.after(THERE, [SPOT]) == f"{HERE}<data>"
    assert overlay.after(THERE, []) == ""  # the text has erased it
    assert overlay.after(ELSEWHERE, [SPOT]) == f"{HERE}<data>"
    assert overlay.after(ELSEWHERE, [OTHER]) == f"{HERE}<other>"
    assert overlay.cleared() == ""


def test_kitty_gets_a_picture_once_and_loses_it_when_something_is_over_it() -> None:
    overlay, put = Overlay(Terminal("kitty")), kitty.place(5, 20, 10, WHOLE_SPOT)
    assert overlay.after(ALL, [SPOT]) == f"<data>{HERE}{put}"
    assert overlay.after(THERE, [SPOT]) == ""
    assert overlay.after(ALL, []) == kitty.hide(5)
    assert overlay.after(ALL, [SPOT]) == f"{HERE}{put}"
    assert overlay.after(ALL, [MOVED]) == f"\x1b[7;41H{put}"
    replaced = overlay.after(THERE, [OTHER])
    assert replaced == kitty.hide(5) + f"<other>{HERE}" + kitty.place(6, 20, 10, WHOLE_SPOT)
    assert overlay.cleared() == kitty.forget(5) + kitty.forget(6)
    assert overlay.cleared() == ""


def test_kitty_keeps_pictures_until_its_memory_is_full() -> None:
    overlay = Overlay(Terminal("kitty"))

    def shown(number: int) -> str:
        graphic = Graphic(number, 100, 50, f"<{number}>", (20, 40))  # 16 MB
        return overlay.after(THERE, [Spot(graphic, Region(0, 0, 100, 50))])

    assert "a=d,d=I" not in shown(0) + shown(1) + shown(2) + shown(3)
    assert "<0>" not in shown(0)  # it is there still, and now the newest
    assert shown(4).endswith(kitty.forget(1))
    assert "<1>" in shown(1)


def test_kitty_shows_the_part_of_a_picture_that_is_in_view() -> None:
    overlay = Overlay(Terminal("kitty"))
    below = Spot(SPOT.graphic, Region(50, 0, 20, 7), above=3)
    placed = kitty.place(5, 20, 7, (0, 54, 180, 126))
    assert overlay.after(ALL, [below]) == f"<data>\x1b[1;51H{placed}"
    assert overlay.after(THERE, [SPOT]) == HERE + kitty.place(5, 20, 10, WHOLE_SPOT)


def test_sixel_draws_the_part_of_a_picture_that_is_in_view() -> None:
    shades = [0, 51, 102, 153, 204]  # one a row of cells
    picture = Image.fromarray(np.repeat(np.array(shades, np.uint8), 20)[:, None].repeat(90, axis=1))
    drawn = draw(picture.convert("RGB"), 9, 5, Terminal("sixel", cell=(10, 20), colours=16))
    assert drawn.graphic is not None
    part = Spot(drawn.graphic, Region(0, 0, 9, 2), above=2).sixel(16)
    shown = sixel_decoder.decode(part)
    assert shown.shape == (40, 90, 3)
    assert shown[::20, 0, 0].tolist() == [102, 153]
    assert max(int(number) for number in re.findall(r"#(\d+)", part)) < 16


def test_sixel_pictures_that_move_are_sent_when_they_have_stopped() -> None:
    overlay = Overlay(Terminal("sixel"))
    assert overlay.after(ALL, [SPOT])
    moved = [(overlay.after(ALL, spots), overlay.moved) for spots in ([MOVED], [MOVED, OTHER])]
    assert moved == [("", True), ("", False)]  # nothing yet: it may go on
    assert overlay.rest([MOVED, OTHER]) == f"\x1b[7;41H<data>{HERE}<other>"
    assert overlay.after(ELSEWHERE, [MOVED, OTHER]) == ""


def test_pixels_follow_the_text_of_the_update() -> None:
    assert WithPixels(Update(), "pixels").render_segments(Console()) == "textpixels"
