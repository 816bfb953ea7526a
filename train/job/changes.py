"""What may change in a run that is resumed: how long it goes on, what it saves and draws.

Everything else decided what the run has learned so far; a change there is a new run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import UserError
from prep.project import Project
from prep.system import jobs
from prep.system.names import with_home
from train.config import RunConfig, TrainSettings, load_presets, parse_override, validated
from train.job.frozen import frozen
from train.job.names import places
from train.sampling.prompts import read_prompts

CHANGEABLE = (
    "epochs",
    "max_steps",
    "save_every_epochs",
    "save_every_steps",
    "save_precision",
    "keep_saves",
    "sample_prompts",
    "sample_every_epochs",
    "sample_every_steps",
    "sample_steps",
    "sample_cfg",
    "sampler",
    "validate_every_epochs",
    "tensorboard",
    "gradient_checkpointing",
    "execution",
    "main_address",
)


@dataclass(frozen=True)
class Changes:
    """What a front end asks for beside resuming.

    Attributes:
        presets: Names of presets; later ones take precedence.
        overrides: ``key=value``; they take precedence over presets.
        dataset: A dataset file.
    """

    presets: Sequence[str] = ()
    overrides: Sequence[str] = ()
    dataset: Path | None = None


def read_run(project: Project, job: jobs.Job) -> RunConfig:
    """Return how a run was begun; its files stay in this project, wherever the job came from.

    Raises:
        UserError: Its configuration is missing or broken.
    """
    try:
        text = (job.directory / "config.toml").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{job.directory} has no readable config.toml.", "Start a new run."
        ) from error
    run = RunConfig.from_toml(text)
    kept = frozen(job.directory)
    own = {"dataset": kept} if kept else {}
    return run.model_copy(update=places(project, run.name, run.train.method) | own)


def changed_run(project: Project, run: RunConfig, changes: Changes) -> RunConfig:
    """Return a run as it is to continue.

    Raises:
        ConfigError: Unknown presets or keys, values out of range, or faults in prompts.
        UserError: Something is to change that cannot, all of it named.
    """
    values = load_presets(changes.presets, run.family)
    values |= dict(parse_override(text) for text in changes.overrides)
    wanted = validated({**run.train.model_dump(), **values}, "--set")
    if wanted.sample_prompts != run.train.sample_prompts:
        prompts = tuple(read_prompts(wanted.sample_prompts, project.root))
        wanted = wanted.model_copy(update={"sample_prompts": prompts})
    fixed = [name for name in _differences(run.train, wanted) if name not in CHANGEABLE]
    if changes.dataset is not None and with_home(changes.dataset).resolve() != run.dataset:
        fixed.append("the dataset file")
    if fixed:
        raise UserError(
            f"A run that is resumed cannot change {', '.join(fixed)}.",
            f"Start a new run for that. These can change: {', '.join(CHANGEABLE)}.",
        )
    return run.model_copy(update={"train": wanted})


def describe_changes(before: RunConfig, after: RunConfig) -> str:
    """Return what differs, as ``name = value (was value)``."""
    return ", ".join(
        f"{name} = {getattr(after.train, name)} (was {getattr(before.train, name)})"
        for name in _differences(before.train, after.train)
    )


def _differences(one: TrainSettings, other: TrainSettings) -> list[str]:
    return [n for n in TrainSettings.model_fields if getattr(one, n) != getattr(other, n)]
