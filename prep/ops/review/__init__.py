"""The review: everything that wants a decision, one thing at a time.

Cheap questions come first; pictures are compared and measured last, and only those that were not
before. A decision is judged again before it is carried out, by the state of the dataset then.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from prep import events
from prep.curation.review import (
    KINDS,
    NAMES,
    Answer,
    DatasetDecision,
    Decision,
    Kind,
    counts,
    in_order,
)
from prep.curation.review.present import Facts, Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import DECISIONS, Change
from prep.dataset.journal.decisions import DecisionStore, packed
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import ConfigError, RetryError
from prep.ops.edit import report
from prep.ops.review import cuts, dataset, duplicates, pictures, tags
from prep.ops.review.words import listed
from prep.project import Project, Section

Find = Callable[[Present], Iterator[events.Event | Decision]]

_SOURCES: tuple[tuple[tuple[Kind, ...], Find], ...] = (
    (("check",), dataset.find_problems),
    (("spelling",), tags.find_spellings),
    (("advice",), dataset.find_advice),
    (("doubt",), tags.find_doubts),
    (("cut",), cuts.find_cuts),
    (("quality",), pictures.find_quality),
    (("duplicates", "unclear"), duplicates.find),
)
"""Kinds, and what finds them: the quick ones first."""


class ReviewOptions(Section):
    """What to ask about, and how to answer."""

    kind: tuple[Kind, ...] = ()
    """Only questions of this kind; repeatable. Default: all."""
    code: str = ""
    """Only questions with this code, such as upscale; the list shows the code of each question."""
    where: str = ""
    """Only questions about images that match this filter; none about the dataset as a whole."""
    answer: Answer | None = None
    """Give all these questions of one --kind the same answer: yes, no, fix, instead or never."""
    forget: bool = False
    """Forget which questions were answered with no or never, so that they are asked again."""
    dry_run: bool = False
    """With --answer: only show which questions would be answered."""

    def check(self) -> None:
        """Raise ConfigError for options that contradict each other."""
        if self.answer and len(self.kind) != 1:
            raise ConfigError("--answer requires one --kind.", "Add, for instance: --kind quality")
        if self.forget and (self.answer or self.code or self.where):
            raise ConfigError(
                "--forget takes no --answer, --code or --where.", "Only --kind narrows it down."
            )
        if self.dry_run and not self.answer:
            raise ConfigError("--dry-run requires --answer.", "Add, for instance: --answer no")


def run(project: Project, options: ReviewOptions | None = None) -> Iterator[events.Event]:
    """List what waits for a decision in a dataset that has just been scanned, or answer it.

    Yields:
        Progress; Skipped for images that cannot be decoded; a Waiting for each question, the most
        important first; Warned if none has the code; Finished with ``waiting`` (in total),
        ``kinds`` (by kind) and ``answered`` (remembered answers of these kinds). With ``answer`` a
        Waiting for each question that gets it; Finished with ``decided`` (their number), ``does``
        (what follows), ``left`` (open questions that have no such answer) and ``edit`` (its number
        in the history, 0 for none). With ``forget`` what an edit reports.

    Raises:
        ConfigError: Options contradict each other, or an answer means something else for each
            question.
        UserError: The index, a tag list or the journal cannot be used.
    """
    options = options or ReviewOptions()
    options.check()
    kinds = options.kind or KINDS
    with Index(project) as index:
        if options.forget:
            yield from report(forget(index, kinds))
            return
        found: list[Decision] = []
        for step in search(index, kinds):
            if isinstance(step, Decision):
                found.append(step)
            elif not isinstance(step, events.Stage):
                yield step
        unanswered = still_open(index, found)
        yield from _unknown_code(unanswered, options.code)
        waiting = _chosen(index, unanswered, options)
        if options.answer:
            yield from _answered(index, waiting, options.answer, dry_run=options.dry_run)
            return
        answered = sum(len(_of_kinds(kept, kinds)) for kept in DecisionStore(index).all().values())
    yield from map(_event, waiting)
    yield events.Finished(
        {"waiting": len(waiting), "kinds": dict(counts(waiting)), "answered": answered}
    )


def _unknown_code(waiting: Sequence[Decision], code: str) -> Iterator[events.Event]:
    """Warn of a code that no question has: it may be mistyped."""
    known = Counter(each.code for each in waiting if each.code)
    if code and code not in known:
        yield events.Warned(
            f"No question has the code {code}.",
            f"These have: {listed([name for name, _ in known.most_common()])}" if known else "",
        )


def _chosen(index: Index, waiting: Sequence[Decision], options: ReviewOptions) -> list[Decision]:
    """Return the questions with the code and about the images that are asked for."""
    found = [each for each in waiting if options.code in ("", each.code)]
    if not options.where:
        return found
    paths = set(index.paths(index.ids(options.where)).values())
    return [
        each
        for each in found
        if not isinstance(each, DatasetDecision) and not paths.isdisjoint(each.images)
    ]


def _answered(
    index: Index, waiting: Sequence[Decision], answer: Answer, *, dry_run: bool
) -> Iterator[events.Event]:
    """Give all questions that have this answer, one answer."""
    having = [each for each in waiting if each.consequence(answer)]
    does = list(dict.fromkeys(each.consequence(answer) for each in having))
    if len({each.outcome(answer) for each in having}) > 1:
        raise ConfigError(
            f"The answer {answer} means something else for each of {len(having)} questions: "
            f"{listed(does, '; ')}.",
            "Choose some with --code or --where, or answer one at a time: shikomi PROJECT",
        )
    yield from map(_event, having)
    edit = 0
    if having and not dry_run:
        title, changes, left = decided(index, having, answer)
        outcome = Journal(index).apply(title, changes)
        for path, reason in (*left, *outcome.conflicts):
            yield events.Skipped(path, reason)
        edit = outcome.edit
    yield events.Finished(
        {
            "decided": len(having),
            "does": "".join(does),
            "left": len(waiting) - len(having),
            "edit": edit,
        }
    )


def _event(decision: Decision) -> events.Waiting:
    return events.Waiting(
        decision.kind,
        list(decision.images),
        decision.title,
        decision.reason,
        decision.yes,
        decision.no,
        decision.fix,
        decision.instead,
        decision.code,
    )


def search(index: Index, kinds: Sequence[Kind] = KINDS) -> Iterator[events.Event | Decision]:
    """Yield everything that may want a decision, answered before or not, in any order.

    Yields:
        Decisions, and what the operations behind them tell; a Stage after each source.
    """
    for found_there, find in _SOURCES:
        if set(found_there) & set(kinds):
            for step in find(Present(index)):
                if not isinstance(step, Decision) or step.kind in kinds:
                    yield step
            yield events.Stage(" ".join(found_there), done=True)


def search_project(project: Project) -> Iterator[events.Event | Decision]:
    """Do what ``search`` does, with an index of its own."""
    with Index(project) as index:
        yield from search(index)


def fingerprint(index: Index) -> int:
    """Return a number that differs when images, captions or settings do: look again then."""
    rows = ((row.path, row.size, row.mtime_ns, row.caption) for row in index.iterate())
    return hash((index.project.settings.model_dump_json(), *map(hash, rows)))


def still_open(
    index: Index, decisions: Iterable[Decision], facts: Facts | None = None
) -> list[Decision]:
    """Return the decisions that are neither answered nor out of date, the most important first.

    Args:
        index: Open index.
        decisions: What was found.
        facts: Kept from one call to the next, while no other program changes files.
    """
    present = Present(index, facts=facts)
    found = [
        decision
        for decision in decisions
        if not decision.answered(present.decided) and not decision.fault(present)
    ]
    ids = index.ids() if found else ()
    paths = index.paths(ids)
    return in_order(found, {paths[number]: place for place, number in enumerate(ids)})


class AnswerEdit(NamedTuple):
    """The edit that gives an answer.

    Attributes:
        title: Of the edit.
        changes: What it changes.
        left: (first image, reason) of the questions that no longer apply.
    """

    title: str
    changes: list[Change]
    left: list[tuple[str, str]]


def decided(
    index: Index,
    decisions: Sequence[Decision],
    answer: Answer,
    shown: int = 1,
    taken: Callable[[], None] = lambda: None,
) -> AnswerEdit:
    """Return the edit that carries out an answer to one question or several alike, as things are.

    Args:
        index: Open index.
        decisions: What was asked, of one kind.
        answer: yes, no, fix, instead or never.
        shown: Place in its images of the one shown beside the first.
        taken: Called after each of them; what a crop goes around takes a while to find.

    Raises:
        RetryError: None of them applies any more, or there is nothing left to do.
    """
    present = Present(index, taken)
    faults = [(each, each.fault(present)) for each in decisions]
    sound = [each for each, fault in faults if not fault]
    left = [(next(iter(each.images), ""), fault) for each, fault in faults if fault]
    if not sound:
        raise RetryError(f"This no longer applies: {left[0][1]}.", "Nothing was changed.")
    words = sound[0].consequence(answer)
    if not words:
        raise RetryError("This question has no such answer.", "Nothing was changed.")
    changes = type(sound[0]).together(sound, present, answer, shown)
    if not any(change.before != change.after for change in changes):
        raise RetryError(f"There is nothing to do: {words}.", "Nothing was changed.")
    return AnswerEdit(f"review: {_together(sound)}: {words}", changes, left)


def _together(decisions: Sequence[Decision]) -> str:
    """Return what an edit calls these questions."""
    first = decisions[0]
    if len(decisions) == 1:
        return first.title
    return f"{len(decisions)} questions about {NAMES[first.kind]}"


def forget(index: Index, kinds: Sequence[Kind]) -> Outcome:
    """Forget the answers about these kinds of questions, as one edit."""
    changes = []
    for home, before in DecisionStore(index).all().items():
        gone = _of_kinds(before, kinds)
        after = {question: covers for question, covers in before.items() if question not in gone}
        changes.append(Change(home, DECISIONS, packed(before), packed(after)))
    return Journal(index).apply("review: forget answers", changes)


def _of_kinds(questions: Iterable[str], kinds: Sequence[Kind]) -> list[str]:
    return [question for question in questions if question.partition(" ")[0] in kinds]
