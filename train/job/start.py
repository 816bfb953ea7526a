"""Starting and resuming training jobs, for the command line, the application and the demo."""

import re
from pathlib import Path

from prep.errors import ConfigError, UserError
from prep.project import Project
from prep.system import jobs
from train.config import RunConfig, TrainSettings
from train.extra import require_training
from train.job.command import training_argv
from train.sampling.prompts import read_prompts

KIND = "train"


def run_config(project: Project, settings: TrainSettings, dataset_toml: Path) -> RunConfig:
    """Return the complete configuration of a run in a project.

    Prompt files are read now, so that the configuration is complete.

    Raises:
        ConfigError: A prompt file is missing, or a prompt has faults.
    """
    name = re.sub(r"[^\w.+-]+", "_", project.name).strip("._") or "lora"
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


def start_training(project: Project, settings: TrainSettings, dataset_toml: Path) -> jobs.Job:
    """Start a run as a detached job.

    Raises:
        MissingExtraError: The training extra is not installed.
        ConfigError: No base model, or faults in the prompts.
    """
    require_training()
    run = run_config(project, settings, dataset_toml)
    if not settings.base:
        raise ConfigError("No base model is set.", "Set base in [train], or: --set base=FOLDER")
    if not run.base.is_dir():
        raise ConfigError(f"There is no base model at {run.base}.", "Check base in [train].")
    command = jobs.JobSettings(
        KIND, training_argv(run), polls_commands=True, title=f"train {run.name}"
    )
    job = jobs.create(project.jobs, command, run.to_toml())
    jobs.start(job)
    return job


def find_training(project: Project, name: str) -> jobs.Job:
    """Return a training job by its name or the beginning of it.

    Raises:
        UserError: There is no such job.
    """
    for job in jobs.listed(project.jobs):
        if job.name.startswith(name) and job.settings().kind == KIND:
            return job
    raise UserError(f"There is no training job {name}.", "See: shikomi jobs")


def resume_training(project: Project, name: str) -> jobs.Job:
    """Go on with a run that was stopped or died, from its newest state.

    Raises:
        UserError: There is no such job, or it runs.
    """
    require_training()
    job = find_training(project, name)
    jobs.start(job)
    return job
