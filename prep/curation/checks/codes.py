"""What a rule says: codes with their severity and consequence per trainer, and problems.

Severities mean: *error*: the trainer stops, or passes over images or captions; *warning*: it
trains, but not on what you meant; *info*: worth knowing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prep.training_set.trainers import Trainer

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Effect(NamedTuple):
    """What one trainer makes of it."""

    severity: Severity
    consequence: str


def error(consequence: str) -> Effect:
    """The trainer stops, or passes over something."""
    return Effect("error", consequence)


def warning(consequence: str) -> Effect:
    """It trains, but not on what was meant."""
    return Effect("warning", consequence)


def info(consequence: str) -> Effect:
    """Worth knowing."""
    return Effect("info", consequence)


@dataclass(frozen=True)
class CheckCode:
    """One kind of finding.

    Attributes:
        name: Its stable name, for ``--only`` and for scripts.
        title: What is found, in a few words.
        effects: Per trainer; those that do not mind are left out.
        fix: What to do about it.
        safe: ``--fix`` can mend it, at least in clear cases.
    """

    name: str
    title: str
    effects: Mapping[Trainer, Effect]
    fix: str
    safe: bool = False


def for_all(effect: Effect) -> dict[Trainer, Effect]:
    """Every trainer makes the same of it."""
    return {"sd-scripts": effect, "onetrainer": effect, "shikomi": effect}


class Problem(NamedTuple):
    """A code at a place; ``path`` is relative to the project, a file or a folder."""

    code: str
    path: str
    message: str
    fixable: bool = False
