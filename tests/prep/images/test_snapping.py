"""Geometry of crops: inside the image, legal for their bucket, near what was asked for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prep.errors import ConfigError
from prep.images.buckets import Buckets, Size
from prep.images.crops import WHOLE, Box, Rect, from_text, parse, rects, to_text
from prep.images.crops.snapping import is_legal, largest, nearest_shape, parse_shape, snapped

SIDE = st.integers(64, 4000)
SIZE = st.tuples(SIDE, SIDE)
ENLARGING_BUCKETS = st.sampled_from(
    [
        Buckets((512, 512)),
        Buckets((1024, 1024), 64, 512, 2048),
        Buckets((1024, 1024), 32, 512, 2048),
    ]
)
KEEPING_BUCKETS = st.sampled_from(
    [
        Buckets((512, 512), no_upscale=True),
        Buckets((768, 768), no_upscale=True),
        Buckets((1024, 1024), 32, 512, 2048, no_upscale=True),
    ]
)
BUCKETS = ENLARGING_BUCKETS | KEEPING_BUCKETS
FRACTION = st.floats(0, 1)


@st.composite
def images_with_part(draw: st.DrawFn, shortest: int = 1) -> tuple[Size, Rect]:
    """Draw the size of an image, and a part whose sides have at least this many pixels."""
    width, height = (draw(st.integers(max(64, shortest), 4000)) for _ in range(2))
    left = draw(st.integers(0, width - shortest))
    top = draw(st.integers(0, height - shortest))
    right = draw(st.integers(left + shortest, width))
    bottom = draw(st.integers(top + shortest, height))
    return (width, height), Rect(left, top, right, bottom)


def inside(rect: Rect, room: Rect) -> bool:
    return (
        room.left <= rect.left < rect.right <= room.right
        and room.top <= rect.top < rect.bottom <= room.bottom
    )


@given(images_with_part(), BUCKETS)
def test_a_snapped_crop_loses_nothing_and_stays_inside(
    given_: tuple[Size, Rect], buckets: Buckets
) -> None:
    size, rect = given_
    made = snapped(buckets, rect, size)
    assert inside(made, Rect(0, 0, *size))
    # Buckets of up to 32 steps a side: a crop smaller than that many pixels may have no exact one.
    if min(made.size) > 128:
        assert is_legal(buckets, made.size)


# Without enlarging, legal sizes are far apart: the nearest may be a little smaller.
@given(images_with_part(129), ENLARGING_BUCKETS)
def test_a_snapped_crop_covers_what_was_asked_for_or_fills_the_image(
    given_: tuple[Size, Rect], buckets: Buckets
) -> None:
    size, rect = given_
    made = snapped(buckets, rect, size)
    covers = inside(rect, made)
    fills = made.size[0] > 0.85 * size[0] or made.size[1] > 0.85 * size[1]
    assert covers or fills
    if covers:
        # No larger than the proportions ask for: one side is about as long as it was.
        assert min(made.size[0] / rect.size[0], made.size[1] / rect.size[1]) < 1.2


@given(images_with_part(), BUCKETS)
def test_snapping_twice_changes_nothing(given_: tuple[Size, Rect], buckets: Buckets) -> None:
    size, rect = given_
    made = snapped(buckets, rect, size)
    if is_legal(buckets, made.size):
        assert snapped(buckets, made, size) == made


# Shrunk to the area of 768 x 768, 4:7 never stays 4:7.
@example(((622, 1108), Rect(0, 0, 622, 1108)), Buckets((768, 768), no_upscale=True))
@given(images_with_part(), BUCKETS)
def test_an_inner_crop_never_reaches_out(given_: tuple[Size, Rect], buckets: Buckets) -> None:
    size, rect = given_
    made = snapped(buckets, rect, size, inside=True)
    assert inside(made, rect)
    if min(made.size) > 128:
        assert is_legal(buckets, made.size)


@given(st.tuples(st.integers(768, 4000), st.integers(768, 4000)), KEEPING_BUCKETS, st.data())
def test_without_enlarging_the_largest_crop_of_any_bucket_is_legal(
    size: Size, buckets: Buckets, data: st.DataObject
) -> None:
    shape = data.draw(st.sampled_from(buckets.sizes))
    made = largest(buckets, shape, size)
    assert made[0] <= size[0]
    assert made[1] <= size[1]
    assert is_legal(buckets, made)


@given(SIZE, st.data())
def test_a_shape_decides_the_bucket(size: Size, data: st.DataObject) -> None:
    buckets = Buckets((512, 512))
    shape = data.draw(st.sampled_from(buckets.sizes))
    made = largest(buckets, shape, size)
    assert made[0] <= size[0]
    assert made[1] <= size[1]
    assert buckets.fit(made).bucket == shape
    assert is_legal(buckets, made)
    # As large as the proportions allow, but for the grain of small, enlarged crops.
    grain = max(shape) // 64
    scale = min(size[0] / shape[0], size[1] / shape[1])
    assert made[0] >= shape[0] * scale - grain - 1


@given(SIZE, FRACTION, FRACTION, FRACTION, FRACTION)
def test_boxes_are_whole_pixels_inside_the_image(
    size: Size, x: float, y: float, width: float, height: float
) -> None:
    rect = Box(x, y, width, height).pixels(size)
    assert inside(rect, Rect(0, 0, *size))


@given(images_with_part())
def test_pixels_survive_as_fractions(given_: tuple[Size, Rect]) -> None:
    size, rect = given_
    (box,) = from_text(to_text([rect.box(size)]))
    assert box.pixels(size) == rect


def test_texts_are_read() -> None:
    assert parse("0.1, 0.2, 0.5, 0.5", (1000, 500)) == Box(0.1, 0.2, 0.5, 0.5)
    assert parse("100,100,500,250", (1000, 500)).pixels((1000, 500)) == Rect(100, 100, 600, 350)
    assert parse("0,0,1,1", (1000, 500)) == WHOLE
    assert rects((), (30, 20)) == [Rect(0, 0, 30, 20)]
    mixed = "0.1,0,2.8,0.6"
    for text in ("", "1,2", "a,b,c,d", "0.5,0,0.6,1", "-1,0,1,1", "0,0,0,1", "nan,0,1,1", mixed):
        with pytest.raises(ConfigError):
            parse(text, (1000, 500))


def test_shapes_are_read() -> None:
    buckets = Buckets((512, 512))
    assert parse_shape("2:3", buckets) == (384, 640)
    assert parse_shape("3:2", buckets) == (640, 384)
    assert parse_shape("512X512", buckets) == (512, 512)
    assert nearest_shape(buckets, 1 / 9) == (256, 1024)
    with pytest.raises(ConfigError, match="nearest one is 512x512"):
        parse_shape("500x512", buckets)
    for text in ("", "2", "2:0", "0:1", "a:b", "1:2:3", "inf:1"):
        with pytest.raises(ConfigError, match="is not a valid shape"):
            parse_shape(text, buckets)
