"""What the review writes beside a question: its answers with their keys, and labels of pictures."""

from collections.abc import Mapping, Sequence

from prep.curation.review import NAMES, Answer, DatasetDecision, Decision, alike
from prep.dataset.index import ImageRow
from prep.language import _, ngettext, translated
from prep.project import Project
from tui.about import about
from tui.dialogs.preview import Preview
from tui.session import Session
from tui.widgets.line_list import Piece

_PRESSING = 3
"""Importance up to which a question is marked with !."""


def is_pair(decision: Decision | None) -> bool:
    """Return whether its pictures are compared with the first one."""
    return decision is not None and decision.kind in ("duplicates", "unclear")


def line(decision: Decision, meaning: str, *, later: bool) -> list[Piece]:
    """Return a question as a line of the list.

    Args:
        decision: The question.
        meaning: What its tags mean; empty if that is not known.
        later: It was put off.
    """
    title = translated(decision.title)
    told: list[Piece] = [(f"  {meaning}", "dim")] if meaning else []
    if later:
        return [("… ", "dim"), (title, "dim"), *told]
    mark: Piece = ("! ", "warn") if decision.importance <= _PRESSING else ("· ", "dim")
    return [mark, (title, ""), *told]


def meaning(session: Session, decision: Decision | None) -> str:
    """Return what the tags of a question mean in the user's language; empty if not known.

    A question about one tag has its meaning alone, others have each tag with its own.
    """
    tags = decision.tags if decision is not None else ()
    known = [tag for tag in tags if session.translation(tag)]
    if len(tags) == 1:
        return session.translation(tags[0])
    return ", ".join(map(session.with_translation, known))


_TO_ALL: Mapping[str, tuple[Answer, str]] = {
    "y": ("yes", "Y"),
    "n": ("no", "N"),
    "f": ("fix", "F"),
}
"""Key of an answer -> the answer, and the key that gives it to all questions alike."""


def answers(decision: Decision | None, others: Sequence[Decision] = ()) -> str:
    """Return the keys and what each does.

    Args:
        decision: The question that is shown.
        others: All that are open: what one key can answer together is counted.
    """
    if decision is None:
        return ""
    never = _("never ask this again")
    if not isinstance(decision, DatasetDecision):
        never = _("never ask about {kind} here again").format(kind=_(NAMES[decision.kind]))
    lines = [
        ("y", decision.yes),
        ("n", decision.no),
        ("f", decision.fix),
        ("b", decision.instead),
        ("s", _("later")),
        ("!", never),
    ]
    return "\n".join(
        f"{key}  {translated(does)}{_for_all(key, decision, others)}" for key, does in lines if does
    )


def _for_all(key: str, decision: Decision, others: Sequence[Decision]) -> str:
    """Return the key that gives an answer to all questions alike, if there are others."""
    if key not in _TO_ALL:
        return ""
    answer, capital = _TO_ALL[key]
    count = len(alike(others, decision, answer)) if decision.consequence(answer) else 0
    text = _("{key} for all {count} like this").format(key=capital, count=count)
    return f" · {text}" if count > 1 else ""


def answer_to_all(decisions: Sequence[Decision], answer: Answer) -> Preview:
    """Return the dialog that shows which questions get the same answer."""
    does = translated(decisions[0].consequence(answer))
    text = _("{count} questions get the same answer: {does}. One undo takes it back.")
    lines: list[list[Piece]] = [
        [(translated(each.title), ""), (f"  {_folder(each)}", "dim")] for each in decisions
    ]
    return Preview(
        _("All like this"), text.format(count=len(decisions), does=does), lines, _("Answer all")
    )


def _folder(decision: Decision) -> str:
    """Return the concept folder of the image that a question is about; empty for none."""
    if isinstance(decision, DatasetDecision) or not decision.images:
        return ""
    return decision.images[0].rpartition("/")[0].rpartition("/")[2]


def idle_actions(decision: Decision | None) -> frozenset[str]:
    """Return the actions of the screen that do nothing for a question.

    Args:
        decision: The question that is shown; ``None`` if there is none.
    """
    if decision is None:
        return frozenset({"answer('yes')", "answer('no')", "fix", "later", "answer('never')"})
    does = {"answer('yes')": decision.yes, "answer('no')": decision.no, "fix": decision.fix}
    return frozenset(action for action, text in does.items() if not text)


def left_alone(left: Sequence[tuple[str, str]]) -> str:
    """Return what to tell of questions that no longer applied when they were answered."""
    return ngettext(
        "{count} question was left alone: {reason}",
        "{count} questions were left alone: {reason}",
        len(left),
    ).format(count=len(left), reason=translated(left[0][1]))


def nothing_proposed(decision: Decision) -> str:
    """Return the keys that answer a question of which yes proposes nothing."""
    lines = (("n", decision.no), ("f", decision.fix), ("b", decision.instead))
    return " · ".join(f"{key}: {translated(does)}" for key, does in lines if does)


def beside(project: Project, decision: Decision, row: ImageRow, place: int) -> str:
    """Return what stands below a picture of a question: which one it is, and the facts.

    Args:
        project: The project.
        decision: The question.
        row: The image.
        place: Its place among the images of the question.
    """
    path, *facts = about(project, row).split("\n")
    text = " · ".join((path.rpartition("/")[2], *facts))
    if is_pair(decision):
        text = f"{_side(decision, place)}: {text}"
    alone = 1 + is_pair(decision)
    if len(decision.images) > alone and (place or not is_pair(decision)):
        text = f"{place + 1}/{len(decision.images)} {text}"
    return text


def _side(decision: Decision, place: int) -> str:
    """Return what becomes of a picture on yes; a letter where nothing is proposed."""
    if not decision.yes:
        return "B" if place else "A"
    return _("goes") if place else _("stays")
