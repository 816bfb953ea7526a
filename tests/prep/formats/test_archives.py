"""Archives: what is wanted comes out, and nothing harmful happens."""

import io
import json
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prep.errors import ConfigError, UserError
from prep.formats import archives, sources
from prep.formats.archives import safe_name, unpack
from prep.project import Project
from tests.conftest import MakeImage
from tests.prep.exporting import run
from tests.prep.trees import concept, done, files, picture, skipped, take


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    return picture(tmp_path / "one.png", 1).read_bytes()


def zipped(file: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in members.items():
            pack.writestr(name, data)
    return file


def test_a_zip_of_a_kohya_tree(tmp_path: Path, image: bytes) -> None:
    members = {
        "my set/10_mochi/a.png": image,
        "my set/10_mochi/a.txt": b"mochi, hat\nmore",
        "my set/reg/1_bear/b.png": image,
        "__MACOSX/my set/10_mochi/._a.png": b"litter",
        "my set/.DS_Store": b"litter",
    }
    file = zipped(tmp_path / "set.zip", members)
    before = file.read_bytes()
    found = take(file, tmp_path / "target")
    made = files(tmp_path / "target" / "dataset")
    assert set(made) == {"10_mochi/a.png", "10_mochi/a.txt", "1_bear/b.png"}
    assert made["10_mochi/a.txt"] == b"mochi, hat\nmore"
    assert concept(tmp_path / "target", "1_bear") == (1, "", True)
    assert skipped(found) == {}
    assert file.read_bytes() == before
    assert done(take(file, tmp_path / "target"))["unchanged"] == 2
    assert not list(tmp_path.rglob(".shikomi-unpacked-*"))


def test_a_single_concept_keeps_its_name_and_a_flat_zip_gets_that_of_the_file(
    tmp_path: Path, image: bytes
) -> None:
    take(zipped(tmp_path / "x.zip", {"5_cat/a.png": image}), tmp_path / "one")
    take(zipped(tmp_path / "bears.zip", {"a.png": image}), tmp_path / "two")
    assert set(files(tmp_path / "one" / "dataset")) == {"5_cat/a.png"}
    assert set(files(tmp_path / "two" / "dataset")) == {"bears/a.png"}


def test_hostile_members_stay_where_they_are(tmp_path: Path, image: bytes) -> None:
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("../../escape.png", image)
        pack.writestr("/tmp/absolute.png", image)
        pack.writestr("C:\\windows.png", image)
        pack.writestr("..\\back.png", image)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        pack.writestr(link, "/etc/passwd")
        pack.writestr("bomb.png", bytes(60 << 20))
        pack.writestr("inner.zip", b"PK")
        pack.writestr("run.exe", b"MZ")
        pack.writestr("good/a.png", image)
        pack.writestr("GOOD/A.png", image)
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    outside = set(files(tmp_path))
    result = unpack(file, out)
    assert set(files(out)) == {"good/a.png"}
    assert set(files(tmp_path)) - outside == {"deep/out/good/a.png"}
    outside_name = "its name points outside the archive"
    assert dict(result.skipped) == {
        "../../escape.png": outside_name,
        "/tmp/absolute.png": outside_name,
        "C:\\windows.png": outside_name,
        "..\\back.png": outside_name,
        "link.png": "a link",
        "bomb.png": "unpacks to 60 MiB (a bomb?)",
        "inner.zip": "an archive inside the archive",
        "run.exe": "not an image",
        "GOOD/A.png": "the archive has another file with this name",
    }


def test_metadata_in_an_archive_reaches_nothing_outside(tmp_path: Path, image: bytes) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(image)
    rows = [{"file_name": str(secret), "text": "x"}, {"file_name": "a.png", "text": "mine"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    file = zipped(tmp_path / "set.zip", {"metadata.jsonl": text.encode(), "a.png": image})
    found = take(file, tmp_path / "target")
    assert set(files(tmp_path / "target" / "dataset")) == {"set/a.png", "set/a.txt"}
    assert skipped(found) == {"secret.png": "is outside the archive"}


def test_a_zipped_export_is_read_from_the_archive(
    project: Project, make_image: MakeImage, tmp_path: Path
) -> None:
    """Its dataset file names folders that are still there, outside."""
    make_image("10_mochi/a.png", 1, caption="mochi")
    run(project, out=tmp_path / "out")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "out")
    found = take(tmp_path / "set.zip", tmp_path / "target")
    assert skipped(found) == {}
    assert set(files(tmp_path / "target" / "dataset")) == {"10_mochi/a.webp", "10_mochi/a.txt"}


def test_names_that_are_too_long_or_unprintable(tmp_path: Path, image: bytes) -> None:
    long = "x" * 300
    file = tmp_path / "odd.zip"
    with zipfile.ZipFile(file, "w") as pack:
        pack.writestr(f"{long}.png", image)
        pack.writestr(f"{long}.txt", b"long")
        pack.writestr("con\ntrol.png", image)
    out = tmp_path / "out"
    out.mkdir()
    unpack(file, out)
    made = files(out)
    assert "con_trol.png" in made
    stems = {PurePosixPath(n).stem for n in made if n.startswith("xxx")}
    assert len(stems) == 1
    assert all(len(n.encode()) < 255 for n in made)


def zip_of(file: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as pack:
        for name, data in members.items():
            pack.writestr(name, data)
    return file


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("utf-8", ["もち.png", "a.png"]),
        ("cp932", ["もち.png", "猫.png", "表示.txt", "a.png"]),
        ("cp437", ["caf\xe9.png", "\xe9t\xe9.png", "Bj\xf6rn.png", "\xe9l\xe9gant.png"]),
    ],
)
def test_names_whose_encoding_is_not_declared(encoding: str, names: list[str]) -> None:
    members = [zipfile.ZipInfo(name.encode(encoding).decode("cp437")) for name in names]
    members.append(zipfile.ZipInfo("猫\xe9.png"))
    members[-1].flag_bits = 0x800
    assert [name for _, name in archives._readable(members)] == [*names, "猫\xe9.png"]


def test_an_archive_without_images_says_why_and_names_no_temporary_folder(
    tmp_path: Path, image: bytes
) -> None:
    (staging := tmp_path / "staging").mkdir()
    inner = zip_of(tmp_path / "inner.zip", {"a.png": image})
    found = sources.read(zip_of(tmp_path / "outer.zip", {"inner.zip": inner.read_bytes()}), staging)
    assert [reason for _, reason in found.skipped] == ["an archive inside the archive"]
    with pytest.raises(UserError) as caught:
        sources.read(zip_of(tmp_path / "empty.zip", {}), staging)
    assert caught.value.message == f"There are no images in {tmp_path / 'empty.zip'}."


def test_damaged_and_encrypted_members_are_reported(tmp_path: Path, image: bytes) -> None:
    file = tmp_path / "hurt.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        pack.writestr("a.png", image)
        pack.writestr("b.png", image + b"tail")
    data = bytearray(file.read_bytes())
    at = data.index(b"tail")
    data[at : at + 4] = b"TAIL"  # the checksum no longer fits
    file.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    result = unpack(file, out)
    assert set(files(out)) == {"a.png"}
    assert [name for name, _ in result.skipped] == ["b.png"]
    assert "cannot be unpacked" in result.skipped[0][1]


def test_no_archive_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be unpacked"):
        take(tmp_path / "x.zip", tmp_path / "target")
    assert not (tmp_path / "target").exists()


class Usage(NamedTuple):
    """As shutil.disk_usage gives it."""

    total: int
    used: int
    free: int


def test_what_does_not_fit_is_refused(
    tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = zipped(tmp_path / "x.zip", {"a.png": image})
    data = file.read_bytes()
    size = len(image).to_bytes(4, "little")
    place = data.rindex(b"PK\x01\x02") + 24  # the size in the directory of the archive
    assert data[place : place + 4] == size
    file.write_bytes(data[:place] + (0xFFFFFFF0).to_bytes(4, "little") + data[place + 4 :])
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 39, 1 << 30))
    with pytest.raises(UserError, match="unpacks to 4,095 MiB, but only 1,024 MiB are free"):
        unpack(file, out)
    assert files(out) == {}


def test_overlapping_members_are_a_bomb(tmp_path: Path, image: bytes) -> None:
    """Every entry of the directory may point to the same megabytes."""
    file = zipped(tmp_path / "x.zip", {"000.bmp": bytes(40 << 20)})
    data = file.read_bytes()
    start, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry, count = data[start:end], 60
    entries = b"".join(entry.replace(b"000.bmp", f"{n:03}.bmp".encode()) for n in range(count))
    size = len(entries).to_bytes(4, "little")
    numbers = count.to_bytes(2, "little") * 2
    tail = data[end : end + 8] + numbers + size + data[end + 16 :]
    file.write_bytes(data[:start] + entries + tail)
    with pytest.raises(UserError, match=r"2,400 MiB from .* KiB \(a bomb"):
        unpack(file, tmp_path)


def test_shards_of_webdataset(tmp_path: Path, image: bytes) -> None:
    place = tmp_path / "shards"
    place.mkdir()
    for shard in range(2):
        with tarfile.open(place / f"set-{shard:06}.tar", "w") as tar:
            masks = [("0.mask.png", image), ("x.mask.png", image)] if shard == 0 else []
            for name, data in ((f"{shard}.png", image), (f"{shard}.txt", b"a cat"), *masks):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo("link.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    found = take(place, tmp_path / "target")
    made = files(tmp_path / "target" / "dataset")
    assert set(made) == {
        *("shards/0.png", "shards/0.txt", "shards/1.png", "shards/1.txt"),
        *("shards/0-masklabel.png", "shards/x.mask.png"),  # the other belongs to no image
    }
    assert set(skipped(found).values()) == {"a link or a device"}


@given(st.text(max_size=300))
@example("a/../../b.png")
@example("./.")
def test_safe_names_stay_inside(name: str) -> None:
    safe = safe_name(name)
    if safe is not None:
        parts = safe.split("/")
        assert not safe.startswith("/")
        assert all(part not in ("", ".", "..") and "\\" not in part for part in parts)
        assert all(len(part.encode()) <= 255 for part in parts)
        assert safe_name(safe) == safe
