"""Projects whose images have scores of made-up taggers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from prep import events
from prep.dataset.contents import hash_contents
from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.records import Record
from prep.tagging.models.tables import CHARACTER, GENERAL, RATING, TagTable
from prep.tagging.scores import taggers
from prep.tagging.scores.store import ScoreStore

TABLE = TagTable(
    ("safe", "bold", "long_hair", "hat", "straw_hat", "smile", "^_^", "mochi_(game)"),
    (RATING, RATING, GENERAL, GENERAL, GENERAL, GENERAL, GENERAL, CHARACTER),
)
Scores = Mapping[str, Mapping[str, float]]
"""Name of an image -> tag -> score; all other scores are 0.001."""


def scored(project: Project, scores: Scores, captions: Mapping[str, str] | None = None) -> Project:
    """Make images with captions, and scores of a tagger called ``first``."""
    for number, name in enumerate(scores):
        path = project.dataset / "10_mochi" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (number, number // 256, 9)).save(path)
        if captions and name in captions:
            path.with_suffix(".txt").write_text(captions[name], "utf-8")
    list(scan.run(project))
    return add_scores(project, "first", scores)


def add_scores(
    project: Project, tagger: str, scores: Scores, table: TagTable = TABLE, **advice: float
) -> Project:
    """Store the scores of one more tagger."""
    with Index(project) as index:
        list(hash_contents(index, index.select()))
        contents = {Path(row.path).stem: row.content or "" for row in index.select()}
        files = TaggerFiles(tagger, Path(), Path(), Record(**advice))
        taggers.note(index, files, f"somebody/{tagger}", f"key of {tagger}")
        ScoreStore(index, f"key of {tagger}", table).put(
            (contents[name], _row(table, given)) for name, given in scores.items()
        )
    return project


def _row(
    table: TagTable, given: Mapping[str, float]
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    row = np.full(len(table), 0.001, np.float32)
    for name, score in given.items():
        row[table.names.index(name)] = score
    return row


def summary(found: Sequence[events.Event]) -> dict[str, object]:
    last = found[-1]
    assert isinstance(last, events.Finished)
    return last.summary
