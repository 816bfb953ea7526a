import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.errors import ConfigError
from prep.system import names
from prep.system.names import with_home

STEMS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=300)


def test_numbers_sort_as_people_count() -> None:
    wanted = [
        "1_b/2.png",
        "1_b/10.png",
        "2_a/x9y2.png",
        "2_a/x9y10.png",
        "2_a/x10y1.png",
        "10_a/1.png",
    ]
    assert sorted(set(wanted), key=names.natural_key) == wanted


def test_a_folder_comes_before_names_that_continue_its_own() -> None:
    assert sorted(["a-b/1.png", "a/2.png", "a /3.png"], key=names.natural_key) == [
        "a/2.png",
        "a /3.png",
        "a-b/1.png",
    ]


@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 3))
def test_numbers_of_any_length_and_with_zeros_compare_as_numbers(
    a: int, b: int, zeros: int
) -> None:
    one, other = names.natural(f"x{'0' * zeros}{a}y"), names.natural(f"x{b}y")
    assert (one < other, one == other) == (a < b, a == b)


@given(st.lists(STEMS, unique=True, max_size=5))
def test_no_two_names_share_a_sort_key(stems: list[str]) -> None:
    assert len({names.natural_key(stem) for stem in stems}) == len(stems)


@given(STEMS, st.integers(0, 120))
def test_a_shortened_stem_fits_and_is_valid(stem: str, room: int) -> None:
    short = names.shortened(stem, room)
    assert len(short.encode()) <= names.MAX_BYTES - room
    assert (short == stem) == (len(stem.encode()) <= names.MAX_BYTES - room)
    assert names.shortened(stem, room) == short


def test_long_stems_that_differ_only_at_the_end_stay_different() -> None:
    found = {names.shortened("漢" * 90 + str(number), 48) for number in range(100)}
    assert len(found) == 100


def test_long_names_keep_their_suffix_and_their_number() -> None:
    name = names.shortened_name("x" * 300 + ".txt")
    assert name.endswith(".txt")
    assert names.fits(name)
    name = names.numbered("漢" * 84 + ".png", 12, ".")
    assert name.endswith(".12.png")
    assert names.fits(name)


def test_a_file_is_found_in_either_form_of_its_accents(tmp_path: Path) -> None:
    for written, asked in (("NFD", "NFC"), ("NFC", "NFD")):
        file = tmp_path / (unicodedata.normalize(written, f"é{written}") + ".txt")  # type: ignore[arg-type]
        file.touch()
        wanted = file.with_name(unicodedata.normalize(asked, file.name))  # type: ignore[arg-type]
        assert names.existing(wanted).name == file.name
    missing = tmp_path / "ü.txt"
    assert names.existing(missing) == missing


def test_a_name_that_is_too_long_is_not_there(tmp_path: Path) -> None:
    assert not names.is_there(tmp_path / ("x" * 256))
    assert names.existing(tmp_path / ("é" * 200)).name == "é" * 200


@pytest.mark.parametrize("path", ["~nobody-at-all/images", "a\0b"])
def test_paths_that_nothing_has_are_told(path: str) -> None:
    with pytest.raises(ConfigError, match=r"no home folder|NUL"):
        with_home(path)


def test_a_path_that_no_disk_can_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x… cannot be opened: File name too long") as caught:
        with_home("x" * 5000)
    assert len(str(caught.value)) < 250
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ConfigError, match="symbolic links"):
        with_home(tmp_path / "circle" / "a.png")


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert with_home("~/images") == Path("/home/somebody/images")
    assert with_home(Path("a/~b")) == Path("a/~b")
