"""The review: everything in a dataset that wants a decision, one thing at a time.

A ``Decision`` is a question with what would be done about it. Where it comes from decides how it is
judged again and carried out: ``prep.ops.review`` has a class for each source. Nothing here asks
twice: what was answered is remembered (``prep.dataset.journal.decisions``) until there is more to
it than before.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from prep.curation.review.present import Present
from prep.dataset.journal.changes import DECISIONS, Change
from prep.dataset.journal.decisions import ALWAYS, Decided, covered, merged, packed

Kind = Literal["check", "duplicates", "unclear", "quality", "spelling", "doubt", "cut", "advice"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAMES: Mapping[Kind, str] = {
    "check": "trainer problems",
    "duplicates": "duplicates",
    "unclear": "unclear pairs",
    "quality": "quality",
    "spelling": "spelling of tags",
    "doubt": "doubtful tags",
    "cut": "cut by the bucket",
    "advice": "advice",
}
"""Kind -> what it is called in a sentence."""
Answer = Literal["yes", "no", "fix", "instead", "never"]

WHOLE_DATASET = "."
"""Path under which decisions are kept that are about no single image."""


@dataclass(frozen=True, kw_only=True)
class Decision(ABC):
    """A question that a person has to answer.

    Attributes:
        kind: Where it comes from.
        subject: What it is about, where the images do not say it: a code, a tag.
        code: What was found, where a kind finds several things; those with the same are alike.
        images: Paths of the images it is about, the one that would stay first.
        basis: What it rests on. An answer holds until there is more in here.
        importance: 0 for the most important.
        title: What is wrong, in a few words.
        reason: Why, and what it means for training.
        yes: What happens on yes; empty if there is nothing to propose.
        no: What happens on no.
        fix: What else can be done; empty for nothing.
        stage: Stage of the application in which that is done by hand; empty if ``changes`` does it.
        instead: What can be done in place of ``fix``; empty for nothing.
    """

    kind: Kind
    subject: str = ""
    code: str = ""
    images: tuple[str, ...]
    basis: frozenset[str]
    importance: int
    title: str
    reason: str
    yes: str = ""
    no: str = "leave it as it is"
    fix: str = ""
    stage: str = ""
    instead: str = ""

    @property
    def id(self) -> str:
        """A name that is the same whenever the same is found again."""
        return "\n".join((self.kind, self.subject, *self.images))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it is about, for showing what they mean; none for most questions."""
        return ()

    @property
    def homes(self) -> tuple[str, ...]:
        """Paths under which an answer is kept: of the images, folder or dataset it is about."""
        return self.images

    @property
    def question(self) -> str:
        """What an answer is about, at each of the homes."""
        return f"{self.kind} {self.subject}".strip()

    @property
    def muted(self) -> str:
        """What is never asked again, at each of the homes: all of the kind about an image."""
        return self.kind

    @abstractmethod
    def fault(self, present: Present) -> str:
        """Return why it no longer applies, or an empty string."""

    def consequence(self, answer: Answer) -> str:
        """Return what an answer does, in a few words; empty if it cannot be given."""
        if answer == "never":
            return "never ask again"
        if answer == "fix":
            return "" if self.stage else self.fix
        return {"yes": self.yes, "no": self.no, "instead": self.instead}[answer]

    def outcome(self, answer: Answer) -> tuple[str, ...]:
        """Return what is the same for all questions to which an answer means the same."""
        return (self.consequence(answer),)

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Return the changes that carry out ``yes``, ``fix`` or ``instead``; none by default.

        Args:
            present: The dataset as it is now.
            answer: What is carried out.
            shown: Place in ``images`` of the one shown on the right.
        """
        del present, answer, shown
        return []

    @classmethod
    def together(
        cls, decisions: Sequence["Decision"], present: Present, answer: Answer, shown: int = 1
    ) -> list[Change]:
        """Return the changes that give one answer to several questions of this class."""
        found: list[Change] = []
        for each in decisions:
            if answer in ("no", "never"):
                changes = each.noted(present, never=answer == "never")
            else:
                changes = each.changes(present, answer, shown)
            present.take(changes)  # the next one may be about the same image
            found += changes
        return joined(found)

    def answered(self, decided: Mapping[str, Decided]) -> bool:
        """Return whether it was answered before, by any of its homes."""
        return any(
            covered(decided.get(home, {}), question, self.basis)
            for home in self.homes
            for question in {self.question, self.muted}
        )

    def noted(self, present: Present, *, never: bool) -> list[Change]:
        """Return the changes that remember ``no``, or ``never``."""
        question, covers = (self.muted, {ALWAYS}) if never else (self.question, self.basis)
        found = []
        for home in self.homes:
            before = present.decided.get(home, {})
            after = packed(merged(before, question, covers))
            found.append(Change(home, DECISIONS, packed(before), after))
        return found


@dataclass(frozen=True, kw_only=True)
class DatasetDecision(Decision):
    """A question about a concept folder or the whole dataset; its images are examples."""

    folder: str = ""

    @property
    def id(self) -> str:
        """A name that does not depend on the examples."""
        return "\n".join((self.kind, self.subject, self.folder))

    @property
    def homes(self) -> tuple[str, ...]:
        """The folder, or the whole dataset."""
        return (self.folder or WHOLE_DATASET,)

    @property
    def muted(self) -> str:
        """Only this very question: its kind is about everything."""
        return self.question


def alike(decisions: Iterable[Decision], decision: Decision, answer: Answer) -> list[Decision]:
    """Return the questions of which the same was found, and from whose answer the same follows.

    Args:
        decisions: All that are open.
        decision: One of them.
        answer: The answer.
    """
    wanted = (decision.code, decision.outcome(answer))
    return [
        each
        for each in decisions
        if each.kind == decision.kind and (each.code, each.outcome(answer)) == wanted
    ]


def joined(changes: Iterable[Change]) -> list[Change]:
    """Return changes of which none is about the same thing as another: several become one.

    Example:
        >>> joined([Change("a", "kept", None, "1"), Change("a", "kept", "1", "2")])
        [Change(path='a', what='kept', before=None, after='2')]
    """
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        first = found.setdefault((change.path, change.what), change)
        found[change.path, change.what] = first._replace(after=change.after)
    return list(found.values())


def in_order(decisions: Iterable[Decision], places: Mapping[str, int]) -> list[Decision]:
    """Return decisions by importance, then as the images are listed.

    Args:
        decisions: In any order.
        places: Path of an image -> its place in the list of all.
    """

    def key(decision: Decision) -> tuple[int, int, int, str]:
        first = decision.images[0] if decision.images else ""
        return (
            decision.importance,
            KINDS.index(decision.kind),
            places.get(first, -1),
            decision.subject,
        )

    return sorted(decisions, key=key)


def counts(decisions: Iterable[Decision]) -> dict[Kind, int]:
    """Return how many there are of each kind, without kinds of which there are none."""
    found = dict.fromkeys(KINDS, 0)
    for decision in decisions:
        found[decision.kind] += 1
    return {kind: number for kind, number in found.items() if number}
