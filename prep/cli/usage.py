"""What is wrong with a command line, in words for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import CycloptsError


def format_error(error: "CycloptsError") -> object:
    """Return what to print for a fault that was found while reading the command line.

    Values that an options model refuses are told by option; everything else as cyclopts does.
    """
    from cyclopts import CycloptsPanel
    from pydantic import ValidationError
    from rich.text import Text

    from prep.project import fault_of

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return CycloptsPanel(error)
    lines = []
    for fault in cause.errors():
        # Places in a list say nothing: each value is in its message.
        names = [str(part).replace("_", "-") for part in fault["loc"] if isinstance(part, str)]
        option = f"--{'.'.join(names)}: " if names else ""
        lines.append(f"shikomi: {option}{fault_of(fault)}")
    command = " ".join(["shikomi", *(error.command_chain or ())])
    return Text("\n".join([*lines, f"  All options: {command} --help"]))
