"""Beginning a run: the one way, for the command line, the terminal application and the demo.

Check, scan, export, start, in this order. Everything that can be refused is refused by the check,
before anything is written.
"""

import shlex
from collections.abc import Generator, Iterator
from pathlib import Path

from prep.errors import ConfigError, UserError
from prep.events import Event, Finished, Warned, Written
from prep.ops import export, scan
from prep.project import Project
from prep.system import jobs, queue
from train.config import RunConfig, TrainSettings
from train.data.dataset import split_validation
from train.data.dataset_file import DatasetPart, read_dataset_file
from train.data.reading import read_dataset
from train.extra import require_optimizer, require_tensorboard, require_training
from train.families.base_model import BaseModel
from train.families.opening import opened_base, refuse_other_family
from train.hub import obtain_model
from train.job.changes import Changes, changed_run, describe_changes, read_run
from train.job.command import other_machines
from train.job.names import KIND, refuse_foreign_files
from train.job.start import restart_run, run_config, start_run, starting
from train.lora.start import find_start
from train.sampling.prompts import training_prompts


def begin(
    project: Project, settings: TrainSettings, dataset: Path | None = None, name: str = ""
) -> Generator[Event, None, jobs.Job]:
    """Start a run as a detached job; while another one of the project is under way, queue it.

    A queued run starts by itself when those before it have ended, however they ended.

    Args:
        project: Its training set is exported first, unless ``dataset`` is given; the run trains
            on what was exported now, whatever is exported later.
        settings: Of the run.
        dataset: A dataset file in sd-scripts' format to train on instead. It is read again when
            the run starts.
        name: Of the run and its files. Default: that of the project.

    Yields:
        What downloading a base model of the hub, scanning and exporting yield, without Written
        and Finished; Warned when the run gets another name, and when it has to wait.

    Returns:
        The job, running or queued.

    Raises:
        MissingExtraError: The training extra is not installed.
        UserError: Anything that ``check`` refuses, an export that fails, or the same run is under
            way already.
    """
    yield from _obtain(project, settings)
    run = check(project, settings, dataset, name)
    with starting(project):
        if dataset is None:
            run = run.model_copy(update={"dataset": (yield from _export(project, settings))})
        job, started = start_run(project, run, keep=dataset is None)
    if started.name != run.name:
        yield Warned(
            f"There are files of a run named {run.name} already; this one is named {started.name}.",
            "Nothing is replaced. For another name: --name, or name in [project].",
        )
    yield from _machine_notes(started, job)
    yield from _queue_notes(project, job)
    return job


def _machine_notes(run: RunConfig, job: jobs.Job) -> Iterator[Warned]:
    """Say what to run on the other machines of a run, which waits for them."""
    for argv in other_machines(run, job.directory):
        yield Warned("The run waits for another machine.", f"Run there: {shlex.join(argv)}")


def _obtain(project: Project, settings: TrainSettings) -> Iterator[Event]:
    """Download the base model and VAE if they are names of the hub and not on the disk."""
    for name in (settings.base, settings.vae):
        yield from obtain_model(name, project.root)


def _queue_notes(project: Project, job: jobs.Job) -> Iterator[Warned]:
    """Say what a run waits for, and which runs wait for somebody to start them."""
    ahead = [other for other in _under_way(project) if other != job]
    if ahead and jobs.status(job).state == "queued":
        names = ", then ".join(queue.title(other) for other in ahead)
        yield Warned(
            f"The run is queued after {names}, and starts by itself.",
            f"See: shikomi jobs list. Take it out with: shikomi jobs stop --job {job.name}",
        )
    if stalled := [other for other in queue.stalled(project.jobs) if other != job]:
        yield Warned(
            f"Runs that waited when the computer was switched off: {len(stalled)}.",
            "Start them with: shikomi jobs start",
        )


def _under_way(project: Project) -> list[jobs.Job]:
    """Return the training job that runs and those that wait, in the order of the queue."""
    waiting = queue.waiting(project.jobs)
    living = [j for j in jobs.listed(project.jobs) if is_training(j) and jobs.alive(j)]
    return [job for job in living if job not in waiting] + waiting


def ready_run(
    project: Project, settings: TrainSettings, dataset: Path | None = None
) -> Generator[Event, None, RunConfig]:
    """Check a run and export its training set; nothing is started.

    Yields:
        What scanning and exporting yield, without Written and Finished.

    Raises:
        UserError: As ``check``, or an export that fails.
    """
    yield from _obtain(project, settings)
    run = check(project, settings, dataset)
    if dataset is None:
        run = run.model_copy(update={"dataset": (yield from _export(project, settings))})
    return run


def check(
    project: Project, settings: TrainSettings, dataset: Path | None = None, name: str = ""
) -> RunConfig:
    """Refuse what cannot be trained; nothing is written.

    Returns:
        The configuration of the run; without ``dataset``, that of a training set still to come.

    Raises:
        MissingExtraError: The training extra is not installed, or not the optimiser.
        UserError: The base model, the prompts, the LoRA to start from, the dataset file or the
            buckets have faults, or the settings do not fit the base model.
    """
    require_training()
    exported = project.output / "dataset" / "dataset.toml"
    run = run_config(project, settings, dataset or exported, name)
    base = opened_base(run)
    refuse_other_family(run, base)
    training_prompts(run.train.sample_prompts, base)
    require_optimizer(settings.optimizer)
    if settings.tensorboard:
        require_tensorboard()
    if settings.start_from and settings.method != "full":
        find_start(settings.start_from, (run.project, run.output))
    settings.check_prediction(str(base.configs["scheduler"].get("prediction_type", "epsilon")))
    if dataset is not None:
        for part in read_dataset_file(run.dataset):
            _check_part(part, base)
        split_validation(read_dataset(run.dataset, settings), settings)
    elif project.buckets.step % base.pixel_multiple:
        raise ConfigError(
            f"Buckets in steps of {project.buckets.step} pixels do not fit the base model.",
            f"Make step in [buckets] a multiple of {base.pixel_multiple}.",
        )
    return run


def _check_part(part: DatasetPart, base: BaseModel) -> None:
    """Refuse buckets that the base model cannot train on.

    Raises:
        ConfigError: They do not fit.
    """
    sides = (part.buckets.step,) if part.buckets else part.resolution
    if any(side % base.pixel_multiple for side in sides):
        what = (
            f"Buckets in steps of {sides[0]} pixels" if part.buckets else f"{sides[0]}x{sides[-1]}"
        )
        raise ConfigError(
            f"{what} of the dataset file cannot be trained with {base.name}.",
            f"Make resolution and bucket_reso_steps multiples of {base.pixel_multiple}.",
        )


def find_training(project: Project, name: str) -> jobs.Job:
    """Return a training job by its name or the beginning of it.

    Raises:
        UserError: There is no such job.
    """
    found = [job for job in jobs.listed(project.jobs) if is_training(job)]
    for job in found:
        if job.name == name:
            return job
    for job in found:
        if job.name.startswith(name):
            return job
    raise UserError(f"There is no training job {name}.", "See: shikomi jobs list")


def is_training(job: jobs.Job) -> bool:
    """Return whether a job is a training run."""
    return job.settings().kind == KIND


def resume(
    project: Project, name: str, changes: Changes | None = None
) -> Generator[Event, None, jobs.Job]:
    """Continue a run that was stopped or died, from its newest state.

    Args:
        project: Its project.
        name: Of the job, or the beginning of it.
        changes: What is to differ from how it was begun.

    Yields:
        Warned, which says what differs.

    Returns:
        The job, running.

    Raises:
        MissingExtraError: The training extra is not installed.
        UserError: There is no such job, it runs or waits already, it has no valid settings, it
            would write over files of another run, its base model is gone, or the changes cannot be
            made.
    """
    require_training()
    job = find_training(project, name)
    with starting(project):
        jobs.refuse_running(job)
        before = read_run(project, job)
        run = changed_run(project, before, changes or Changes())
        base = opened_base(run)
        training_prompts(run.train.sample_prompts, base)
        require_optimizer(run.train.optimizer)
        if run.train.tensorboard:
            require_tensorboard()
        refuse_foreign_files(project, job, run)
        restart_run(project, job, run)
    if run != before:
        yield Warned(f"The run continues with {describe_changes(before, run)}.", "")
    yield from _machine_notes(run, job)
    yield from _queue_notes(project, job)
    return job


def restart_queue(project: Project) -> Generator[Event, None, list[jobs.Job]]:
    """Go on where the computer was switched off: with the run under way, then the queue.

    Yields:
        What resuming yields; Warned for a run that cannot be started.

    Returns:
        The jobs that were started or queued, in order.

    Raises:
        MissingExtraError: The training extra is not installed.
    """
    require_training()
    before = queue.holder(project.jobs, KIND)
    lost = [before] if before and jobs.status(before).state == "lost" else []
    started = []
    for job in (*lost, *queue.stalled(project.jobs)):
        try:
            started.append((yield from resume(project, job.name)))
        except UserError as error:
            yield Warned(f"{queue.title(job)} cannot be started: {error.message}", error.hint)
    return started


def _export(project: Project, settings: TrainSettings) -> Generator[Event, None, Path]:
    """Write the training set; return its dataset file."""
    yield from _all_but_ends(scan.run(project))
    options = export.ExportOptions(masks="alpha" if settings.masked_loss else "none")
    table = {**project.settings.train, "batch_size": settings.batch_size}  # of this run
    own = Project(project.root, project.settings.model_copy(update={"train": table}))
    end = yield from _all_but_ends(export.run(own, options))
    return project.root / str(end.summary["dataset_toml"])


def _all_but_ends(stream: Iterator[Event]) -> Generator[Event, None, Finished]:
    """Pass events on, except for written files; return the last one, Finished."""
    end: Finished | None = None
    for event in stream:
        if isinstance(event, Finished):
            end = event
        elif not isinstance(event, Written):
            yield event
    if end is None:
        raise UserError("The training set was not written.", "Start again.")
    return end
