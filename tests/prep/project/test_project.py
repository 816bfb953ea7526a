from pathlib import Path

import pytest

from prep.errors import ConfigError
from prep.project import Project, parse_folder, read_settings
from prep.project.creation import initialise


def test_a_new_project_has_its_folders_and_keeps_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / 'my "bear"'
    made = initialise(root)
    assert made.name == "my bear"
    assert {p.name for p in root.iterdir()} == {"shikomi.toml", "dataset", "model", "output"}
    made.file.write_text('[project]\nname = "mine"\n')
    assert initialise(root).name == "mine"


def test_any_folder_opens(tmp_path: Path) -> None:
    opened = Project.open(tmp_path)
    assert opened.dataset == opened.root == tmp_path.resolve()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "words"), [("missing", "does not exist"), ("file", "is a file")])
def test_what_is_no_folder_does_not_open(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=words):
        Project.open(tmp_path / name)
    with pytest.raises(ConfigError, match="is a file"):
        initialise(tmp_path / "file")


def test_all_faults_are_named_at_once_with_the_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "shikomi.toml"
    file.write_text(
        "[project]\nresolutoin = 512\nfamily = 'sd3'\n[buckets]\nstep = 4\n"
        "[concepts.10_mochi]\ntriger = 'm'\n[captoins]\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(file)
    text = str(caught.value)
    for part in (
        "resolutoin (did you mean resolution?)",
        "project.family",
        "buckets.step",
        "triger (did you mean trigger?)",
        "captoins (did you mean captions?)",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"[project", "not valid TOML"), (b"name = '\xff'", "not UTF-8"), (b"a = 1\na = 2", "TOML")],
)
def test_files_that_cannot_be_read(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "shikomi.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        read_settings(file)


@pytest.mark.parametrize(
    "table",
    [
        '[concepts.10_x]\ntrigger = "a\\u001b[2Jb"',
        '[captions]\nalways_first = ["a\\u202eb"]',
        '[captions.replace]\nhat = "a\\u009bb"',
        '[captions.regex]\n"h.t" = "a\\u0000b"',
    ],
)
def test_tags_that_hold_orders_for_a_terminal_are_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / "shikomi.toml").write_text(table)
    with pytest.raises(ConfigError, match="contains a control character"):
        Project.open(tmp_path)


def test_saving_keeps_comments_and_order(project: Project) -> None:
    before = project.file.read_text()
    changed = project.saved({"project": {"resolution": 768}})
    assert changed.settings.project.resolution == 768
    after = project.file.read_text()
    assert after == before.replace("resolution = 512 ", "resolution = 768 ")
    changed.saved({"concepts": {"10_mochi": {"trigger": "mochi", "prune": ("a", "b")}}})
    again = Project.open(project.root)
    assert again.concept("10_mochi").trigger == "mochi"
    assert again.concept("10_mochi").settings.prune == ("a", "b")
    again.saved({"concepts": {"10_mochi": {"trigger": None}}})
    assert Project.open(project.root).concept("10_mochi").trigger == ""


def test_a_faulty_change_is_not_saved(project: Project) -> None:
    before = project.file.read_bytes()
    with pytest.raises(ConfigError, match="resolution"):
        project.saved({"project": {"resolution": 7}})
    assert project.file.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("10_mychara", (10, "mychara")),
        ("1_a_b c", (1, "a_b c")),
        ("photos", (None, "photos")),
        ("_x", (None, "_x")),
        ("2024", (None, "2024")),
        ("3_", (3, "")),
    ],
)
def test_folder_names(name: str, parts: tuple[int | None, str]) -> None:
    assert parse_folder(name) == parts


def test_repeats_come_from_the_settings_then_the_name(project: Project) -> None:
    assert project.concept("10_mochi").repeats == 10
    assert project.concept("photos").repeats == 1
    saved = project.saved({"concepts": {"10_mochi": {"repeats": 3}}})
    assert saved.concept("10_mochi").repeats == 3
    assert saved.concept("10_mochi").name == "mochi"


def test_images_belong_to_the_first_folder(project: Project) -> None:
    assert project.concept_folder("dataset/10_mochi/deep/a.png") == "10_mochi"
    assert project.concept_folder("dataset/a.png") == "."


def test_a_bare_kohya_folder_is_its_own_dataset(tmp_path: Path) -> None:
    (tmp_path / "5_cat").mkdir()
    opened = Project.open(tmp_path)
    assert opened.concept_folder("5_cat/a.png") == "5_cat"
    assert opened.concept("5_cat").repeats == 5
