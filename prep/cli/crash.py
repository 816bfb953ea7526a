"""What happens when shikomi itself is at fault: a short message, and a report for its makers."""

import os
import platform
import sys
import tempfile
import traceback

from prep import __version__
from prep.errors import DefectError


def report_defect(error: BaseException) -> DefectError:
    """Write a report of an error that nobody foresaw, and return what to tell of it.

    The report goes to the folder of temporary files. It holds the command line, versions and the
    traceback; no environment variables, in which keys may be.
    """
    line = " ".join(["shikomi", *sys.argv[1:]])
    about = f"shikomi {__version__}, Python {platform.python_version()}, {platform.platform()}"
    text = "".join(traceback.format_exception(error))
    message = f"Something went wrong that should not have: {_summary(error)}."
    try:
        number, file = tempfile.mkstemp(".txt", "shikomi-report-")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{line}\n{about}\n\n{text}")
    except OSError:
        return DefectError(message, f"This is a fault of shikomi. Please report it:\n{text}")
    return DefectError(
        message,
        "This is a fault of shikomi. An edit that was begun is finished at the next start."
        f" Please report it with this file: {file}",
    )


def _summary(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
