import os
from pathlib import Path

import pytest

from prep.errors import UserError
from prep.images import is_image_name
from prep.system import walking
from prep.system.walking import Folder, files_below, walk_folders


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def counted(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in files_below(root, is_image_name)]


def repeated(root: Path) -> dict[str, str]:
    return {
        Path(folder.path, name).relative_to(root).as_posix(): target
        for folder in walk_folders(root, is_image_name)
        for name, target in folder.repeated.items()
    }


def test_folders_are_walked_in_natural_order_and_odd_entries_are_told(tmp_path: Path) -> None:
    make(tmp_path, "b/10.png", "b/2.png", "a/x/1.png", ".hidden/1.png", "0.png", "a/.secret")
    make(tmp_path, "c 10/x.png", "c 9/x.png")
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "linked.png").symlink_to("0.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = list(walk_folders(tmp_path))
    assert [(Path(f.path).name, f.names) for f in found[1:]] == [
        ("a", []),
        ("x", ["1.png"]),
        ("b", ["2.png", "10.png"]),
        ("c 9", ["x.png"]),
        ("c 10", ["x.png"]),
    ]
    assert (found[0].names, found[0].links) == (["0.png", "linked.png"], {"linked.png"})
    assert found[0].faults == [
        ("dangling.png", "a broken link"),
        ("pipe.png", "not a regular file"),
    ]
    assert [name for name, _ in found[1].faults] == ["self"]
    assert found[1].hidden == [".secret"]


def test_walking_says_what_is_wrong_with_the_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        list(walk_folders(tmp_path / "missing"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        list(walk_folders(tmp_path / "file"))


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/a.png", "#snapshot/a.png"),
        *("@sharebin/a.png", "@SynoResource/a.png", "@appstore/x/a.png", "Recycle Bin/a.png"),
        *("@Recycle/a.png", "@Recently-Snapshot/a.png", ".@__thumb/a.png", "@__thumb/a.png"),
        *("$RECYCLE.BIN/S-1-5/$R1.png", "System Volume Information/a.png", "RECYCLER/a.png"),
        *(".AppleDouble/a.png", "._a.png", "__MACOSX/10_a/a.png", ".Trashes/a.png"),
        *("lost+found/a.png", "FOUND.000/a.png", ".Trash-1000/files/a.png", ".thumbnails/a.png"),
        *("AlbumArtSmall.jpg", "AlbumArt_{6F-1}_Large.jpg", ".ipynb_checkpoints/a-checkpoint.png"),
    ],
)
def test_litter_is_no_picture_at_any_depth(tmp_path: Path, name: str) -> None:
    make(tmp_path, "10_a/real.png", name, f"10_a/{name}", f"10_a/deep/{name.swapcase()}")
    assert counted(tmp_path) == ["10_a/real.png"]


@pytest.mark.parametrize(
    "name",
    ["@artist", "@share", "@app", "@synth", "#1", "found", "recycle", "$", "thumbs", "snapshot"],
)
def test_names_that_look_like_litter_are_not(tmp_path: Path, name: str) -> None:
    make(tmp_path, f"{name}/a.png", f"{name}.png")
    assert counted(tmp_path) == [f"{name}.png", f"{name}/a.png"]


def test_small_versions_of_the_pictures_beside_them_are_no_pictures(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.jpg", "Thumbs/a.jpg", "Thumbs/tn_b.jpg", "Thumbs/Thumbs.db")
    make(tmp_path, "10_a/c.png", "10_a/thumbnails/c_thumb.webp")
    assert counted(tmp_path) == ["a.png", "b.jpg", "10_a/c.png"]


@pytest.mark.parametrize("more", ["Thumbs/other.png", "Thumbs/a.txt", "Thumbs/more/a.png"])
def test_a_folder_of_thumbs_with_anything_else_is_the_users(tmp_path: Path, more: str) -> None:
    make(tmp_path, "a.png", "Thumbs/a.png", more)
    assert "Thumbs/a.png" in counted(tmp_path)


def test_a_picture_is_found_once_at_its_own_place(tmp_path: Path) -> None:
    make(tmp_path, "b/real.png", "b/a.txt", "c/other.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "soft.png").symlink_to("../b/real.png")
    (tmp_path / "a" / "chain.png").symlink_to("soft.png")
    (tmp_path / "c" / "hard.png").hardlink_to(tmp_path / "c" / "other.png")
    (tmp_path / "c" / "a.txt").symlink_to("../b/a.txt")
    assert counted(tmp_path) == ["b/real.png", "c/hard.png"]
    real = str((tmp_path / "b" / "real.png").resolve())
    assert repeated(tmp_path) == {"a/chain.png": real, "a/soft.png": real, "c/other.png": ""}


def test_links_to_pictures_elsewhere_count_once(tmp_path: Path) -> None:
    make(tmp_path, "library/x.png", "library/deep/y.png", "library/.hidden.png")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("1.png", "2.png"):
        (data / name).symlink_to("../library/x.png")
    (data / "hidden.png").symlink_to("../library/.hidden.png")
    (data / "all").symlink_to("../library")
    (data / "again").symlink_to("../library")
    assert counted(data) == ["1.png", "hidden.png", "again/deep/y.png"]


def test_links_to_folders_add_nothing_twice_and_loops_end(tmp_path: Path) -> None:
    make(tmp_path, "outside.png", "data/b/1.png", "data/b/deep/2.png")
    data = tmp_path / "data"
    (data / "a").symlink_to("b")
    (data / "b" / "loop").symlink_to("..")
    (data / "b" / "up").symlink_to(tmp_path)
    (data / "b" / "me").symlink_to(".")
    assert counted(data) == ["b/1.png", "b/deep/2.png"]
    assert counted(data / "a") == ["1.png", "deep/2.png"]


def test_a_link_to_a_picture_that_is_not_walked_counts(tmp_path: Path) -> None:
    make(tmp_path, "output/x.png", "@eaDir/y.png", "raw.bin")
    targets = {"a.png": "output/x.png", "b.png": "@eaDir/y.png", "c.png": "raw.bin"}
    for name, target in targets.items():
        (tmp_path / name).symlink_to(target)
    folders = walk_folders(tmp_path, is_image_name, without=[tmp_path / "output"])
    names = {Path(f.path).name: (f.names, f.repeated) for f in folders}
    assert names == {tmp_path.name: (["a.png", "b.png", "c.png", "raw.bin"], {})}


def test_only_the_files_of_the_root_itself_can_be_walked(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "originals/2.png")
    (tmp_path / "a.png").symlink_to("originals/2.png")
    (tmp_path / "b.png").symlink_to("1.png")
    (found,) = walk_folders(tmp_path, is_image_name, deep=False)
    assert found.names == ["1.png", "a.png", "b.png"]
    assert list(found.repeated) == ["b.png"]


def test_a_root_behind_a_link_is_walked(tmp_path: Path) -> None:
    make(tmp_path, "real/1.png")
    (tmp_path / "root").symlink_to("real")
    (tmp_path / "real" / "2.png").symlink_to("1.png")
    assert counted(tmp_path / "root") == ["1.png"]


def test_numbers_that_all_files_of_a_network_share_have_prove_nothing(
    tmp_path: Path,
) -> None:
    make(tmp_path, "a.png", "b.png")
    folder = Folder(str(tmp_path), [])
    walked = walking._Walk(tmp_path, is_image_name)
    walked.enter(str(tmp_path))

    class Entry:
        def __init__(self, real: "os.DirEntry[str]") -> None:
            self._real = real
            self.name, self.path = real.name, real.path

        def inode(self) -> int:
            return 0xFFFFFFFF

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    with os.scandir(tmp_path) as scan:
        for entry in scan:
            walked.sort_in(Entry(entry), folder, [])  # type: ignore[arg-type]
    assert (sorted(folder.names), folder.repeated) == (["a.png", "b.png"], {})
