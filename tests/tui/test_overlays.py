"""What lies over the large picture: where, and in which words."""

import numpy as np
from PIL import Image
from textual.widgets import Static

from prep.dataset.index import Index
from prep.dataset.journal.changes import crop_change
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box, Rect
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import running
from tui.graphics.hatching import hatched, within
from tui.overlays import legend, overlaid

PATH = "dataset/10_mochi/a.png"


def dark(image: Image.Image) -> np.ndarray:
    """Return where a white picture is darker, shape (height, width)."""
    return np.asarray(image.convert("L")) < 250


def test_what_is_used_stays_as_it_is_and_the_rest_has_stripes() -> None:
    white = Image.new("RGB", (200, 100), "white")
    found = hatched(white, within((200, 100), [Rect(50, 0, 150, 100)]))
    assert not dark(found)[:, 50:150].any()
    assert dark(found)[:, :50].all()
    assert len(set(np.asarray(found.convert("L"))[10, :50].tolist())) == 2  # not by shade alone


def test_each_overlay_shows_its_own(project: Project) -> None:
    file = project.root / PATH
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (900, 300), "white").save(file)
    list(scan.run(project))
    with Index(project) as index:
        row = index.get(PATH)
        assert row is not None
        share = project.buckets.fit((900, 300)).cut
        assert share > 0.05
        cut = dark(overlaid(project, row, "cut"))
        assert cut[0].all()
        assert cut[-1].all()
        assert not cut[150].any()
        assert abs(cut.mean() - share) < 0.01
        assert "bucket cuts off" in legend(project, row, "cut")

        assert not dark(overlaid(project, row, "crop")).any()
        assert "no crop" in legend(project, row, "crop")
        Journal(index).apply("crop", [crop_change(PATH, (), (Box(0.5, 0.0, 0.5, 1.0),))])
        crop = dark(overlaid(project, row, "crop"))
        assert crop[:, :450].all()
        assert not crop[:, 450:].any()

        assert "no mask" in legend(project, row, "mask")
        mask = Image.new("L", (900, 300), 255)
        mask.paste(0, (0, 0, 900, 150))
        mask.save(file.with_name("a-masklabel.png"))
        masked = dark(overlaid(project, row, "mask"))
        assert masked[:150].all()
        assert not masked[150:].any()


async def test_a_key_goes_through_the_overlays(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, (300, 100))
    async with running(project) as opened:
        about = opened.app.screen.query_one("#about", Static)
        await opened.press("o")
        await opened.until(lambda: "the bucket" in str(about.content))
        await opened.press("o")
        await opened.until(lambda: "no crop" in str(about.content))
        await opened.press("o")
        await opened.until(lambda: "no mask" in str(about.content))
        await opened.press("o")
        assert "overlay" not in str(about.content)
