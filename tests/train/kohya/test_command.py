"""The command line: a report, and a run with the settings of another trainer's file."""

import json
from pathlib import Path

import pytest

from prep.project import Project
from prep.system import jobs
from tests.train.tiny import MakeRun
from train import cli
from train.job.changes import read_run


@pytest.fixture
def folder(make_run: MakeRun, base: Path) -> Path:
    """A project with a base model, images, and a configuration for their folder."""
    run = make_run()
    (run.project / "shikomi.toml").write_text(
        f"[project]\nresolution = 64\n[train]\nprecision = 'bf16'\nbase = '{base}'\n"
        "validation_fraction = 0.25\n"
    )
    (run.project / "kohya.toml").write_text(
        "network_dim = 2\nmax_train_steps = 2\nmixed_precision = 'no'\nlearning_rate = 1e-3\n"
        "train_data_dir = 'img'\nresolution = 64\nfull_bf16 = true\ncaption_extension = '.txt'\n"
    )
    (run.project / "img").mkdir()
    (run.project / "img" / "2_mochi").symlink_to(_images(run.project))
    return run.project


def _images(project: Path) -> Path:
    from train.data.dataset_file import read_dataset_file

    (part,) = read_dataset_file(project / "dataset.toml")
    return part.subsets[0].folder


def test_a_dry_run_only_reports(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    assert cli.train(folder, from_kohya=folder / "kohya.toml", dry_run=True) == 0
    said = capsys.readouterr().out
    assert "differs   full_bf16 = true" in said
    assert "as sd-scripts has it: " in said
    assert "scheduler = constant" in said
    with (folder / "kohya.toml").open("a") as file:
        file.write("v2 = true\n")
    assert cli.train(folder, from_kohya=folder / "kohya.toml", dry_run=True, json=True) == 1
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)["summary"]
    assert found["counts"]["refused"] == 1
    assert {"argument": "v2", "value": True, "outcome": "refused"}.items() <= next(
        line for line in found["arguments"] if line["argument"] == "v2"
    ).items()
    assert cli.train(folder, from_kohya=folder / "kohya.toml") == 2
    assert "v2 = true is for SD 2" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_a_run_takes_settings_and_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.train(
        folder, from_kohya=folder / "kohya.toml", presets=("12gb",), set_=("alpha=2",), json=True
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0, lines[-1]
    assert any("full_bf16" in line.get("message", "") for line in lines)
    project = Project.open(folder)
    (job,) = jobs.listed(project.jobs)
    run = read_run(project, job)
    assert run.dataset.parent == project.output / "from_kohya"
    train = run.train
    assert (train.rank, train.max_steps, train.scheduler) == (2, 2, "constant")
    assert (train.alpha, train.batch_size) == (2.0, 4), "--set and --preset take precedence"
    assert train.precision == "fp32", "the file takes precedence over [train]"
    assert train.validation_fraction == 0.0, "sd-scripts holds none out"


def test_options_that_do_not_go_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.train(folder, dry_run=True) == 2
    assert "--dry-run requires --from-kohya" in capsys.readouterr().err
    assert cli.train(folder, from_kohya=folder / "kohya.toml", resume="2020") == 2
    assert "Omit --from-kohya" in capsys.readouterr().err
