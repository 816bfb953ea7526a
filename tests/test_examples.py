"""The examples in the documents run, in their order, on a copy of the mascot set.

Each document with ``bash`` blocks is a walk through one topic: its commands run from a folder
that holds ``my_project``, the mascot set tagged and captioned. A line that ends in ``# exit 1``
is expected to end so; all others end with 0.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep import demo_world
from prep.ops import edit, scan, tag
from prep.project import initialise

ROOT = Path(__file__).resolve().parent.parent
TOPICS = sorted((ROOT / "docs" / "topics").glob("*.md"))
EXPECTED = re.compile(r"\s+# exit (\d+)$")


def commands(document: Path) -> Iterator[tuple[str, int]]:
    """Yield each command of a document's bash blocks, with the exit code that it should have."""
    for block in re.findall(r"^```bash\n(.*?)^```", document.read_text("utf-8"), re.M | re.S):
        for line in block.replace("\\\n", "").splitlines():
            if line.strip() and not line.startswith("#"):
                code = EXPECTED.search(line)
                yield EXPECTED.sub("", line), int(code[1]) if code else 0


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of the mascot set, tagged, with its trigger word."""
    project = initialise(tmp_path_factory.mktemp("examples") / "my_project")
    for file in (demo_world.mascot() / "10_mochi").iterdir():
        target = project.dataset / "10_mochi" / file.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    changes = {"tagger": {"model": "demo"}, "concepts": {"10_mochi": {"trigger": "mochi"}}}
    project = project.saved(changes)
    for stream in (
        scan.run(project),
        tag.run(project, tag.TagOptions()),
        edit.run(project, edit.EditOptions(rules=True)),
    ):
        assert list(stream)
    return project.root


@pytest.mark.parametrize("document", TOPICS, ids=lambda path: path.stem)
def test_the_examples_of_a_document_run(document: Path, prepared: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", str(prepared), str(tmp_path / "my_project")], check=True)
    shikomi = f"{shlex.quote(sys.executable)} -m tui.cli"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = list(commands(document))
    assert found, "a topic shows how it is done"
    for command, code in found:
        run = subprocess.run(
            ["bash", "-c", f'shikomi() {{ {shikomi} "$@"; }}; {command}'],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == code, (command, run.stdout[-2000:], run.stderr[-2000:])
        assert "Traceback" not in run.stderr, command
