"""Measure every training image at its training size, and report quality problems."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from prep import events
from prep.curation.quality import MeasuredPart, known, measured, views
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import Change, exclusion
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.images.quality.kinds import KINDS, Values, explain
from prep.images.quality.thresholds import Measure, QualitySection
from prep.language import english
from prep.project import Project, Section

QualitySort = Literal["severity", "path"] | Measure


class QualityOptions(Section):
    """Which images to measure and what to do; thresholds are those of [quality] unless given."""

    where: str = ""
    """Only images that match this filter."""
    only: tuple[Measure, ...] = ()
    """Only this measure; repeatable. Default: all of them."""
    sort: QualitySort = "severity"
    """Order: the worst first by severity (ratio to the threshold) or by one measure, or by path."""
    all: bool = False
    """List the values of all images, also of those without findings, to choose thresholds."""
    exclude: bool = False
    """Exclude images with findings (files stay where they are)."""
    dry_run: bool = False
    """With --exclude: only show which images would be excluded."""
    blur: float | None = Field(None, ge=0)
    """Maximum width of the sharpest edges, in pixels."""
    blocks: float | None = Field(None, ge=0)
    """Maximum height of JPEG block edges, in grey levels."""
    noise: float | None = Field(None, ge=0)
    """Maximum noise, in grey levels."""
    dark: float | None = Field(None, ge=0, le=255)
    """An image is dark if 95 % of it is below this grey level, from 0 to 255."""
    flat: float | None = Field(None, ge=0, le=255)
    """Minimum range of tones, in grey levels."""
    clipped: float | None = Field(None, ge=0, le=1)
    """Maximum fraction of pure white and black pixels."""
    upscale: float | None = Field(None, ge=0)
    """Maximum factor by which an image is enlarged for its bucket."""
    borders: float | None = Field(None, ge=0, le=1)
    """Maximum fraction of bars and frames."""
    text: float | None = Field(None, ge=0, le=1)
    """Maximum fraction covered by text."""
    alpha: float | None = Field(None, ge=0, le=1)
    """Minimum fraction that is not transparent."""


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """One value of one training image."""

    view: MeasuredPart
    measure: Measure
    value: float
    threshold: float

    @property
    def beyond(self) -> bool:
        """Return whether it is worse than its threshold."""
        return KINDS[self.measure].beyond(self.value, self.threshold)

    @property
    def severity(self) -> float:
        """How many times worse than its threshold it is; above 1 is a finding."""
        return KINDS[self.measure].severity(self.value, self.threshold)

    def event(self) -> events.Quality:
        """Return it as an event."""
        return events.Quality(
            self.view.row.path,
            self.measure,
            round(self.value, 4),
            self.threshold,
            explain(self.measure, self.value, self.view.fit.bucket),
            list(self.view.rect.corners),
            self.beyond,
        )


def run(project: Project, options: QualityOptions | None = None) -> Iterator[events.Event]:
    """Measure the usable images that match.

    What was measured before is not measured again (``prep.curation.quality``).

    Yields:
        Progress; Skipped for images that cannot be decoded; Quality per finding; Change per image
        that is excluded; Finished with ``images`` (with findings), ``measured`` (training
        images), ``findings`` (by measure), ``excluded`` and ``edit``.

    Raises:
        ConfigError: The filter is not valid, or the options contradict each other.
    """
    options = options or QualityOptions()
    limits = _limits(project.settings.quality, options)
    if options.dry_run and not options.exclude:
        raise ConfigError("--dry-run requires --exclude.", "Add --exclude.")
    with Index(project) as index:
        yield from contents.hash_contents(index, _usable(index, options.where))
        wanted = list(views(index, _usable(index, options.where)))
        values = known(index, wanted)
        yield from measured(index, wanted, values)
        wanted = [view for view in wanted if view.key in values]
        each = _values(wanted, values, limits)
        if not options.all and options.sort not in KINDS:  # else all values decide on the order
            each = filter(_is_beyond, each)
        found = _sorted(list(each), options.sort)
        beyond = list(filter(_is_beyond, found))
        for finding in found if options.all else beyond:
            yield finding.event()
        excluded = {"excluded": 0, "edit": 0}
        if options.exclude:
            excluded = yield from _exclude(index, wanted, beyond, dry_run=options.dry_run)
    counts = Counter(finding.measure for finding in beyond)
    images = len({finding.view.row.path for finding in beyond})
    summary = {"images": images, "measured": len(wanted), "findings": dict(counts)}
    yield events.Finished(summary | excluded)


def _usable(index: Index, where: str) -> Iterator[ImageRow]:
    return (row for row in index.iterate(where) if row.usable)


def _limits(section: QualitySection, options: QualityOptions) -> dict[Measure, float]:
    """Return the thresholds of the selected measures.

    Raises:
        ConfigError: A threshold is given for a measure that is not selected.
    """
    wanted = [name for name in KINDS if name in (options.only or KINDS)]
    if not options.only:
        wanted = [name for name in wanted if name not in section.skip]
    given = {name: getattr(options, name) for name in KINDS}
    for name, value in given.items():
        if value is not None and name not in wanted:
            raise ConfigError(f"--{name} is given, but {name} is not selected.", "See --only.")
    if options.sort in KINDS and options.sort not in wanted:
        raise ConfigError(f"--sort {options.sort}: the measure is not selected.", "See --only.")
    chosen = {name: getattr(section, name) for name in wanted}
    return chosen | {name: value for name, value in given.items() if value is not None}


def _values(
    wanted: Sequence[MeasuredPart],
    values: Mapping[tuple[str, str], Values],
    limits: Mapping[Measure, float],
) -> Iterator[QualityFinding]:
    for view in wanted:
        measured_there = values[view.key]
        for name, limit in limits.items():
            yield QualityFinding(view, name, measured_there[name], limit)


def _is_beyond(finding: QualityFinding) -> bool:
    return finding.beyond


def _sorted(found: Sequence[QualityFinding], sort: QualitySort) -> list[QualityFinding]:
    """Return the findings, worst first; images stay together if sorted by one measure."""
    if sort == "path":
        return list(found)
    if sort == "severity":
        return sorted(found, key=lambda f: -f.severity)
    worst = {(f.view.row.path, f.view.rect): f.severity for f in found if f.measure == sort}
    return sorted(found, key=lambda f: -worst[f.view.row.path, f.view.rect])


def _exclude(
    index: Index, wanted: Sequence[MeasuredPart], beyond: Sequence[QualityFinding], *, dry_run: bool
) -> Generator[events.Event, None, dict[str, int]]:
    """Exclude the images all of whose training images have findings."""
    changes = _exclusions(wanted, beyond)
    for change in changes if dry_run else ():
        yield events.Change(change.path, change.before, change.after, change.what)
    if dry_run:
        return {"excluded": 0, "edit": 0}
    title = english(
        "exclude {count} image by quality", "exclude {count} images by quality", len(changes)
    )
    outcome = Journal(index).apply(title, changes)
    for change in outcome.changed:
        yield events.Change(change.path, change.before, change.after, change.what)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    return {"excluded": len(outcome.changed), "edit": outcome.edit}


def _exclusions(wanted: Sequence[MeasuredPart], beyond: Sequence[QualityFinding]) -> list[Change]:
    good = {view.row.path for view in wanted} - {finding.view.row.path for finding in beyond}
    bad_views = {(finding.view.row.path, finding.view.rect) for finding in beyond}
    good |= {v.row.path for v in wanted if (v.row.path, v.rect) not in bad_views}
    reasons: dict[str, list[str]] = defaultdict(list)
    for finding in beyond:
        if finding.view.row.path not in good:
            text = f"{finding.measure} {finding.value:.3g} (threshold {finding.threshold:g})"
            reasons[finding.view.row.path].append(text)
    return [
        exclusion(path, None, f"quality: {', '.join(dict.fromkeys(texts))}")
        for path, texts in sorted(reasons.items())
    ]
