"""Starting the process of a run; only ``train.job.begin`` calls this, after its checks."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prep.errors import RetryError, UserError
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system import jobs, queue
from prep.system.locks import exclusive
from prep.system.names import with_home
from prep.texts import read_text
from train.config import RunConfig, TrainSettings
from train.job.command import training_argv
from train.job.frozen import FOLDER, freeze, is_same
from train.job.names import KIND, free_name, places
from train.sampling.prompts import read_prompts

_WAIT = 30.0
"""Seconds to wait while another front end starts a run."""


def run_config(
    project: Project, settings: TrainSettings, dataset_toml: Path, name: str = ""
) -> RunConfig:
    """Return the complete configuration of a run in a project, whose name is the usual one.

    Prompt files are read now, so that the configuration is complete.

    Raises:
        ConfigError: A prompt file is missing, or a prompt has faults.
    """
    prompts = read_prompts(settings.sample_prompts, project.root)
    return RunConfig(
        family=project.settings.project.family,
        dataset=with_home(dataset_toml).resolve(),
        train=settings.model_copy(update={"sample_prompts": tuple(prompts)}),
        **places(project, name or project.name, settings.method),
    )


@contextmanager
def starting(project: Project) -> Iterator[None]:
    """Keep others from exporting and starting in a project for as long as the context lasts.

    Raises:
        RetryError: Another front end is starting a run and does not get done.
    """
    with exclusive(project.state / "runs.lock", _WAIT) as held:
        if not held:
            raise RetryError("Another run is being started in this project.", "Try again later.")
        yield


def start_run(project: Project, run: RunConfig, *, keep: bool) -> tuple[jobs.Job, RunConfig]:
    """Start a run as a detached job, under a name that no other run has; or queue it.

    Only to be called within ``starting``.

    Args:
        project: Its project.
        run: Its configuration.
        keep: Keep a copy of the training set in the job directory.

    Returns:
        The job, and its configuration as it is started.

    Raises:
        ConfigError: It would write through links that lead out of the project.
        UserError: The same run is under way or waits already.
    """
    _refuse_links(project, run)
    name = free_name(project, run.name)
    job = jobs.create(project.jobs, _command(run.name, run))
    try:
        if keep:
            run = run.model_copy(update={"dataset": freeze(run.dataset, job.directory)})
        _refuse_twin(project, job, run)
        run = run.model_copy(update={"name": name, "samples": run.samples.with_name(name)})
        _refuse_links(project, run)
        jobs.rewrite(job, _command(name, run), run.to_toml())
    except BaseException:
        shutil.rmtree(job.directory, ignore_errors=True)
        raise
    queue.start(job)  # from now on the name is taken
    return job, run


def restart_run(project: Project, job: jobs.Job, run: RunConfig) -> None:
    """Start the command of a run again, which continues it; or queue it.

    The directory of the job may have come with a project of somebody else. So the command is made
    anew, from settings that are checked, and all of it stays in this project.

    Only to be called within ``starting``.

    Raises:
        UserError: It is running, contains links, or would write through links.
    """
    _refuse_links(project, run)
    jobs.rewrite(job, _command(run.name, run), run.to_toml())
    queue.start(job)


def _command(name: str, run: RunConfig) -> jobs.JobSettings:
    return jobs.JobSettings(
        KIND, training_argv(run), polls_commands=True, title=f"train {name}", lane=KIND
    )


def _refuse_twin(project: Project, job: jobs.Job, run: RunConfig) -> None:
    """Refuse to train the same thing twice at once: it was started twice by mistake.

    Raises:
        UserError: A run with the same settings and training set is under way, or waits.
    """
    for other in jobs.listed(project.jobs):
        if other == job or other.settings().kind != KIND or not jobs.alive(other):
            continue
        try:
            found = RunConfig.from_toml(read_text(other.directory / "config.toml"))
        except (OSError, UserError):
            continue
        if found.train == run.train and _same_dataset(found.dataset, run.dataset):
            raise UserError(
                f"{queue.title(other)} has the same settings and the same training set, and has"
                " been started already.",
                f"See: shikomi jobs follow --job {other.name}. Another seed is another run.",
            )


def _same_dataset(one: Path, other: Path) -> bool:
    if one == other:
        return True
    kept = [path.parent.name == FOLDER and path.is_file() for path in (one, other)]
    return all(kept) and is_same(one, other)


def _refuse_links(project: Project, run: RunConfig) -> None:
    for folder in (project.jobs, run.output, run.samples, run.cache):
        refuse_links(project, folder)
