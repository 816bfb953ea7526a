"""Groups of duplicates that were decided: which they are, what was decided, and taking it back."""

from collections.abc import Iterator, Sequence

from prep import events
from prep.curation.duplicates.groups import REASONS
from prep.curation.duplicates.resolving import excluded_as
from prep.curation.review import Kind
from prep.curation.review.present import Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import DECISIONS, Change, exclusion
from prep.dataset.journal.decisions import ALWAYS, covered, merged, packed


def excluded(index: Index) -> list[events.Group]:
    """Return what was excluded as duplicates, by the image that stayed and the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in index.select("excluded:yes"):
        if kept := excluded_as(row.excluded):
            found.setdefault(kept, []).append(row.path)
    return [
        events.Group(reason, [keep, *others], keep, [0] * (1 + len(others)))
        for (keep, reason), others in found.items()
    ]


def all_stay(present: Present, group: events.Group) -> bool:
    """Return whether it was answered that all images of a group stay."""
    question = _question(group)
    return all(
        any(covered(present.decided.get(home, {}), question, basis) for home in pair)
        for pair, basis in _pairs(present, group)
    )


def keep_all(present: Present, group: events.Group) -> list[Change]:
    """Return the changes that remember that all images of a group stay, as the review does."""
    question, covers = _question(group), dict[str, frozenset[str]]()
    for pair, basis in _pairs(present, group):
        for home in pair:
            covers[home] = covers.get(home, frozenset()) | basis
    return [
        Change(home, DECISIONS, packed(before), packed(merged(before, question, basis)))
        for home, basis in covers.items()
        for before in [present.decided.get(home, {})]
    ]


def reopened(present: Present, group: events.Group) -> list[Change]:
    """Return the changes after which a group is to be decided again.

    Images that were excluded as duplicates are included; that all of them stay is forgotten.
    Captions that the kept image took over stay as they are.
    """
    question, found = _question(group), list[Change]()
    contents = {content for _, basis in _pairs(present, group) for content in basis}
    for path in group.images:
        row = present.row(path)
        if row is not None and excluded_as(row.excluded):
            found.append(exclusion(path, row.excluded, None))
        before = present.decided.get(path, {})
        left = before.get(question, frozenset()) - contents - {ALWAYS}
        after = {**before, question: left}
        kept = {asked: covers for asked, covers in after.items() if covers}
        found.append(Change(path, DECISIONS, packed(before), packed(kept)))
    return [change for change in found if change.before != change.after]


def _question(group: events.Group) -> Kind:
    """Return the question of the review that a group is."""
    return "duplicates" if group.reason in REASONS else "unclear"


def _pairs(present: Present, group: events.Group) -> Iterator[tuple[Sequence[str], frozenset[str]]]:
    """Yield the kept image with each of the others, and the hashes of both files."""
    for path in group.images:
        if path != group.keep:
            rows = [present.row(group.keep), present.row(path)]
            contents = (row.content for row in rows if row is not None)
            yield (group.keep, path), frozenset(content for content in contents if content)
