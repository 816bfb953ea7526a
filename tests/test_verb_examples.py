"""The examples in ``--help`` are understood, and run where no download or training is needed.

They run in their order on a copy of the mascot set, in a folder with what they name.
"""

import os
import re
import shlex
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prep import demo_world
from prep.cli.examples import examples_of
from prep.project import Project
from prep.system import jobs, queue
from tests.mascot import mascot_project
from tests.prep.vision_server import vision_server
from tests.verbs import Words, all_verbs
from train.config import TrainSettings
from tui.cli import main
from tui.command_line import app

VERBS = {words: verb for words, command in all_verbs() if (verb := command.default_command)}
EXAMPLES = {words: examples_of(verb) for words, verb in VERBS.items()}
NOT_RUN = {
    "shikomi demo": "trains; tests/test_demo.py runs it",
    "shikomi train": "trains; tests/train/test_cli.py runs it",
    "shikomi rates": "trains; tests/train/run/test_rate_range.py runs it",
    "shikomi doctor my_project": "needs a run; tests/train/doctor/test_doctor_cli.py has one",
    "shikomi serve": "serves until it is interrupted; tests/tui/web/test_server.py runs it",
    "shikomi push": "needs the hub; tests/prep/formats/test_push.py has one",
    "shikomi tag my_project --model": "downloads a tagger",
    "shikomi models --download": "downloads a tagger",
    "shikomi heads my_project --model head_detect": "downloads a detector",
    "shikomi lora merge my_project --lora my_project --into": "needs a model in a single file",
    "shikomi lora extract": "needs two models; tests/train/merging/test_merge.py has them",
    "shikomi scores compare": "needs the scores of two downloaded taggers",
}
"""Beginnings of commands that are only parsed, and why."""
FINDINGS = {"scan", "check", "lint", "diff", "export", "import", "lora verify", "doctor"}
"""Verbs whose exit code is 1 when they find, skip or miss something."""
SERVER = "http://127.0.0.1:8080/v1"
JOB = "20260301-181500-train"


def parsed(command: str) -> tuple[Callable[..., object], dict[str, object]]:
    words = shlex.split(command)
    assert words[0] == "shikomi"
    verb, bound, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return verb, bound.arguments


def test_every_verb_has_two_examples() -> None:
    assert {words: len(found) for words, found in EXAMPLES.items()} == dict.fromkeys(EXAMPLES, 2)
    commands = [example.command for found in EXAMPLES.values() for example in found]
    assert len(set(commands)) == len(commands)


@pytest.mark.parametrize(
    ("verb", "command", "does"),
    [(verb, *example) for verb, found in EXAMPLES.items() for example in found],
)
def test_the_command_line_is_understood(verb: Words, command: str, does: str) -> None:
    function, _ = parsed(command)
    assert function is VERBS[verb]
    assert re.fullmatch(r"[A-Z].*\.", does)


def test_settings_of_training_exist(tmp_path: Path) -> None:
    project = Project.open(tmp_path)
    _, first = parsed(EXAMPLES["train",][0].command)
    settings = TrainSettings.from_project(project, first["presets"], first["set_"])  # type: ignore[arg-type]
    assert settings.base == "model/my-sd15-model"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project, a LoRA of it, and files of other tools."""
    folder = tmp_path_factory.mktemp("verbs")
    project = mascot_project(folder / "my_project", "10_mychara", "mychara")
    settings = {"base": "model/my-sd15-model", "sample_prompts": ["mychara"], "sample_steps": 1}
    project.saved({"project": {"resolution": 64}, "train": settings})
    shutil.copytree(demo_world.base(), project.root / "model" / "my-sd15-model")
    lora(project.output / "lora" / "my_project.safetensors")
    lora(folder / "other.safetensors")
    image = next((demo_world.mascot() / "10_mochi").glob("mochi beach*.png"))
    (folder / "kohya" / "img" / "10_mychara").mkdir(parents=True)
    shutil.copy(image, folder / "kohya" / "img" / "10_mychara" / "new.png")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.write(image, "new.png")
    (project.root / "prompts.txt").write_text("mychara, smile\nmychara, hat\n")
    return folder


def lora(file: Path) -> None:
    """Write a LoRA with one module of the demo base model."""
    import torch

    from train.lora.file import serialise
    from train.networks.saved import raw

    name = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    tensors = {
        f"{name}.lora_down.weight": torch.zeros(2, 64),
        f"{name}.lora_up.weight": torch.zeros(64, 2),
        f"{name}.alpha": torch.tensor(1.0),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    body = {key: raw(tensor, torch.float32) for key, tensor in tensors.items()}
    file.write_bytes(serialise(body, {"ss_network_dim": "2"}))


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of what is prepared, as the current folder, with a server of vision models."""
    shutil.copytree(prepared, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    with vision_server() as vision:
        monkeypatch.setenv("SERVER", vision.url)
        Project.open(Path("my_project")).saved({"captioner": {"url": vision.url}})
        yield tmp_path / "here"


def call(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    words = shlex.split(command.replace(SERVER, os.environ["SERVER"]))
    monkeypatch.setattr("sys.argv", words)
    return main()


def job(name: str, script: str, lane: str = "") -> jobs.Job:
    """Start a job of this name, or queue it in a lane."""
    folder = Project.open(Path("my_project")).jobs
    argv = [sys.executable, "-c", script]
    settings = jobs.JobSettings("train", argv, title="a test", lane=lane)
    made = jobs.create(folder, settings)
    started = jobs.Job(made.directory.rename(folder / name))
    (queue if lane else jobs).start(started)
    return started


ENDLESS = "import signal; signal.pause()"
SHORT = 'print(\'{"kind": "finished", "reason": "done", "summary": {"steps": 3}}\')'
BEFORE = {
    "undo": ["shikomi edit my_project --add night", "shikomi edit my_project --add day"],
    "redo": [
        "shikomi edit my_project --add night",
        "shikomi edit my_project --add day",
        "shikomi undo my_project",
        "shikomi undo my_project",
    ],
    "diff": [
        "shikomi export my_project",
        "shikomi export my_project --out first_export",
        "shikomi export my_project --out second_export",
    ],
}
JOBS: dict[str, list[tuple[str, ...]]] = {
    "jobs list": [(JOB, SHORT)],
    "jobs compare": [(JOB, SHORT), ("20260302-181500-train", SHORT)],
    "jobs follow": [(JOB, SHORT)],
    "jobs move": [("20260228-181500-train", ENDLESS, "train"), (JOB, ENDLESS, "train")],
    "jobs stop": [(JOB, ENDLESS), ("20260302-181500-train", ENDLESS)],
}


@pytest.mark.parametrize("verb", EXAMPLES, ids=" ".join)
def test_the_examples_of_a_verb_run(
    verb: Words, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = " ".join(verb)
    commands = [
        example.command
        for example in EXAMPLES[verb]
        if not example.command.startswith(tuple(NOT_RUN))
    ]
    if not commands:
        pytest.skip("only parsed")
    for command in BEFORE.get(name, []):
        assert call(command, monkeypatch) in (0, 1)
    started = [job(*each) for each in JOBS.get(name, [])]
    try:
        for command in commands:
            code, said = call(command, monkeypatch), "".join(capfd.readouterr())
            assert code == 0 or (code == 1 and name in FINDINGS), (command, said[-3000:])
            assert said, command
    finally:
        for each in started:
            if jobs.alive(each):
                jobs.send(each, "kill")
