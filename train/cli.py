"""The command line of training and drawing: parse, call, show. Imports no torch until it draws."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.errors import EXIT_INTERRUPTED, EXIT_PROBLEMS
from prep.project import Project
from prep.system import jobs
from train.config import TrainSettings
from train.extra import configure_libraries, require_training
from train.families.base_model import BaseModel
from train.job import begin
from train.job.follow import follow
from train.lora.file import LoraInfo, inspect
from train.sampling.options import GridOptions, SampleOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)

ProjectPath = Annotated[Path, Parameter(help="Project folder.", show_default=True)]
Json = Annotated[bool, Parameter(help="Print events as JSON lines.", negative="")]
HERE = Path()


def train(
    project: ProjectPath = HERE,
    /,
    *,
    preset: str = "",
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    dataset: Path | None = None,
    resume: str = "",
    detach: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Train a LoRA as a job that goes on when this terminal closes.

    The first Ctrl+C stops the run after its step and saves it; a second one only leaves.

    Args:
        preset: Settings for a purpose, over those of [train]: character, style, low-memory or
            quick-cpu.
        set_: One setting as key=value, over everything else; may be given again.
        dataset: A dataset file of sd-scripts to train on; the project is exported when absent.
        resume: Go on with this job (its name, or the beginning of it).
        detach: Start the job and return at once.
    """

    def stream() -> Iterator[events.Event]:
        opened = Project.open(project)
        offset = 0
        if resume:
            offset = _events_size(begin.find_training(opened, resume))
            job = begin.resume(opened, resume)
        else:
            settings = TrainSettings.from_project(opened, preset, set_)
            job = yield from begin.begin(opened, settings, dataset)
        yield events.Progress("start", 1, 1, job.name)
        if detach:
            yield events.Finished({"job": job.name})
        else:
            yield from follow(job, offset)

    return _show_run(stream(), json=json)


def _show_run(stream: Iterator[events.Event], *, json: bool) -> int:
    """Show a run; a stopped one counts as interrupted."""
    stopped = False

    def watched() -> Iterator[events.Event]:
        nonlocal stopped
        for event in stream:
            stopped |= isinstance(event, events.Finished) and event.reason == "stopped"
            yield event

    code = console.show(watched(), json=json, printer=_train_line, summary=_train_summary)
    return EXIT_INTERRUPTED if stopped else code


def _events_size(job: jobs.Job) -> int:
    return job.events_file.stat().st_size if job.events_file.exists() else 0


def sample(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[SampleOptions, Parameter(name="*")] = SampleOptions(),
    json: Json = False,
) -> int:
    """Draw pictures with the base model and any LoRAs; PNG files remember how they were made."""

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        from train.sampling import sample as drawing

        yield from drawing.run(Project.open(project), options)

    return console.show(stream(), json=json, printer=_picture_line)


def grid(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[GridOptions, Parameter(name="*")] = GridOptions(),
    json: Json = False,
) -> int:
    """Draw a contact sheet: LoRA files (epochs) down, strengths across, the base model first."""

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        from train.sampling import grid as sheets

        yield from sheets.run(Project.open(project), options)

    return console.show(stream(), json=json, printer=_picture_line)


def lora_info(
    file: Path,
    /,
    *,
    metadata: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Tell what a LoRA file holds.

    Args:
        file: A .safetensors file.
        metadata: Print all of its metadata too.
    """

    def stream() -> Iterator[events.Event]:
        yield events.Finished(_described(inspect(file)))

    return console.show(stream(), json=json, summary=lambda s: _info_text(s, metadata=metadata))


def lora_verify(file: Path, /, *, base: Path | None = None, json: Json = False) -> int:
    """Check that every module of a LoRA exists in the model; exit code 1 when not.

    Args:
        file: A .safetensors file.
        base: Base model folder to check against; without it, all that SD 1.5 can have.
    """
    problems = 0

    def stream() -> Iterator[events.Event]:
        nonlocal problems
        known = BaseModel.open(base).modules() if base else None
        found = inspect(file, known)
        problems = len(found.unmatched)
        yield events.Finished(_described(found))

    code = console.show(stream(), json=json, summary=lambda s: _info_text(s, metadata=False))
    return code or (EXIT_PROBLEMS if problems else 0)


def _described(found: LoraInfo) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "family": found.family,
        "algorithm": found.algorithm,
        "rank": found.ranks[0] if found.ranks else None,
        "ranks": list(found.ranks),
        "alpha": found.alpha,
        "modules": found.modules,
        "unmatched": list(found.unmatched),
        "metadata": found.metadata,
    }


def _info_text(summary: dict[str, Any], *, metadata: bool) -> str:
    modules = ", ".join(f"{count} {part}" for part, count in summary["modules"].items())
    lines = [
        f"{summary['file']}",
        f"family     {summary['family']}",
        f"algorithm  {summary['algorithm']}",
        f"rank       {', '.join(map(str, summary['ranks']))}   alpha {summary['alpha']}",
        f"modules    {modules}",
        f"unmatched  {len(summary['unmatched'])}",
        *(f"           {name}" for name in summary["unmatched"]),
    ]
    if metadata:
        lines += [f"{key} = {value}" for key, value in sorted(summary["metadata"].items())]
    return "\n".join(lines)


def _train_line(event: events.Event) -> str | None:
    if isinstance(event, events.Metric) and event.val_loss is not None:
        return f"step {event.step}: validation loss {event.val_loss:.4f}"
    if isinstance(event, events.Saved):
        return f"step {event.step}: saved {event.path}"
    return _picture_line(event)


def _picture_line(event: events.Event) -> str | None:
    if isinstance(event, events.Sample):
        return event.path
    return event.path if isinstance(event, events.Written) else None


def _train_summary(summary: dict[str, Any]) -> str:
    if "job" in summary:
        return f"started {summary['job']}; follow it with: shikomi jobs follow {summary['job']}"
    before, after = summary.get("val_loss_before"), summary.get("val_loss_after")
    lines = [f"{summary['lora']}", f"{summary['steps']} steps in {summary['seconds']:.0f} s"]
    if summary.get("it_per_s"):
        lines[-1] += f", {summary['it_per_s']:.2f} steps/s"
    if before is not None and after is not None:
        lines.append(f"validation loss {before:.4f} -> {after:.4f}")
    return "\n".join(lines)
