"""Trying something that may crash or hang, in a process of its own.

A driver that does not fit can end a process without a word, or never answer.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from prep.system.jobs import child_environment

_LIMIT = 180.0
"""Seconds: the first kernel of a card may be compiled."""


@dataclass(frozen=True)
class Answer:
    """What a process said.

    Attributes:
        value: What it printed, parsed; ``None`` if it did not get there.
        fault: Why not; empty otherwise.
    """

    value: dict[str, Any] | None
    fault: str = ""


def ask(module: str, limit: float = _LIMIT) -> Answer:
    """Run a module that prints one JSON object on its last line.

    Args:
        module: Its name.
        limit: Seconds after which it is ended.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=child_environment(),
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"it did not answer within {limit:.0f} s")
    except OSError as error:
        return Answer(None, f"it could not be started: {error}")
    if done.returncode < 0:
        return Answer(None, f"it was ended by signal {-done.returncode}")
    try:
        value = json.loads(done.stdout.decode("utf-8", "replace").strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Answer(None, said[-1] if said else f"it ended with code {done.returncode}")
    return Answer(value if isinstance(value, dict) else None)
