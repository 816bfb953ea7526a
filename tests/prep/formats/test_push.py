"""Uploading, against a small hub on this machine; in a process, for its settings are read early."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prep.errors import ConfigError, RetryError, UserError
from prep.ops import push
from prep.ops.push import PushOptions
from prep.project import Project
from tests.conftest import MakeImage
from tests.prep.fake_hub import Hub, serving

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as made:
        yield made


def pushed(hub: Hub, project: Project, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the verb; return its exit code and its last event."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_test",
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "tui.cli", "push", str(project.root), "me/set", "--json"]
    run = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, json.loads(run.stdout.splitlines()[-1])


def test_an_imagefolder_goes_up_and_stale_images_come_down(
    hub: Hub, project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    hub.files = {"10_mochi/old.webp": b"old", "README.md": b"kept"}
    code, last = pushed(hub, project, "--dry-run")
    assert (code, last["summary"]["removed"], len(hub.files)) == (0, 1, 2)
    code, last = pushed(hub, project)
    assert code == 0, last
    assert hub.private is True
    out = project.output / "imagefolder"
    assert hub.files == {
        "10_mochi/a.webp": (out / "10_mochi" / "a.webp").read_bytes(),
        "metadata.jsonl": (out / "metadata.jsonl").read_bytes(),
        "README.md": b"kept",
    }
    assert last["summary"]["url"] == f"{hub.url}/datasets/me/set"


def test_what_the_hub_refuses_is_explained(
    hub: Hub, project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    hub.refuse = 403
    code, last = pushed(hub, project)
    assert code == 2
    assert "You may not write to me/set" in last["message"]


class AnsweredError(Exception):
    """As HTTP libraries raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} for url")
        self.response = SimpleNamespace(status_code=status)


def test_files_behind_links_are_not_uploaded(
    hub: Hub, project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    """An export that came with the project may hold links to what is nobody's business."""
    for number, name in enumerate("ab"):
        make_image(f"10_mochi/{name}.png", number, caption="mochi")
    assert pushed(hub, project, "--dry-run")[0] == 0
    secret = tmp_path / "id_rsa"
    secret.write_bytes(b"secret")
    exported = project.output / "imagefolder" / "10_mochi" / "a.webp"
    exported.unlink()
    exported.symlink_to(secret)
    pushed(hub, project)
    assert "10_mochi/b.webp" in hub.files
    assert "10_mochi/a.webp" not in hub.files
    assert b"secret" not in hub.files.values()


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        (AnsweredError(401), "not logged in", UserError),
        (AnsweredError(500), "could not be uploaded: 500 for url", RetryError),
        (OSError("no route\nto host"), "could not be uploaded: no route", RetryError),
    ],
)
def test_each_fault_says_what_to_do(error: Exception, message: str, kind: type[UserError]) -> None:
    found = push._explained(error, "me/set")
    assert type(found) is kind
    assert message in found.message
    assert found.hint


def test_names_are_checked_first(project: Project) -> None:
    with pytest.raises(ConfigError, match="is not a repository name"):
        list(push.run(project, PushOptions(repository="just-a-name")))
