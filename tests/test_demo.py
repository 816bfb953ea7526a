"""The whole job on the demo world, as a new user runs it, and what its verdict says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors import safe_open

from tests.waiting import ended, output

ROOT = Path(__file__).resolve().parent.parent
Events = list[dict[str, Any]]


def demo(directory: Path, *arguments: str, **popen: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tui.cli", "demo", "--dir", str(directory), *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **popen,
    )


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Events, Events]:
    """Press ctrl-c in the midst of the training; return what came of it, and what the job said."""
    directory = tmp_path_factory.mktemp("demo") / "project"
    with demo(directory, "--json", start_new_session=True) as process:
        read_until(process, lambda event: event["kind"] == "metric")
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        rest = lines(process.stdout.read())
        assert ended(process) == 130
    [job] = jobs_in(directory)
    return directory, rest, lines((job / "events.jsonl").read_text("utf-8"))


@pytest.fixture(scope="module")
def demo_run(interrupted: tuple[Path, Events, Events]) -> tuple[Path, Events]:
    """Run it again, to its end."""
    directory, _, _ = interrupted
    with demo(directory, "--json") as process:
        out, err = output(process)
    events = lines(out)
    # 1: done, with the two broken files that were planted.
    assert process.returncode == 1, (err, events[-3:])
    return directory, events


def lines(text: str) -> Events:
    return [json.loads(line) for line in text.splitlines()]


def jobs_in(directory: Path) -> list[Path]:
    return [path for path in (directory / ".shikomi" / "jobs").iterdir() if path.is_dir()]


@pytest.fixture(scope="module")
def summary(demo_run: tuple[Path, Events]) -> dict[str, Any]:
    last = demo_run[1][-1]
    assert last["kind"] == "finished"
    found: dict[str, Any] = last["summary"]
    return found


def test_the_planted_files_are_found(summary: dict[str, Any]) -> None:
    truth = json.loads((ROOT / "sample_data/mascot/truth.json").read_text("utf-8"))
    kinds = [file["kind"] for file in truth["files"].values()]
    broken = sum(kind in ("truncated", "not_an_image") for kind in kinds)
    doubles = sum(kind in ("exact", "near") for kind in kinds)
    assert (broken, doubles) == (2, 8)
    assert summary["unreadable"] == broken
    assert summary["duplicates_excluded"] == doubles
    assert summary["images"] == len(kinds) - broken
    assert summary["tagged"] == len(kinds) - broken - doubles


def test_the_lora_teaches_the_mascot(summary: dict[str, Any]) -> None:
    assert summary["trigger_recall_lora"] >= 0.8
    assert summary["trigger_recall_base"] <= 0.3
    assert summary["val_loss_after"] < summary["val_loss_before"]


def test_the_captions_hold_the_trigger_word_and_no_traits(demo_run: tuple[Path, Events]) -> None:
    directory, _ = demo_run
    texts = [path.read_text("utf-8") for path in directory.glob("dataset/10_mochi/*.txt")]
    assert len(texts) > 25
    for text in texts:
        tags = text.split(", ")
        assert tags[0] == "mochi"
        assert {"bear", "green body", "star mark"}.isdisjoint(tags)


def test_the_lora_file_has_its_metadata(
    demo_run: tuple[Path, Events], summary: dict[str, Any]
) -> None:
    directory, _ = demo_run
    with safe_open(directory / summary["lora"], "pt") as file:
        metadata = file.metadata()
        keys = list(file.keys())
    assert metadata["ss_base_model_version"] == "sd_v1_v"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert "mochi" in metadata["ss_tag_frequency"]
    assert any(key.startswith("lora_te_text_model_encoder_layers_0_") for key in keys)


def test_the_contact_sheet_is_a_picture(
    demo_run: tuple[Path, Events], summary: dict[str, Any]
) -> None:
    directory, _ = demo_run
    with Image.open(directory / summary["grid"]) as grid:
        # Base model and three strengths across; three saved epochs down; 64 px each.
        assert grid.width > 64 * 4
        assert grid.height > 64 * 3


def test_every_stage_reports_its_seconds(summary: dict[str, Any]) -> None:
    stages = ["scan", "dupes", "tag", "captions", "buckets", "plan", "export", "train"]
    assert [name for name in summary["seconds"] if name in stages] == stages
    assert all(seconds >= 0 for seconds in summary["seconds"].values())


def test_ctrl_c_stops_the_training_and_running_again_goes_on(
    interrupted: tuple[Path, Events, Events], demo_run: tuple[Path, Events]
) -> None:
    directory, rest, told = interrupted
    assert (rest[-1]["kind"], rest[-1]["reason"]) == ("finished", "interrupted")
    assert (told[-1]["kind"], told[-1]["reason"]) == ("finished", "stopped")
    first = next(event for event in demo_run[1] if event["kind"] == "metric")
    assert first["step"] > 1
    assert len(jobs_in(directory)) == 1


def read_until(
    process: "subprocess.Popen[str]", wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if wanted(event):
            return event
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with demo(tmp_path) as process:
        _, err = output(process)
    assert process.returncode == 2
    assert "holds something else" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_no_half_files(tmp_path: Path) -> None:
    # No file may grow past 300 kB: copying the base model fails in the middle of its UNet.
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        f"sys.argv = ['shikomi', 'demo', '--dir', {str(tmp_path / 'project')!r}];"
        "from tui.cli import main; sys.exit(main())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "cannot be written" in run.stderr
    assert "Traceback" not in run.stderr
    copied = list((tmp_path / "project").rglob("*.safetensors"))
    for file in copied:
        original = (
            ROOT / "sample_data/base" / file.relative_to(tmp_path / "project/model/demo-base")
        )
        assert file.read_bytes() == original.read_bytes()
