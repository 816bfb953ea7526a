"""The command line of quality, advice and the plan."""

from typing import Any

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import _, quantity, translated
from prep.ops import advise as advise_op
from prep.ops import quality as quality_op
from prep.ops.advise import AdviseOptions
from prep.ops.quality import QualityOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)

_MARKS = {"warning": "!", "note": "·", "good": "✓"}


@examples(
    (
        "shikomi quality my_project --only blur --only upscale",
        "List blurred images, and images that are enlarged for their bucket.",
    ),
    (
        "shikomi quality my_project --exclude --dry-run",
        "Show which images would be excluded because of their findings.",
    ),
)
def quality(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[QualityOptions] = QualityOptions(),
    json: Json = False,
) -> int:
    """Find blurred, noisy, small, framed and other faulty images.

    Images are measured at the size in which they are trained. Thresholds are those of [quality]
    in shikomi.toml unless given.
    """
    return operate(
        project,
        lambda opened: quality_op.run(opened, options),
        json=json,
        printer=_quality_lines(),
        summary=_quality_summary,
    )


@examples(
    (
        "shikomi advise my_project",
        "Review number and variety of images, tags and captions of each concept.",
    ),
    ("shikomi advise my_project --level warning", "Show only what should be changed."),
)
def advise(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[AdviseOptions] = AdviseOptions(),
    json: Json = False,
) -> int:
    """Review the dataset as a whole: enough images, variety, tags that always occur together."""
    return operate(
        project,
        lambda opened: advise_op.run(opened, options),
        json=json,
        printer=_advice_lines,
        summary=lambda found: (
            f"{quantity(found['images'], 'image')}: {quantity(found['warnings'], 'warning')},"
            f" {quantity(found['notes'], 'note')}"
        ),
    )


def _quality_lines() -> console.Printer:
    """Return a printer that explains each measure at its first finding."""
    explained: set[str] = set()

    def lines(event: events.Event) -> str | None:
        if isinstance(event, events.Change):
            return f"left out: {event.path}  ({event.after})"
        if not isinstance(event, events.Quality):
            return None
        value = f"{event.measure:<8} {event.value:>7.4g}"
        if not event.found:
            return f"  {value}  {event.path}"
        line = f"! {value}  {event.path}"
        if event.measure in explained:
            return line
        explained.add(event.measure)
        return f"{line}\n    {event.explanation}"

    return lines


def _quality_summary(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in found["findings"].items())
    line = (
        f"{quantity(found['measured'], 'training image')} measured; {found['images']} with findings"
    )
    line += f" ({counts})" if counts else ""
    return line + (f"; {found['excluded']} left out" if found["edit"] else "")


def _advice_lines(event: events.Event) -> str | None:
    if not isinstance(event, events.Advice):
        return None
    lines = [f"{_MARKS[event.level]} {_(event.topic)}: {translated(event.message)}"]
    lines += [f"    {event.hint}"] if event.hint else []
    lines += [f"    {path}" for path in event.images]
    return "\n".join(lines)


def plan_line(event: events.Event) -> str | None:
    """Return the line of an event of a plan."""
    if isinstance(event, events.Exposure):
        line = f"{event.exposures:>8} {event.share:>6.1%}  {event.name}"
        return line + (f"  ({event.note})" if event.note else "")
    if isinstance(event, events.Proposal):
        return (
            f"{event.folder}: repeats {event.repeats} -> {event.proposed}"
            f"  ({event.images} x {event.proposed} = {quantity(event.balanced, 'exposure')},"
            f" now {event.exposures})"
        )
    return None


def plan_summary(found: dict[str, Any]) -> str:
    """Return the lines at the end of a plan."""
    lines = list(found["arithmetic"])
    if "balanced_steps" in found:
        done = "written to shikomi.toml" if found["saved"] else "nothing is written yet: --apply"
        lines.append(
            f"balanced: {quantity(found['balanced_steps'], 'step')};"
            f" epochs = {found['balanced_epochs']} would take about as long as now ({done})"
        )
    return "\n".join(lines)
