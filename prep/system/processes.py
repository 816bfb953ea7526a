"""Processes that outlive their terminal, and how they are asked to end, on every system.

POSIX has sessions, groups and signals. Windows has hidden consoles for what has no terminal, one
kind of interrupt that a group of processes can be sent, and a tool that ends a process with all
that it has started.
"""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

_WINDOWS = sys.platform == "win32"

_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
_HIDDEN: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)

DETACHED: dict[str, Any] = (
    {"creationflags": _GROUP | _HIDDEN} if _WINDOWS else {"start_new_session": True}
)
"""Arguments of ``Popen`` for a process that goes on when its terminal is closed."""
OWN_GROUP: dict[str, Any] = {"creationflags": _GROUP} if _WINDOWS else {"start_new_session": True}
"""The same for one that the interrupts of a terminal do not reach, but ``interrupt`` does: Windows
delivers these within a console only, so that it has to share that of its parent."""
ASK_TO_END = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""Signals by which other processes ask one to end; the second is what ``interrupt`` sends on
Windows."""


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process that is ``OWN_GROUP``, and those of its group, to stop what they do."""
    with contextlib.suppress(ProcessLookupError):
        if _WINDOWS:
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
        else:
            os.killpg(process.pid, signal.SIGINT)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, with its group. On Windows nobody asks: it is killed."""
    if _WINDOWS:
        kill(process)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill it, with its group; on Windows with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if not _WINDOWS:
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True, check=False, **OWN_GROUP)


def interrupt_self() -> None:
    """Interrupt the main thread of this process, from any other."""
    if _WINDOWS:  # where os.kill ends a process at once
        import _thread

        _thread.interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)
