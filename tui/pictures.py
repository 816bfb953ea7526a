"""Find generated pictures and read their parameters. Independent of Textual."""

from dataclasses import dataclass
from pathlib import Path

from prep.errors import UserError
from prep.images import is_image_name
from prep.images.opening import open_image
from prep.project import Project
from prep.system.names import natural_key
from prep.system.walking import files_below

FOLDERS = ("samples", "grids")
"""Folders below the output folder."""


@dataclass(frozen=True)
class Made:
    """A generated picture and its time, ns."""

    path: Path
    mtime_ns: int


def made(project: Project) -> list[Made]:
    """Return the generated pictures of a project, newest first."""
    roots = [project.output / name for name in FOLDERS]
    roots += sorted(project.jobs.glob("*/samples")) if project.jobs.is_dir() else []
    found: list[Made] = []
    for root in roots:
        if not root.is_dir():
            continue
        try:
            found += [
                Made(path, path.stat().st_mtime_ns) for path in files_below(root, is_image_name)
            ]
        except (OSError, UserError):
            continue  # pictures may be moved away meanwhile
    return sorted(found, key=lambda one: (-one.mtime_ns, natural_key(str(one.path))))


def parameters(path: Path) -> str:
    """Return the text stored in a PNG: prompt, seed and settings; empty for none."""
    try:
        with open_image(path) as image:
            return str(image.info.get("parameters", ""))
    except OSError:
        return ""
