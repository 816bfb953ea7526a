"""The pre-flight check: problems of a dataset for a trainer, and safe fixes.

All fixes together are one edit in the journal, which ``undo`` reverts byte for byte. A second
check finds nothing more to fix.
"""

import codecs
from collections import Counter
from collections.abc import Generator, Iterator, Sequence

from prep import events
from prep.curation.checks import catalogue, transparency
from prep.curation.checks.codes import Problem
from prep.curation.checks.encodings import decoded
from prep.curation.checks.view import DatasetView
from prep.dataset.index import Index
from prep.dataset.journal.changes import CONTENT, Change
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError
from prep.language import english
from prep.ops import scan
from prep.project import Project, Section
from prep.tagging import heads
from prep.training_set.trainers import Trainer


class CheckOptions(Section):
    """Whose rules to apply, what to look for, and whether to mend it."""

    fix: bool = False
    """Fix what can be fixed safely, as one step of undo."""
    dry_run: bool = False
    """Only show what --fix would change."""
    trainer: Trainer = "sd-scripts"
    """Who reads the images: sd-scripts or onetrainer (the original folders), or shikomi (its
    export, which rotates, converts and renames images)."""
    only: tuple[str, ...] = ()
    """Only findings with this code, or whose code begins with it (e.g. caption); repeatable."""
    ignore: tuple[str, ...] = ()
    """Ignore this code, or all that begin with it; repeatable."""
    wildcards: bool = False
    """Captions are written for enable_wildcard of sd-scripts: a random line is used, and {a|b} is
    expanded."""
    encoding: str = ""
    """Encoding of captions that are not UTF-8 (shift_jis, gb18030, cp1252, ...), for cases in which
    it cannot be detected."""


def run(project: Project, options: CheckOptions | None = None) -> Iterator[events.Event]:
    """Check a dataset that has just been scanned.

    Yields:
        Progress; with ``fix`` a Change for each fix, and Skipped for files that were changed
        meanwhile; a Finding for each remaining problem, most severe first; Finished
        with ``errors``, ``warnings``, ``infos``, ``fixable``, ``fixed``, ``images`` and ``edit``
        (its number, 0 if nothing was changed).

    Raises:
        ConfigError: A code or an encoding that does not exist.
        UserError: A file is not writable.
    """
    options = options or CheckOptions()
    wanted = catalogue.selected(options.only, options.ignore)
    _check_encoding(options.encoding)
    with Index(project) as index:
        view, problems = yield from _examined(index, options, wanted)
        fixed, edit = 0, 0
        if options.fix or options.dry_run:
            changes = list(catalogue.changes(view, wanted))
            if options.dry_run:
                for change in changes:
                    yield shown(change, options.encoding)
            elif changes:
                count = sum(problem.fixable for problem in problems)
                title = english("check: fix {count} finding", "check: fix {count} findings", count)
                outcome = Journal(index).apply(title, changes)
                for change in outcome.changed:
                    yield shown(change, options.encoding)
                for path, reason in outcome.conflicts:
                    yield events.Skipped(path, reason)
                edit = outcome.edit
                yield from _rescanned(project)
                before = problems
                view, problems = yield from _examined(index, options, wanted)
                fixed = _gone(before, problems)
    yield from _report(view, problems)
    yield events.Finished(_summary(view, problems, fixed, edit))


def shown(change: Change, encoding: str = "") -> events.Change:
    """Return the event of a change; bytes of captions are shown decoded."""
    before, after = change.before, change.after
    if change.what == CONTENT:
        before, after = _text(before, encoding), _text(after, encoding)
    return events.Change(change.path, before, after, change.what)


def _text(latin: str | None, encoding: str) -> str | None:
    if latin is None:
        return None
    data = latin.encode("latin-1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        found = decoded(data, encoding)
        return data.decode("utf-8", "replace") if found is None else found.text


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError as error:
        raise ConfigError(
            f"There is no encoding {encoding!r}.", "Use, for example, shift_jis, gb18030 or cp1252."
        ) from error


Examined = tuple[DatasetView, list[Problem]]


def _examined(
    index: Index, options: CheckOptions, wanted: frozenset[str]
) -> Generator[events.Event, None, Examined]:
    if "image-transparent" in wanted:
        yield from transparency.measure(index)
    if "head-cut" in wanted:
        yield from heads.look(index)
    view = DatasetView(
        index, options.trainer, wildcards=options.wildcards, encoding=options.encoding
    )
    return view, catalogue.problems(view, wanted)


def _rescanned(project: Project) -> Iterator[events.Event]:
    """Update the index after fixes."""
    for event in scan.run(project):
        if isinstance(event, events.Progress):
            yield event


def _gone(before: Sequence[Problem], after: Sequence[Problem]) -> int:
    """Return how many of the fixable findings are gone."""
    wanted = Counter(problem.code for problem in before if problem.fixable)
    left = Counter(problem.code for problem in after if problem.fixable)
    return (wanted - left).total()


def _report(view: DatasetView, problems: Sequence[Problem]) -> Iterator[events.Event]:
    for problem in problems:
        code = catalogue.CODES[problem.code]
        effect = code.effects[view.trainer]
        yield events.Finding(
            problem.code,
            effect.severity,
            problem.path,
            problem.message,
            problem.fixable,
            effect.consequence,
            code.fix,
            code.title,
        )


def _summary(
    view: DatasetView, problems: Sequence[Problem], fixed: int, edit: int
) -> dict[str, str | int]:
    counts = Counter(
        catalogue.CODES[problem.code].effects[view.trainer].severity for problem in problems
    )
    return {
        "errors": counts["error"],
        "warnings": counts["warning"],
        "infos": counts["info"],
        "fixable": sum(problem.fixable for problem in problems),
        "fixed": fixed,
        "images": sum(len(place.pictures) for place in view.places),
        "trainer": view.trainer,
        "edit": edit,
    }
