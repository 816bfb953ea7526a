"""The caption rules of a project, from ``shikomi.toml`` and the files named there.

The rules themselves, independent of projects, are in ``prep.captions.rules``.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from prep.captions.implications import Implications
from prep.captions.patterns import separate
from prep.captions.rules import Rules
from prep.captions.spelling import spelled
from prep.errors import UserError, reason_of
from prep.project import Project
from prep.system.files import fingerprint
from prep.texts import read_text


def rules_for(project: Project, folder: str, places: Mapping[str, int] | None = None) -> Rules:
    """Return the rules for one concept folder of a project.

    Args:
        project: The project.
        folder: Concept folder below the dataset folder.
        places: From ``prep.tagging.scores.writing``, if the settings of the tagger require them.

    Raises:
        UserError: A file named in ``shikomi.toml`` cannot be read.
    """
    section, concept = project.settings.captions, project.concept(folder)
    blacklist, whitelist = (
        _listed(project.root / file, kind) if file else ()
        for kind, file in (("blacklist", section.blacklist), ("whitelist", section.whitelist))
    )
    known = load_implications(
        _files(project.root, section.aliases), _files(project.root, section.implications)
    )
    if (section.words, section.brackets) != ("spaces", "plain"):
        known = known.respelled(lambda tag: spelled(tag, section.words, section.brackets))
    return Rules(
        concept.trigger,
        section.always_first,
        (*section.drop, *blacklist, *concept.settings.prune),
        section.replace,
        section.regex,
        known,
        section.expand,
        section.order,
        (*section.only, *whitelist),
        places or {},
    )


def load_implications(aliases: Sequence[Path], implications: Sequence[Path]) -> Implications:
    """Read aliases and implications; unchanged files are not read again.

    Raises:
        UserError: A file is missing, or in an unknown format.
    """
    files = (*aliases, *implications)
    marks = tuple(repr(fingerprint(file)) for file in files)
    return _loaded(tuple(aliases), tuple(implications), marks)


@lru_cache(maxsize=8)
def _loaded(
    aliases: tuple[Path, ...], implications: tuple[Path, ...], marks: tuple[str, ...]
) -> Implications:
    del marks  # part of the cache key, so that changed files are read again
    return Implications.read(aliases, implications)


def _files(root: Path, name: str) -> tuple[Path, ...]:
    return (root / name,) if name else ()


def _listed(file: Path, kind: str) -> tuple[str, ...]:
    try:
        lines = read_text(file).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The {kind} {file} cannot be read: {reason_of(error)}.",
            f"Check {kind} in [captions] of shikomi.toml.",
        ) from error
    return separate(line for line in lines if not line.startswith("#"))
