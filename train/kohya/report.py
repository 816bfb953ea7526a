"""What became of each argument, and how that is said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from train.kohya.values import shown

Outcome = Literal["maps", "harmless", "differs", "refused"]
OUTCOMES: tuple[Outcome, ...] = ("maps", "harmless", "differs", "refused")


@dataclass(frozen=True)
class Line:
    """One argument.

    Attributes:
        argument: Its name in sd-scripts; parts of a list are named ``network_args.conv_dim``.
        value: As the file has it.
        outcome: maps: a setting does the same. harmless: it changes nothing here. differs: the
            value or its effect is another one here. refused: it cannot be trained here.
        text: The settings, or the reason.
    """

    argument: str
    value: Any
    outcome: Outcome
    text: str


def counted(lines: Sequence[Line]) -> dict[str, int]:
    """Return how many arguments had each outcome."""
    found = Counter(line.outcome for line in lines)
    return {outcome: found[outcome] for outcome in OUTCOMES}


def report_text(summary: dict[str, Any]) -> str:
    """Return the report of a dry run for people.

    Args:
        summary: As ``Translation.summary`` makes it.
    """
    lines = [Line(**line) for line in summary["arguments"]]
    heads = [f"{line.argument} = {shown(line.value)}" for line in lines]
    width = min(44, max(map(len, heads), default=0))
    told = [f"{summary['file']}"]
    for outcome in OUTCOMES:
        told += [
            f"{outcome:<9} {head:<{width}}  {line.text}"
            for line, head in zip(lines, heads, strict=True)
            if line.outcome == outcome
        ]
    if summary["defaults"]:
        absent = ", ".join(f"{name} = {shown(value)}" for name, value in summary["defaults"])
        told.append(f"not in the file, so as sd-scripts has it: {absent}")
    told.append(f"trained on: {summary['dataset'] or 'the export of the project'}")
    counts = summary["counts"]
    told.append(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))
    return "\n".join(told)
