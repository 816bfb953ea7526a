"""Captions of many images, read in one query, for bulk edits.

A whole ``ImageRow`` costs more than an edit of its caption, so only four columns are read here.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from prep.dataset.index import Index
from prep.dataset.writer import chunks
from prep.errors import ConfigError
from prep.system.names import spellings

_FAR = 0.5
_SELECT = """SELECT i.path, i.folder, i.caption, i.content FROM images i
WHERE i.error IS NULL AND i.caption_error IS NULL
AND i.path NOT IN (SELECT path FROM work.exclusions)"""


class CaptionRow(NamedTuple):
    """The caption of one usable image.

    Attributes:
        path: Path of the image in the index.
        folder: Its concept folder.
        caption: The text, ``None`` if there is no file.
        content: Hash of the image's bytes, once an operation has needed it.
    """

    path: str
    folder: str
    caption: str | None
    content: str | None


def caption_rows(index: Index, where: str = "", paths: Sequence[str] = ()) -> Iterator[CaptionRow]:
    """Return the captions of usable images in path order, read lazily.

    Args:
        index: Open index of a project.
        where: Only images that match this filter.
        paths: Only these images; all if empty.

    Raises:
        ConfigError: The filter is not valid, or a path is not known.
    """
    wanted = frozenset(_known(index, paths))
    rows = _chosen(index, index.ids(where)) if where else _all(index)
    return (row for row in rows if row.path in wanted) if wanted else rows


def _all(index: Index) -> Iterator[CaptionRow]:
    return map(CaptionRow._make, index.connection.execute(f"{_SELECT} ORDER BY i.natural, i.path"))


def _chosen(index: Index, ids: Sequence[int]) -> Iterator[CaptionRow]:
    """Yield the images with these ids; ids are in path order, so parts are, too."""
    for places, part in chunks(ids):
        select = f"{_SELECT} AND i.id IN ({places}) ORDER BY i.natural, i.path"
        found = index.connection.execute(select, part)
        yield from map(CaptionRow._make, found)


def _known(index: Index, paths: Sequence[str]) -> Iterator[str]:
    """Yield the paths used in the index, relative to the project, for paths in any form."""
    root = index.project.root
    for path in paths:
        absolute = (root / path).absolute()
        name = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else path
        found = next((one for one in spellings(name) if index.get(one) is not None), None)
        if found is None:
            known = [row[0] for row in index.connection.execute("SELECT path FROM images")]
            near = get_close_matches(name, known, 1, _FAR)
            raise ConfigError(
                f"There is no image {path} in this project.",
                f"Did you mean {near[0]}?" if near else "See: shikomi ls",
            )
        yield found
