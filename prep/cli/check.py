"""The command line of the pre-flight check: findings grouped by code, most severe first."""

from collections.abc import Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.changes import change_line
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.errors import EXIT_OK, EXIT_PROBLEMS
from prep.language import _, counted
from prep.ops import check as check_op
from prep.ops.check import CheckOptions
from prep.project import Project

EXAMPLES = 3
"""Places shown for each code."""

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi check my_project",
        "List problems, the most severe first; the exit code is 1 if there are any.",
    ),
    (
        "shikomi check my_project --only caption --fix --dry-run",
        "Show how problems with captions would be fixed.",
    ),
)
def check(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[CheckOptions] = CheckOptions(),
    all: bool = False,  # noqa: A002  (the name of the flag)
    json: Json = False,
) -> int:
    """Find problems that would affect training, and fix those that are safe to fix.

    Args:
        all: Show every finding, not only the first three of each kind.
    """
    report = Report(everything=all)

    def start(opened: Project) -> Iterator[events.Event]:
        for event in check_op.run(opened, options):
            report.note(event)
            yield event

    code = operate(
        project,
        start,
        json=json,
        printer=change_line if options.dry_run or options.fix else None,
        summary=report.text,
    )
    return EXIT_PROBLEMS if code == EXIT_OK and report.problems else code


class Report:
    """Collects findings and shows them in groups; there are errors first."""

    def __init__(self, *, everything: bool) -> None:
        """Show all places of each group, or the first ones."""
        self._everything = everything
        self._groups: dict[tuple[str, str], list[events.Finding]] = {}

    @property
    def problems(self) -> int:
        """How many errors and warnings there are."""
        return sum(
            len(group) for (severity, _code), group in self._groups.items() if severity != "info"
        )

    def note(self, event: events.Event) -> None:
        """Take in what is a finding."""
        if isinstance(event, events.Finding):
            self._groups.setdefault((event.severity, event.code), []).append(event)

    def text(self, summary: dict[str, Any]) -> str:
        """Return all groups and a last line that counts them."""
        parts = ["\n".join(self._group(group)) for group in self._groups.values()]
        return "\n\n".join([*parts, "\n".join(_last_lines(summary))])

    def _group(self, group: list[events.Finding]) -> Iterator[str]:
        first = group[0]
        yield f"{_(first.severity)}: {first.title} ({first.code}, {len(group)})"
        yield f"  {first.consequence}"
        shown = group if self._everything else group[:EXAMPLES]
        for finding in shown:
            yield f"    {finding.path}: {finding.message}".rstrip(": ")
        if len(group) > len(shown):
            yield f"    and {len(group) - len(shown)} more"
        yield f"  To do: {first.fix}"


def _last_lines(summary: dict[str, Any]) -> Iterator[str]:
    errors, warnings, infos = (int(summary[name]) for name in ("errors", "warnings", "infos"))
    named = (
        counted("{count} error", "{count} errors", errors),
        counted("{count} warning", "{count} warnings", warnings),
        counted("{count} info", "{count} infos", infos),
    )
    told = _(", ").join(named) if errors + warnings + infos else _("nothing to complain about")
    text = _("{images} images read by the rules of {trainer}: {told}.")
    yield text.format(images=summary["images"], trainer=summary["trainer"], told=told)
    if summary["fixed"]:
        yield f"Mended {summary['fixed']} findings (edit {summary['edit']}; shikomi undo)."
    if summary["fixable"]:
        yield f"{summary['fixable']} can be mended: shikomi check --fix (--dry-run shows how)."
