"""Unpack an archive of images safely: names stay inside, sizes are bounded, pictures only.

A zip or tar may be malicious, or written by a program with odd names. Nothing is unpacked
outside the given folder, no links are created, and decompression bombs are left out.
"""

import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from prep.errors import ConfigError, UserError
from prep.formats.shards import SHARD_MASK
from prep.formats.sidecars import CAPTION_SUFFIXES
from prep.images import MASK_SUFFIXES, SUFFIXES
from prep.system.names import is_litter_path, shortened

_WANTED = SUFFIXES | set(CAPTION_SUFFIXES) | {".toml", ".json", ".jsonl", ".csv", ".parquet"}
_MAX_RATIO, _SMALL = 200, 50 << 20
"""Maximum ratio of unpacked to packed size, unless the member is small."""
_MAX_TOTAL_RATIO = 1100
"""More than deflate can do, 1032: members overlap."""
_MAX_MEMBER = 2 << 30
_ROOM = 16
"""Bytes that a stem leaves for the suffixes of captions and masks."""
_CHUNK = 1 << 20
_JAPANESE = re.compile(r"[\u3041-\u30fe\u4e00-\u9fff]{2}")


@dataclass
class Unpacked:
    """Result of unpacking; ``skipped`` has (name, reason) of members left out."""

    files: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


def is_archive(file: Path) -> bool:
    """Return whether this is a supported archive."""
    return file.suffix.lower() in (".zip", ".tar") and file.is_file()


def unpack(archive: Path, target: Path) -> Unpacked:
    """Unpack the images, captions and metadata of a zip or tar into an empty folder.

    Raises:
        ConfigError: It is not an archive, broken from the start, or a bomb.
        UserError: It does not fit on the disk.
    """
    done = Unpacked()
    taken: set[str] = set()
    try:
        if archive.suffix.lower() == ".tar":
            with tarfile.open(archive, "r:") as tar:
                _write_all(_tar_members(tar, done), target, taken, done)
        else:
            with zipfile.ZipFile(archive) as pack:
                _check_room(archive, sum(info.file_size for info in pack.infolist()), target)
                _write_all(_zip_members(pack, done), target, taken, done)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        if not done.files:
            raise ConfigError(f"{archive} cannot be unpacked: {error}.") from error
        done.skipped.append((archive.name, f"truncated or broken ({error})"))
    except OSError as error:
        raise UserError(
            f"{archive} cannot be unpacked: {error.strerror or error}.", "Is the disk full?"
        ) from error
    return done


def _check_room(archive: Path, size: int, target: Path) -> None:
    free = shutil.disk_usage(target).free
    if size > free * 0.9:
        raise UserError(
            f"{archive} unpacks to {size >> 20:,} MiB, but only {free >> 20:,} MiB are free.",
            "Free some space, or unpack only the files you need by hand.",
        )
    packed = archive.stat().st_size
    if size > _SMALL and size > _MAX_TOTAL_RATIO * packed:
        raise ConfigError(
            f"{archive} unpacks to {size >> 20:,} MiB from {packed >> 10:,} KiB (a bomb?).",
            "Unpack only the files you need by hand.",
        )


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    stream: IO[bytes]


def _zip_members(pack: zipfile.ZipFile, done: Unpacked) -> Iterator[_Member]:
    for info, name in _readable(pack.infolist()):
        fault = _zip_fault(info, name)
        if info.is_dir() or _is_litter(name):
            continue
        if fault:
            done.skipped.append((name, fault))
            continue
        try:
            with pack.open(info) as stream:
                yield _Member(name, info.file_size, stream)
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            EOFError,
        ) as error:
            done.skipped.append((name, f"cannot be unpacked ({error})"))


def _zip_fault(info: zipfile.ZipInfo, name: str) -> str:
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link"
    return _fault(name, info.file_size, info.compress_size)


def _tar_members(tar: tarfile.TarFile, done: Unpacked) -> Iterator[_Member]:
    for info in tar:
        name = info.name
        if info.isdir() or _is_litter(name):
            continue
        fault = "a link or a device" if not info.isreg() else _fault(name, info.size, info.size)
        stream = None if fault else tar.extractfile(info)
        if stream is None:
            done.skipped.append((name, fault))
            continue
        with stream:
            yield _Member(name, info.size, stream)


def _fault(name: str, size: int, packed: int) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in (".zip", ".tar", ".rar", ".7z", ".gz"):
        return "an archive inside the archive"
    if suffix not in _WANTED:
        return "not an image"
    if safe_name(name) is None:
        return "its name points outside the archive"
    if size > _MAX_MEMBER or (size > _SMALL and size > _MAX_RATIO * max(1, packed)):
        return f"unpacks to {size >> 20:,} MiB (a bomb?)"
    return ""


def _write_all(members: Iterator[_Member], target: Path, taken: set[str], done: Unpacked) -> None:
    for member in members:
        name = safe_name(member.name)
        if name is None:
            continue
        if name.casefold() in taken:
            done.skipped.append((member.name, "the archive has another file with this name"))
            continue
        file = target / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("xb") as out:
                _copy(member, out)
        except (FileExistsError, NotADirectoryError):
            done.skipped.append((member.name, "the archive has a file and a folder with this name"))
        except (zipfile.BadZipFile, zlib.error, EOFError, tarfile.TarError) as error:
            file.unlink(missing_ok=True)
            done.skipped.append((member.name, f"cannot be unpacked ({error})"))
        else:
            taken.add(name.casefold())
            done.files += 1


def _copy(member: _Member, out: IO[bytes]) -> None:
    """Copy, but never more than the declared size."""
    left = member.size
    while left > 0 and (chunk := member.stream.read(min(left, _CHUNK))):
        out.write(chunk)
        left -= len(chunk)
    if left == 0:
        member.stream.read(1)  # at the end, zipfile verifies the checksum
        return
    raise EOFError("it ends too early")


def safe_name(name: str) -> str | None:
    r"""Return a member's name as a path below a folder, or ``None`` if it leads outside.

    Control characters are replaced, and parts that are too long are shortened.

    Example:
        >>> safe_name("a/b.png"), safe_name("../b.png"), safe_name(r"C:\b.png")
        ('a/b.png', None, None)
    """
    slashed = name.replace("\\", "/")
    if slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        return None
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    return "/".join(_part(part) for part in parts)


def _part(part: str) -> str:
    clean = re.sub(r"[\x00-\x1f\x7f]", "_", part).encode("utf-8", "replace").decode("utf-8")
    # By the stem alone, so that a picture, its caption and its mask stay together.
    masks = (*MASK_SUFFIXES, SHARD_MASK)
    ending = next((end for end in masks if clean.endswith(end)), Path(clean).suffix)
    return shortened(clean.removesuffix(ending), _ROOM) + ending


def _readable(members: Sequence[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return members with their names, which many programs write without declaring the encoding.

    That is UTF-8, or on a Japanese Windows Shift_JIS. Almost any name could be Shift_JIS: it is
    taken for that where all names can be, and one has several Japanese letters in a row.
    """
    declared = [bool(info.flag_bits & 0x800) for info in members]
    names = [info.filename for info in members]
    open_names = [name for name, known in zip(names, declared, strict=True) if not known]
    for encoding in ("utf-8", "cp932"):
        try:
            read = [name.encode("cp437").decode(encoding) for name in open_names]
        except UnicodeError:
            continue
        if encoding == "utf-8" or any(_JAPANESE.search(name) for name in read):
            rest = iter(read)
            names = [n if k else next(rest) for n, k in zip(names, declared, strict=True)]
            break
    return list(zip(members, names, strict=True))


def _is_litter(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return is_litter_path("/".join(part for part in parts if part not in ("", ".", "..")))
