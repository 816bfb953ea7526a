"""Ask about doubtful tags, and record the answers as manual edits."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from prep import captions, events
from prep.captions.patterns import matcher
from prep.captions.rules import Rules
from prep.dataset.caption_rows import caption_rows
from prep.dataset.index import Index
from prep.dataset.journal.changes import ANSWERS, CAPTION, Change, caption_change
from prep.dataset.journal.edits import Journal, Outcome
from prep.dataset.journal.tag_answers import AnswerStore, merged, packed
from prep.editing.options import TagsOption
from prep.errors import ConfigError, UnreadableError
from prep.language import quantity
from prep.ops.edit import report
from prep.ops.score_options import ScoreOptions, from_stored, scored_rows, warnings
from prep.project import Project
from prep.project.caption_rules import rules_for
from prep.tagging.scores.doubts import DoubtfulTag, Doubts, Queue, Reason
from prep.tagging.scores.writing import places

AnswersByImage = Mapping[str, Mapping[str, bool]]
"""Path of an image -> tag -> whether it is in the image."""


class DoubtOptions(ScoreOptions):
    """Which doubts to show, and how to answer them."""

    path: tuple[str, ...] = ()
    """Only the image with this path; repeatable."""
    reason: tuple[Reason, ...] = ()
    """Only this kind of doubt: missing (scored high, but not in the caption), unseen (in the
    caption, but scored low) or near (close to its threshold); repeatable."""
    about: TagsOption = ()
    """Only this tag; * matches anything; repeatable."""
    margin: float = Field(0.05, ge=0.0, le=0.5)
    """Maximum distance between score and threshold that counts as near."""
    decided: bool = False
    """Also show tags that were decided by hand before."""
    limit: int = Field(50, ge=0)
    """Maximum number of doubts to show; 0 for all."""
    accept: bool = False
    """Decide all doubts that are shown as the tagger would."""
    reject: bool = False
    """Decide all doubts that are shown as the captions do; they are not shown again."""
    yes: TagsOption = ()
    """Decide that this tag applies to the images given by --path or --where; repeatable."""
    no: TagsOption = ()
    """Decide that this tag does not apply to these images; repeatable."""
    dry_run: bool = False
    """Only show what would change."""

    def check(self) -> None:
        """Raise ConfigError for answers that contradict each other, or name no images."""
        answers = [self.accept, self.reject, bool(self.yes or self.no)]
        if sum(answers) > 1:
            raise ConfigError(
                "--accept, --reject and --yes/--no exclude each other.", "Give only one of them."
            )
        both = set(captions.keys(self.yes)) & set(captions.keys(self.no))
        if both:
            raise ConfigError(
                f"--yes and --no are both given for {', '.join(sorted(both))}.",
                "Give only one of them.",
            )
        if (self.yes or self.no) and not (self.path or self.where):
            raise ConfigError(
                "--yes and --no require --path or --where.", "Say which images they are about."
            )
        if self.dry_run and not any(answers):
            raise ConfigError(
                "--dry-run requires an answer to preview.", "Give --accept, --yes or --no."
            )


def run(project: Project, options: DoubtOptions) -> Iterator[events.Event]:
    """Show doubtful tags, or answer them.

    Yields:
        Progress; Warned for thresholds of unknown tags; a Doubt for each, in order; with answers a
        Change for each caption; Finished with ``doubts`` and ``images`` (in total),
        ``shown``, ``reasons`` (doubts by reason), ``unscored`` (images left out), ``model``, and
        with answers also the fields of an edit and ``answered``.

    Raises:
        ConfigError: The filter or the answers are not valid, or no image has scores.
        UserError: A tagger has no stored scores.
    """
    options.check()
    with Index(project) as index:
        if options.yes or options.no:
            given = dict.fromkeys(options.yes, True) | dict.fromkeys(options.no, False)
            rows = caption_rows(index, options.where, options.path)
            yield from _answered(index, {row.path: given for row in rows}, options, {})
            return
        summary: dict[str, Any] = {}
        queue = Queue([], Counter(), 0)
        for step in _search(index, options, summary):
            if isinstance(step, Queue):
                queue = step
            else:
                yield step
        for doubt in queue.items:
            yield events.Doubt(
                doubt.path,
                doubt.tag,
                doubt.reason,
                doubt.score,
                doubt.threshold,
                doubt.present,
                doubt.doubt,
            )
        if options.accept or options.reject:
            answers = given_answers(queue.items, "tagger" if options.accept else "captions")
            yield from _answered(index, answers, options, summary)
        else:
            yield events.Finished(summary)


def _search(
    index: Index, options: DoubtOptions, summary: dict[str, Any]
) -> Iterator[events.Event | Queue]:
    """Yield Progress, and the queue last; fill the summary."""
    ensemble = from_stored(index.project, index, options)
    yield from warnings(ensemble)
    rows, unscored = scored_rows(index, options.where, ensemble)
    if options.path:
        chosen = {row.path for row in caption_rows(index, options.where, options.path)}
        rows = [row for row in rows if row.path in chosen]
    doubts = Doubts(
        index, ensemble, margin=options.margin, decided=options.decided, wanted=_wanted(options)
    )
    queue, throttle = Queue([], Counter(), 0), events.Throttle()
    for done, found in enumerate(doubts.search(rows, options.limit)):
        queue = found
        if throttle.ready():
            yield events.Progress("doubt", done, 0)
    summary |= {
        "doubts": queue.counts.total(),
        "shown": len(queue.items),
        "images": queue.images,
        "reasons": dict(sorted(queue.counts.items())),
        "unscored": unscored,
        "model": ", ".join(member.name for member in ensemble.members),
    }
    yield queue


def _wanted(options: DoubtOptions) -> Any:
    reasons, named = options.reason, matcher(options.about)

    def wanted(doubt: DoubtfulTag) -> bool:
        if reasons and doubt.reason not in reasons:
            return False
        return not options.about or named(doubt.tag)

    return wanted


def given_answers(
    doubts: Iterable[DoubtfulTag], right: Literal["tagger", "captions"]
) -> dict[str, dict[str, bool]]:
    """Return the answers to doubts that accept the tagger, or the captions."""
    found: dict[str, dict[str, bool]] = {}
    for doubt in doubts:
        yes = doubt.tagger if right == "tagger" else doubt.present
        found.setdefault(doubt.path, {})[doubt.tag] = yes
    return found


def changes(index: Index, answers: AnswersByImage) -> list[Change]:
    """Return the changes that record answers: of captions, and of stored answers.

    Args:
        index: Open index.
        answers: Answers about usable images with readable captions; others are skipped.
    """
    project, places_of = index.project, places(index.project, index)
    known, rules = AnswerStore(index), dict[str, Rules]()
    texts: list[Change] = []
    records: list[Change] = []
    for path, given in answers.items():
        row = index.get(path)
        if row is None or not row.usable:
            continue
        if row.folder not in rules:
            rules[row.folder] = rules_for(project, row.folder, places_of)
        try:
            # Read the file: an answer must not apply to a caption that the user has not seen.
            before = captions.read(project.caption_file(path))
        except UnreadableError:
            continue
        texts.append(Change(path, CAPTION, before, _text(before, given, rules[row.folder])))
        old = known.of(path)
        records.append(Change(path, ANSWERS, packed(old), packed(merged(old, given))))
    return [change for change in (*texts, *records) if change.before != change.after]


def _text(text: str | None, given: Mapping[str, bool], rules: Rules) -> str | None:
    before = captions.split(text or "")
    gone = [tag for tag, yes in given.items() if not yes]
    tags = captions.add(captions.remove(before, gone), [tag for tag, yes in given.items() if yes])
    return text if tags == before else caption_change("", text, rules.apply(tags)).after


def answer(index: Index, answers: AnswersByImage) -> Outcome:
    """Record answers as one edit, which can be undone.

    Args:
        index: Open index.
        answers: Path of an image -> tag -> whether it is in the image.
    """
    return Journal(index).apply(_title(answers), changes(index, answers))


def _title(answers: AnswersByImage) -> str:
    pairs = [(tag, yes) for given in answers.values() for tag, yes in given.items()]
    if len(pairs) == 1:
        return f"answer: {pairs[0][0]}, {'yes' if pairs[0][1] else 'no'}"
    return f"answer {quantity(len(pairs), 'doubt')} in {quantity(len(answers), 'image')}"


def _answered(
    index: Index, answers: AnswersByImage, options: DoubtOptions, summary: dict[str, Any]
) -> Iterator[events.Event]:
    counts = {"answered": sum(map(len, answers.values()))}
    if options.dry_run:
        outcome = Outcome(0, _title(answers), changes(index, answers))
    else:
        outcome = answer(index, answers)
    shown = [change for change in outcome.changed if change.what == CAPTION]
    visible = Outcome(outcome.edit, outcome.title, shown, outcome.conflicts)
    yield from report(visible, summary | counts)
