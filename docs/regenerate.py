"""Write the generated part of ``docs/cli.md``: ``python docs/regenerate.py``.

The text above the marker is written by hand; below it stands every command with every option, as
``--help`` shows them. A test fails when it is out of date.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "cli.md"
MARKER = "<!-- Generated below by docs/regenerate.py -->\n"


def generated() -> str:
    """Return the documentation of all commands, in Markdown."""
    sys.path.insert(0, str(ROOT))
    from tui.cli import app

    text = app.generate_docs(heading_level=2)
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"


def complete() -> str:
    """Return the whole file as it should be."""
    head = FILE.read_text("utf-8").partition(MARKER)[0]
    return f"{head}{MARKER}\n{generated()}"


if __name__ == "__main__":
    FILE.write_text(complete(), "utf-8")
