"""Heads that crops cut off: what counts, where crops are moved to, and turned pictures."""

import numpy as np
import pytest
from PIL import Image

from prep.images import crops
from prep.images.buckets import Buckets
from prep.images.crops import Box, Rect
from prep.images.crops.heads import (
    Head,
    cut_heads,
    grown,
    is_clear,
    moved_clear,
    upright,
)

SIZE = (1000, 1000)
HEAD = Head(Box(0.4, 0.2, 0.2, 0.2))
"""Pixels 400 to 600 and 200 to 400."""


def lost(*parts: Box, heads: tuple[Head, ...] = (HEAD,)) -> list[list[int]]:
    """Return the lost shares of the cut heads of each part, per cent."""
    return [[round(100 * cut.lost) for cut in found] for found in cut_heads(heads, parts)]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Box(0, 0, 1, 1), []),
        (Box(0, 0.209, 1, 0.7), []),  # 4.5 % of its height at the top
        (Box(0, 0.212, 1, 0.7), [6]),  # the upper half loses more than a tenth
        (Box(0, 0, 1, 0.372), []),  # 14 % from below: the chin
        (Box(0, 0, 1, 0.368), [16]),
        (Box(0.419, 0, 0.5, 1), []),  # a side of the hair
        (Box(0.422, 0, 0.5, 1), [11]),
        (Box(0, 0, 0.578, 1), [11]),
        (Box(0, 0.45, 1, 0.5), [100]),  # no head at all
    ],
)
def test_what_counts_as_cut(part: Box, expected: list[int]) -> None:
    assert lost(part) == [expected]


def test_a_crop_to_one_of_two_people_leaves_the_other_out() -> None:
    other = Head(Box(0.8, 0.2, 0.2, 0.2))
    both = (HEAD, other)
    assert lost(Box(0, 0, 0.8, 1), heads=both) == [[]]
    assert lost(Box(0, 0, 0.82, 1), heads=both) == [[]]  # a sliver of the other one
    assert lost(Box(0, 0, 0.9, 1), heads=both) == [[50]]
    assert lost(Box(0, 0.5, 1, 0.5), heads=both) == [[100, 100]]


def test_a_detail_is_fine_beside_a_crop_with_the_head() -> None:
    legs, figure = Box(0, 0.5, 1, 0.5), Box(0, 0, 1, 1)
    assert lost(legs) == [[100]]
    assert lost(legs, figure) == [[], []]
    assert lost(legs, Box(0, 0.3, 1, 0.7)) == [[100], [50]]  # neither shows it


def test_bystanders_do_not_count() -> None:
    small = Head(Box(0.95, 0.5, 0.05, 0.06))
    assert lost(Box(0, 0, 0.97, 1), heads=(HEAD, small)) == [[]]
    assert lost(Box(0, 0, 0.97, 1), heads=(small,)) == [[60]]


def test_crops_are_moved_to_the_nearest_place_that_cuts_nothing_off() -> None:
    room = Rect(0, 0, *SIZE)
    assert moved_clear([HEAD], Rect(0, 0, 700, 700), room, SIZE) == Rect(0, 0, 700, 700)
    moved = moved_clear([HEAD], Rect(0, 300, 700, 1000), room, SIZE)
    assert moved == Rect(0, 200, 700, 900)
    assert moved_clear([HEAD], Rect(500, 0, 1000, 500), room, SIZE) == Rect(400, 0, 900, 500)
    assert moved_clear([HEAD], Rect(0, 500, 100, 600), room, SIZE) is None
    # Within a room that begins below the top of the head, there is none.
    assert moved_clear([HEAD], Rect(0, 300, 700, 900), Rect(0, 300, 1000, 1000), SIZE) is None


def test_a_moved_crop_does_not_run_into_another_head() -> None:
    other = Head(Box(0.05, 0.2, 0.2, 0.2))
    wanted = Rect(450, 0, 850, 1000)
    assert moved_clear([HEAD], wanted, Rect(0, 0, *SIZE), SIZE) == Rect(400, 0, 800, 1000)
    near = Head(Box(0.75, 0.2, 0.2, 0.2))
    moved = moved_clear([HEAD, near, other], wanted, Rect(0, 0, *SIZE), SIZE)
    assert moved is not None
    assert is_clear([HEAD, near, other], moved, SIZE)
    assert moved == Rect(350, 0, 750, 1000)  # the middle one whole, the right one left out


def test_rectangles_grow_around_heads_until_none_is_cut() -> None:
    near = Head(Box(0.55, 0.25, 0.2, 0.2))
    assert grown([HEAD], Rect(300, 300, 700, 900), SIZE) == Rect(300, 200, 700, 900)
    assert grown([HEAD], Rect(300, 500, 700, 900), SIZE) == Rect(300, 200, 700, 900)
    # The first one brings part of the second one in.
    assert grown([HEAD, near], Rect(300, 300, 560, 900), SIZE) == Rect(300, 200, 750, 900)
    assert grown([HEAD], Rect(0, 0, 700, 700), SIZE) == Rect(0, 0, 700, 700)
    tiny = Head(Box(0.0004, 0.0004, 0.0011, 0.0011))  # rounded to a pixel, some of it is lost
    assert grown([tiny], Rect(500, 500, 700, 700), SIZE).right == 700


def test_what_the_bucket_keeps() -> None:
    part = Rect(100, 0, 1100, 500)
    fit = Buckets((512, 512)).fit(part.size)
    assert (fit.bucket, fit.resized) == ((704, 320), (704, 352))
    assert crops.kept(part, fit) == Rect(100, 23, 1100, 477)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_of_stored_pixels_are_found_in_the_upright_image(orientation: int) -> None:
    from PIL import ImageOps

    stored = np.zeros((40, 60), np.uint8)
    stored[4:12, 30:54] = 255
    image = Image.fromarray(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.info["exif"] = exif.tobytes()
    image.getexif().load(exif.tobytes())
    turned = ImageOps.exif_transpose(image)
    rows, columns = np.nonzero(np.asarray(turned))
    found = upright(Rect(30, 4, 54, 12).box((60, 40)), orientation).pixels(turned.size)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert found.corners == expected
    assert (turned.size == (40, 60)) == (orientation >= 5)
