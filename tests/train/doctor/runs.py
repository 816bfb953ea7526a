"""Records of runs, as the trainer leaves them, without a trainer."""

from pathlib import Path
from typing import Any

from prep import events
from prep.project import Project
from prep.project.creation import initialise
from prep.system import jobs
from train.config import RunConfig, TrainSettings
from train.doctor.record import RunRecord
from train.job.names import KIND, places


def project_in(folder: Path) -> Project:
    return initialise(folder / "project")


def config(project: Project, **settings: Any) -> RunConfig:
    values: dict[str, Any] = {"base": "model", "learning_rate": 1e-3, **settings}
    dataset = project.output / "dataset" / "dataset.toml"
    return RunConfig(dataset=dataset, train=TrainSettings(**values), **places(project, "mochi"))


def job_of(project: Project, found: list[tuple[float, events.Event]], **settings: Any) -> jobs.Job:
    """Write the directory of a run; events with their times."""
    text = config(project, **settings).to_toml()
    job = jobs.create(project.jobs, jobs.JobSettings(KIND, ["true"]), text)
    lines = [events.to_json(event, now) + "\n" for now, event in found]
    job.events_file.write_text("".join(lines), "utf-8")
    return job


def metric(step: int, total: int = 100, **values: Any) -> events.Metric:
    usual: dict[str, Any] = {
        "loss": 0.1,
        "learning_rate": 1e-3,
        "it_per_s": 2.0,
        "memory_bytes": 4 << 30,
        "rates": {"unet": 1e-3},
        "gradient_norm": 0.5,
    }
    return events.Metric(step, total, 1, **usual | values)


def a_round(step: int, held: float | None, trained: float | None) -> events.Validation:
    """Return a validation round with these falls."""
    gap = None if held is None or trained is None else trained - held
    images = {"held.png": 0.1} if held is not None else {}
    return events.Validation(
        step, 100, 1, 0.1, 0.1, {}, {}, held, trained, gap, images, {"own.png": 0.1}
    )


def record(folder: Path, **values: Any) -> RunRecord:
    """Return the record of a run of 100 steps at a constant rate, all well."""
    project = project_in(folder)
    settings = values.pop("settings", {})
    found: dict[str, Any] = {
        "run": config(project, **settings),
        "metrics": [metric(step) for step in range(1, 101)],
        "device": "cuda",
        "precision": "bf16: the GPU computes in bf16",
    }
    return RunRecord(project, jobs.Job(project.jobs / "any"), "done", **found | values)
