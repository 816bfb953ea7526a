"""Where pictures go, for any mixture of names, contents and what lies there already."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from prep.formats.collection import SourceCaption, SourceImage, safe_folder, without_split
from prep.formats.placing import Placement, Placer

Names = st.sampled_from(["a.png", "A.png", "a.jpg", "a-2.png", "b.png", "x/a.png", "a.b.png"])
Contents = st.sampled_from(["one", "two", "three"])
Captions = st.sampled_from([None, "cat", "dog\nbarks"])
Sources = st.lists(
    st.tuples(Names, Contents, Captions), max_size=6, unique_by=lambda entry: entry[0]
)
Present = st.dictionaries(
    st.sampled_from(["a.png", "a.txt", "a.jpg", "a-2.txt", "A.png", "b-masklabel.png", "b.txt"]),
    st.sampled_from(["one", "two", "cat", "dog"]),
    max_size=5,
)


def placed(dataset: Path, pictures: list[SourceImage]) -> list[Placement]:
    """Place and copy."""
    placer = Placer(dataset, ".txt")
    found = [placer.place(picture) for picture in pictures]
    for placement in found:
        for copy in placement.copies:
            assert not copy.target.exists(), "nothing is overwritten"
            copy.target.parent.mkdir(parents=True, exist_ok=True)
            copy.target.write_bytes(copy.source.read_bytes() if copy.source else copy.data)
    return found


def pictures_of(root: Path, sources: list[tuple[str, str, str | None]]) -> list[SourceImage]:
    pictures = []
    for name, content, caption in sources:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        text = None if caption is None else SourceCaption(text=caption)
        pictures.append(SourceImage(file, "c", name, text))
    return pictures


@settings(max_examples=60, deadline=None)
@given(Sources, Present)
def test_nothing_is_lost_overwritten_or_done_twice(
    sources: list[tuple[str, str, str | None]], present: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folder = root / "dataset" / "c"
        folder.mkdir(parents=True)
        for name, content in present.items():
            (folder / name).write_text(content)
        pictures = pictures_of(root / "source", sources)

        first = placed(root / "dataset", pictures)

        for name, content in present.items():
            assert (folder / name).read_text() == content
        targets = [placement.target for placement in first]
        assert len({str(target).casefold() for target in targets}) == len(targets)
        for placement, (_, content, caption) in zip(first, sources, strict=True):
            assert placement.target.read_text() == content
            sidecar = placement.target.with_suffix(".txt")
            if caption is not None and sidecar not in placement.kept:
                assert sidecar.read_text() == caption
            if caption is None and not placement.there:
                assert not sidecar.exists(), "no picture gets the caption of another"
        again = placed(root / "dataset", pictures)
        assert [placement.target for placement in again] == targets
        assert all(placement.there and not placement.copies for placement in again)


@given(st.text())
def test_a_folder_name_is_one_visible_folder(name: str) -> None:
    safe = safe_folder(name)
    assert safe
    assert "/" not in safe
    assert not safe.startswith(".")


def test_the_folder_of_a_split_is_no_concept() -> None:
    assert without_split(["train/a/x.png", "train/y.png"]) == ["a/x.png", "y.png"]
    assert without_split(["train/x.png", "test/y.png"]) == ["train/x.png", "test/y.png"]
    assert without_split(["cats/x.png"]) == ["cats/x.png"]
