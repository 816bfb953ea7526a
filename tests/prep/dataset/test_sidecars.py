import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset.index import Index
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.sidecars import Listing, find_sidecars, moves, to_trash
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage

BELONGING = (
    "a-condlabel.png", "a-masklabel.png", "a.caption", "a.npz", "a.txt", "a_0064x0064_sd.npz",
    "a_te_outputs.npz",
)  # fmt: skip


def with_others(folder: Path) -> Path:
    for name in (*BELONGING, "ab.txt", "a_b.npz", "a_note.txt"):
        (folder / name).write_bytes(b"x")
    return folder / "a.png"


def test_captions_masks_and_caches_belong_to_an_image(make_image: MakeImage) -> None:
    image = make_image("10_mochi/a.png")
    assert [file.name for file in find_sidecars(with_others(image.parent))] == list(BELONGING)


def test_images_that_share_files_own_none(make_image: MakeImage) -> None:
    image = make_image("10_mochi/a.png")
    make_image("10_mochi/a.jpg")
    assert find_sidecars(with_others(image.parent)) == []


def test_the_trash_takes_them_along_and_undo_brings_them_back(
    project: Project, make_image: MakeImage
) -> None:
    image = with_others(make_image("10_mochi/a.png").parent)
    list(scan.run(project))
    before = sorted(file.name for file in image.parent.iterdir())
    with Index(project) as index:
        path = project.relative(image)
        Journal(index).apply("to the trash", to_trash(project, [path]))
        trash = project.state / "trash" / path
        assert trash.exists()
        assert {file.name for file in trash.parent.iterdir()} == {"a.png", *BELONGING}
        Journal(index).undo()
    assert sorted(file.name for file in image.parent.iterdir()) == before


def test_a_renamed_image_gives_its_stem_to_them(project: Project, make_image: MakeImage) -> None:
    with_others(make_image("10_mochi/a.png").parent)
    found = moves(project, "dataset/10_mochi/a.png", "dataset/10_mochi/b-1.png")
    names = {Path(change.after or "").name for change in found}
    assert names == {"b-1.png", *("b-1" + name[1:] for name in BELONGING)}


@given(st.sets(st.sampled_from(["a", "a.b", "ab", "a_1x2", "b", ""]), min_size=1))
def test_a_listing_finds_what_stands_in_the_folder(stems: set[str]) -> None:
    with TemporaryDirectory() as folder:
        for stem in stems:
            for suffix in (".txt", "-masklabel.png", "_1x2.npz", ".npz", "x.txt"):
                (Path(folder) / f"{stem}{suffix}").touch()
        listing = Listing()
        for stem in ("a", "a.b", "ab", "b"):
            image = Path(folder) / f"{stem}.png"
            assert find_sidecars(image, listing) == find_sidecars(image)
            names = {file.name for file in image.parent.iterdir() if file.name.startswith(stem)}
            assert set(listing.beginning(folder, stem)) == names


def test_a_folder_is_read_once_for_many_images(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [project.relative(make_image(f"10_mochi/{n}.png", caption="x")) for n in range(9)]
    read, real = list[str](), os.listdir

    def counted(folder: str) -> list[str]:
        read.append(folder)
        return real(folder)

    monkeypatch.setattr(os, "listdir", counted)
    assert len(to_trash(project, paths)) == 18
    assert len(read) == 1
