"""LoRA files by path and by name, wherever they lie and whatever they are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.errors import ConfigError
from prep.project import Project
from train.sampling.loras import distinct_names, file_names, find_lora, find_with_strength


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Put a file into the home folder, the current one, the project and its output/lora."""
    folders = {
        "home": tmp_path / "home",
        "here": tmp_path / "here",
        "project": tmp_path / "project",
        "output": tmp_path / "project" / "output" / "lora",
    }
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / f"{name}.safetensors").touch()
    monkeypatch.setenv("HOME", str(folders["home"]))
    monkeypatch.chdir(folders["here"])
    return folders


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("here.safetensors", "here"),
        ("./here", "here"),
        ("../here/here.safetensors", "here"),
        ("~/home.safetensors", "home"),
        ("~/home", "home"),
        ("project.safetensors", "project"),
        ("output", "output"),
        ("output.safetensors", "output"),
        ("output/lora/output.safetensors", "output"),
    ],
)
@pytest.mark.parametrize(("strength", "value"), [("", 1.0), (":0.6", 0.6), (":-1", -1.0)])
def test_files_are_found(
    places: dict[str, Path], text: str, place: str, strength: str, value: float
) -> None:
    project = Project.open(places["project"])
    file = places[place] / f"{place}.safetensors"
    assert find_with_strength(f"{text}{strength}", project) == (file, value)
    assert find_with_strength(f"{file}{strength}", project) == (file, value)
    assert find_lora(text, project) == file


@pytest.mark.parametrize("name", ["a:0.5.safetensors", "a:0.5", "a.b.safetensors", "a"])
def test_names_with_colons_and_dots(places: dict[str, Path], name: str) -> None:
    project = Project.open(places["project"])
    file = places["here"] / name
    file.touch()
    assert find_with_strength(name, project) == (file, 1.0)
    assert find_with_strength(f"{name}:0.25", project) == (file, 0.25)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "There is no LoRA") for text in ("none", "none:0.5", "here:x", "")),
        ("x" * 300, "File name too long"),
        ("~nobody-at-all/x", "There is no home folder for ~nobody-at-all/x"),
        ("a\0b", "A path holds a NUL character"),
    ],
)
def test_what_is_not_there(places: dict[str, Path], text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_with_strength(text, Project.open(places["project"]))


@pytest.mark.parametrize("strength", ["nan", "inf", "-inf"])
def test_strengths_are_numbers(places: dict[str, Path], strength: str) -> None:
    with pytest.raises(ConfigError, match="is not a strength"):
        find_with_strength(f"here:{strength}", Project.open(places["project"]))


def test_files_of_one_name_are_told_apart() -> None:
    paths = ["/r/a/x/last.safetensors", "/r/b/x/last.safetensors", "/r/a/y/last.safetensors"]
    paths += ["/r/a/other.safetensors", "/r/a/last", "/last.safetensors"]
    names = distinct_names(map(Path, paths))
    assert list(names.values()) == ["a/x/last", "b/x/last", "y/last", "other", "a/last", "/last"]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a_b", "b.c"]), min_size=1), max_size=8))
def test_no_two_names_are_the_same(parts: list[list[str]]) -> None:
    files = [Path("/", *part).with_suffix(".safetensors") for part in parts]
    names = distinct_names(files)
    assert len(set(names.values())) == len(set(files))
    plain = file_names(list(names.values()))
    assert len(set(plain.values())) == len(set(files))
    assert not any("/" in name for name in plain.values())


def test_long_names_are_cut_and_still_differ() -> None:
    plain = file_names(["x" * 300, "y" + "x" * 299, "é" * 300])
    assert all(len(name.encode()) < 200 for name in plain.values())
    assert len(set(plain.values())) == 3
