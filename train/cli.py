"""The command line of training and drawing: parse, call, show. Imports no torch until it draws."""

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.examples import examples
from prep.cli.run_lines import run_line
from prep.errors import EXIT_INTERRUPTED, UserError
from prep.project import Project
from prep.system import jobs
from train.config import TrainSettings
from train.extra import configure_libraries, require_training
from train.job import begin
from train.job import rates as trying
from train.job.changes import Changes
from train.job.follow import follow
from train.job.rates import RateOptions
from train.kohya.command import show_translation, translated
from train.sampling.options import GridOptions, SampleOptions

Presets = Annotated[tuple[str, ...], Parameter(name="--preset")]

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi train my_project --preset character --set base=model/my-sd15-model",
        "Export the project and train on it with the settings for characters.",
    ),
    (
        "shikomi train my_project --resume 20260301-181500-train --detach",
        "Continue a stopped job where it was, without waiting for it.",
    ),
)
def train(
    project: ProjectPath = HERE,
    /,
    *,
    presets: Presets = (),
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    from_kohya: Path | None = None,
    dry_run: bool = False,
    dataset: Path | None = None,
    name: str = "",
    resume: str = "",
    detach: bool = False,
    json: Json = False,
) -> int:
    """Train a LoRA in a job that continues when this terminal is closed.

    Runs of a project train one after another: while one is under way, the next waits in a queue and
    starts by itself, with the settings and the training set of now.

    The first Ctrl+C stops the job after its current step and saves its state; a second one leaves
    it to itself. Settings are those of [train] in shikomi.toml.

    Args:
        presets: Settings that override [train], for a purpose (character, style, concept, guide,
            full or quick-cpu) or an amount of memory (8gb, 12gb, 16gb or 24gb); repeatable, later
            ones take precedence.
        set_: A setting that overrides all others, as KEY=VALUE; repeatable.
        from_kohya: Train with the settings of this file: a TOML configuration of sd-scripts, a
            JSON file or preset of kohya_ss, or a text file with a command line. They override
            [train]; training images that the file names are used if they are here.
        dry_run: With --from-kohya: only show what becomes of each argument. The exit code is 1 if
            some cannot be trained.
        dataset: Dataset file of sd-scripts to train on. Default: the project is exported.
        name: Name of the run and its files; a used one gets a number. Default: the project's.
        resume: Continue this job; its name, or the beginning of it. --set and --preset may change
            how long it goes on, what it saves and what it draws.
        detach: Start the job and return at once.
    """

    def stream() -> Iterator[events.Event]:
        _check_options(resume, from_kohya, name, dry_run=dry_run)
        opened = Project.open(project)
        offset = 0
        if resume:
            offset = _events_size(begin.find_training(opened, resume))
            changes = Changes(presets, set_, dataset)
            job = yield from begin.resume(opened, resume, changes)
        else:
            file, found = yield from translated(opened, from_kohya)
            settings = TrainSettings.from_project(opened, presets, set_, found)
            job = yield from begin.begin(opened, settings, dataset or file, name)
        yield events.Progress("start", 1, 1, job.name)
        if detach:
            yield events.Finished({"job": job.name, "state": jobs.status(job).state})
        else:
            yield from follow(job, offset)

    if dry_run and from_kohya and not resume:
        return show_translation(project, from_kohya, json=json)
    return _show_run(stream(), project, json=json)


def _check_options(resume: str, from_kohya: Path | None, name: str, *, dry_run: bool) -> None:
    if resume and name:
        raise UserError("--resume continues a run under its own name.", "Omit --name.")
    if resume and from_kohya:
        raise UserError("--resume continues with the settings of the run.", "Omit --from-kohya.")
    if dry_run:
        raise UserError("--dry-run requires --from-kohya.", "See the steps with: shikomi plan")


def _show_run(stream: Iterator[events.Event], project: Path, *, json: bool) -> int:
    """Show a run; a stopped one counts as interrupted."""
    stopped = False

    def watched() -> Iterator[events.Event]:
        nonlocal stopped
        for event in stream:
            stopped |= isinstance(event, events.Finished) and event.reason == "stopped"
            yield event

    code = console.show(
        watched(),
        json=json,
        printer=run_line,
        summary=lambda found: _train_summary(found, project),
    )
    return EXIT_INTERRUPTED if stopped else code


def _events_size(job: jobs.Job) -> int:
    return job.events_file.stat().st_size if job.events_file.exists() else 0


@examples(
    (
        "shikomi rates my_project --preset character",
        "Try learning rates from 1e-6 to 1e-2 in 100 steps, with the settings for characters.",
    ),
    (
        "shikomi rates my_project --set optimizer=lion --high 1e-3 --steps 60",
        "Try lower rates for another optimiser.",
    ),
)
def rates(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[RateOptions] = RateOptions(),
    presets: Presets = (),
    set_: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    dataset: Path | None = None,
    json: Json = False,
) -> int:
    """Find a learning rate: train a little while it rises, and see where the loss falls fastest.

    This is the learning rate range test. Nothing is saved but the measurements, in
    output/learning_rates.json. The loss is that of a few images on fixed noise. A suggestion is a
    start; good rates depend on the length of the run.

    Args:
        presets: Settings for a purpose or an amount of memory, as for train; repeatable.
        set_: A setting that overrides all others, as KEY=VALUE; repeatable.
        dataset: Dataset file of sd-scripts to train on. Default: the project is exported.
    """

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        opened = Project.open(project)
        settings = TrainSettings.from_project(opened, presets, set_)
        yield from trying.run(opened, settings, options, dataset)

    return console.show(stream(), json=json, printer=_picture_line, summary=_range_summary)


def _range_summary(summary: dict[str, Any]) -> str:
    """Return a line for every tenth of the test, and the suggestion."""
    points, suggested = summary["points"], summary["suggested"]
    shown = points[1 :: max(1, len(points) // 10)]
    lines = [f"  {'untrained':>9}  loss {points[0]['loss']:.4f}"]
    lines += [f"  {point['rate']:9.2g}  loss {point['loss']:.4f}" for point in shown]
    if suggested is None:
        return "\n".join([*lines, "The loss never fell: try other rates, --low and --high."])
    return "\n".join([*lines, f"suggested: --set learning_rate={suggested:.1g}"])


@examples(
    (
        "shikomi sample my_project --prompt 'mychara, smile' --lora my_project:0.8",
        "Generate an image with output/lora/my_project.safetensors at strength 0.8.",
    ),
    (
        "shikomi sample my_project --prompt prompts.txt --seed 7 --count 4",
        "Generate four images of every prompt in my_project/prompts.txt, seeds 7 to 10.",
    ),
)
def sample(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[SampleOptions] = SampleOptions(),
    json: Json = False,
) -> int:
    """Generate images with the base model and any number of LoRAs.

    The PNG files contain the prompt and the settings they were made with.
    """

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        from train.sampling import sample as drawing

        yield from drawing.run(Project.open(project), options)

    return console.show(stream(), json=json, printer=_picture_line)


@examples(
    (
        "shikomi grid my_project --prompt 'mychara, smile, beach'",
        "Compare all LoRA files of the project at four strengths.",
    ),
    (
        "shikomi grid my_project --lora my_project --strengths 0.5 --strengths 1",
        "Compare two strengths of one file, with the prompts of [train].",
    ),
)
def grid(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[GridOptions] = GridOptions(),
    json: Json = False,
) -> int:
    """Generate a contact sheet: a row for each LoRA file (epoch), a column for each strength."""

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        from train.sampling import grid as sheets

        yield from sheets.run(Project.open(project), options)

    return console.show(stream(), json=json, printer=_picture_line)


def _picture_line(event: events.Event) -> str | None:
    if isinstance(event, events.Sample):
        return event.path
    return event.path if isinstance(event, events.Written) else None


def _train_summary(summary: dict[str, Any], project: Path) -> str:
    if "job" in summary:
        follow_it = f"shikomi jobs follow {quote(str(project))} --job {summary['job']}"
        began = "queued" if summary["state"] == "queued" else "started"
        return f"{began} {summary['job']}; follow it with: {follow_it}"
    before, after = summary.get("val_loss_before"), summary.get("val_loss_after")
    if "lora" not in summary:  # it never began
        return ""
    lines = [f"{summary['lora']}", f"{summary['steps']} steps in {summary['seconds']:.0f} s"]
    if summary.get("it_per_s"):
        lines[-1] += f", {summary['it_per_s']:.2f} steps/s"
    if before is not None and after is not None:
        lines.append(f"validation loss {before:.4f} -> {after:.4f}")
    return "\n".join(lines)
