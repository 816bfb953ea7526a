"""SHA-256 of large files, remembered between runs: hashing 7 GB takes half a minute."""

import json
from contextlib import suppress
from pathlib import Path

from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_json, read_text
from train.lora.file import file_hash

_LARGE = 100_000_000
"""Bytes; smaller files are hashed again each time."""
_REMEMBERED = 1000


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; of a large one from memory if it did not change.

    Raises:
        OSError: It cannot be read.
    """
    stat = path.stat()
    if stat.st_size < _LARGE:
        return file_hash(path)
    key = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
    known = _known()
    if key not in known:
        known[key] = file_hash(path)
        kept = dict(list(known.items())[-_REMEMBERED:])
        with suppress(OSError):  # it is only remembered
            _file().parent.mkdir(parents=True, exist_ok=True)
            write_text(_file(), json.dumps(kept, indent=0))
    return known[key]


def _known() -> dict[str, str]:
    with suppress(OSError, ValueError):
        found = parse_json(read_text(_file()))
        if isinstance(found, dict):
            return {str(key): str(value) for key, value in found.items()}
    return {}


def _file() -> Path:
    return user_folder() / "model-hashes.json"
