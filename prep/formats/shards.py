"""WebDataset: a training set in tar files of bounded size, with reproducible bytes.

A sample is ``KEY.webp``, ``KEY.txt`` (caption), ``KEY.mask.png`` (if there is a mask) and
``KEY.json`` (concept, repeats, source); the key has no dot. Shards whose samples are all
still wanted are kept: a new image costs one new shard, a changed one the shard that contained
it.
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from prep import events
from prep.errors import UnreadableError
from prep.system.files import content_hash, fingerprint, text_hash, writing_failed
from prep.system.leftovers import unfinished_name
from prep.system.parallel import ordered
from prep.training_set import Example, TrainingSet
from prep.training_set.kohya import ExportSubset
from prep.training_set.manifest import FileState, Manifest, ManifestEntry

SHARD_MASK = ".mask.png"
"""Suffix of the mask in a sample."""
_RECIPE = "shard 2"
_BLOCK = tarfile.BLOCKSIZE
_MOST_NAME = 100
"""Maximum bytes of a name in a plain tar header; longer ones get an extra header."""


@dataclass(frozen=True)
class ShardSample:
    """One image of a shard: its key, a text that changes with its files, and the files."""

    key: str
    digest: str
    example: Example
    about: bytes

    def files(self) -> list[tuple[str, bytes]]:
        """Return (name, content) of its files.

        Raises:
            UnreadableError: The image cannot be read.
        """
        example = self.example
        found = [(f"{self.key}{PurePosixPath(example.image.name).suffix}", example.image.make())]
        if example.mask is not None and "alpha" not in example.mask.recipe.split()[:3]:
            found.append((f"{self.key}{SHARD_MASK}", example.mask.make()))
        if example.caption is not None:
            found.append((f"{self.key}.txt", example.caption.make()))
        return [*found, (f"{self.key}.json", self.about)]


def samples(wanted: TrainingSet) -> list[ShardSample]:
    """Return the samples of a training set, in order."""
    subsets = {subset.folder: subset for subset in wanted.subsets}
    taken: set[str] = set()
    found = []
    for example in wanted.examples:
        key = _key(example, taken)
        about = _about(example, subsets[example.folder])
        parts = [example.image.recipe, about.decode()]
        parts += [wish.recipe for wish in (example.caption, example.mask) if wish]
        found.append(ShardSample(key, text_hash("\n".join(parts)), example, about))
    return found


def _key(example: Example, taken: set[str]) -> str:
    """Return the name without suffix; readers end a key at the first dot of the file name."""
    path = PurePosixPath(example.image.name).with_suffix("")
    base = (path.parent / path.name.replace(".", "_")).as_posix()
    choice, number = base, 1
    while choice in taken:
        number += 1
        choice = f"{base}-{number}"
    taken.add(choice)
    return choice


def _about(example: Example, subset: ExportSubset) -> bytes:
    concept = subset.concept
    data = {
        "concept": concept.name,
        "repeats": concept.repeats,
        "regularization": concept.settings.regularization,
        "source": example.source,
    }
    return json.dumps(data, ensure_ascii=False, sort_keys=True).encode("utf-8")


class Packer:
    """Packs the shards of one export."""

    def __init__(self, folder: Path, manifest: Manifest, prefix: str, limit: int) -> None:
        """Pack into ``folder``; no shard exceeds ``limit`` bytes unless a single image does."""
        self._folder, self._manifest = folder, manifest
        self._prefix, self._limit = prefix, limit
        self.wanted: set[str] = set()
        self.count = Counter(written=0, unchanged=0)
        self.failed: set[str] = set()
        self._hashes: dict[str, str] = {}

    def hashes(self, found: Sequence[ShardSample]) -> dict[str, str]:
        """Return the hashes of the pictures that were packed, by name in the training set."""
        by_key = ((sample.example.image.name, self._hashes.get(sample.key)) for sample in found)
        return {name: digest for name, digest in by_key if digest}

    def pack(
        self, found: Sequence[ShardSample], shown: Callable[[str], str]
    ) -> Iterator[events.Event]:
        """Write the missing shards.

        Args:
            found: The samples.
            shown: Maps a file name to the path shown in events.

        Yields:
            Progress, Written for each shard, Skipped for images that cannot be read.

        Raises:
            UserError: The disk is full, or the folder is not writable.
        """
        kept = self._kept({sample.key: sample.digest for sample in found})
        self.wanted.update(kept)
        self.count["unchanged"] += len(kept)
        covered = {key for members in kept.values() for key in members}
        todo = [sample for sample in found if sample.key not in covered]
        throttle = events.Throttle()
        shard: _Shard | None = None
        try:
            with closing(ordered(_attempt, todo)) as made:
                for done, (sample, files) in enumerate(made, 1):
                    if isinstance(files, UnreadableError):
                        self.failed.add(sample.example.image.name)
                        name = Path(sample.example.source).name
                        reason = files.message.removeprefix(f"{name}: ")
                        yield events.Skipped(sample.example.source, reason)
                    else:
                        if shard is not None and not shard.has_room(files):
                            yield self._closed(shard, shown)
                            shard = None
                        shard = shard or self._new_shard()
                        shard.add(sample, files)
                    yield from events.tick("export", len(todo), throttle, done)
            if shard is not None:
                yield self._closed(shard, shown)
                shard = None
        finally:
            if shard is not None:
                shard.drop()

    def _kept(self, digests: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the shards that can stay, with the keys in them.

        A shard less than half full is repacked if there is something to add to it.
        """
        kept: dict[str, list[str]] = {}
        for name in sorted(self._manifest.names()):
            members = self._members(name)
            if members and all(digests.get(m.key) == m.digest for m in members):
                kept[name] = [member.key for member in members]
                self._hashes |= {member.key: member.picture for member in members}
        missing = len(digests) - sum(len(keys) for keys in kept.values())
        if missing:
            for name in list(kept):
                if (self._folder / name).stat().st_size * 2 < self._limit:
                    del kept[name]
        return kept

    def _members(self, name: str) -> "list[_Member]":
        """Return the samples in a shard that we wrote; nothing for others and changed ones."""
        if self._manifest.state(name) is not FileState.OURS:
            return []
        head, _, text = self._manifest.recipe(name).partition("\n")
        if head != _RECIPE:
            return []
        return [_Member(*line.split("\t", 2)) for line in text.split("\n")]

    def _new_shard(self) -> "_Shard":
        """Start a shard with the first free name."""
        number = 0
        while True:
            name = f"{self._prefix}-{number:06}.tar"
            free = self._manifest.state(name) in (FileState.ABSENT, FileState.OURS)
            if name not in self.wanted and free:
                break
            number += 1
        self.wanted.add(name)
        self._manifest.begin()
        return _Shard(self._folder / name, self._limit)

    def _closed(self, shard: "_Shard", shown: Callable[[str], str]) -> events.Event:
        size, content = shard.complete()
        name = shard.file.name
        self._manifest.announce(name, shard.recipe, size, content)
        shard.publish()
        self._hashes |= {member.key: member.picture for member in shard.members}
        mark = fingerprint(shard.file)
        mtime_ns = mark.mtime_ns if mark else 0
        self._manifest.record(name, ManifestEntry(shard.recipe, size, mtime_ns, content))
        self._manifest.save()
        self.count["written"] += 1
        return events.Written(shown(name))


class _Member(NamedTuple):
    """A sample in a shard: its digest, the hash of its picture, its key."""

    digest: str
    picture: str
    key: str


def _attempt(sample: ShardSample) -> list[tuple[str, bytes]] | UnreadableError:
    try:
        return sample.files()
    except UnreadableError as error:
        return error


class _Shard:
    """A tar file being written; it gets its name once it is complete."""

    def __init__(self, file: Path, limit: int) -> None:
        self.file, self._limit = file, limit
        self._temporary = file.with_name(unfinished_name("shard"))
        self._size = 2 * _BLOCK  # the end of a tar
        self.members: list[_Member] = []
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = self._temporary.open("xb")
        except OSError as error:
            raise writing_failed(file, error) from error
        # Records of one block: the file is no longer than its content requires.
        self._tar = tarfile.open(  # noqa: SIM115  (closed with the shard)
            fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT
        )

    @property
    def recipe(self) -> str:
        """The recipe for the manifest: its content."""
        return "\n".join([_RECIPE, *map("\t".join, self.members)])

    def has_room(self, files: Sequence[tuple[str, bytes]]) -> bool:
        """Return whether these files fit."""
        # tar files are padded to records of 20 blocks.
        size = self._size + sum(map(_tar_size, files))
        return -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE <= self._limit

    def add(self, sample: ShardSample, files: Sequence[tuple[str, bytes]]) -> None:
        """Write one sample."""
        with self._told():
            for name, data in files:
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(data), 0o644, 0
                self._tar.addfile(info, io.BytesIO(data))
                self._size += _tar_size((name, data))
        picture = sha256(files[0][1]).hexdigest()[:32]
        self.members.append(_Member(sample.digest, picture, sample.key))

    def complete(self) -> tuple[int, str]:
        """Write the end; return the size in bytes and the content hash."""
        with self._told():
            self._tar.close()
            self._stream.close()
            return self._temporary.stat().st_size, content_hash(self._temporary)

    def publish(self) -> None:
        """Give the complete file its name."""
        with self._told():
            self._temporary.replace(self.file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise writing_failed(self.file, error) from error

    def drop(self) -> None:
        """Delete the unfinished file."""
        with suppress(OSError):  # the disk is full
            self._stream.close()
        self._temporary.unlink(missing_ok=True)


def _tar_size(file: tuple[str, bytes]) -> int:
    name, data = file
    blocks = 1 + -(-len(data) // _BLOCK)
    long = len(name.encode()) > _MOST_NAME or not name.isascii()
    # A header for the header, whose text has the name and a few bytes more.
    return _BLOCK * (blocks + (1 + -(-(len(name.encode()) + 32) // _BLOCK) if long else 0))
