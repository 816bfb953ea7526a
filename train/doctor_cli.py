"""The command line of the doctor: a run, its images, or this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import Json, ShownCount
from prep.cli.examples import examples
from prep.errors import ConfigError
from prep.language import _, quantity, translated
from prep.language.wrapping import wrapped
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
    yield f"{_MARKS.get(event.state, '?'):>2}  {_(event.topic)}"
    parts = (("", event.evidence), (_("cause: "), event.cause), (_("do: "), event.change))
    for name, text in parts:
        if text:
            # In the language of the reader before it is broken into lines.
            first, *others = wrapped(name + translated(text), _WIDTH - 8)
            yield f"{'':6}{first}"
            yield from (f"{'':8}{line}" for line in others)


def _summary(found: dict[str, Any]) -> str:
    if "rated" in found:
        return _images_summary(found)
    trouble, unclear = (
        _(", ").join(_(topic) for topic in dict.fromkeys(found[name]))
        for name in ("found", "unknown")
    )
    lines = [_("trouble: {topics}").format(topics=trouble or _("none"))]
    if unclear:
        lines.append(_("not enough to say: {topics}").format(topics=unclear))
    if "job" in found:
        text = _("{job} ({state}), step {steps} of {total}")
        lines.insert(0, text.format_map({**found, "state": _(found["state"])}))
    return "\n".join(lines)


def _images_summary(found: dict[str, Any]) -> str:
    verdicts = ", ".join(
        f"{len(found[name])} {name}" for name in ("not learned", "hard", "memorised")
    )
    return (
        "columns: loss relative to the others (1 is usual) ± spread, exposures, first quarter ->"
        f" second half\n{found['job']}, step {found['step']}: {quantity(found['images'], 'image')},"
        f" {found['rated']} rated; {verdicts}"
    )
