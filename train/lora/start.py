"""The LoRA file that a run starts from. No torch."""

from collections.abc import Sequence
from pathlib import Path

from prep.errors import UserError
from prep.system.names import with_home
from train.lora.file import read_header


def find_start(name: str, folders: Sequence[Path]) -> Path:
    """Return the file that ``start_from`` names: a path or a name in these folders.

    Raises:
        UserError: There is none, or it is no safetensors file.
    """
    given = with_home(name)
    places = [folder / end for folder in folders for end in (given, f"{given}.safetensors")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(
            f"There is no LoRA {name} to start from.",
            f"Set start_from to a file, or to a name in {folders[-1]}.",
        )
    read_header(found)
    return found
