"""Generated pictures by model and prompt: run x epoch x strength, the base model first.

What a picture was made with stands in its text, and, for samples of a run, in its name. Independent
of Textual.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prep.project import Project
from tui.pictures import Made, parameters

_TAG = re.compile(r"\s*<lora:([^:>]+):(-?[\d.]+)>")
_SETTINGS = re.compile(r"^Steps: .*", re.MULTILINE)
_SEED = re.compile(r"\bSeed: (\d+)")
_OF_RUN = re.compile(r"step(\d+)-\d+\.png", re.IGNORECASE)
_STEP = re.compile(r"(?:-step|-)(\d{6,})$")
_SHEET = re.compile(r"grid-\d+\.png", re.IGNORECASE)
LAST = 1 << 62
"""The step of a run's last file, whose name has none."""


@dataclass(frozen=True, order=True)
class Column:
    """What drew: the base model (no run), or files of a run at a strength.

    Attributes:
        run: Name of the run; empty for the base model.
        step: Steps or epochs of the file; ``LAST`` for the final one.
        strength: Of the LoRA.
        lora: Its name, for ``--lora``.
    """

    run: str = ""
    step: int = 0
    strength: float = 0.0
    lora: str = ""


@dataclass(frozen=True, order=True)
class Row:
    """What was asked for: a prompt and a seed."""

    prompt: str
    seed: int


@dataclass
class Cells:
    """The pictures in their places.

    Attributes:
        columns: The base model first, then by run, step and strength.
        rows: Those with most pictures first, then by prompt and seed.
        at: The newest picture of each place.
    """

    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    at: dict[tuple[Row, Column], Made] = field(default_factory=dict)


Texts = dict[Made, str]
"""What is known of the texts of pictures, so that none is read twice."""


def cells(project: Project, found: Iterable[Made], texts: Texts) -> Cells:
    """Put pictures into their places; contact sheets and what says nothing are left out.

    Args:
        project: The project.
        found: The pictures, newest first.
        texts: What is known; what is read is added.
    """
    placed: dict[tuple[Row, Column], Made] = {}
    loras = {file.stem for file in (project.output / "lora").glob("*.safetensors")}
    for one in found:
        if _SHEET.fullmatch(one.path.name):
            continue
        if one not in texts:
            texts[one] = parameters(one.path)
        if (place := place_of(project, one.path, texts[one], loras)) is not None:
            placed.setdefault(place, one)
    columns = sorted({column for _, column in placed})
    filled = Counter(row for row, _ in placed)
    rows = sorted(filled, key=lambda row: (-filled[row], row))
    return Cells(columns, rows, placed)


def place_of(project: Project, path: Path, text: str, loras: set[str]) -> tuple[Row, Column] | None:
    """Return the place of a picture; ``None`` if it has no seed or several LoRAs.

    Args:
        project: The project.
        path: The picture.
        text: What it says it was made with.
        loras: Names of the LoRA files of the project.
    """
    seed = _SEED.search(text)
    if seed is None:
        return None
    head = _SETTINGS.split(text)[0].partition("\nNegative prompt:")[0]
    used: Mapping[str, str] = dict(_TAG.findall(head))
    row = Row(_TAG.sub("", head).strip(), int(seed[1]))
    if len(used) > 1:
        return None
    if used:
        ((name, weight),) = used.items()
        return row, _column(name, float(weight))
    sample = _OF_RUN.fullmatch(path.name)
    if sample is not None and path.parent.parent == project.output / "samples":
        run, step = path.parent.name, int(sample[1])
        name = f"{run}-step{step:08d}"
        if name not in loras and run in loras:
            return row, Column(run, LAST, 1.0, run)
        return row, Column(run, step, 1.0, name)
    return row, Column()


def _column(name: str, strength: float) -> Column:
    if strength == 0:
        return Column()
    found = _STEP.search(name)
    run, step = (name[: found.start()], int(found[1])) if found else (name, LAST)
    return Column(run, step, strength, name)
