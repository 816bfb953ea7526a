"""What the trainers see: buckets of OneTrainer, EXIF, transparency, batches, pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prep import events
from prep.errors import ConfigError
from prep.ops import buckets, preview, scan
from prep.ops.buckets import BucketsOptions
from prep.ops.preview import PreviewOptions
from prep.project import Project
from prep.training_set.trainers import OneTrainerBuckets
from tests.conftest import MakeImage, draw_numbered
from tests.prep.exporting import summary, warnings

SIDE = st.integers(1, 5000)


@given(SIDE, SIDE, st.sampled_from([512, 768, 1024]), st.sampled_from([8, 64]))
def test_onetrainer_covers_its_buckets(width: int, height: int, side: int, step: int) -> None:
    made = OneTrainerBuckets(side, step)
    fit = made.fit((width, height))
    assert fit.bucket in made.sizes
    assert fit.bucket[0] % step == fit.bucket[1] % step == 0
    assert min(fit.left, fit.top, fit.resized[0] - fit.bucket[0]) >= 0
    assert fit.resized[1] >= fit.bucket[1]
    # Nothing is nearer, by height / width as it compares.
    error = abs(fit.bucket[1] / fit.bucket[0] - height / width)
    assert all(error <= abs(h / w - height / width) + 1e-12 for w, h in made.sizes)


def test_known_buckets_of_onetrainer() -> None:
    """Computed by hand from the nine proportions of mgds."""
    sizes = OneTrainerBuckets(1024, 64).sizes
    assert len(sizes) == 17
    for size in ((1024, 1024), (896, 1152), (832, 1280), (1472, 704), (512, 2048)):
        assert size in sizes or size[::-1] in sizes
    assert OneTrainerBuckets(512, 8).fit((600, 400)).bucket == (624, 416)
    assert OneTrainerBuckets(512, 8).fit((64, 64)).scale == 8


@pytest.fixture
def odd(project: Project, make_image: MakeImage) -> Project:
    """A project with all that trainers get wrong."""
    make_image("10_mochi/plain.png", 1, (512, 512))
    exif = Image.Exif()
    exif[0x0112] = 6
    place = project.dataset / "10_mochi"
    draw_numbered(2, (800, 512)).save(place / "turned.jpg", exif=exif)
    clear = draw_numbered(3, (512, 512)).convert("RGBA")
    clear.putalpha(Image.radial_gradient("L").resize((512, 512)))
    clear.save(place / "clear.png")
    draw_numbered(4, (512, 512)).save(place / "moving.gif")
    draw_numbered(5, (512, 512)).save(place / "Camel.Jpg", "JPEG")
    list(scan.run(project))
    return project


def seen(project: Project, **options: Any) -> tuple[dict[str, events.Seen], list[events.Event]]:
    found = list(buckets.run(project, BucketsOptions(each=True, **options)))
    return {Path(e.path).name: e for e in found if isinstance(e, events.Seen)}, found


def test_sd_scripts_reads_files_as_they_are(odd: Project) -> None:
    views, found = seen(odd, trainer="sd-scripts")
    assert views["turned.jpg"].part == [0, 0, 800, 512]
    assert views["turned.jpg"].bucket == [640, 384]
    assert "EXIF" in views["turned.jpg"].notes[0]
    assert "black" in views["clear.png"].notes[0]
    assert views["moving.gif"].bucket == views["Camel.Jpg"].bucket == []
    assert summary(found)["unread"] == 2
    assert "2 images" in warnings(found)
    assert "EXIF rotation is ignored" in warnings(found)


def test_onetrainer_turns_and_drops(odd: Project) -> None:
    views, found = seen(odd, trainer="onetrainer", batch_size=15)
    assert views["turned.jpg"].part == [0, 0, 512, 800]
    assert views["turned.jpg"].bucket == [416, 624]
    assert views["moving.gif"].bucket == []
    # 10 exposures of one shape are less than a batch of 15; of 30 others, none is left over.
    assert summary(found)["dropped"] == 10
    assert "turned.jpg) is never used" in warnings(found)


def test_an_export_mends_it_all(odd: Project) -> None:
    views, found = seen(odd, batch_size=3)
    assert views["turned.jpg"].bucket == [384, 640]
    assert views["clear.png"].notes == ["transparency is composed on white"]
    assert summary(found)["unread"] == 0
    assert "The last batch is not full in 2 of 2 buckets" in warnings(found)
    rows = [e for e in found if isinstance(e, events.Bucket)]
    assert [(e.exposures, e.batches, e.rest) for e in rows] == [(10, 4, 1), (40, 14, 1)]


def test_strips_and_part_add_up(odd: Project) -> None:
    for trainer in ("shikomi", "sd-scripts", "onetrainer"):
        for view in seen(odd, trainer=trainer)[0].values():
            if view.bucket:
                left, top, right, bottom = view.strips
                assert view.scaled == [view.bucket[0] + left + right, view.bucket[1] + top + bottom]


def test_a_preview_shows_three_trainers(odd: Project, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    *found, last = preview.run(odd, PreviewOptions(image="turned", out=sheet))
    trainers = [e.trainer for e in found if isinstance(e, events.Seen)]
    assert trainers == ["shikomi", "sd-scripts", "onetrainer"]
    assert isinstance(last, events.Finished)
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # Strips that are cut off are red.
    assert ((pixels[:, :, 0] - pixels[:, :, 1] > 90) & (pixels[:, :, 1] < 95)).any()
    for name in ("clear.png", "moving.gif"):
        assert list(preview.run(odd, PreviewOptions(image=name, out=sheet)))
    for name in ("nothing", "10_mochi"):
        with pytest.raises(ConfigError):
            list(preview.run(odd, PreviewOptions(image=name)))
