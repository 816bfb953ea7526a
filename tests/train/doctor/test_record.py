"""Reading what a run left: resumed runs, time, images, and directories of somebody else's."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep import events
from tests.train.doctor.runs import a_round, job_of, metric, project_in
from train.doctor.record import RunRecord

LOADED = [
    events.Stage("load", note="base (SD 1.5, epsilon) on cuda"),
    events.Stage("load", True, 1.0, "bfloat16: the GPU computes in bf16"),
]


def test_a_run_is_read(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    found = [events.Started("train mochi"), *LOADED, metric(1), metric(2), events.Saved("a", 2, 1)]
    job = job_of(project, [(float(n), event) for n, event in enumerate(found)], rank=4)
    job.log_file.write_text("said\n")
    record = RunRecord.read(project, job)
    assert (record.device, record.precision) == ("cuda", "bfloat16: the GPU computes in bf16")
    assert (record.step, record.steps, record.saved) == (2, 100, {2: "a"})
    assert record.run is not None
    assert record.run.train.rank == 4
    assert record.log == "said\n"
    assert record.images is None
    assert record.command == f"shikomi train {project.root}"


def test_what_a_resumed_run_did_again_replaces_what_it_lost(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    first = [events.Started("train"), a_round(0, 0.0, 0.0), metric(1), metric(2, loss=0.5)]
    failed = events.Failed("The command was killed by signal 9.", "", 137)
    again = [events.Started("train"), metric(2, loss=0.25), metric(3), a_round(3, 0.1, 0.2)]
    found = [*first, failed, *again]
    job = job_of(project, [(float(n), event) for n, event in enumerate(found)])
    record = RunRecord.read(project, job)
    assert [m.step for m in record.metrics] == [1, 2, 3]
    assert record.metrics[1].loss == 0.25
    assert [v.step for v in record.validations] == [0, 3]
    assert record.failure is None  # that sitting is over


def test_time_goes_to_what_it_was_spent_on(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    sample = events.Sample("a.png", "smile", 1)
    found = [
        (0.0, events.Started("train")), (100.0, metric(1)),  # an earlier sitting
        (200.0, events.Started("train")), (260.0, events.Stage("encode", True)),
        (261.0, metric(2)), (261.5, metric(3)), (264.0, events.Saved("a", 3, 1)),
        (269.0, a_round(3, 0.1, 0.2)), (270.0, events.Metric(3, 9, 1, val_loss=0.1)),
        (280.0, sample), (290.0, sample), (291.0, metric(4)),
    ]  # fmt: skip
    record = RunRecord.read(project, job_of(project, found))
    assert record.spent == {"steps": 2.5, "save": 2.5, "validation": 5.0, "sample": 20.0}


EMPTY: dict[str, Any] = {"step": 1, "steps": 2, "images": [], "folders": {}, "tags": {}}
ROW: dict[str, Any] = {"path": "a.png", "folder": "10_a", "exposures": 3, "relative": "x"}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"step": 1}', json.dumps({"step": "x"}), "null",
        json.dumps(EMPTY | {"images": [{}]}), json.dumps(EMPTY | {"images": [ROW]}),
    ],
)  # fmt: skip
def test_foreign_images_files_are_left_out(tmp_path: Path, text: str) -> None:
    project = project_in(tmp_path)
    job = job_of(project, [(0.0, metric(1))])
    (job.directory / "images.json").write_text(text)
    assert RunRecord.read(project, job).images is None


def test_a_whole_images_file_is_read(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    job = job_of(project, [(0.0, metric(1))])
    (job.directory / "images.json").write_text(
        json.dumps(EMPTY | {"images": [ROW | {"relative": 2}, {"path": "b.png", "folder": ""}]})
    )
    images = RunRecord.read(project, job).images
    assert images is not None
    assert (images.images[0].path, images.images[0].relative) == ("a.png", 2.0)
    assert (images.images[1].exposures, images.images[1].rated) == (0, 0)


def test_foreign_events_are_left_out(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    job = job_of(project, [(0.0, metric(1))], rank=4)
    lines = [
        "no json", "[]", '{"kind": "metric"}',
        '{"kind": "metric", "step": 5, "total": [], "epoch": 1}',
        '{"kind": "metric", "step": 5, "total": 9, "epoch": 1, "loss": "x"}',
        '{"kind": "metric", "step": 5, "total": 9, "epoch": 1, "loss": 1, "rates": 7}',
        '{"kind": "validation", "step": 1, "total": 9, "epoch": 1, "fall": {}}',
        '{"kind": "validation", "step": 1, "total": 9, "epoch": 1, "trained": [1]}',
        '{"kind": "stage", "name": "load", "note": 5, "done": false}',
        '{"kind": "failed", "message": 5}', '{"kind": "saved", "path": {}, "step": [], "epoch": 1}',
        '{"kind": "started", "what": 1, "t": "x"}',
    ]  # fmt: skip
    with job.events_file.open("a") as file:
        file.write("\n".join(lines) + "\n")
    (job.directory / "config.toml").write_text("= nothing")
    record = RunRecord.read(project, job)
    assert [m.step for m in record.metrics] == [1]
    assert record.validations == []
    assert (record.run, record.failure, record.saved) == (None, None, {})


def test_pipes_are_not_read(tmp_path: Path) -> None:
    """Reading one would never end."""
    import os

    project = project_in(tmp_path)
    job = job_of(project, [(0.0, metric(1))])
    for name in ("images.json", "log.txt"):
        os.mkfifo(job.directory / name)
    record = RunRecord.read(project, job)
    assert (record.images, record.log) == (None, "")
