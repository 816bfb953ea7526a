"""Check codes, with their severity and consequence per trainer, and problems.

Severities mean: *error*: the trainer stops, skips images or captions, or trains on what spoils the
result; *warning*: it trains, but not as intended; *info*: worth knowing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prep.training_set.trainers import Trainer

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Effect(NamedTuple):
    """Severity and consequence for one trainer."""

    severity: Severity
    consequence: str


def error(consequence: str) -> Effect:
    """Return an error: the trainer stops, or skips or spoils something."""
    return Effect("error", consequence)


def warning(consequence: str) -> Effect:
    """Return a warning: it trains, but not as intended."""
    return Effect("warning", consequence)


def info(consequence: str) -> Effect:
    """Return an info: worth knowing."""
    return Effect("info", consequence)


@dataclass(frozen=True)
class CheckCode:
    """One kind of finding.

    Attributes:
        name: Its stable name, for ``--only`` and for scripts.
        title: What is found, as a short phrase.
        effects: Effect per trainer; unaffected trainers are omitted.
        fix: What to do about it.
        safe: ``--fix`` can fix it, at least in clear cases.
    """

    name: str
    title: str
    effects: Mapping[Trainer, Effect]
    fix: str
    safe: bool = False


def for_all(effect: Effect) -> dict[Trainer, Effect]:
    """Return the same effect for every trainer."""
    return {"sd-scripts": effect, "onetrainer": effect, "shikomi": effect}


class Problem(NamedTuple):
    """A finding: a code and the file or folder ``path``, relative to the project."""

    code: str
    path: str
    message: str
    fixable: bool = False
