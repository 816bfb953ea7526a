"""Decide where imported pictures go: nothing is overwritten, and a second import changes nothing.

A picture is already there if its place has the same bytes. A place with anything else is
left alone, and the new picture gets a number: ``a.png``, ``a-2.png``. The same source into the same
project therefore always gives the same places.
"""

import io
import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

from prep.errors import UnreadableError
from prep.formats.collection import SourceImage, same_content
from prep.formats.sidecars import CAPTION_SUFFIXES
from prep.images import MASK_SUFFIXES, decode, decode_data, is_image_name
from prep.system.boundary import is_plain_name
from prep.system.names import is_there, shortened
from prep.texts import read_bytes


@dataclass(frozen=True)
class PlacedFile:
    """One file to create: from a file, or from the given bytes; ``target`` is absolute."""

    target: Path
    source: Path | None = None
    data: bytes = b""

    def same_as(self, file: Path) -> bool:
        """Return whether ``file`` has the content that this would write."""
        if self.source is not None:
            return same_content(self.source, file)
        try:
            return file.stat().st_size == len(self.data) and read_bytes(file) == self.data
        except OSError:
            return False


@dataclass(frozen=True)
class Placement:
    """The placement of one picture.

    Attributes:
        target: Absolute path of the image.
        copies: Files to create; none if all are there.
        there: The image itself is already there.
        kept: Sidecars of an existing image that differ and were not changed.
    """

    picture: SourceImage
    target: Path
    copies: tuple[PlacedFile, ...]
    there: bool = False
    kept: tuple[Path, ...] = ()


@dataclass
class _Claim:
    """A stem used by this import: its sidecars, and its images."""

    sidecars: str
    names: set[str] = field(default_factory=set)


class Placer:
    """Places pictures one by one, in order."""

    def __init__(self, dataset: Path, extension: str) -> None:
        """Place into the folders below ``dataset``; captions get ``extension``."""
        self._dataset, self._extension = dataset, extension
        self.faults: list[tuple[Path, str]] = []
        """Masks that cannot be used, with the reason; their pictures are placed without them."""
        self._claims: dict[tuple[Path, str], _Claim] = {}
        self._planned: set[Path] = set()
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def place(self, picture: SourceImage) -> Placement:
        """Find the place of a picture.

        Raises:
            OSError: Its caption cannot be read.
        """
        # Metadata of others may name pictures anywhere; what is placed stays in its concept.
        plain = is_plain_name(picture.name)
        inside = PurePosixPath(picture.name if plain else picture.file.name)
        folder = self._dataset / picture.concept / inside.parent
        sidecars = self._sidecars(picture)
        mark = _mark(sidecars)
        endings = (inside.suffix, self._extension, *sidecars)
        room = max(len(os.fsencode(ending)) for ending in endings)
        for number in itertools.count(1):
            mark_number = "" if number == 1 else f"-{number}"
            stem = shortened(inside.stem, room + len(mark_number)) + mark_number
            target = folder / (stem + inside.suffix)
            copies = tuple(
                PlacedFile(folder / (stem + suffix), copy.source, copy.data)
                for suffix, copy in sidecars.items()
            )
            found = self._judge(picture, target, copies, mark)
            if found is not None:
                claim = self._claims.setdefault((folder, stem.casefold()), _Claim(mark))
                claim.names.add(target.name.casefold())
                self._planned.update(copy.target for copy in found.copies)
                return found
        raise AssertionError("counting never ends")

    def _judge(
        self, picture: SourceImage, target: Path, copies: tuple[PlacedFile, ...], mark: str
    ) -> Placement | None:
        """Return the placement at ``target``; ``None`` if the picture cannot go there."""
        claim = self._claims.get((target.parent, target.stem.casefold()))
        if claim and (claim.sidecars != mark or target.name.casefold() in claim.names):
            return None
        near = self._names(target.parent).get(target.stem.casefold(), [])
        if target.name in near:
            if not same_content(picture.file, target):
                return None
            missing = self._missing(copies)
            kept = [copy for copy in copies if is_there(copy.target)]
            differing = tuple(copy.target for copy in kept if not copy.same_as(copy.target))
            return Placement(picture, target, missing, True, differing)
        if claim is None and (near or self._sidecars_lie_there(target)):
            if any(is_image_name(name) for name in near):
                return None
            if not self._only_ours(target, copies):
                return None
        image = PlacedFile(target, picture.file)
        return Placement(picture, target, (image, *self._missing(copies)))

    def _missing(self, copies: tuple[PlacedFile, ...]) -> tuple[PlacedFile, ...]:
        """Return the sidecars that neither exist nor are created for an image of the same name."""
        return tuple(
            copy
            for copy in copies
            if copy.target not in self._planned and not is_there(copy.target)
        )

    def _only_ours(self, target: Path, copies: tuple[PlacedFile, ...]) -> bool:
        """Return whether existing sidecars at a free place are exactly those to be written."""
        wanted = {copy.target: copy for copy in copies}
        return all(
            file in wanted and wanted[file].same_as(file)
            for file in _sidecar_files(target)
            if is_there(file)
        )

    def _sidecars_lie_there(self, target: Path) -> bool:
        return any(is_there(file) for file in _sidecar_files(target))

    def _names(self, folder: Path) -> Mapping[str, list[str]]:
        """Return the files of a folder by stem, as first listed."""
        if folder not in self._listed:
            stems: dict[str, list[str]] = {}
            try:
                names = sorted(entry.name for entry in folder.iterdir())
            except OSError:
                names = []
            for name in names:
                stems.setdefault(Path(name).stem.casefold(), []).append(name)
            self._listed[folder] = stems
        return self._listed[folder]

    def _sidecars(self, picture: SourceImage) -> dict[str, PlacedFile]:
        """Return the sidecars by suffix; the caption gets the project's suffix."""
        found = {}
        for suffix, file in picture.others.items():
            try:
                found[suffix] = _sidecar(suffix, file)
            except UnreadableError as error:
                self.faults.append((file, error.message.removeprefix(f"{file.name}: ")))
        if picture.caption is not None:
            data = picture.caption.data()
            if data.strip():
                found[self._extension] = PlacedFile(Path(), None, data)
            else:
                # sd-scripts refuses to start on an empty caption file.
                found.pop(self._extension, None)
        return found


def _sidecar(suffix: str, file: Path) -> PlacedFile:
    """Return the copy of a sidecar; masks in other formats become PNG."""
    if suffix not in MASK_SUFFIXES or file.suffix.lower() == ".png":
        return PlacedFile(file, file)
    buffer = io.BytesIO()
    # sd-scripts reads the red channel of a coloured mask.
    is_mask = suffix == MASK_SUFFIXES[0]
    mask = decode_data(file).getchannel("R") if is_mask else decode(file)
    mask.save(buffer, "PNG")
    return PlacedFile(file, None, buffer.getvalue())


def _mark(sidecars: Mapping[str, PlacedFile]) -> str:
    """Return a key that is equal for pictures with the same sidecars."""
    parts = [
        f"{suffix} {copy.source or sha256(copy.data).hexdigest()}"
        for suffix, copy in sorted(sidecars.items())
    ]
    return "\n".join(parts)


def _sidecar_files(target: Path) -> Iterable[Path]:
    for suffix in (*CAPTION_SUFFIXES, *MASK_SUFFIXES):
        yield target.with_name(target.stem + suffix)
