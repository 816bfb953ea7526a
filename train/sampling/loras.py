"""LoRA files to draw with: found by path or by name, and told apart in labels and results."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from prep.errors import ConfigError
from prep.project import Project
from prep.system.names import with_home

_SUFFIX = ".safetensors"
_LONGEST = 60
"""Characters of a LoRA's name that the name of a picture holds at most."""


def find_lora(name: str, project: Project) -> Path:
    """Return the file of a LoRA: a path (its suffix may be missing), or a name in ``output/lora``.

    Raises:
        ConfigError: There is none, or it cannot be a path (``with_home``).
    """
    if found := _lookup(name, project):
        return found
    folder = shown(project.output / "lora", project)
    raise ConfigError(f"There is no LoRA {name}.", f"Give a file, or a name in {folder}.")


def _lookup(name: str, project: Project) -> Path | None:
    given = with_home(name)
    try:
        for folder in (Path(), project.root, project.output / "lora"):
            for place in (folder / given, folder / f"{given}{_SUFFIX}"):
                if place.is_file():
                    return place.resolve()
    except OSError:  # a name too long
        return None
    return None


def find_with_strength(text: str, project: Project) -> tuple[Path, float]:
    """Read FILE or FILE:STRENGTH, where the file may have colons in its name.

    Raises:
        ConfigError: There is no such file, or the strength is NaN or infinite.
    """
    name, separator, weight = text.rpartition(":")
    if not separator or _lookup(text, project):
        return find_lora(text, project), 1.0
    try:
        strength = float(weight)
    except ValueError:
        return find_lora(text, project), 1.0
    if not math.isfinite(strength):
        raise ConfigError(f"{text}: {weight} is not a strength.", f"Example: --lora {name}:0.8")
    return find_lora(name, project), strength


def distinct_names(files: Iterable[Path]) -> dict[Path, str]:
    """Name files by their stems, with as many folders before them as tell them apart.

    Example:
        >>> files = [Path("/a/last.safetensors"), Path("/b/last.safetensors")]
        >>> list(distinct_names(files).values())
        ['a/last', 'b/last']
    """
    depths = dict.fromkeys(files, 1)
    while True:
        names = {file: _end(file, depth) for file, depth in depths.items()}
        counts = Counter(names.values())
        same = [f for f, name in names.items() if counts[name] > 1 and depths[f] < len(f.parts)]
        if not same:
            return names
        for file in same:
            depths[file] += 1


def _end(file: Path, depth: int) -> str:
    """Return the last parts of a path, without its suffix unless it is another than usual."""
    plain = file.with_suffix("") if file.suffix == _SUFFIX else file
    return Path(*plain.parts[-depth:]).as_posix()


def file_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each name what stands for it in the name of a picture; no two are the same."""
    found: dict[str, str] = {}
    for name in names:
        plain = name.strip("/").replace("/", "_")[-_LONGEST:]
        number = 1
        while plain in found.values():
            number += 1
            plain = f"{name.strip('/').replace('/', '_')[-_LONGEST:]}-{number}"
        found[name] = plain
    return found


def shown(path: Path, project: Project) -> str:
    """Return a path as events name it: relative to the project where possible."""
    root = project.root
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
