"""A project of the mascot set that comes along, tagged by the demo tagger."""

from pathlib import Path

from prep import demo_world
from prep.ops import edit, scan, tag
from prep.project import Project
from prep.project.creation import initialise


def mascot_project(root: Path, concept: str, trigger: str) -> Project:
    """Make a project with the mascot's images in one concept folder, captioned, with its trigger.

    Some of the images are damaged on purpose.
    """
    project = initialise(root)
    for file in (demo_world.mascot() / "10_mochi").iterdir():
        target = project.dataset / concept / file.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    changes = {"tagger": {"model": "demo"}, "concepts": {concept: {"trigger": trigger}}}
    project = project.saved(changes)
    for stream in (
        scan.run(project),
        tag.run(project, tag.TagOptions()),
        edit.run(project, edit.EditOptions(rules=True)),
    ):
        assert list(stream)
    return project
