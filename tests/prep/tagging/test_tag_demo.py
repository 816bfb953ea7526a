"""The demo tagger on the demo mascot: what is drawn there is known."""

import json
import shutil
from pathlib import Path

import pytest

from prep import demo_world, events
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project


def test_the_demo_tagger_reads_the_mascot(project: Project) -> None:
    folder = project.dataset / "10_mochi"
    shutil.copytree(demo_world.mascot() / "10_mochi", folder, dirs_exist_ok=True)
    truth = json.loads((demo_world.mascot() / "truth.json").read_text("utf-8"))["files"]
    list(scan.run(project))
    found = list(tag.run(project, TagOptions(model="demo", device="cpu")))
    seen = {
        Path(event.path).name: {name for name, _ in event.tags}
        for event in found
        if isinstance(event, events.Tags)
    }
    broken = {name for name, entry in truth.items() if entry["width"] is None}
    assert set(seen) == set(truth) - broken
    right = sum(len(seen[name] & set(truth[name]["tags"])) for name in seen)
    shown = sum(map(len, seen.values()))
    drawn = sum(len(truth[name]["tags"]) for name in seen)
    assert right / shown == pytest.approx(1, abs=0.1)
    assert right / drawn == pytest.approx(1, abs=0.1)
    last = found[-1]
    assert isinstance(last, events.Finished)
    assert last.summary["changed"] == len({(folder / name).with_suffix(".txt") for name in seen})
