import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep import events
from prep.project import Project
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.waiting import ended, wait_for
from train import cli, extra, lora_cli
from train.job import follow as following
from train.sampling.options import GridOptions, SampleOptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(make_run: MakeRun, base: Path) -> Path:
    """A project with a base model and a dataset file."""
    run = make_run()
    (run.project / "shikomi.toml").write_text(
        "[project]\nresolution = 64\n[train]\nprecision = 'fp32'\nrank = 2\nsample_steps = 1\n"
        f"base = '{base}'\nmax_steps = 2\nsample_every_epochs = 0\n"
    )
    return run.project


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_train_then_look_at_the_result(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.train(folder, dataset=folder / "dataset.toml", json=True) == 0
    found = lines(capfd.readouterr().out)
    assert found[-1]["kind"] == "finished"
    summary = found[-1]["summary"]
    assert isinstance(summary, dict)
    assert {"lora", "steps", "it_per_s", "peak_memory_bytes", "val_loss_before"} <= set(summary)
    lora = folder / summary["lora"]

    assert lora_cli.lora_info(lora, json=True) == 0
    (described,) = lines(capfd.readouterr().out)
    about = described["summary"]
    assert isinstance(about, dict)
    assert {"family", "algorithm", "rank", "alpha", "modules", "unmatched", "metadata"} <= set(
        about
    )
    assert about["rank"] == 2

    assert lora_cli.lora_verify(lora, base=folder) == 2, "no model there"
    capfd.readouterr()
    base = Path(Project.open(folder).settings.train["base"])
    assert lora_cli.lora_verify(lora, base=base) == 0
    assert "unmatched   0" in capfd.readouterr().out

    options = SampleOptions(prompt=("mochi",), lora=("made-up",))
    assert cli.sample(folder, options=options) == 2
    assert "no LoRA made-up" in capfd.readouterr().err
    options = SampleOptions(prompt=("mochi",), lora=(lora.stem,))
    assert cli.sample(folder, options=options) == 0
    assert cli.grid(folder, options=GridOptions(prompt=("mochi",), strengths=(0, 1))) == 0
    assert "output/grids/grid-00.png" in capfd.readouterr().out


def test_unmatched_modules_are_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from train.lora.file import serialise
    from train.networks.saved import raw

    file = tmp_path / "a.safetensors"
    weights = raw(torch.zeros(2, 2))
    leaves = ("lora_unet_wrong.lora_down.weight", "lora_unet_wrong.lora_up.weight")
    file.write_bytes(serialise(dict.fromkeys(leaves, weights), {}))
    assert lora_cli.lora_verify(file) == 1
    assert "lora_unet_wrong" in capsys.readouterr().out
    assert lora_cli.lora_info(tmp_path / "missing.safetensors") == 1


def test_faults_have_no_traceback(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.train(folder, set_=("rnk=3",)) == 2
    assert "did you mean rank?" in capsys.readouterr().err
    assert cli.train(folder, presets=("none",)) == 2
    assert cli.train(folder, resume="2020") == 2
    assert cli.train(folder / "missing") == 2


def test_without_the_extra_there_is_a_hint(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _: None)
    assert cli.train(folder) == 2
    assert cli.sample(folder, options=SampleOptions(prompt=("a",))) == 2
    assert "pip install 'shikomi[train]'" in capsys.readouterr().err


def test_ctrl_c_stops_the_run_and_saves(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom train.cli import train\n"
        f"folder = Path({str(folder)!r})\n"
        "sys.exit(train(folder, set_=('max_steps=0', 'epochs=5000'),"
        " dataset=folder / 'dataset.toml', json=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["kind"] == "metric":
                process.send_signal(signal.SIGINT)
                break
        rest = lines(process.stdout.read())
        assert ended(process) == 130
    assert (rest[-1]["kind"], rest[-1]["reason"]) == ("finished", "stopped")
    (job,) = jobs.listed(Project.open(folder).jobs)
    wait_for(lambda: not jobs.alive(job))


def test_a_second_interrupt_does_not_overtake_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both came while the job was being watched, before the first one was passed on."""
    job = jobs.create(tmp_path, jobs.JobSettings("train", []))
    monkeypatch.setattr(jobs, "alive", lambda _: True)

    def twice(_: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("time.sleep", twice)
    with pytest.raises(KeyboardInterrupt):
        list(following.follow(job))
    assert jobs.commands(job)[0] == ["stop"]


def test_a_stopped_run_says_how_to_continue_it(capsys: pytest.CaptureFixture[str]) -> None:
    end = events.Finished({"lora": "a.safetensors", "steps": 3, "seconds": 1}, "stopped")
    stream = iter([events.Progress("start", 1, 1, "job-1"), end])
    assert cli._show_run(stream, Path("my project"), json=False) == 130
    assert "shikomi train 'my project' --resume job-1" in capsys.readouterr().out
