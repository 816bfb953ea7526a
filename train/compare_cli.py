"""``shikomi jobs compare``: training runs side by side, as in the terminal application."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, ProjectPath
from prep.cli.examples import examples
from prep.cli.jobs import find_job
from prep.errors import UserError
from prep.language import _
from prep.project import Project
from prep.system import jobs
from train.job import comparison
from train.job.names import KIND

_NAME, _VALUE = 28, 20
"""Cells of a name, and of a value of a run."""


@examples(
    ("shikomi jobs compare my_project", "Compare the two newest training runs."),
    (
        "shikomi jobs compare my_project --job 20260301-181500-train",
        "Compare this run with the newest other one; shikomi jobs list shows the names.",
    ),
)
def jobs_compare(
    project: ProjectPath = HERE,
    /,
    *,
    job: Annotated[tuple[str, ...], Parameter(name="--job")] = (),
    json: Json = False,
) -> int:
    """Compare training runs: how they ended, settings that differ, losses after equal steps.

    The loss is smoothed; beside it stands that of the newest validation round.

    Args:
        job: Name of a run; repeatable. One is compared with the newest other one. Default: the two
            newest.
    """

    def stream() -> Iterator[events.Event]:
        opened = Project.open(project)
        yield from _compared(opened, _runs(opened, job))

    return console.show(stream(), json=json, printer=_line, summary=_summary)


def _runs(project: Project, names: Sequence[str]) -> list[jobs.Job]:
    """Return the runs with these names, before them the newest others until there are two.

    Raises:
        UserError: There is no such run, or only one.
    """
    named = {job.name: job for job in (find_job(project, name) for name in names)}
    found = list(named.values())
    for each in jobs.listed(project.jobs):
        if len(found) > 1:
            break
        if each.settings().kind == KIND and each.name not in named:
            found.insert(0, each)
    for each in found:
        if each.settings().kind != KIND:
            raise UserError(f"{each.name} is not a training run.", "See: shikomi jobs list")
    if len(found) < 2:
        raise UserError("Two training runs are needed to compare.", "See: shikomi jobs list")
    return found


def _compared(project: Project, found: Sequence[jobs.Job]) -> Iterator[events.Event]:
    metrics = [comparison.metrics_of(job) for job in found]
    states = [jobs.status(job).state for job in found]
    results = list(map(comparison.result_of, states, metrics))
    for job, result in zip(found, results, strict=True):
        yield events.ComparedRun(job.name, job.settings().title, **asdict(result))
    settings = [comparison.settings_of(project, job) for job in found]
    for name, values in comparison.differences(settings).items():
        yield events.ComparedSetting(name, values)
    for each in comparison.at_equal_steps(metrics):
        yield events.ComparedStep(each.step, list(each.losses), list(each.validations))
    best = comparison.best(results)
    yield events.Finished({"runs": len(found), "best": "" if best is None else found[best].name})


def _line(event: events.Event) -> str | None:
    if isinstance(event, events.ComparedRun):
        parts = [event.job, _(event.state), f"{event.steps}/{event.total}"]
        if event.last_validation is not None:
            text = _("validation {before} → {last}")
            before, last = _number(event.first_validation), _number(event.last_validation)
            parts.append(text.format(before=before, last=last))
        return "  ".join(parts)
    if isinstance(event, events.ComparedSetting):
        return _row(event.setting, map(_written, event.values))
    if isinstance(event, events.ComparedStep):
        pairs = zip(event.losses, event.validations, strict=True)
        values = (
            _number(loss) + (f" ({_number(checked)})" if checked is not None else "")
            for loss, checked in pairs
        )
        return _row(_("step {step}").format(step=event.step), values)
    return None


def _row(name: str, values: Iterator[str]) -> str:
    return f"{name:<{_NAME}}" + "".join(f"{value:<{_VALUE}}" for value in values).rstrip()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _written(value: Any) -> str:
    if isinstance(value, list):
        return " | ".join(map(str, value))
    return "–" if value is None else str(value)


def _summary(summary: dict[str, Any]) -> str:
    if not summary["best"]:
        return ""
    return _("lowest validation loss: {job}").format(job=summary["best"])
