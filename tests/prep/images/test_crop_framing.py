"""Crops that are drawn: they stay inside the image, and legal with the shape of a bucket."""

from hypothesis import given
from hypothesis import strategies as st

from prep.images.buckets import Buckets
from prep.images.crops import WHOLE, Box, Rect
from prep.images.crops.draft import CropDraft, opened
from prep.images.crops.framing import Frame, shapes
from prep.images.crops.snapping import is_legal

BUCKETS = Buckets((512, 512))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(-400, 400), st.integers(-400, 400)),
        st.tuples(st.just("grow"), st.integers(-300, 300), st.integers(-300, 300)),
        st.tuples(st.just("span"), st.integers(-50, 900), st.integers(-50, 900)),
        st.tuples(st.just("shape"), st.integers(-1, len(BUCKETS.sizes) - 1), st.just(0)),
    ),
    max_size=8,
)


@given(st.integers(20, 1500), st.integers(20, 1500), STEPS)
def test_a_frame_never_leaves_the_image(
    width: int, height: int, steps: list[tuple[str, int, int]]
) -> None:
    size = (width, height)
    frame = Frame(Rect(0, 0, *size), size, BUCKETS)
    for what, first, second in steps:
        if what == "move":
            before = frame.rect.size
            frame = frame.moved(first, second)
            assert frame.rect.size == before
        elif what == "grow":
            frame = frame.grown(first, second)
        elif what == "span":
            frame = frame.spanned((width // 2, height // 2), (first, second))
        else:
            frame = frame.shaped(None if first < 0 else BUCKETS.sizes[first])
        left, top, right, bottom = frame.rect.corners
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


@given(st.integers(600, 3000), st.integers(600, 3000), st.sampled_from(shapes(BUCKETS)), STEPS)
def test_with_a_shape_nothing_is_left_to_cut(
    width: int, height: int, shape: tuple[int, int], steps: list[tuple[str, int, int]]
) -> None:
    frame = Frame(Rect(0, 0, width, height), (width, height), BUCKETS).shaped(shape)
    assert BUCKETS.fit(frame.rect.size).bucket == shape
    for what, first, second in steps:
        if what == "grow":
            frame = frame.grown(first, 0)
        elif what == "move":
            frame = frame.moved(first, second)
        # Very small frames, which are enlarged many times, may have no legal size.
        if min(frame.rect.size) >= 256:
            assert is_legal(BUCKETS, frame.rect.size)
            assert BUCKETS.fit(frame.rect.size).bucket == shape


def test_each_step_wider_is_a_step_even_where_legal_sizes_are_far_apart() -> None:
    # 40 x 40 is enlarged: of 5:3, only 15x9, 20x12, 25x15, 30x18, 35x21 and 40x24 are exact.
    frame = Frame(Rect(0, 0, 15, 9), (40, 40), Buckets((1024, 1024), maximum=2048), (1280, 768))
    wider = frame.grown(1, 0)
    assert wider.rect.size[0] > 15
    assert is_legal(wider.buckets, wider.rect.size)
    assert wider.grown(40, 0).rect.size == (40, 24)
    assert wider.grown(40, 0).grown(1, 0).rect.size == (40, 24)


def test_shrinking_goes_down_and_stops_at_the_smallest() -> None:
    frame = Frame(Rect(0, 0, 512, 512), (512, 512), BUCKETS, (512, 512))
    smaller = frame.grown(-16, 0)
    assert smaller.rect == Rect(0, 0, 496, 496)
    assert smaller.grown(0, -16).rect == Rect(0, 0, 480, 480)
    for _ in range(40):
        smaller = smaller.grown(-64, 0)
    assert smaller.rect.size == (16, 16)


def test_without_a_shape_sides_are_independent() -> None:
    frame = Frame(Rect(10, 20, 110, 220), (300, 300), BUCKETS)
    assert frame.grown(5, 0).rect == Rect(10, 20, 115, 220)
    assert frame.grown(0, -50).rect == Rect(10, 20, 110, 170)
    assert frame.grown(0, 100).rect == Rect(10, 0, 110, 300)
    assert frame.grown(-200, 0).rect.size == (16, 200)


def test_a_dragged_corner_leaves_the_other_one() -> None:
    frame = Frame(Rect(0, 0, 10, 10), (300, 300), BUCKETS)
    assert frame.spanned((200, 200), (100, 50)).rect == Rect(100, 50, 200, 200)
    assert frame.spanned((200, 200), (999, 250)).rect == Rect(200, 200, 300, 250)
    square = frame.shaped((512, 512)).spanned((200, 200), (100, 190))
    assert square.rect == Rect(100, 100, 200, 200)


def test_a_draft_without_crops_is_the_whole_image() -> None:
    draft = opened((640, 426), BUCKETS, ())
    assert draft.frame.rect == Rect(0, 0, 640, 426)
    assert not draft.changed
    assert draft.kept == Rect(0, 21, 640, 405)
    begun = draft.begun()
    assert begun.frame.rect.size == (640, 384)
    assert is_legal(BUCKETS, begun.frame.rect.size)


def test_crops_that_were_not_touched_are_saved_as_they_were() -> None:
    odd = Box(0.1234567, 0.2, 0.5, 0.5)
    draft = opened((1000, 1000), BUCKETS, (odd, Box(0, 0, 0.5, 0.5)))
    assert not draft.changed
    moved = draft.turned(1)
    moved = moved.with_frame(moved.frame.moved(100, 0))
    assert moved.boxes == (odd, Box(0.1, 0.0, 0.5, 0.5))
    assert moved.changed


def test_a_crop_is_added_to_the_whole_image_and_removed_again() -> None:
    draft = opened((900, 600), BUCKETS, ()).added()
    assert draft.place == 1
    assert draft.boxes[0] == WHOLE
    assert len(draft.boxes) == 2
    assert is_legal(BUCKETS, draft.frame.rect.size)
    back = draft.removed()
    assert (back.boxes, back.place) == ((), 0)
    assert back.removed().boxes == ()


@given(st.lists(st.sampled_from(["add", "remove", "next", "move"]), max_size=12))
def test_there_is_always_a_crop_to_look_at(steps: list[str]) -> None:
    draft: CropDraft = opened((800, 600), BUCKETS, ())
    for step in steps:
        if step == "add":
            draft = draft.added()
        elif step == "remove":
            draft = draft.removed()
        elif step == "next":
            draft = draft.turned(1)
        else:
            draft = draft.with_frame(draft.frame.moved(7, 3))
        assert 0 <= draft.place < len(draft.frames)
