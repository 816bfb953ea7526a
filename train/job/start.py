"""Starting the process of a run; only ``train.job.begin`` calls this, after its checks."""

import re
from pathlib import Path

from prep.project import Project
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


def start_run(project: Project, run: RunConfig) -> jobs.Job:
    """Start a run as a detached job."""
    command = jobs.JobSettings(
        KIND, training_argv(run), polls_commands=True, title=f"train {run.name}"
    )
    job = jobs.create(project.jobs, command, run.to_toml())
    jobs.start(job)
    return job
