import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prep import events
from prep.dataset.index import Index
from prep.images.buckets import Buckets, Fit, Size, enlargement
from prep.ops import advise, buckets, scan
from prep.ops.buckets import BucketsOptions, preview
from prep.project import Project
from tests.conftest import MakeImage

SIDE = st.integers(1, 5000)
SIZE = st.tuples(SIDE, SIDE)
STEP = st.sampled_from([8, 32, 64])
RESOLUTION = st.sampled_from([(512, 512), (768, 768), (1024, 1024), (512, 768)])


def reference_sizes(resolution: Size, step: int, minimum: int, maximum: int) -> list[Size]:
    """make_bucket_resolutions of sd-scripts, written down again from its description."""
    area = resolution[0] * resolution[1]
    side = int(np.sqrt(area) // step) * step
    sizes = {(side, side)}
    width = minimum
    while width <= maximum:
        height = min(maximum, int((area // width) // step) * step)
        if height >= minimum:
            sizes.add((width, height))
            sizes.add((height, width))
        width += step
    return sorted(sizes)


def reference_cover(size: Size, sizes: list[Size]) -> tuple[Size, Size]:
    """BucketManager.select_bucket with bucket_no_upscale off: (bucket, resized)."""
    ratio = size[0] / size[1]
    if size in sizes:
        bucket = size
    else:
        errors = np.array([w / h for w, h in sizes]) - ratio
        bucket = sizes[int(np.abs(errors).argmin())]
    if ratio > bucket[0] / bucket[1]:
        scale = bucket[1] / size[1]
    else:
        scale = bucket[0] / size[0]
    return bucket, (int(size[0] * scale + 0.5), int(size[1] * scale + 0.5))


def reference_no_upscale(size: Size, resolution: Size, step: int) -> tuple[Size, Size]:
    """BucketManager.select_bucket with bucket_no_upscale on: (bucket, resized)."""

    def rounded(x: float) -> int:
        x = int(x + 0.5)
        return x - x % step

    ratio, area = size[0] / size[1], resolution[0] * resolution[1]
    resized = size
    if size[0] * size[1] > area:
        wide = np.sqrt(area * ratio)
        high = area / wide
        by_width = rounded(wide), rounded(rounded(wide) / ratio)
        by_height = rounded(rounded(high) * ratio), rounded(high)
        error_w = abs(by_width[0] / by_width[1] - ratio)
        error_h = abs(by_height[0] / by_height[1] - ratio)
        if error_w < error_h:
            resized = by_width[0], int(by_width[0] / ratio + 0.5)
        else:
            resized = int(by_height[1] * ratio + 0.5), by_height[1]
    return (resized[0] - resized[0] % step, resized[1] - resized[1] % step), resized


# 180: widths that are no multiples of the step, so that no bucket is another one turned round.
@given(
    RESOLUTION, STEP, st.sampled_from([128, 180, 320]), st.sampled_from([1011, 1012, 1024, 2048])
)
def test_sizes_are_those_of_sd_scripts(
    resolution: Size, step: int, minimum: int, maximum: int
) -> None:
    made = Buckets(resolution, step, minimum, maximum).sizes
    assert list(made) == reference_sizes(resolution, step, minimum, maximum)


@given(SIZE, RESOLUTION, STEP)
def test_covering_fits_are_those_of_sd_scripts(size: Size, resolution: Size, step: int) -> None:
    fit = Buckets(resolution, step).fit(size)
    sizes = reference_sizes(resolution, step, 256, 1024)
    assert (fit.bucket, fit.resized) == reference_cover(size, sizes)


@given(st.tuples(st.integers(64, 5000), st.integers(64, 5000)), RESOLUTION, STEP)
@example((304, 1287), (512, 512), 8)  # both ways of rounding keep the ratio equally well
@example((500, 500), (500, 500), 64)  # the area, but no multiple of the step
@example((640, 40500), (512, 512), 64)  # shrunk to one step exactly
def test_no_upscale_fits_are_those_of_sd_scripts(size: Size, resolution: Size, step: int) -> None:
    try:
        expected = reference_no_upscale(size, resolution, step)
    except ZeroDivisionError:
        return
    if min(expected[0]) > 0:  # else sd-scripts has no bucket
        fit = Buckets(resolution, step, no_upscale=True).fit(size)
        assert (fit.bucket, fit.resized) == expected


@pytest.mark.parametrize(
    ("resolution", "size", "resized", "bucket"),
    [
        ((512, 768), (10, 100), (64, 640), (64, 640)),
        ((512, 768), (100, 7), (914, 64), (896, 64)),  # 914.3
        ((512, 768), (31, 400), (64, 826), (64, 768)),  # 825.8
        ((512, 768), (75, 1001), (75, 1001), (64, 960)),  # just thick enough
        ((512, 768), (10, 2000), (64, 12800), (64, 6144)),  # the area: 512 x 768 / 64
        ((512, 768), (2000, 10), (12800, 64), (6144, 64)),
        ((500, 500), (10, 2000), (64, 12800), (64, 3904)),  # no more than 61 steps
    ],
)
def test_what_is_thinner_than_one_step_is_enlarged_to_it(
    resolution: Size, size: Size, resized: Size, bucket: Size
) -> None:
    fit = Buckets(resolution, no_upscale=True).fit(size)
    assert (fit.resized, fit.bucket) == (resized, bucket)


@given(SIZE, RESOLUTION, STEP, st.booleans())
def test_every_image_gets_a_bucket_inside_its_scaled_size(
    size: Size, resolution: Size, step: int, no_upscale: bool
) -> None:
    fit = Buckets(resolution, step, no_upscale=no_upscale).fit(size)
    assert fit.bucket[0] % step == 0
    assert fit.bucket[1] % step == 0
    assert min(fit.bucket) >= step
    assert_covers(fit)
    assert fit.bucket[0] * fit.bucket[1] <= resolution[0] * resolution[1]


@given(SIZE, RESOLUTION, st.booleans())
def test_an_exported_image_is_not_scaled_again(
    size: Size, resolution: Size, no_upscale: bool
) -> None:
    made = Buckets(resolution, no_upscale=no_upscale)
    bucket = made.fit(size).bucket
    again = made.fit(bucket)
    assert (again.bucket, again.resized, again.scale) == (bucket, bucket, 1.0)


def assert_covers(fit: Fit) -> None:
    assert fit.resized[0] >= fit.bucket[0]
    assert fit.resized[1] >= fit.bucket[1]
    # As much on the left as on the right, and the odd pixel there.
    assert fit.resized[0] - fit.bucket[0] - 2 * fit.left in (0, 1)
    assert fit.resized[1] - fit.bucket[1] - 2 * fit.top in (0, 1)
    assert 0 <= fit.cut < 1


@pytest.mark.parametrize(
    ("size", "bucket", "upscaled"),
    [
        ((512, 512), (512, 512), False),
        ((511, 511), (512, 512), True),
        ((1600, 900), (640, 384), False),
    ],
)
def test_known_fits(size: Size, bucket: Size, upscaled: bool) -> None:
    fit = Buckets((512, 512)).fit(size)
    assert (fit.bucket, fit.upscaled) == (bucket, upscaled)


def test_the_operation_groups_the_usable_images(project: Project, make_image: MakeImage) -> None:
    for number in range(3):
        make_image(f"10_mochi/{number}.png", number, (600, 600))
    make_image("10_mochi/small.png", 4, (64, 64))
    make_image("1_solo/wide.png", 5, (1200, 300))
    (project.dataset / "10_mochi" / "broken.png").write_bytes(b"no image")
    list(scan.run(project))

    *found, last = buckets.run(project)

    shapes = {(e.width, e.height): e.images for e in found if isinstance(e, events.Bucket)}
    assert list(shapes) == [(512, 512), (1024, 256)]
    assert shapes[1024, 256] == ["dataset/1_solo/wide.png"]
    assert "dataset/10_mochi/small.png" in shapes[512, 512]
    assert isinstance(last, events.Finished)
    counts = {"images": 5, "buckets": 2, "upscaled": 1, "cut": 0}
    assert last.summary == {**counts, "unread": 0, "dropped": 0}
    warnings = " ".join(e.message for e in found if isinstance(e, events.Warned))
    assert "wide.png) is alone" in warnings
    assert "small.png) is enlarged" in warnings


def test_an_enlargement_that_does_not_show_is_not_told(
    project: Project, make_image: MakeImage
) -> None:
    """500 pixels for a bucket of 512: "up to 1 times" would say nothing."""
    assert [enlargement(scale) for scale in (0.5, 1.0, 1.09)] == [None] * 3
    assert [enlargement(scale) for scale in (1.1, 1.26)] == ["1.1 times", "1.3 times"]
    make_image("10_mochi/near.png", 1, (500, 500))
    list(scan.run(project))

    assert not said(project)

    make_image("10_mochi/small.png", 2, (400, 400))
    list(scan.run(project))
    warning, note, advice = said(project)
    assert "small.png) is enlarged" in warning
    assert "up to 1.3 times" in warning
    assert note == "enlarged 1.3 times"
    assert advice.startswith("1 of 2 images")


def said(project: Project) -> list[str]:
    """Return what buckets, preview and advice say about enlargement."""
    found = []
    for event in [*buckets.run(project, BucketsOptions(each=True)), *advise.run(project)]:
        if isinstance(event, events.Warned | events.Advice):
            found.append(event.message)
        if isinstance(event, events.Seen):
            found += event.notes
    return sorted((text for text in found if "enlarged" in text), key=lambda t: "dataset" not in t)


def test_the_operation_takes_a_filter(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="hat")
    make_image("10_mochi/b.png", 2, caption="smile")
    list(scan.run(project))
    first, *_ = buckets.run(project, BucketsOptions(where="hat"))
    assert isinstance(first, events.Bucket)
    assert first.images == ["dataset/10_mochi/a.png"]


@pytest.mark.parametrize("resolution", [64, 100, 200, 512])
@pytest.mark.parametrize("step", [8, 64, 256])
def test_odd_settings_still_give_buckets(project: Project, resolution: int, step: int) -> None:
    changes = {"project": {"resolution": resolution}, "buckets": {"step": step, "minimum": 100}}
    made = project.saved(changes).buckets
    assert all(w % made.step == 0 and h % made.step == 0 for w, h in made.sizes)
    assert_covers(made.fit((333, 1000)))


def test_the_preview_is_the_fit_of_the_project(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (300, 900))
    list(scan.run(project))
    with Index(project) as index:
        row = index.usable()[0]
    assert preview(project, row) == project.buckets.fit((300, 900))
    assert preview(project.saved({"buckets": {"no_upscale": True}}), row).scale <= 1
