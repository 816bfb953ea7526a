"""The examples in the documents run, in their order, on a copy of the mascot set.

Each document with ``bash`` blocks is a walk through one topic: its commands run from a folder
that holds ``my_project``, the mascot set tagged and captioned. A line that ends in ``# exit 1``
is expected to end so; all others end with 0. A document for beginners says that in a comment
before the block, which is not shown, and calls the project as they would.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mascot import mascot_project
from tests.prep.vision_server import vision_server
from tui.cli import main

ROOT = Path(__file__).resolve().parent.parent
TOPICS = sorted((ROOT / "docs" / "topics").glob("*.md"))
EXPECTED = re.compile(r"\s+# exit (\d+)$")
BLOCK = re.compile(r"^(?:<!-- exit ([\d ]+) -->\n)?```bash\n(.*?)^```", re.M | re.S)
BEGINNERS = {"first-lora.ja"}
RENAMED = {"10_mychara": "10_mochi", "mychara": "my_project"}


def commands(document: Path) -> Iterator[tuple[str, int]]:
    """Yield each command of a document's bash blocks, with the exit code that it should have."""
    for codes, block in BLOCK.findall(document.read_text("utf-8")):
        lines = [line for line in block.replace("\\\n", "").splitlines() if line.strip()]
        hidden = iter(codes.split())
        for line in lines:
            if not line.startswith("#"):
                code = EXPECTED.search(line)
                yield EXPECTED.sub("", line), int(code[1] if code else next(hidden, 0))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of the mascot set, tagged, with its trigger word."""
    root = tmp_path_factory.mktemp("examples") / "my_project"
    return mascot_project(root, "10_mochi", "mochi").root


@pytest.fixture(autouse=True)
def _captioner(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run what stands for a vision model, at the address that documents call $CAPTIONER."""
    with vision_server() as vision:
        monkeypatch.setenv("CAPTIONER", vision.url)
        yield


def own_names(command: str) -> str:
    """Return a command on a beginner's project as one on the mascot set."""
    for theirs, ours in RENAMED.items():
        command = command.replace(theirs, ours)
    return command


def plain(command: str) -> list[str] | None:
    """Return the arguments of a command that needs no shell, else ``None``."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()$`*?~{}")
    lexer.whitespace_split = True
    needs_shell = any(word and set(word) <= set("|&;<>()$`*?~{}") for word in lexer)
    words = shlex.split(command)
    if needs_shell or words[0] != "shikomi":
        return None
    return [os.path.expandvars(word) for word in words[1:]]


def in_shell(command: str, folder: Path) -> tuple[int, str]:
    shikomi = f"{shlex.quote(sys.executable)} -m tui.cli"
    run = subprocess.run(
        ["bash", "-c", f'shikomi() {{ {shikomi} "$@"; }}; {command}'],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("document", TOPICS, ids=lambda path: path.stem)
def test_the_examples_of_a_document_run(
    document: Path,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(prepared, tmp_path / "my_project", symlinks=True)
    monkeypatch.chdir(tmp_path)
    found = list(commands(document))
    assert found, "a topic shows how it is done"
    for written, expected in found:
        command = own_names(written) if document.stem in BEGINNERS else written
        arguments = plain(command)
        if arguments is None:
            code, said = in_shell(command, tmp_path)
        else:
            # In this process: starting Python costs more than most commands do.
            monkeypatch.setattr("sys.argv", ["shikomi", *arguments])
            code, said = main(), "".join(capfd.readouterr())
        assert code == expected, (command, said[-3000:])
        assert "Traceback" not in said, command
