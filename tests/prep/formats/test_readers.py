"""Sources that a file describes: dataset files, metadata, concepts.json, imagefolders."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from prep.errors import ConfigError, MissingExtraError
from prep.formats import sd_scripts
from prep.project import Project
from tests.prep.trees import concept, done, files, lines, notes, picture, skipped, take


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def dataset_toml(source: Path) -> Path:
    picture(source / "one" / "a.png", 1, "mochi, hat", ".cap")
    picture(source / "one" / "sub" / "not_read.png", 8)
    picture(source / "masks" / "a.jpg", 5)
    picture(source / "two" / "b.png", 2, "bear", ".caption")
    file = source / "dataset.toml"
    file.write_text(
        f"""
[general]
caption_extension = ".cap"
num_repeats = 3
flip_aug = true
[[datasets]]
resolution = 640
batch_size = 4
bucket_reso_steps = 32
keep_tokens = 1
[[datasets.subsets]]
image_dir = "{source / "one"}"
class_tokens = "mochi"
conditioning_data_dir = '{source / "masks"}'
[[datasets]]
num_repeats = 2
[[datasets.subsets]]
image_dir = "two"
caption_extension = ".caption"
is_reg = true
num_repeats = 1
[[datasets.subsets]]
image_dir = "two"
[[datasets.subsets]]
image_dir = "missing"
"""
    )
    return file


@pytest.mark.parametrize("whole", [True, False])
def test_a_dataset_file_passes_its_settings_down(source: Path, target: Path, whole: bool) -> None:
    file = dataset_toml(source)
    found = take(source if whole else file, target)
    made = files(target / "dataset")
    assert set(made) == {
        *("one/a.png", "one/a.txt", "one/a-masklabel.png", "two/b.png", "two/b.txt")
    }
    assert made["one/a-masklabel.png"].startswith(b"\x89PNG")
    assert concept(target, "one") == (3, "mochi", False)
    assert concept(target, "two") == (1, "", True)
    settings = Project.open(target).settings
    assert settings.project.resolution == 640
    assert settings.buckets.step == 32
    assert settings.train["batch_size"] == 4
    assert skipped(found) == {"missing": "the folder does not exist"}
    assert "flip_aug" in notes(found)
    assert "listed more than once" in notes(found)
    assert done(take(file, target))["images"] == 0


def test_a_training_configuration_leads_to_its_dataset_file(source: Path, target: Path) -> None:
    dataset_toml(source)
    config = source / "train" / "config.toml"
    config.parent.mkdir()
    config.write_text('dataset_config = "../dataset.toml"\nnetwork_dim = 8\n')
    assert done(take(config, target))["images"] == 2


def test_an_existing_project_keeps_its_own_settings(source: Path, target: Path) -> None:
    file = dataset_toml(source)
    target.mkdir()
    (target / "shikomi.toml").write_text(
        "[project]\nresolution = 512\n[concepts.one]\nrepeats = 9\n"
    )
    (target / "dataset").mkdir()
    found = take(file, target)
    assert concept(target, "one") == (9, "mochi", False)
    assert Project.open(target).settings.project.resolution == 512
    assert "one keeps repeats = 9; the source has 3" in notes(found)


def test_metadata_of_sd_scripts_becomes_captions(source: Path, target: Path) -> None:
    picture(source / "img" / "a.png", 1)
    picture(source / "img" / "b.PNG", 2)
    picture(source / "img" / "c.png", 3)
    entries = {
        "a": {"caption": "A bear.", "tags": "mochi, hat", "train_resolution": [64, 64]},
        str(source / "img" / "b.PNG"): {"tags": "x, \\(y\\)"},
        "c.png": {"caption": "one\ntwo"},
        "gone.png": {"caption": "?"},
    }
    (source / "meta.json").write_text(json.dumps(entries))
    (source / "fine.toml").write_text(
        '[[datasets]]\n[[datasets.subsets]]\nimage_dir="img"\nmetadata_file="meta.json"\n'
    )
    found = take(source, target)
    made = files(target / "dataset")
    assert made["img/a.txt"] == b"A bear., mochi, hat"
    assert made["img/b.txt"] == b"x, \\(y\\)"
    assert made["img/c.txt"] == b"one\ntwo"
    assert skipped(found) == {"gone.png": "listed in meta.json, but the file does not exist"}


def test_metadata_lines_can_be_read_alone(source: Path, target: Path) -> None:
    picture(source / "a.png", 1)
    picture(source / "b.png", 2)
    rows: list[dict[str, Any]] = [
        {"image_path": str(source / "a.png"), "caption": "line\u2028sep"},
        {"image_path": "b.png", "caption": "b", "image_size": [96, 64]},
        {"image_path": "b.png", "caption": "again"},
    ]
    file = lines(source / "list.jsonl", rows)
    found = take(file, target)
    assert files(target / "dataset")["source/a.txt"].decode() == "line\u2028sep"
    assert skipped(found) == {"b.png": "listed twice in list.jsonl"}
    file.write_text('{"image_path": ')
    with pytest.raises(ConfigError, match="line 1"):
        sd_scripts.read_metadata(file)


def test_onetrainer_concepts(source: Path, target: Path) -> None:
    picture(source / "mochi" / "a.png", 1, "mochi, hat\nmochi again")
    picture(source / "mochi" / "a-masklabel.png", 2)
    picture(source / "mochi" / "sub" / "b.png", 3, "mochi")
    picture(source / "named" / "red bear.png", 4)
    picture(source / "shared" / "s.png", 5)
    (source / "prompts.txt").write_text("one\ntwo\n")
    concepts = [
        {"name": "mochi", "path": str(source / "mochi"), "balancing": 2.6, "enabled": True}
        | {"include_subdirectories": True, "text": {"prompt_source": "sample"}},
        {"name": "n", "path": "named", "text": {"prompt_source": "filename"}},
        {"name": "s", "path": "shared", "type": "PRIOR_PREDICTION", "balancing": 40.0}
        | {"balancing_strategy": "SAMPLES"}
        | {"text": {"prompt_source": "concept", "prompt_path": str(source / "prompts.txt")}},
        {"name": "off", "path": "mochi", "enabled": False},
        {"name": "gone", "path": "/nowhere/at/all"},
    ]
    (source / "concepts.json").write_text(json.dumps(concepts))
    found = take(source, target)
    made = files(target / "dataset")
    assert made["mochi/a.txt"] == b"mochi, hat\nmochi again"
    assert "mochi/a-masklabel.png" in made
    assert "mochi/sub/b.png" in made
    assert made["named/red bear.txt"] == b"red bear"
    assert made["shared/s.txt"] == b"one\ntwo\n"
    assert concept(target, "mochi") == (3, "mochi", False)
    assert concept(target, "shared") == (1, "", True)
    assert "2.6 repeats" in notes(found)
    assert "40.0 samples" in notes(found)
    assert skipped(found) == {
        "mochi": "the concept is disabled",
        "/nowhere/at/all": "the folder does not exist",
    }


def test_imagefolders(source: Path, target: Path) -> None:
    picture(source / "train" / "cats" / "a.png", 1)
    picture(source / "train" / "b.png", 2)
    picture(source / "train" / "unnamed.png", 3)
    rows: list[dict[str, Any]] = [
        {"file_name": "cats/a.png", "text": "a cat\nsits", "extra": 1},
        {"file_name": "b.png", "text": ""},
        {"file_name": "gone.png", "text": "?"},
        {"file_name": "b.png", "text": "again"},
    ]
    lines(source / "train" / "metadata.jsonl", rows)
    found = take(source, target)
    made = files(target / "dataset")
    assert set(made) == {"cats/a.png", "cats/a.txt", "source/b.png"}
    assert made["cats/a.txt"] == b"a cat\nsits"
    assert skipped(found) == {
        "gone.png": "listed in metadata.jsonl, but the file does not exist",
        "b.png": "listed twice in metadata.jsonl",
        "train/unnamed.png": "not listed in metadata.jsonl",
    }


def test_a_csv_imagefolder(source: Path, target: Path) -> None:
    picture(source / "images" / "a.png", 1)
    picture(source / "images" / "a.jpg", 2)
    (source / "metadata.csv").write_text(
        'file_name,caption\nimages/a.png,"two\nlines, ""quoted"""\nimages/a.jpg,other\n', "utf-8"
    )
    take(source, target)
    made = files(target / "dataset")
    # They would share a caption file, and must not.
    assert made["source/a.txt"] == b'two\nlines, "quoted"'
    assert made["source/a-2.txt"] == b"other"
    assert "source/a-2.jpg" in made
    assert done(take(source, target))["images"] == 0


def test_parquet_without_pyarrow_says_what_to_install(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source.mkdir()
    (source / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match="pip install 'shikomi\\[parquet\\]'"):
        take(source, target)


def test_parquet_files_may_hold_the_images(source: Path, target: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    one, two = (picture(source / f"{n}.png", n).read_bytes() for n in (1, 2))
    rows = [
        {"image": {"bytes": one, "path": "one.png"}, "text": "first"},
        {"image": {"bytes": two, "path": None}, "text": "second"},
    ]
    (source / "data").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), source / "data" / "train-0.parquet")
    for n in (1, 2):
        (source / f"{n}.png").unlink()
    take(source, target)
    made = files(target / "dataset")
    assert made["source/one.png"] == one
    assert made["source/one.txt"] == b"first"
    assert [data for name, data in made.items() if name.endswith(".png")].count(two) == 1
    assert done(take(source, target))["images"] == 0
