"""Trying learning rates: a short run in the foreground, of which only the measurements are kept."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from prep.errors import ConfigError
from prep.events import Event, Finished, Progress, Written
from prep.project import Project, Section
from prep.project.boundary import refuse_links
from prep.system import jobs
from prep.system.files import write_text
from train.config import TrainSettings
from train.job.begin import ready_run

NAME = "learning_rates.json"


class RateOptions(Section):
    """Which learning rates are tried."""

    low: float = Field(1e-6, gt=0, lt=1)
    """The first learning rate of the UNet."""
    high: float = Field(1e-2, gt=0, le=1)
    """The last one, which is meant to be too high."""
    steps: int = Field(100, ge=10, le=1000)
    """Steps from the first to the last; each multiplies the rate by the same factor."""


def run(
    project: Project, settings: TrainSettings, options: RateOptions, dataset: Path | None = None
) -> Iterator[Event]:
    """Raise the learning rate from step to step on the real data, and say where it works best.

    No LoRA and no state is saved. The measurements go to ``output/learning_rates.json``.

    Args:
        project: Its training set is exported first, unless ``dataset`` is given.
        settings: Of the run that the rate is for.
        options: Which rates.
        dataset: A dataset file in sd-scripts' format.

    Yields:
        What preparing a run yields, Progress, Written; last Finished with the suggested rate.

    Raises:
        UserError: The run could not be begun either, or the optimiser finds rates by itself.
    """
    if options.low >= options.high:
        raise ConfigError(f"--low {options.low:g} is not below --high {options.high:g}.")
    if settings.optimizer == "prodigy":
        raise ConfigError("prodigy finds the learning rate itself.", "Leave learning_rate = 1.")
    file = project.output / NAME
    refuse_links(project, file)
    configured = yield from ready_run(project, settings, dataset)
    from train.arithmetic.precision import default_device
    from train.run.prepare import prepare
    from train.run.processes import ProcessGroup
    from train.run.rate_range import rates, suggested_rate, try_rates

    with tempfile.TemporaryDirectory() as folder:
        job = jobs.Job(Path(folder))
        training = yield from prepare(configured, job, ProcessGroup(default_device()))
        points = []
        for done, point in enumerate(
            try_rates(training, rates(options.low, options.high, options.steps))
        ):
            points.append(point)
            note = f"rate {point.rate:.2g}, loss {point.loss:.4f}"
            yield Progress("rates", done, options.steps, note)
    suggested = suggested_rate(points)
    listed = [{"rate": point.rate, "loss": point.loss} for point in points]
    write_text(file, json.dumps({"suggested": suggested, "points": listed}, indent=1) + "\n")
    yield Written(file.relative_to(project.root).as_posix())
    yield Finished({"suggested": suggested, "steps": len(points) - 1, "points": listed})
