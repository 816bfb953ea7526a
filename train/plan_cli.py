"""The command line of the plan: steps, and the memory of the run."""

from collections.abc import Iterator
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.cli.quality import plan_line, plan_summary
from prep.language import _
from prep.ops import plan as plan_op
from prep.ops.plan import PlanOptions
from prep.project import Project
from train.config import TrainSettings
from train.extra import configure_libraries, require_training
from train.memory_plan.options import MemoryOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi plan my_project --epochs 20 --batch-size 4",
        "Calculate the number of steps for other settings than those of the project.",
    ),
    (
        "shikomi plan my_project --balance",
        "Propose repeats so that small concepts are shown as often as large ones.",
    ),
)
def plan(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[PlanOptions] = PlanOptions(),
    memory: Options[MemoryOptions] = MemoryOptions(),
    json: Json = False,
) -> int:
    """Calculate repeats, exposures and steps, and show the arithmetic; on request, the memory."""

    def stream(opened: Project) -> Iterator[events.Event]:
        yield from _planned(opened, options, memory)

    return operate(project, stream, json=json, printer=_line, summary=_summary)


def _planned(
    project: Project, options: PlanOptions, memory: MemoryOptions
) -> Iterator[events.Event]:
    """Yield the plan; with memory, its end says what the run needs as well."""
    for event in plan_op.run(project, options):
        if not memory.memory or not isinstance(event, events.Finished):
            yield event
            continue
        require_training()
        configure_libraries()
        from train.memory_plan import fit

        for measured in fit.run(project, TrainSettings.from_project(project), memory):
            if isinstance(measured, events.Finished):
                yield events.Finished({**event.summary, "memory": measured.summary})
            else:
                yield measured


def _line(event: events.Event) -> str | None:
    if isinstance(event, events.Stage) and event.name == "measure":
        return f"memory, {event.note}"
    return plan_line(event)


def _summary(found: dict[str, Any]) -> str:
    lines = [plan_summary(found)]
    if memory := found.get("memory"):
        lines += _memory_lines(memory)
    return "\n".join(lines)


def _memory_lines(memory: dict[str, Any]) -> Iterator[str]:
    yield ""
    parts = [f"{name} {_gib(size)}" for name, size in memory["weights"].items()]
    yield f"weights: {', '.join(parts)}; trained, with optimiser: {_gib(memory['trained'])}"
    phases = ", ".join(f"{_(name)} {_gib(size)}" for name, size in memory["phases"].items())
    yield _("peak: {phases}").format(phases=phases)
    needed, room = _gib(memory["needed"]), _gib(memory["room"])
    at_once, batch, divided = memory["at_once"], memory["batch"], memory["needed"] > memory["room"]
    verdict = f"does not fit into {room}" if divided else f"fits into {room}"
    yield f"needs {needed} with what the libraries take: {verdict}"
    if memory["tiled"]:
        yield (
            "Samples do not fit whole, and are decoded in tiles: slower, with colours that differ"
            " a little from those of the whole picture."
        )
    if memory["fits"] and divided:
        yield (
            f"Fits ({_gib(memory['changed'])}) with {at_once} of the {batch} images of a batch at"
            " once: the run finds that by itself, and the result is the same."
        )
    if memory["fits"]:
        return
    if not memory["changes"]:
        least = _gib(memory["changed"])
        yield f"No setting makes it fit: {least} are the least. Lower the resolution."
        return
    changes = ", ".join(f"{k} = {str(v).lower()}" for k, v in memory["changes"].items())
    yield f"Fits ({_gib(memory['changed'])}) with, in [train]: {changes}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
