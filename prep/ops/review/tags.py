"""Tags: their spelling against the vocabulary, and what tagger and caption disagree about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prep import captions, events
from prep.curation.review import Answer, DatasetDecision, Decision
from prep.curation.review.present import Present
from prep.dataset.journal.changes import Change
from prep.dataset.journal.tag_answers import AnswerStore
from prep.errors import UserError
from prep.events.words import Lint
from prep.language import quantity
from prep.ops import doubt, lint
from prep.ops.doubt import DoubtOptions
from prep.ops.lint import LintOptions
from prep.ops.review.words import name
from prep.tagging.scores import taggers

_SPELLING, _DOUBT = 5, 6
_SHOWN = 9
"""Images that are shown as examples."""
_WRONG = {
    "spelling": "is spelt in two ways",
    "alias": "is another name of a tag",
    "typo": "looks like a typing error",
    "trigger-spelling": "is almost the trigger word",
    "trigger-known": "is a trigger word that the base model knows",
    "trigger-common": "is a trigger word, and common",
    "trigger-long": "is a long trigger word",
}


@dataclass(frozen=True, kw_only=True)
class Spelling(DatasetDecision):
    """A finding about a tag, wherever it is."""

    finding: Lint

    @property
    def tags(self) -> tuple[str, ...]:
        """The tag, and what would be written instead."""
        return tuple(filter(None, (self.finding.tag, self.finding.suggestion)))

    def fault(self, present: Present) -> str:
        """Some caption must still have it; of trigger words, the settings."""
        if self.finding.code.startswith("trigger") and not self.finding.suggestion:
            return ""
        there = present.has_spelling(self.finding.tag)
        return "" if there else "no caption has this tag any more"

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Correct it in all captions."""
        del shown
        return [] if answer != "yes" else lint.correction(present.index, self.finding)


def find_spellings(present: Present) -> Iterator[events.Event | Decision]:
    """Check all tags; tags that are on no list are only told by ``shikomi lint``."""
    for event in lint.run(present.index.project, LintOptions()):
        if isinstance(event, Lint):
            if event.problem:
                yield _spelling(present, event)
        elif isinstance(event, events.Progress):
            yield event


def _spelling(present: Present, found: Lint) -> Decision:
    paths = present.spellings.get(found.tag, ())
    trigger = found.code.startswith("trigger")
    yes = ""
    if found.suggestion:
        yes = f"write {found.suggestion!r} in {quantity(found.images, 'caption')}"
    return Spelling(
        kind="spelling",
        subject=f"{found.code} {found.tag}",
        code=found.code,
        folder=found.folder,
        images=paths[:_SHOWN],
        basis=frozenset({found.suggestion}),
        importance=_SPELLING,
        title=f"{found.tag} {_WRONG[found.code]}",
        reason=f"{found.message[:1].upper()}{found.message[1:]}"
        f" ({quantity(found.images, 'image')})."
        + (f" Perhaps you mean {found.suggestion}." if found.suggestion else ""),
        yes=yes,
        no="the tag is right",
        fix="set the trigger word in Plan" if trigger else "open it in Images",
        stage="plan" if trigger else "images",
        finding=found,
    )


@dataclass(frozen=True, kw_only=True)
class DoubtfulTag(Decision):
    """A tag of one image on which caption and tagger disagree."""

    doubt: events.Doubt

    @property
    def tags(self) -> tuple[str, ...]:
        """The tag."""
        return (self.doubt.tag,)

    def fault(self, present: Present) -> str:
        """The caption must still say what it said then."""
        path = self.images[0]
        row = present.row(path)
        if (fault := present.fault(path)) or row is None:
            return fault
        there = captions.key(self.doubt.tag) in captions.keys(row.tags)
        if there != self.doubt.present:
            return f"the caption of {name(path)} was changed in the meantime"
        given = AnswerStore(present.index).of(path)
        told = captions.key(self.doubt.tag) in captions.keys(given)
        return f"{self.doubt.tag} was decided before" if told else ""

    @classmethod
    def together(
        cls, decisions: Sequence[Decision], present: Present, answer: Answer, shown: int = 1
    ) -> list[Change]:
        """Record who is right: tagger or caption, with the other answers about tags."""
        if answer == "never":
            return super().together(decisions, present, answer, shown)
        told: dict[str, dict[str, bool]] = {}
        for each in decisions:
            if isinstance(each, DoubtfulTag):
                there = each.doubt.present == (answer == "no")
                told.setdefault(each.images[0], {})[each.doubt.tag] = there
        return doubt.changes(present.index, told)


def find_doubts(present: Present) -> Iterator[events.Event | Decision]:
    """Compare captions with the scores that are stored; without scores there is no doubt."""
    if not taggers.stored(present.index):
        return
    options = DoubtOptions(reason=("missing", "unseen"), limit=0)
    try:
        for event in doubt.run(present.index.project, options):
            if isinstance(event, events.Doubt):
                yield _doubtful(event)
            elif not isinstance(event, events.Finished):
                yield event
    except UserError as error:
        yield events.Warned(f"Doubtful tags were not looked for: {error.message}", error.hint)


def _doubtful(found: events.Doubt) -> Decision:
    picture = name(found.path)
    if found.present:
        title, yes = f"{picture}: is this {found.tag}?", f"no {found.tag} here: take the tag away"
        reason = f"The caption has it; the tagger gives it {found.score:.0%} only"
    else:
        title, yes = f"{picture}: {found.tag}?", f"add {found.tag} to the caption"
        reason = f"The caption lacks it; the tagger is {found.score:.0%} sure"
    return DoubtfulTag(
        kind="doubt",
        subject=found.tag,
        code=found.tag,
        images=(found.path,),
        basis=frozenset(),
        importance=_DOUBT,
        title=title,
        reason=f"{reason} (threshold {found.threshold:.0%}).",
        yes=yes,
        no="the caption is right",
        fix="edit the caption",
        stage="images",
        doubt=found,
    )
