from pathlib import Path

from prep.companions import companions, moves, to_trash
from prep.edits import Journal
from prep.index import Index
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
    assert [file.name for file in companions(with_others(image.parent))] == list(BELONGING)


def test_images_that_share_files_own_none(make_image: MakeImage) -> None:
    image = make_image("10_mochi/a.png")
    make_image("10_mochi/a.jpg")
    assert companions(with_others(image.parent)) == []


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
