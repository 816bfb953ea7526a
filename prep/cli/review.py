"""The command line of the review."""

from collections.abc import Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.ops import review as review_op
from prep.ops.review import ReviewOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi review my_project",
        "List what waits for a decision, the most important first, and count it by kind.",
    ),
    (
        "shikomi review my_project --kind quality --forget",
        "Ask about the quality of all images again, also where it was answered before.",
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

    Decisions are made in the application (key 0): shikomi PROJECT.
    """
    return operate(
        project,
        lambda opened: review_op.run(opened, options),
        json=json,
        printer=_lines,
        summary=_forgotten if options.forget else _summary,
    )


def _lines(event: events.Event) -> str | None:
    if isinstance(event, events.Change):
        return change_line(event)
    if not isinstance(event, events.Waiting):
        return None
    return "\n".join(_of(event))


def _of(event: events.Waiting) -> Iterator[str]:
    yield f"{event.about}: {event.title}"
    yield f"    {event.reason}"
    answers = {"yes": event.yes, "no": event.no, "fix": event.fix, "instead": event.instead}
    yield "    " + "; ".join(f"{answer}: {what}" for answer, what in answers.items() if what)


def _summary(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{kind} {number}" for kind, number in found["kinds"].items())
    line = f"{found['waiting']} waiting for a decision" + (f" ({counts})" if counts else "")
    if found["answered"]:
        line += f"\n{found['answered']} answered before; ask again with: shikomi review --forget"
    return line


def _forgotten(found: dict[str, Any]) -> str:
    if not found["changed"]:
        return "Nothing was answered before."
    return f"Answers forgotten in {found['changed']} places; take back with: shikomi undo"
