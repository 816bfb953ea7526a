from collections.abc import Callable
from pathlib import Path

import pytest

from prep.dataset import contents
from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project


def test_pages_leave_out_what_was_hashed_meanwhile(
    project: Project, make_image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_PAGE", 1)
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number)
    list(scan.run(project))
    with Index(project) as index:
        first, second, third, fourth = index.usable()
        pages = contents.RowPages(index, [row.id for row in index.usable()], hashed=False)
        rows = iter(pages)
        assert (len(pages), next(rows)) == (4, first)
        index.put_contents([(second.path, "known")])
        index.remove([third.path])
        assert list(rows) == [fourth]
