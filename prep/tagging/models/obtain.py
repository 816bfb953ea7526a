"""Where a tagger comes from: a folder, the Hugging Face hub, a known name, or the demo world."""

import hashlib
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from prep import demo_world, events
from prep.errors import UserError
from prep.system.files import content_hash
from prep.system.names import with_home
from prep.tagging.models import catalogue
from prep.tagging.models.catalogue import HubTagger
from prep.tagging.models.download import Repository
from prep.tagging.models.hub_faults import EXAMPLES
from prep.tagging.models.layouts import detect, is_placed, read_record, record_in, resolved
from prep.tagging.models.records import ADVICE, MODEL, RECORDS, TABLE, WD, Record
from prep.tagging.models.tables import CHARACTER as CHARACTER
from prep.tagging.models.tables import GENERAL as GENERAL
from prep.tagging.models.tables import RATING as RATING
from prep.tagging.models.tables import TagTable as TagTable
from prep.tagging.models.tables import read_table as read_table

DEMO = "demo"
"""The name of the demo tagger."""

_REPOSITORY = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)((?:/[\w.-]+)*)(?:@([\w./-]+))?")
_LISTS = (".csv", ".txt")


@dataclass(frozen=True)
class TaggerFiles:
    """The files of a tagger, its display name, and how it is used.

    Attributes:
        model: The ONNX file.
        table: The tag list.
        record: Its input format and recommended thresholds; resolved (``layouts.resolved``).
        extra: Other files with weights.
        thresholds: Its file of recommended thresholds, if it has one.
    """

    name: str
    model: Path
    table: Path
    record: Record = WD
    extra: tuple[Path, ...] = field(default=())
    thresholds: Path | None = None

    def tags(self) -> TagTable:
        """Read the tags of its outputs.

        Raises:
            UserError: The list cannot be read.
        """
        return read_table(self.table, self.record.skip)

    def key(self) -> str:
        """Return the key of its scores: a hash of its files (0.3 s for 400 MB) and input format."""
        hashes = "".join(content_hash(part) for part in (self.model, self.table, *self.extra))
        return hashlib.sha256((hashes + self.record.pixel_key()).encode()).hexdigest()[:32]


def find(model: str, folder: Path) -> TaggerFiles:
    """Find the files of a tagger; like ``obtain``, without events."""
    work = obtain(model, folder)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: TaggerFiles = end.value
            return found


def obtain(model: str, folder: Path) -> Generator[events.Event, None, TaggerFiles]:
    """Find the files of a tagger; files on the hub are downloaded once.

    Args:
        model: A folder, a known name, a repository (``@revision`` may follow), ``demo``.
        folder: Base of relative folders, besides the current one.

    Yields:
        Progress of the download.

    Raises:
        UserError: There is no such tagger; RetryError if the network may be the reason.
    """
    if not model:
        raise UserError("No tagger was chosen.", EXAMPLES)
    if model == DEMO:
        return _in_folder(demo_world.tagger(), "demo tagger")
    place = _folder(model, folder)
    if place is not None:
        return _in_folder(place, place.resolve().name)
    name, _, revision = model.partition("@")
    known = catalogue.lookup(name)
    if known is not None:
        return (yield from _known(known, revision))
    match = _REPOSITORY.fullmatch(model)
    if match is None:
        near = catalogue.similar(name.rpartition("/")[2])
        hint = f"Did you mean {near}? " if near else ""
        raise UserError(f"There is no folder {model} with a tagger.", f"{hint}{EXAMPLES}")
    return (yield from _unknown(match[1], match[2].lstrip("/"), match[3] or "main"))


def at_hand(known: HubTagger, revision: str = "") -> list[Path] | None:
    """Return the files of a known tagger if the hub's cache has them; makes no request.

    A revision other than the pinned one is accepted if its model is the same file.
    """
    names = (*known.record.files, *known.record.sidecars)
    found = Repository(known.repository, revision or known.revision).cached(names)
    if found or revision or not known.sha256:
        return found
    newest = Repository(known.repository).cached(names)
    same = newest and newest[0].resolve().name == known.sha256
    return newest if same else None


def find_table(model: str, folder: Path) -> Path | None:
    """Return the tag list of a tagger if it is on this machine; like ``find``, without network."""
    if model == DEMO:
        return demo_world.tagger() / TABLE
    place = _folder(model, folder)
    name, _, revision = model.partition("@")
    known = catalogue.lookup(name)
    found: Path | None = None
    if place is not None:
        record = _record_in(place)
        found = place / record.tags if record else None
    elif known is not None:
        paths = at_hand(known, revision)
        found = paths[1] if paths else None
    elif _REPOSITORY.fullmatch(model):
        snapshot = Repository(name, revision or "main").snapshot()
        found = snapshot / TABLE if snapshot else None
    return found if found and found.suffix in _LISTS and found.is_file() else None


def _folder(model: str, folder: Path) -> Path | None:
    places = (with_home(model), folder / model)
    return next((place for place in places if place.is_dir()), None)


def _in_folder(folder: Path, name: str) -> TaggerFiles:
    record = _record_in(folder)
    if record is None:
        present = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        missing = MODEL if not (folder / MODEL).is_file() else TABLE
        raise UserError(
            f"{folder} is not a known kind of tagger: it has no {missing} (it has: {present}).",
            f"A WD tagger has {MODEL} and {TABLE}; describe another in {RECORDS[0]} beside it"
            " (docs/topics/tagging-models.md).",
        )
    return _files(name, folder, record)


def _record_in(folder: Path) -> Record | None:
    """Return the record of the files in a folder: the user's, a known tagger's, or inferred."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    own = any(name in names for name in RECORDS)
    known = None if own else catalogue.lookup(folder.name)
    if known is not None and is_placed(known.record.without_folder(), names):
        return known.record.without_folder()
    record = record_in(folder)
    if known is None or record is None or record.pixel_key() != known.record.pixel_key():
        return record
    return record.model_copy(update={name: getattr(known.record, name) for name in ADVICE})


def _files(name: str, folder: Path, record: Record) -> TaggerFiles:
    """Return the files of a record in a folder, and the record with what its sidecars say."""
    parts = (*record.files, *record.sidecars)
    for part in parts:
        if not (folder / part).is_file():
            raise UserError(f"{folder} is not complete: it has no {part}.")
    paths = [folder / part for part in record.files]
    thresholds = folder / record.thresholds if record.thresholds else None
    done = resolved(record, folder)
    return TaggerFiles(name, paths[0], paths[1], done, tuple(paths[2:]), thresholds)


def _known(known: HubTagger, revision: str) -> Generator[events.Event, None, TaggerFiles]:
    paths = at_hand(known, revision)
    record = known.record
    if paths is None:
        repository = Repository(known.repository, revision or known.revision)
        names = (*record.files, *record.sidecars)
        paths = yield from repository.fetch(names, known.licence)
        stored = paths[0].resolve().name
        if known.sha256 and not revision and len(stored) == 64 and stored != known.sha256:
            raise UserError(
                f"The model at {repository.endpoint} is not {known.name}: its checksum differs.",
                f"Use the hub itself, or trust this one with: --model {known.repository}"
                f"@{known.revision}",
            )
    return _files(known.name, paths[0].parents[len(Path(record.model).parts) - 1], record)


def _unknown(name: str, folder: str, revision: str) -> Generator[events.Event, None, TaggerFiles]:
    """Find the tagger in a repository that is not in the catalogue."""
    repository = Repository(name, revision)
    inside = _inside(repository, folder)
    if inside is not None:
        record = _record_in(inside)
        names = [*record.files, *record.sidecars] if record else []
        if record and all((inside / part).is_file() for part in names):
            return _files(name, inside, record)
    listing = yield from repository.listing()
    prefix = f"{folder}/" if folder else ""
    local = [path.removeprefix(prefix) for path in listing.names if path.startswith(prefix)]
    own = next((record for record in RECORDS if record in local), None)
    if own is not None:
        (file,) = yield from repository.fetch([prefix + own])
        found: Record | None = read_record(file)
    else:
        found = detect(path for path in local if "/" not in path)
    if found is None:
        raise _no_tagger(repository, listing.names)
    wanted = [prefix + part for part in (*found.files, *found.sidecars)]
    yield from repository.fetch(wanted, listing.licence)
    inside = _inside(repository, folder)
    assert inside is not None, "the files have just been put there"
    # The input of a model that has arrived may tell more than the names of the files.
    return _files(name, inside, found if own else _record_in(inside) or found)


def _inside(repository: Repository, folder: str) -> Path | None:
    """Return the folder of a tagger in the cache, if there is one."""
    snapshot = repository.snapshot()
    inside = snapshot / folder if snapshot else None
    return inside if inside is not None and inside.is_dir() else None


def _no_tagger(repository: Repository, listed: list[str]) -> UserError:
    models = [path for path in listed if path.endswith(".onnx")]
    has = ", ".join(models[:6]) or "no ONNX file at all"
    return UserError(
        f"{repository.name} is not a known kind of tagger: it has {has}.",
        f"Give its folder as {repository.name}/FOLDER, or download it and describe it in"
        f" {RECORDS[0]} (docs/topics/tagging-models.md).",
    )
