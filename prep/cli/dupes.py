"""The command line of duplicates."""

from collections.abc import Callable, Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.curation.duplicates.groups import APART
from prep.ops import dupes as dupes_op
from prep.ops.dupes import DupesOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi dupes my_project",
        "List groups of duplicates, with the version to keep and the reason.",
    ),
    (
        "shikomi dupes my_project --resolve keep-best --dry-run",
        "Show which images would be excluded if only the best of each group stayed.",
    ),
)
def dupes(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[DupesOptions] = DupesOptions(),
    json: Json = False,
) -> int:
    """Find duplicates: exact, near, mirrored and rotated; exclude all but the best on request."""
    return operate(
        project,
        lambda opened: dupes_op.run(opened, options),
        json=json,
        printer=_lines,
        summary=_summary(options),
    )


def _lines(event: events.Event) -> str | None:
    if not isinstance(event, events.Group):
        return change_line(event)
    apart = event.reason in APART
    lines = [f"{event.reason}: {event.why}" if event.why else event.reason]
    details = event.details or [""] * len(event.images)
    for path, bits, detail in zip(event.images, event.distances, details, strict=True):
        first = path == event.keep
        mark = ("with" if apart else "keep") if first else f"{bits:>4}"
        lines.append(f"  {mark}  {path}" + (f"  ({detail})" if detail else ""))
    return "\n".join(lines)


def _summary(options: DupesOptions) -> Callable[[dict[str, Any]], str]:
    def text(summary: dict[str, Any]) -> str:
        return "\n".join(_sentences(summary, options))

    return text


def _sentences(summary: dict[str, Any], options: DupesOptions) -> Iterator[str]:
    found = summary["duplicates"]
    yield f"{summary['images']} images, {found} of them duplicates, in {summary['groups']} groups"
    if summary["uncertain"]:
        yield f"{summary['uncertain']} groups may be variants or marked copies: look at them"
    apart = [f"{summary[f'{reason}s']} groups of {reason}s" for reason in APART[1:]]
    if summary["variants"] or summary["crops"]:
        yield ", ".join(apart) + " (shown only: they are no duplicates)"
    done = summary["excluded"] + summary["trashed"]
    what = "moved to the trash" if options.trash else "left out"
    if options.resolve == "none":
        if found:
            yield "Leave all but the best out with: --resolve keep-best"
    elif options.dry_run:
        yield f"{done} would be {what}, {summary['captions']} captions merged; nothing was written"
    else:
        yield f"{done} {what}, {summary['captions']} captions merged; take back with: shikomi undo"
