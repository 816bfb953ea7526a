"""Import existing datasets: images, captions, masks, repeats and trigger words.

The source is never touched and nothing in the project is overwritten. Files are first copied to
``.shikomi/incoming`` and then moved into the dataset as one edit of the journal, so that an import
can be undone. An interrupted import continues where it stopped; a second one of the same
source changes nothing.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import Change, move
from prep.dataset.journal.edits import Journal, Outcome
from prep.dataset.journal.settings_change import settings_change
from prep.errors import ConfigError, UnreadableError
from prep.formats import sources
from prep.formats.collection import Collection, SourceImage, safe_folder
from prep.formats.fetching import INCOMING, Fetcher
from prep.formats.placing import Placement, Placer
from prep.images import headers, probe
from prep.project import FILE_NAME, STATE_NAME, Project, Section, Settings, parse_folder
from prep.project.creation import initialise
from prep.system.leftovers import PREFIX, sweep, unfinished_folder
from prep.system.names import natural_key, with_home
from prep.system.parallel import ordered

STAGING = "unpacked"
"""Kind of the unfinished folders that archives are unpacked into."""
_STAGED = f"{PREFIX}{STAGING}-"


class ImportOptions(Section):
    """How to take over images."""

    concept: str = ""
    """Put all images into this folder below dataset/, e.g. 10_mychara, instead of those of the
    source."""
    family: Literal["sd15", "sdxl"] | None = None
    """Base model family of a new project: sd15 (512 px) or sdxl (1024 px: Illustrious, NoobAI,
    Pony). Default: sd15."""
    link: bool = False
    """Make hard links of the images instead of copies: no space is used, and what changes their
    pixels in place changes the source too. Captions are always copied."""
    dry_run: bool = False
    """Only show what would be done."""


def run(
    project: Path, source: Path, options: ImportOptions | None = None
) -> Iterator[events.Event]:
    """Import a source into a project, which is created if needed.

    Yields:
        Progress; Imported for each new image; Skipped for unusable files; Warned; Concept
        for each concept; Finished with ``format``, ``images`` (new), ``captions``, ``masks``,
        ``unchanged`` (images already there), ``skipped``, ``edit`` and ``project``.

    Raises:
        ConfigError: The source is missing, in an unknown format, or inside the dataset; or the
            project is for another family.
        UserError: The disk is full, or something is not readable or writable.
    """
    options = options or ImportOptions()
    if _is_reversed(project, source):
        project, source = source, project
        yield events.Warned(
            f"{source} is what can be imported, so {project} is taken for the project.",
            "Name the project first: shikomi import PROJECT SOURCE",
        )
    opened, new = _opened(project)
    _check_apart(opened, source)
    if not new:
        _check_family(opened, options)
    place = Path(tempfile.gettempdir()) if options.dry_run else _existing(opened.state)
    _sweep(opened)
    with unfinished_folder(place, STAGING) as staging:
        yield events.Progress("read", 0)
        found = sources.read(source, staging)
        if options.concept:
            found = found.under(safe_folder(options.concept))
        if new and not options.dry_run:
            opened = initialise(project, options.family or "sd15")
        yield from _Import(opened, new, source, found, options).run()


def _is_reversed(project: Path, source: Path) -> bool:
    """Return whether the source is named first: nothing else can be meant.

    A file is no project. A folder that was never one may become one, but not if the source is
    missing and could be created.
    """
    place, root = with_home(source), with_home(project)
    if root.is_file():
        return place.is_dir() or (not place.exists() and place.parent.is_dir())
    opened = (root / FILE_NAME).exists() or (root / STATE_NAME).exists()
    return not place.exists() and place.parent.is_dir() and root.is_dir() and not opened


def _opened(path: Path) -> tuple[Project, bool]:
    """Return the project, and whether it must still be created."""
    root = with_home(path).resolve()
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return Project(root, Settings()), True
    return Project.open(path), False


def _check_family(project: Project, options: ImportOptions) -> None:
    """Refuse another family than that of a project that exists."""
    family = project.settings.project.family
    if options.family not in (None, family):
        raise ConfigError(
            f"{project.root} is a project for {family}.",
            f"Omit --family, or change family and resolution in {project.file}.",
        )


def _existing(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def _sweep(project: Project) -> None:
    """Remove what killed imports left: unpacked archives, and half of a file."""
    for folder in (Path(tempfile.gettempdir()), project.root.parent, project.root, project.state):
        sweep(folder)
    for folder in project.state.glob(f"{INCOMING}*"):
        for path, _, _ in os.walk(folder):
            sweep(path)


def _check_apart(project: Project, source: Path) -> None:
    path = with_home(source).resolve()
    if path.is_relative_to(project.dataset) and project.dataset != project.root:
        raise ConfigError(f"{source} is already inside the dataset.", "There is nothing to import.")
    if path.is_dir() and (project.dataset.is_relative_to(path) or path == project.root):
        raise ConfigError(
            f"{source} contains the project itself.", "Give a source outside the project."
        )


class _Import:
    """A running import."""

    def __init__(
        self, project: Project, new: bool, source: Path, found: Collection, options: ImportOptions
    ) -> None:
        self._project, self._new, self._found, self._options = project, new, found, options
        self._source, self._base = source, with_home(source).resolve()
        self._dataset = project.root / "dataset" if new else project.dataset
        self._count = Counter(images=0, captions=0, masks=0, unchanged=0, skipped=0)
        self._taken = Counter[str]()

    def run(self) -> Iterator[events.Event]:
        for message, hint in self._found.notes:
            yield events.Warned(message, hint)
        for path, reason in self._found.skipped:
            yield self._skip(path, reason)
        readable = yield from self._readable()
        placements = yield from self._placed(readable)
        if not self._options.dry_run:
            edit = yield from self._carry_out(placements)
        else:
            edit = 0
            yield from self._report(placements, set())
        yield from self._concepts()
        yield events.Finished(
            {
                "format": self._found.format,
                **self._count,
                "edit": edit,
                "project": str(self._project.root),
            }
        )

    def _readable(self) -> Generator[events.Event, None, list[SourceImage]]:
        """Return the pictures whose files are images."""
        pictures, throttle = self._found.pictures, events.Throttle()
        kept = []
        with closing(ordered(_fault, pictures)) as faults:
            for done, (picture, fault) in enumerate(faults, 1):
                if fault:
                    yield self._skip(str(picture.file), fault)
                else:
                    kept.append(picture)
                yield from events.tick("look", len(pictures), throttle, done)
        return kept

    def _placed(
        self, pictures: Sequence[SourceImage]
    ) -> Generator[events.Event, None, list[Placement]]:
        placer = Placer(self._dataset, self._project.settings.captions.extension)
        throttle, placements = events.Throttle(), []
        for done, picture in enumerate(pictures, 1):
            try:
                placement = placer.place(picture)
            except OSError as error:
                yield self._skip(str(picture.file), f"its caption: {error.strerror or error}")
                continue
            placements.append(placement)
            self._taken[picture.concept] += 1
            for file in placement.kept:
                yield events.Warned(
                    f"{self._shown(file)} differs from the source and was kept unchanged."
                )
            for file, reason in placer.faults:
                yield self._skip(str(file), reason)
            placer.faults.clear()
            yield from events.tick("compare", len(pictures), throttle, done)
        return placements

    def _carry_out(self, placements: Sequence[Placement]) -> Generator[events.Event, None, int]:
        """Copy the files and move them to their places, as one edit."""
        moves: list[Change] = []
        copies = [copy for placement in placements for copy in placement.copies]
        fetcher, throttle = (
            Fetcher(self._project, _STAGED, link=self._options.link),
            events.Throttle(),
        )
        failed: set[Path] = set()
        with closing(ordered(fetcher.fetch, copies)) as fetched:
            for done, (copy, result) in enumerate(fetched, 1):
                if isinstance(result, str):
                    failed.add(copy.target)
                    yield self._skip(str(copy.source or copy.target), result)
                else:
                    incoming = self._project.relative(result)
                    moves.append(move(incoming, self._project.relative(copy.target)))
                yield from events.tick("copy", len(copies), throttle, done)
        settings = yield from self._settings()
        with Index(self._project) as index:
            outcome = Journal(index).apply(f"import {self._source.name}", [*settings, *moves])
        yield from self._conflicts(outcome, failed)
        yield from self._report(placements, failed)
        return outcome.edit

    def _conflicts(self, outcome: Outcome, failed: set[Path]) -> Iterator[events.Event]:
        for path, reason in outcome.conflicts:
            yield self._skip(path, reason)
            failed.add(self._target_of(path))

    def _target_of(self, incoming: str) -> Path:
        """Return the target of a file in ``.shikomi/incoming``."""
        inside = Path(incoming).parts[2:]
        return self._project.root.joinpath(*inside)

    def _settings(self) -> Generator[events.Event, None, list[Change]]:
        """Return the change of shikomi.toml: repeats, trigger words, settings of a new project."""
        concepts: dict[str, Any] = {}
        for folder, concept in sorted(self._found.concepts.items()):
            known = self._project.settings.concept(folder)
            given = known.model_fields_set
            table = concept.settings(folder)
            if new := {key: value for key, value in table.items() if key not in given}:
                concepts[folder] = new
            for key in sorted(table.keys() & given):
                if getattr(known, key) != table[key]:
                    yield events.Warned(
                        f"{folder} keeps {key} = {getattr(known, key)!r}; the source has"
                        f" {table[key]!r}."
                    )
        wanted: dict[str, Any] = {"concepts": concepts} if concepts else {}
        if self._new:
            wanted |= self._found.settings
        if not wanted:
            return []
        try:
            change, self._project = settings_change(self._project, wanted)
        except ConfigError as error:
            yield events.Warned(f"Settings of the source were not imported. {error.message}")
            if not concepts:
                return []
            change, self._project = settings_change(self._project, {"concepts": concepts})
        return [change]

    def _report(self, placements: Sequence[Placement], failed: set[Path]) -> Iterator[events.Event]:
        for placement in placements:
            made = [copy.target for copy in placement.copies if copy.target not in failed]
            captions = [path for path in made if path.suffix in (".txt", ".caption")]
            masks = [path for path in made if path not in captions and path != placement.target]
            self._count["captions"] += bool(captions)
            self._count["masks"] += len(masks)
            if placement.there:
                self._count["unchanged"] += 1
            elif placement.target in made:
                self._count["images"] += 1
                yield events.Imported(
                    self._shown(placement.target),
                    self._from(placement.picture.file),
                    bool(captions),
                    len(masks),
                )

    def _concepts(self) -> Iterator[events.Event]:
        for folder, images in sorted(self._taken.items(), key=lambda item: natural_key(item[0])):
            found = self._found.concepts.get(folder)
            if self._options.dry_run:
                repeats = (found.repeats if found else None) or parse_folder(folder)[0] or 1
                name = parse_folder(folder)[1]
            else:
                concept = self._project.concept(folder)
                repeats, name = concept.repeats, concept.name
            yield events.Concept(name, images, repeats, images * repeats)

    def _skip(self, path: str, reason: str) -> events.Skipped:
        self._count["skipped"] += 1
        return events.Skipped(self._from(Path(path)), reason)

    def _from(self, path: Path) -> str:
        """Return a path of the source, as short as is unambiguous."""
        parts = path.parts
        unpacked = next((n for n, part in enumerate(parts) if part.startswith(_STAGED)), None)
        if unpacked is not None:
            return Path(*parts[unpacked + 2 :]).as_posix()
        base = self._base if self._base.is_dir() else self._base.parent
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)

    def _shown(self, file: Path) -> str:
        return file.relative_to(self._project.root).as_posix()


def _fault(picture: SourceImage) -> str:
    """Return why a picture cannot be imported; empty if it can."""
    name = picture.file.name
    if picture.name != picture.name.encode("utf-8", "replace").decode("utf-8"):
        return "its name is not UTF-8 text; rename it"
    seen = headers.read(str(picture.file))
    if seen is not None and seen[2] is not None:
        return ""
    try:
        probe(picture.file)  # anything but a plain file: Pillow decides
    except UnreadableError as error:
        return error.message.removeprefix(f"{name}: ")
    return ""
