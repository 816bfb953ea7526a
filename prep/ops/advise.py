"""Judge the dataset as a whole and advise what to do before training."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from prep import events
from prep.curation.advice.basics import basics, by_folder
from prep.curation.advice.fusion import fusion
from prep.curation.advice.tally import stored_tagger, tally
from prep.curation.advice.variety import variety
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.project import Project, Section
from prep.tagging.models.recommended import Recommended
from prep.tagging.scores.taggers import StoredTagger
from prep.tagging.scores.thresholds import configured

Level = Literal["good", "note", "warning"]
_ORDER: tuple[Level, ...] = ("warning", "note", "good")


class AdviseOptions(Section):
    """Which images to judge, and how much to say."""

    where: str = ""
    """Only images that match this filter."""
    level: Level = "good"
    """Least important level to show: warning, note (also warnings) or good (everything)."""
    top: int = Field(10, ge=1)
    """Maximum number of findings per topic and concept."""


def run(project: Project, options: AdviseOptions | None = None) -> Iterator[events.Event]:
    """Judge the usable images, concept by concept.

    Yields:
        Progress; Skipped for unreadable files; one Advice per remark, warnings first within
        a concept; Finished with ``images``, ``warnings``, ``notes`` and ``scored`` (images with
        tagger scores).

    Raises:
        ConfigError: The filter is not valid.
    """
    options = options or AdviseOptions()
    points: list[events.Advice] = []
    with Index(project) as index:
        yield from contents.hash_contents(
            index, (row for row in index.iterate(options.where) if row.usable)
        )
        rows = _usable(index, options.where)
        tagger = stored_tagger(index, [row.content or "" for row in rows])
        points += basics(project, rows)
        scored = _scored(index, rows, tagger)
        for folder, members in by_folder(rows).items():
            points += _concept(project, index, folder, members, tagger, scored)
    shown = _chosen(points, options)
    yield from shown
    yield events.Finished(
        {
            "images": len(rows),
            "warnings": sum(point.level == "warning" for point in points),
            "notes": sum(point.level == "note" for point in points),
            "scored": sum(row.content in scored for row in rows),
        }
    )


def _usable(index: Index, where: str) -> list[ImageRow]:
    return [row for row in index.iterate(where) if row.usable]


def _scored(index: Index, rows: Sequence[ImageRow], tagger: StoredTagger | None) -> set[str]:
    if tagger is None:
        return set()
    return tagger.store(index).known() & {row.content or "" for row in rows}


def _concept(
    project: Project,
    index: Index,
    folder: str,
    rows: Sequence[ImageRow],
    tagger: StoredTagger | None,
    scored: set[str],
) -> Iterator[events.Advice]:
    concept = project.concept(folder)
    if concept.settings.regularization:
        return
    known = [row for row in rows if row.content in scored]
    # A few scored images say little about all the others.
    compare = tagger if 2 * len(known) > len(rows) else None
    section = project.settings.tagger
    found = tally(
        index,
        known if compare else rows,
        compare,
        configured(section, compare.recommended if compare else Recommended()),
        project.settings.captions.replace,
    )
    if compare is None:
        yield events.Advice(
            "note",
            "disagreement",
            folder,
            f"{concept.name}: {len(known)} of {len(rows)} images have tagger scores, so"
            " only captions are judged.",
            "To compare captions with a tagger, run: shikomi tag",
        )
    yield from variety(folder, concept.name, found.tags)
    yield from fusion(concept, found.facts)


def _chosen(points: Sequence[events.Advice], options: AdviseOptions) -> list[events.Advice]:
    """Return the points to show, by concept and level; the first few per topic."""
    levels = _ORDER[: _ORDER.index(options.level) + 1]
    count: dict[tuple[str, str], int] = {}
    shown = []
    ordered = sorted(points, key=lambda point: (point.folder, _ORDER.index(_level(point))))
    for point in ordered:
        place = (point.folder, point.topic)
        count[place] = count.get(place, 0) + 1
        if point.level in levels and count[place] <= options.top:
            shown.append(point)
    return shown


def _level(point: events.Advice) -> Level:
    return next(level for level in _ORDER if level == point.level)
