"""All rules: their codes, the problems they find in a dataset, and the fixes."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from types import ModuleType

from prep.curation.checks import (
    caches,
    captions,
    folders,
    heads,
    names,
    pixels,
    sidecars,
    triggers,
)
from prep.curation.checks.codes import CheckCode, Problem
from prep.curation.checks.view import DatasetView
from prep.dataset.journal.changes import Change
from prep.errors import ConfigError
from prep.training_set.trainers import Trainer

GROUPS: tuple[ModuleType, ...] = (
    folders,
    names,
    sidecars,
    captions,
    triggers,
    pixels,
    heads,
    caches,
)
CODES: dict[str, CheckCode] = {code.name: code for group in GROUPS for code in group.CODES}


def selected(only: Collection[str], ignore: Collection[str]) -> frozenset[str]:
    """Return the codes to look for.

    Args:
        only: Codes or prefixes of codes (``caption``); all if empty.
        ignore: Likewise, codes to skip.

    Raises:
        ConfigError: There is no such code.
    """
    chosen = _expanded(only) if only else frozenset(CODES)
    return chosen - _expanded(ignore)


def _expanded(given: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in given:
        codes = [code for code in CODES if code == name or code.startswith(f"{name}-")]
        if not codes:
            near = get_close_matches(name, CODES, 1, 0.5)
            hint = f"Did you mean {near[0]}?" if near else "All of them: docs/topics/check.md"
            raise ConfigError(f"There is no code {name!r}.", hint)
        found.update(codes)
    return frozenset(found)


def problems(view: DatasetView, wanted: frozenset[str]) -> list[Problem]:
    """Return the problems for the trainer of the view, most severe first, then by code and path."""
    found = [
        problem
        for group in GROUPS
        for problem in group.find(view)
        if problem.code in wanted and view.trainer in CODES[problem.code].effects
    ]
    rank = {"error": 0, "warning": 1, "info": 2}
    order = {name: place for place, name in enumerate(CODES)}

    def key(problem: Problem) -> tuple[int, int, str]:
        severity = CODES[problem.code].effects[view.trainer].severity
        return rank[severity], order[problem.code], problem.path

    return sorted(found, key=key)


def codes_of(view: DatasetView) -> frozenset[str]:
    """Return the codes of the problems for the trainer of the view."""
    found = frozenset(problem.code for group in GROUPS for problem in group.find(view))
    return frozenset(code for code in found if view.trainer in CODES[code].effects)


def changes(view: DatasetView, wanted: frozenset[str]) -> Iterator[Change]:
    """Yield the safe fixes, each file at most once."""
    minded = frozenset(code for code in wanted if view.trainer in CODES[code].effects)
    for group in GROUPS:
        if hasattr(group, "changes"):
            yield from group.changes(view, minded)


def table() -> str:
    """Return the table of codes for the documentation, in Markdown."""
    trainers: tuple[Trainer, ...] = ("sd-scripts", "onetrainer", "shikomi")
    lines = [
        "| code | found | sd-scripts | OneTrainer | shikomi | what happens | what to do |",
        "|---|---|---|---|---|---|---|",
    ]
    for code in CODES.values():
        severities = " | ".join(
            code.effects[trainer].severity if trainer in code.effects else "–"
            for trainer in trainers
        )
        first = next(code.effects[trainer] for trainer in trainers if trainer in code.effects)
        fix = f"{code.fix}".replace("|", "\\|")
        happens = first.consequence.replace("|", "\\|")
        lines.append(f"| `{code.name}` | {code.title} | {severities} | {happens} | {fix} |")
    return "\n".join(lines)
