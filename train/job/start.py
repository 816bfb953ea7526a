"""Starting the process of a run; only ``train.job.begin`` calls this, after its checks."""

from pathlib import Path

from prep.errors import RetryError
from prep.project import Project
from prep.system import jobs
from prep.system.locks import exclusive
from train.config import RunConfig, TrainSettings
from train.job.command import training_argv
from train.job.names import KIND, free_name, name_of
from train.sampling.prompts import read_prompts

_WAIT = 30.0
"""Seconds to wait while another front end starts a run."""


def run_config(project: Project, settings: TrainSettings, dataset_toml: Path) -> RunConfig:
    """Return the complete configuration of a run in a project.

    Prompt files are read now, so that the configuration is complete.

    Raises:
        ConfigError: A prompt file is missing, or a prompt has faults.
    """
    name = name_of(project)
    prompts = read_prompts(settings.sample_prompts, project.root)
    return RunConfig(
        name=name,
        family=project.settings.project.family,
        project=project.root,
        dataset=dataset_toml.expanduser().resolve(),
        output=project.output / "lora",
        samples=project.output / "samples" / name,
        cache=project.state / "latents",
        train=settings.model_copy(update={"sample_prompts": tuple(prompts)}),
    )


def start_run(project: Project, run: RunConfig) -> tuple[jobs.Job, RunConfig]:
    """Start a run as a detached job, under a name that no other run has.

    Returns:
        The job, and its configuration with that name.

    Raises:
        RetryError: Another front end is starting a run and does not get done.
    """
    with exclusive(project.state / "runs.lock", _WAIT) as held:
        if not held:
            raise RetryError("Another run is being started in this project.", "Try again later.")
        name = free_name(project, run.name)
        samples = run.samples.with_name(name)
        run = run.model_copy(update={"name": name, "samples": samples})
        command = jobs.JobSettings(
            KIND, training_argv(run), polls_commands=True, title=f"train {run.name}"
        )
        job = jobs.create(project.jobs, command, run.to_toml())
        jobs.start(job)  # from now on the name is taken
    return job, run
