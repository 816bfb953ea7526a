"""Tell whether something was recorded by this person, on this machine, for this very folder.

A copied or downloaded project contains what others recorded, with the paths of their machine.
"""

import hashlib
import os
import platform
import secrets
from contextlib import suppress
from pathlib import Path

from prep.system.user_folder import user_folder

_FILE = "identity"


def home_of(root: Path) -> str:
    """Return a text that is the same only for this user, machine and folder; nobody can guess it.

    Args:
        root: A folder; links are resolved.
    """
    place = f"{_identity()}\n{platform.node()}\n{os.path.realpath(root)}"
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()


def _identity() -> str:
    """Return the user's secret, which is made when it is first needed.

    Without a writable folder it is empty: what is told apart then are machines and folders.
    """
    file = user_folder() / _FILE
    with suppress(OSError, ValueError):
        return file.read_text("ascii")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{_FILE}-{secrets.token_hex(8)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # of two processes the first one decides
            os.link(new, file)
        new.unlink()
        return file.read_text("ascii")
    except (OSError, ValueError):
        return ""
