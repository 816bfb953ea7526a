"""The command line of the review."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import _, quantity
from prep.ops import review as review_op
from prep.ops.review import ReviewOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi review my_project",
        "List what waits for a decision, the most important first, and count it by kind.",
    ),
    (
        "shikomi review my_project --kind quality --code upscale --answer no --dry-run",
        "Show which images would be kept although they are smaller than their bucket.",
    ),
)
def review(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ReviewOptions] = ReviewOptions(),
    json: Json = False,
) -> int:
    """List everything that waits for a decision: duplicates, quality, tags, checks, advice.

    With --answer, all questions of one kind that are chosen get the same answer, as one edit. To
    look at one after the other, open the application (key 0): shikomi PROJECT.
    """
    return operate(
        project,
        lambda opened: review_op.run(opened, options),
        json=json,
        printer=_title if options.answer else _lines,
        summary=partial(_summary, options),
    )


def _title(event: events.Event) -> str | None:
    return f"{_(event.about)}: {event.title}" if isinstance(event, events.Waiting) else None


def _lines(event: events.Event) -> str | None:
    if isinstance(event, events.Change):
        return change_line(event)
    if not isinstance(event, events.Waiting):
        return None
    return "\n".join(_of(event))


def _of(event: events.Waiting) -> Iterator[str]:
    yield f"{_(event.about)}: {event.title}"
    yield f"    {event.reason}"
    answers = {"yes": event.yes, "no": event.no, "fix": event.fix, "instead": event.instead}
    yield "    " + "; ".join(f"{answer}: {what}" for answer, what in answers.items() if what)
    yield f"    --code {event.code}"


def _summary(options: ReviewOptions, found: dict[str, Any]) -> str:
    if options.forget:
        return _forgotten(found)
    if options.answer:
        return _answered(options, found)
    counts = ", ".join(f"{_(kind)} {number}" for kind, number in found["kinds"].items())
    line = f"{found['waiting']} waiting for a decision" + (f" ({counts})" if counts else "")
    if found["answered"]:
        line += f"\n{found['answered']} answered before; ask again with: shikomi review --forget"
    return line


def _answered(options: ReviewOptions, found: dict[str, Any]) -> str:
    if not found["decided"]:
        return "No open question has this answer."
    what = f"{options.answer} ({found['does']})"
    number = found["decided"]
    if options.dry_run:
        return f"{number} would be answered with {what}"
    return f"{number} answered with {what}; take back with: shikomi undo"


def _forgotten(found: dict[str, Any]) -> str:
    if not found["changed"]:
        return "Nothing was answered before."
    return (
        f"Answers forgotten in {quantity(found['changed'], 'place')}; take back with: shikomi undo"
    )
