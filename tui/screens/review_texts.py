"""What the review writes beside a question: its answers with their keys, and labels of pictures."""

from prep.curation.review import NAMES, DatasetDecision, Decision
from prep.dataset.index import ImageRow
from prep.language import _, translated
from prep.project import Project
from tui.about import about
from tui.widgets.line_list import Piece

_PRESSING = 3
"""Importance up to which a question is marked with !."""


def is_pair(decision: Decision | None) -> bool:
    """Return whether its pictures are compared with the first one."""
    return decision is not None and decision.kind in ("duplicates", "unclear")


def line(decision: Decision, *, later: bool) -> list[Piece]:
    """Return a question as a line of the list; ``later`` for one that was put off."""
    title = translated(decision.title)
    if later:
        return [("… ", "dim"), (title, "dim")]
    mark: Piece = ("! ", "warn") if decision.importance <= _PRESSING else ("· ", "dim")
    return [mark, (title, "")]


def answers(decision: Decision | None) -> str:
    """Return the keys and what each does."""
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
    return "\n".join(f"{key}  {translated(does)}" for key, does in lines if does)


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
