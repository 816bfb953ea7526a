"""``quality:blur``: evaluated from the stored measures of ``shikomi quality``.

An image has a finding if one of its training images has one. The thresholds are those
of the project.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator

from prep.dataset.query.condition import Condition, Context
from prep.dataset.query.tree import Term
from prep.errors import ConfigError
from prep.project import Project


def quality(term: Term, context: Context) -> Condition:
    """Return the images with findings; for ``none`` those completely measured, without any.

    Raises:
        ConfigError: Nothing has been measured at the current training size.
    """
    from prep.dataset.values import quality_values

    connection, project = context.connection, context.project
    none = term.value == "none"
    test, limits = quality_values.beyond(project.settings.quality, "any" if none else term.value)
    found = {image for image, _ in _views(connection, project, test, limits)}
    if none or not found:
        measured = Counter(_views(connection, project, "1", ()))
        if not measured:
            raise _nothing(term, context)
        if none:
            whole = {image for (image, views), count in measured.items() if count == views}
            found = whole - found
    ids = json.dumps(sorted(found))
    return Condition(select="SELECT value AS n FROM json_each(?)", values=(ids,))


def _nothing(term: Term, context: Context) -> ConfigError:
    hint = "Run: shikomi quality PROJECT"
    return context.fault(term, "nothing has been measured at this training size", hint)


def _views(
    connection: sqlite3.Connection, project: Project, test: str, limits: tuple[float, ...]
) -> Iterator[tuple[int, int]]:
    """Yield, for each measured training image that passes a test, its image and their number.

    Args:
        connection: Connection to the cache.
        project: Its buckets and crops define the training images.
        test: SQL over rows ``q`` of the measured values.
        limits: Its parameters.
    """
    from prep.dataset import stored_crops
    from prep.dataset.values import quality_values
    from prep.images import crops

    boxes, buckets = stored_crops.read(connection), project.buckets
    wanted: dict[tuple[object, ...], frozenset[str]] = {}
    for image, path, width, height, cut in connection.execute(
        "SELECT j.id, j.path, j.width, j.height, q.cut FROM quality_values q"
        f" CROSS JOIN images j ON j.content = q.content WHERE {test}",
        limits,
    ):
        shape = (width, height, path if path in boxes else None)
        if shape not in wanted:
            rects = crops.rects(boxes.get(path, ()), (width, height))
            wanted[shape] = frozenset(quality_values.cut(r, buckets.fit(r.size)) for r in rects)
        if cut in wanted[shape]:
            yield image, len(wanted[shape])
