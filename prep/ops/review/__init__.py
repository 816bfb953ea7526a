"""The review: everything that wants a decision, one thing at a time.

Cheap questions come first; pictures are compared and measured last, and only those that were not
before. A decision is judged again before it is carried out, by the state of the dataset then.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prep import events
from prep.curation.review import KINDS, Answer, Decision, Kind, counts, in_order
from prep.curation.review.present import Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import DECISIONS, Change
from prep.dataset.journal.decisions import DecisionStore, packed
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import RetryError
from prep.ops.edit import report
from prep.ops.review import cuts, dataset, duplicates, pictures, tags
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
    """What to ask about."""

    kind: tuple[Kind, ...] = ()
    """Only questions of this kind; repeatable. Default: all."""
    forget: bool = False
    """Forget which questions were answered with no or never, so that they are asked again."""


def run(project: Project, options: ReviewOptions | None = None) -> Iterator[events.Event]:
    """List what waits for a decision in a dataset that has just been scanned.

    Yields:
        Progress; Skipped for images that cannot be decoded; a Waiting for each question, the most
        important first; Finished with ``waiting`` (in total), ``kinds`` (by kind) and ``answered``
        (remembered answers of these kinds); with ``forget`` instead what an edit reports.

    Raises:
        UserError: The index, a tag list or the journal cannot be used.
    """
    options = options or ReviewOptions()
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
        waiting = still_open(index, found)
        answered = sum(len(_of_kinds(kept, kinds)) for kept in DecisionStore(index).all().values())
    for each in waiting:
        yield events.Waiting(
            each.kind, list(each.images), each.title, each.reason, each.yes, each.no, each.fix
        )
    yield events.Finished(
        {"waiting": len(waiting), "kinds": dict(counts(waiting)), "answered": answered}
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


def fingerprint(index: Index) -> int:
    """Return a number that differs when images, captions or settings do: look again then."""
    rows = ((row.path, row.size, row.mtime_ns, row.caption) for row in index.iterate())
    return hash((index.project.settings.model_dump_json(), *map(hash, rows)))


def still_open(index: Index, decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decisions that are neither answered nor out of date, the most important first."""
    present = Present(index)
    found = [
        decision
        for decision in decisions
        if not decision.answered(present.decided) and not decision.fault(present)
    ]
    ids = index.ids() if found else ()
    paths = index.paths(ids)
    return in_order(found, {paths[number]: place for place, number in enumerate(ids)})


def decided(
    index: Index, decision: Decision, answer: Answer, shown: int = 1
) -> tuple[str, list[Change]]:
    """Return title and changes of the edit that carries out an answer, as things are now.

    Args:
        index: Open index.
        decision: What was asked.
        answer: yes, no, fix or never.
        shown: Place in its images of the one shown beside the first.

    Raises:
        RetryError: It no longer applies, or there is nothing left to do.
    """
    present = Present(index)
    if fault := decision.fault(present):
        raise RetryError(f"This no longer applies: {fault}.", "Nothing was changed.")
    if answer in ("no", "never"):
        changes = decision.noted(present, never=answer == "never")
        words = "never ask again" if answer == "never" else decision.no
    else:
        changes = decision.changes(present, shown, fix=answer == "fix")
        words = decision.yes if answer == "yes" else decision.fix
    if not any(change.before != change.after for change in changes):
        raise RetryError(f"There is nothing to do: {words}.", "Nothing was changed.")
    return f"review: {decision.title}: {words}", changes


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
