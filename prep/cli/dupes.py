"""The command line of duplicates."""

from collections.abc import Callable, Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.curation.duplicates.groups import APART
from prep.language import _, english, quantity, translated
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
    reason = _(event.reason)
    lines = [f"{reason}: {translated(event.why)}" if event.why else reason]
    details = event.details or [""] * len(event.images)
    for path, bits, detail in zip(event.images, event.distances, details, strict=True):
        first = path == event.keep
        mark = (_("with") if apart else _("keep")) if first else f"{bits:>4}"
        lines.append(f"  {mark}  {path}" + (f"  ({detail})" if detail else ""))
    return "\n".join(lines)


def _summary(options: DupesOptions) -> Callable[[dict[str, Any]], str]:
    def text(summary: dict[str, Any]) -> str:
        return "\n".join(_sentences(summary, options))

    return text


def _sentences(summary: dict[str, Any], options: DupesOptions) -> Iterator[str]:
    found = summary["duplicates"]
    yield english(
        "{images}, {count} of them a duplicate, in {groups}",
        "{images}, {count} of them duplicates, in {groups}",
        found,
        images=quantity(summary["images"], "image"),
        groups=quantity(summary["groups"], "group"),
    )
    if summary["uncertain"]:
        yield english(
            "{count} group may be of variants or marked copies: look at it",
            "{count} groups may be of variants or marked copies: look at them",
            summary["uncertain"],
        )
    apart = [f"{quantity(summary[f'{reason}s'], 'group')} of {reason}s" for reason in APART[1:]]
    if summary["variants"] or summary["crops"]:
        yield ", ".join(apart) + " (only shown: they are not duplicates)"
    done = quantity(summary["excluded"] + summary["trashed"], "image")
    merged = f"{quantity(summary['captions'], 'caption')} merged"
    what = "moved to the trash" if options.trash else "left out"
    if options.resolve == "none":
        if found:
            yield "Leave all but the best out with: --resolve keep-best"
    elif options.dry_run:
        yield f"{done} would be {what}, {merged}; nothing was written"
    else:
        yield f"{done} {what}, {merged}; take back with: shikomi undo"
