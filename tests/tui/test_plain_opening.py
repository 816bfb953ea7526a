"""Which command lines open the application without the parser of verbs."""

from pathlib import Path

import pytest

from tui.plain_opening import plain_opening


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with one project, and one that has the name of a verb."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHIKOMI_IMAGES", raising=False)
    for name in ("mochi", "tag"):
        (tmp_path / name).mkdir()


@pytest.mark.parametrize(
    ("words", "opened"),
    [
        ("", (None, "auto")),
        ("mochi", (Path("mochi"), "auto")),
        ("./tag", (Path("tag"), "auto")),
        ("--images half mochi", (Path("mochi"), "half")),
        ("mochi --images none", (Path("mochi"), "none")),
        ("--images half", (None, "half")),
        ("tag", None),
        ("missing", None),
        ("mochi tag", None),
        ("mochi --help", None),
        ("--images", None),
        ("--images best mochi", None),
        ("--images=half mochi", None),
    ],
)
def test_only_a_folder_and_images_are_plain(
    words: str, opened: tuple[Path | None, str] | None
) -> None:
    assert plain_opening(words.split()) == opened


def test_the_variable_counts_unless_the_option_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIKOMI_IMAGES", "sixel")
    assert plain_opening(["mochi"]) == (Path("mochi"), "sixel")
    assert plain_opening(["mochi", "--images", "half"]) == (Path("mochi"), "half")
    monkeypatch.setenv("SHIKOMI_IMAGES", "best")
    assert plain_opening(["mochi"]) is None
