"""The command line of the doctor: a run, its images, or this machine."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import Json, ShownCount
from prep.cli.examples import examples
from prep.errors import ConfigError
from prep.language import quantity
from prep.project import Project

_MARKS = {"found": "x", "fine": "ok", "unknown": "?"}
_WIDTH = 96


@examples(
    (
        "shikomi doctor",
        "Check this machine: card, driver, torch, tagger, disk, and what it trains.",
    ),
    (
        "shikomi doctor my_project --images",
        "List the hardest images of the newest run, and those never learned or memorised.",
    ),
)
def doctor(
    project: Annotated[
        Path | None,
        Parameter(help="Project folder, whose newest run is diagnosed. Default: this machine."),
    ] = None,
    /,
    *,
    job: str = "",
    images: bool = False,
    count: ShownCount = 10,
    json: Json = False,
) -> int:
    """Find out what is wrong with a training run, during it or after it, or with this machine.

    For each kind of trouble: the evidence from the records of the run, the cause, and the next
    change. The exit code is 1 if there is trouble. Nothing is changed.

    Args:
        job: Name of the training run, or the beginning of it. Default: the newest one.
        images: List images by their loss relative to the others, hardest first.
        count: With --images: how many to list besides those with a verdict; 0 for all.
    """

    def stream() -> Iterator[events.Event]:
        if project is None:
            if job or images:
                raise ConfigError(
                    "--job and --images require a project.", "shikomi doctor my_project --images"
                )
            from train.doctor.machine.check import run as check

            yield from check(Path())
            return
        from train.doctor import run

        opened = Project.open(project)
        yield from run.images(opened, job, count) if images else run.run(opened, job)

    return console.show(stream(), json=json, printer=_line, summary=_summary)


def _line(event: events.Event) -> str | None:
    if isinstance(event, events.Diagnosis):
        return "\n".join(_diagnosis_lines(event))
    if isinstance(event, events.ImageLoss):
        value = "      " if event.relative is None else f"{event.relative:6.2f}"
        spread = "       " if event.spread is None else f" ±{event.spread:5.2f}"
        moved = ""
        if event.first is not None and event.last is not None:
            moved = f"  {event.first:.2f} -> {event.last:.2f}"
        verdict = f"  [{event.verdict}]" if event.verdict else ""
        return f"{value}{spread} {event.exposures:>5} x{moved:<14}{verdict:<14} {event.path}"
    return None


def _diagnosis_lines(event: events.Diagnosis) -> Iterator[str]:
    yield f"{_MARKS.get(event.state, '?'):>2}  {event.topic}"
    for name, text in (("", event.evidence), ("cause: ", event.cause), ("do: ", event.change)):
        if text:
            yield from wrap(
                name + text,
                _WIDTH,
                initial_indent=" " * 6,
                subsequent_indent=" " * 8,
                break_long_words=False,
                break_on_hyphens=False,
            )


def _summary(found: dict[str, Any]) -> str:
    if "rated" in found:
        return _images_summary(found)
    trouble = ", ".join(dict.fromkeys(found["found"])) or "none"
    unclear = ", ".join(dict.fromkeys(found["unknown"]))
    told = f"trouble: {trouble}" + (f"; not enough to say: {unclear}" if unclear else "")
    if "job" not in found:
        return told
    return f"{found['job']} ({found['state']}), step {found['steps']} of {found['total']}: {told}"


def _images_summary(found: dict[str, Any]) -> str:
    verdicts = ", ".join(
        f"{len(found[name])} {name}" for name in ("not learned", "hard", "memorised")
    )
    return (
        "columns: loss relative to the others (1 is usual) ± spread, exposures, first quarter ->"
        f" second half\n{found['job']}, step {found['step']}: {quantity(found['images'], 'image')},"
        f" {found['rated']} rated; {verdicts}"
    )
