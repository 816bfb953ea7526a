"""The application in a real browser, where there is one."""

from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="needs the extra: serve")
pytest.importorskip("textual_serve", reason="needs the extra: serve")

import numpy as np
from PIL import Image

from prep.project import Project
from tests.tui.web import chromium
from tests.tui.web.visitor import visited
from tui.web.access import Access
from tui.web.server import Server


def reds(file: Path) -> int:
    """Count the pixels of a picture that are as red as the image in the dataset."""
    pixels = np.asarray(Image.open(file).convert("RGB"))
    return int(((pixels[..., 0] > 200) & (pixels[..., 1:] < 40).all(axis=2)).sum())


@pytest.mark.skipif(not chromium.PROGRAM, reason="needs Chromium")
async def test_the_application_is_seen_and_obeys_in_a_browser(
    project: Project, tmp_path: Path
) -> None:
    for name, colour in (("a", "#ff0000"), ("b", "#0000ff")):
        Image.new("RGB", (64, 64), colour).save(project.dataset / "10_mochi" / f"{name}.png")
    server = Server(project.root, Access("a token of some length"), most=2)
    picture = tmp_path / "page.png"
    async with visited(server) as visitor, chromium.tab(tmp_path) as tab:
        await tab.call("Page.navigate", url=f"{visitor.url}/?token={visitor.token}")
        await tab.until("document.body && document.body.classList.contains('-first-byte')")
        for keys, many in (("", True), ("j", False), ("k", True)):
            await tab.press(keys)
            for _ in range(200):
                await tab.picture(picture)
                if (reds(picture) > 10_000) == many:
                    break
            assert (reds(picture) > 10_000) == many, keys
        assert await tab.value("location.href") == f"{visitor.url}/"
        assert await tab.value("document.fonts.check('16px \"Roboto Mono\"')")
        await tab.press("q")
        await tab.until("getComputedStyle(document.querySelector('#ended')).display == 'block'")
        here = f"127.0.0.1:{visitor.port}/"
        assert [url for url in tab.asked_for if url.partition("://")[2].startswith(here)] == [
            url for url in tab.asked_for if not url.startswith("data:")
        ]
        assert not [said for said in tab.said if '"error"' in said]
