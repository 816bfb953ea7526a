"""Starting the process of a run; only ``train.job.begin`` calls this, after its checks."""

from pathlib import Path

from prep.errors import RetryError
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system import jobs
from prep.system.locks import exclusive
from train.config import RunConfig, TrainSettings
from train.job.command import training_argv
from train.job.names import KIND, free_name, places
from train.sampling.prompts import read_prompts

_WAIT = 30.0
"""Seconds to wait while another front end starts a run."""


def run_config(project: Project, settings: TrainSettings, dataset_toml: Path) -> RunConfig:
    """Return the complete configuration of a run in a project.

    Prompt files are read now, so that the configuration is complete.

    Raises:
        ConfigError: A prompt file is missing, or a prompt has faults.
    """
    prompts = read_prompts(settings.sample_prompts, project.root)
    return RunConfig(
        family=project.settings.project.family,
        dataset=dataset_toml.expanduser().resolve(),
        train=settings.model_copy(update={"sample_prompts": tuple(prompts)}),
        **places(project, project.name, settings.method),
    )


def start_run(project: Project, run: RunConfig) -> tuple[jobs.Job, RunConfig]:
    """Start a run as a detached job, under a name that no other run has.

    Returns:
        The job, and its configuration with that name.

    Raises:
        ConfigError: It would write through links that lead out of the project.
        RetryError: Another front end is starting a run and does not get done.
    """
    _refuse_links(project, run)
    with exclusive(project.state / "runs.lock", _WAIT) as held:
        if not held:
            raise RetryError("Another run is being started in this project.", "Try again later.")
        name = free_name(project, run.name)
        run = run.model_copy(update={"name": name, "samples": run.samples.with_name(name)})
        _refuse_links(project, run)
        job = jobs.create(project.jobs, _command(run), run.to_toml())
        jobs.start(job)  # from now on the name is taken
    return job, run


def restart_run(project: Project, job: jobs.Job, run: RunConfig) -> None:
    """Start the command of a run again, which continues it.

    The directory of the job may have come with a project of somebody else. So the command is made
    anew, from settings that are checked, and all of it stays in this project.

    Raises:
        UserError: It is running, contains links, or would write through links.
    """
    _refuse_links(project, run)
    jobs.restart(job, _command(run), run.to_toml())


def _command(run: RunConfig) -> jobs.JobSettings:
    return jobs.JobSettings(
        KIND, training_argv(run), polls_commands=True, title=f"train {run.name}"
    )


def _refuse_links(project: Project, run: RunConfig) -> None:
    for folder in (project.jobs, run.output, run.samples, run.cache):
        refuse_links(project, folder)
