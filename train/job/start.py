"""Starting the process of a run; only ``train.job.begin`` calls this, after its checks."""

import re
from pathlib import Path
from typing import Any

from prep.errors import UserError
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system import jobs
from train.config import RunConfig, TrainSettings
from train.job.command import training_argv
from train.sampling.prompts import read_prompts

KIND = "train"


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
        **_places(project, project.name),
    )


def _places(project: Project, name: str) -> dict[str, Any]:
    """Return the name of a run's LoRA, safe as that of a file, and where its files go."""
    name = re.sub(r"[^\w.+-]+", "_", name).strip("._") or "lora"
    return {
        "name": name,
        "project": project.root,
        "output": project.output / "lora",
        "samples": project.output / "samples" / name,
        "cache": project.state / "latents",
    }


def start_run(project: Project, run: RunConfig) -> jobs.Job:
    """Start a run as a detached job.

    Raises:
        ConfigError: It would write through links that lead out of the project.
    """
    _refuse_links(project, run)
    job = jobs.create(project.jobs, _command(run), run.to_toml())
    jobs.start(job)
    return job


def restart_run(project: Project, job: jobs.Job) -> None:
    """Start the command of a run again, which continues it.

    The directory of the job may have come with a project of somebody else. So the command is made
    anew, from settings that are checked, and all of it stays in this project.

    Raises:
        UserError: It has no valid ``config.toml``, is running, or contains links.
    """
    file = job.directory / "config.toml"
    try:
        run = RunConfig.from_toml(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read.", "Start a new run: shikomi train") from error
    run = run.model_copy(update=_places(project, run.name))
    _refuse_links(project, run)
    jobs.restart(job, _command(run), run.to_toml())


def _command(run: RunConfig) -> jobs.JobSettings:
    return jobs.JobSettings(
        KIND, training_argv(run), polls_commands=True, title=f"train {run.name}"
    )


def _refuse_links(project: Project, run: RunConfig) -> None:
    for folder in (project.jobs, run.output, run.samples, run.cache):
        refuse_links(project, folder)
