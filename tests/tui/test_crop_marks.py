"""Crops are drawn into the picture itself, so that every way of showing pictures shows them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tui.graphics.crop_marks import CropMarks
from tui.graphics.drawing import draw
from tui.graphics.drawn import Drawn
from tui.graphics.view import WHOLE, Box, View
from tui.terminal import Drawing, Terminal

GREY = 120
LEFT, RIGHT = Box(0.1, 0.1, 0.45, 0.9), Box(0.55, 0.1, 0.9, 0.9)


def grey() -> Image.Image:
    return Image.new("RGB", (400, 400), (GREY, GREY, GREY))


def text_of(drawn: Drawn) -> str:
    cells = ((part.text, str(part.style)) for strip in drawn.strips for part in strip)
    return repr(list(cells)) + (drawn.graphic.data if drawn.graphic else "")


@pytest.mark.parametrize("drawing", ["kitty", "sixel", "quadrants", "half"])
def test_every_protocol_shows_them(drawing: Drawing) -> None:
    terminal = Terminal(drawing)
    marks = CropMarks((LEFT, RIGHT), 0)
    seen = [
        text_of(draw(grey(), 40, 20, terminal, over=over))
        for over in ((), (marks,), (dataclasses.replace(marks, current=1),))
    ]
    assert len(set(seen)) == 3


def test_what_is_cut_off_is_dark_and_frames_are_white_without_colours() -> None:
    made = np.asarray(CropMarks((LEFT, RIGHT), 0).drawn(grey(), WHOLE))
    assert (made[200, 100] == GREY).all()
    assert (made[200, 300] == int(GREY * 0.35)).all()
    assert (made[200, 40] == 255).all()  # the left edge of the current one
    assert (made[200, 219] == 255).all()  # and of the other
    assert (made[..., 0] == made[..., 1]).all()
    assert (made[..., 1] == made[..., 2]).all()


def test_what_the_trainer_keeps_is_bright_and_dotted() -> None:
    kept = Box(0.2, 0.1, 0.35, 0.9)
    made = np.asarray(CropMarks((LEFT,), 0, kept).drawn(grey(), WHOLE))
    assert (made[200, 110] == GREY).all()
    assert (made[200, 60] < GREY).all()
    edge = set(made[60:340, 80, 0].tolist())
    assert edge == {0, 255}


def test_of_an_enlarged_picture_the_part_in_view_is_marked() -> None:
    part = View(2.0).part(1.0, 1.0)
    made = np.asarray(CropMarks((Box(0.4, 0.4, 0.6, 0.6),), 0).drawn(grey(), part))
    # A fifth of the picture is two fifths of what is in view.
    assert (made[200, 120] == 255).all()
    assert (made[200, 279] == 255).all()
    assert (made[200, 200] == GREY).all()
    assert (made[20, 20] < GREY).all()


def test_heads_are_ovals_and_crossed_out_when_they_are_cut() -> None:
    head = Box(0.4, 0.4, 0.6, 0.6)
    whole, cut = (
        np.asarray(CropMarks((WHOLE,), heads=((head, lost),)).drawn(grey(), WHOLE))
        for lost in (False, True)
    )
    assert (whole[160, 199] == 255).all()  # the top of the oval
    assert (whole[163, 163] == GREY).all()  # no corner
    assert (whole[199, 199] == GREY).all()
    assert (cut[199, 199] == 255).all()  # the middle of the cross
    assert (cut[..., 0] == cut[..., 2]).all()
