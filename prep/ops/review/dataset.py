"""Problems for the trainer, and advice on the dataset as a whole."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from prep import events
from prep.curation.checks import catalogue, transparency
from prep.curation.checks.codes import Problem
from prep.curation.review import Answer, DatasetDecision, Decision
from prep.curation.review.present import TRAINER, Present
from prep.dataset.journal.changes import Change
from prep.ops import advise
from prep.ops.advise import AdviseOptions
from prep.ops.review.words import listed, name

_IMPORTANCE = {"error": 0, "warning": 3}
_ADVICE = 8
_SHOWN = 9
_NUMBER = re.compile(r"\d+")
_TOLD_ELSEWHERE = ("image-small", "head-cut")
"""Codes of which another question asks, about each image."""
_STAGES = {"images": "images", "resolution": "crop"}
"""Topic of advice -> stage in which it is dealt with; Plan for all others."""


@dataclass(frozen=True, kw_only=True)
class TrainerProblem(DatasetDecision):
    """All problems with one code."""

    def fault(self, present: Present) -> str:
        """Some file must still have it."""
        return "" if present.has_problem(self.subject) else "it is mended by now"

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Mend what can be mended safely."""
        del shown
        if answer != "yes":
            return []
        return list(catalogue.changes(present.view(), frozenset({self.subject})))


def find_problems(present: Present) -> Iterator[events.Event | Decision]:
    """Check the dataset by the rules of a training set that shikomi exports."""
    yield from transparency.measure(present.index)
    found: dict[str, list[Problem]] = {}
    for problem in catalogue.problems(present.view(), frozenset(catalogue.CODES)):
        found.setdefault(problem.code, []).append(problem)
    for code, problems in found.items():
        severity = catalogue.CODES[code].effects[TRAINER].severity
        if severity in _IMPORTANCE and code not in _TOLD_ELSEWHERE:
            yield _problem(present, code, problems, _IMPORTANCE[severity])


def _problem(present: Present, code: str, problems: Sequence[Problem], importance: int) -> Decision:
    known = catalogue.CODES[code]
    fixable = sum(problem.fixable for problem in problems)
    paths = dict.fromkeys(problem.path for problem in problems)
    pictures = dict.fromkeys(map(present.picture_of, paths))
    where = [f"{name(p.path)}: {p.message}" if p.message else name(p.path) for p in problems]
    yes = ""
    if fixable:
        yes = "mend it" if fixable == len(problems) else f"mend {fixable} of {len(problems)}"
    return TrainerProblem(
        kind="check",
        subject=code,
        code=code,
        images=tuple(islice(filter(None, pictures), _SHOWN)),
        basis=frozenset(paths),
        importance=importance,
        title=f"{known.title} ({len(problems)})",
        reason=f"{known.effects[TRAINER].consequence} {listed(where, '; ')}. To do: {known.fix}",
        yes=yes,
        no="leave it as it is",
        fix="open it in Plan" if code.startswith("trigger") else "open it in Images",
        stage="plan" if code.startswith(("trigger", "concept", "reg")) else "images",
    )


@dataclass(frozen=True, kw_only=True)
class Advice(DatasetDecision):
    """A remark on a concept, or on the whole dataset."""

    def fault(self, present: Present) -> str:
        """It stays until the next look."""
        del present
        return ""


def find_advice(present: Present) -> Iterator[events.Event | Decision]:
    """Judge the dataset; only warnings want a decision.

    Those that name images are left out: other questions are about each of these.
    """
    for event in advise.run(present.index.project, AdviseOptions(level="warning")):
        if isinstance(event, events.Advice):
            if not event.images:
                yield _advice(event)
        elif not isinstance(event, events.Finished):
            yield event


def _advice(found: events.Advice) -> Decision:
    stage = _STAGES.get(found.topic, "plan")
    return Advice(
        kind="advice",
        code=found.topic,
        # Numbers change with every image; it is the same remark nevertheless.
        subject=f"{found.topic} {_NUMBER.sub('#', found.message)}",
        folder=found.folder,
        images=(),
        basis=frozenset({found.level}),
        importance=_ADVICE,
        title=found.message.rstrip("."),
        reason=found.hint,
        no="it is meant to be so",
        fix=f"open {stage.title()}",
        stage=stage,
    )
