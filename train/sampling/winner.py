"""The winner: the LoRA file and strength that its user has picked, in ``output/winner.toml``.

It is a change of the journal, so that it is undone like any edit.
"""

from pathlib import Path

import tomlkit
from pydantic import ValidationError

from prep.dataset.index import Index
from prep.dataset.journal.changes import content_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import RetryError
from prep.project import Project
from prep.section import Section
from prep.texts import parse_toml, read_text
from train.lora.file import read_header
from train.sampling.loras import find_with_strength, shown

FILE = "winner.toml"
"""Its name in the output folder."""


class Winner(Section):
    """What was picked."""

    lora: str = ""
    """The LoRA file, relative to the project where it lies in it."""
    strength: float = 1.0
    """The strength at which it was picked."""
    picture: str = ""
    """The picture that decided, if there was one."""


def read_winner(project: Project) -> Winner | None:
    """Return what was picked; ``None`` for nothing, or for a file that cannot be read."""
    file = project.output / FILE
    try:
        if not file.is_file():
            return None
        return Winner.model_validate(parse_toml(read_text(file)))
    except (OSError, ValueError, ValidationError):
        return None


def pick(project: Project, index: Index, lora: str, picture: str = "") -> Outcome:
    """Pick a LoRA file and its strength, as an edit.

    Args:
        project: The project.
        index: Open index.
        lora: As NAME:STRENGTH, like ``shikomi sample --lora``.
        picture: The picture that decided.

    Raises:
        ConfigError: There is no such file.
        UnreadableError: It is no safetensors file.
        RetryError: The file was changed by another program meanwhile.
    """
    found, strength = find_with_strength(lora, project)
    read_header(found)
    winner = Winner(lora=shown(found, project), strength=strength, picture=picture)
    file = project.output / FILE
    before = file.read_bytes() if file.is_file() else None
    path = project.relative(file)
    change = content_change(path, before, tomlkit.dumps(winner.model_dump()).encode())
    done = Journal(index).apply(f"pick {found.stem} at {strength:g}", [change])
    for _path, reason in done.conflicts:
        raise RetryError(f"{path} was not changed: {reason}.", "Run the same command again.")
    return done


def name_of(winner: Winner) -> str:
    """Return the winner as NAME:STRENGTH."""
    return f"{Path(winner.lora).stem}:{winner.strength:g}"
