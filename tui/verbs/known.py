"""Names that are completed while one types: tags, concept folders, jobs."""

from collections.abc import Mapping, Sequence

from prep.dataset.index import Index
from tui.session import Session
from tui.verbs.options import VerbSpec

_TAGS = ("--remove", "--add", "--prepend", "--replace", "--move", "--tag", "--keep", "--about")
_TAGS_OF = {
    "edit": _TAGS,
    "prune": _TAGS,
    "doubt": (*_TAGS, "--yes", "--no", "--tags"),
    "concept": ("--prune",),
    "tag": ("--tags",),
    "scores thresholds": ("--tags",),
    "scores compare": ("--tags",),
    "complete": ("TEXT",),
}
_FOLDERS = ("FOLDER", "--as", "--weight")
_JOBS = ("--job", "--resume")


async def known_names(session: Session, spec: VerbSpec) -> Mapping[str, Sequence[str]]:
    """Return the names that inputs of a verb can be completed by: input -> names."""
    names = {option.name for option in spec.options}
    found: dict[str, Sequence[str]] = {}
    if tags := names.intersection(_TAGS_OF.get(spec.verb.name, ())):
        counts = await session.counts.run(lambda index: index.tag_counts())
        found |= {key: [name for name, _ in counts] for key in tags}
    if folders := names.intersection(_FOLDERS):
        known = await session.counts.run(_folders)
        found |= dict.fromkeys(folders, known)
    if jobs := names.intersection(_JOBS):
        found |= {key: [view.job.name for view in session.board.newest()] for key in jobs}
    return found


def _folders(index: Index) -> list[str]:
    return [name for name, _ in index.folders()]
