"""Measure how much of a picture is transparent, and the hidden pixels; once per content.

An alpha channel says little: most screenshots have one without transparency. So the pixels
decide; they are read once, and the result is stored in ``cache.db`` by content hash.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from prep import events
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.values import transparency_values
from prep.dataset.values.transparency_values import Transparency
from prep.images.opening import open_image
from prep.system.parallel import ordered

_FULL = 255
_BATCH = 64


def measure(index: Index) -> Iterator[events.Event]:
    """Measure images whose files can hold transparency, unless already known.

    Yields:
        Progress; Skipped for files that can no longer be read.
    """
    candidates = [row for row in index.iterate("alpha:yes") if row.usable]
    if not candidates:
        return
    yield from contents.hash_contents(index, candidates)
    known = transparency_values.known(index.connection)
    todo: dict[str, ImageRow] = {}
    for row in index.rows([row.id for row in candidates]):
        if row.content is not None and row.content not in known:
            todo.setdefault(row.content, row)
    yield from _looked_at(index, todo)


def _looked_at(index: Index, todo: dict[str, ImageRow]) -> Iterator[events.Event]:
    root, throttle = index.project.root, events.Throttle()
    results: list[tuple[str, Transparency]] = []

    def save() -> None:
        transparency_values.save(index.connection, results)
        results.clear()

    def work(item: tuple[str, ImageRow]) -> Transparency | None:
        return look(root / item[1].path)

    try:
        with closing(ordered(work, todo.items())) as looks:
            for done, ((content, _), seen) in enumerate(looks, 1):
                if seen is not None:
                    results.append((content, seen))
                if len(results) >= _BATCH:
                    save()
                yield from events.tick("transparency", len(todo), throttle, done)
    finally:
        save()


def look(file: Path) -> Transparency | None:
    """Measure one picture; ``None`` if it cannot be decoded."""
    import numpy as np

    try:
        with open_image(file) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except Exception:  # broken files raise nearly anything; the scan reports them
        return None
    clear = pixels[..., 3] < _FULL
    share = float(clear.mean())
    # The colour that a trainer reads there, regardless of transparency.
    grey = float(pixels[..., :3][clear].mean()) if share else 0.0
    return Transparency(share, grey)
