"""Which images are trained on: folders, a dataset file, or the export of the project."""

from pathlib import Path

import pytest

from prep.errors import ConfigError
from prep.project import Project
from train.data.dataset_file import read_dataset_file
from train.kohya.translation import Translation, translate


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mine").mkdir()
    return Project.open(tmp_path / "mine")


def translated(project: Project, text: str) -> Translation:
    file = project.root.parent / "config.toml"
    file.write_text(text)
    return translate(file, project)


def test_folders_with_their_repeats(project: Project) -> None:
    for name in ("img/10_mochi", "img/notes", "img/0_none", "reg/1_girl"):
        (project.root.parent / name).mkdir(parents=True)
    found = translated(
        project,
        "train_data_dir = 'img'\nreg_data_dir = 'reg'\nresolution = '512,768'\nflip_aug = true\n"
        "enable_bucket = true\nbucket_reso_steps = 1\ncaption_extension = '.txt'\n"
        "shuffle_caption = true",
    )
    found.check()
    file = found.dataset_file(project)
    assert file is not None
    assert file.is_relative_to(project.output)
    (part,) = read_dataset_file(file)
    images, regular = part.subsets
    home = project.root.parent
    assert (images.folder, images.repeats, images.class_tokens) == (
        home / "img/10_mochi",
        10,
        "mochi",
    )
    assert (regular.folder, regular.regularization) == (home / "reg/1_girl", True)
    assert part.resolution == (512, 768)
    assert images.flip
    assert images.caption_extension == ".txt"
    assert part.buckets is not None
    assert part.buckets.step == 8, "the latents of SD 1.5 and SDXL are an eighth"
    assert found.settings["shuffle_caption"] is True
    assert found.dataset_file(project) == file, "the same text has the same name"


def test_a_dataset_file_goes_over_arguments(project: Project) -> None:
    home = project.root.parent / "set"
    (home / "images").mkdir(parents=True)
    file = home / "dataset.toml"
    file.write_text(
        "[general]\nshuffle_caption = false\n[[datasets]]\n[[datasets.subsets]]\n"
        "image_dir = 'images'\nnum_repeats = 3\n"
    )
    text = "dataset_config = 'set/dataset.toml'\nresolution = 640\nshuffle_caption = true\n"
    found = translated(project, text + "keep_tokens = 2")
    found.check()
    written = found.dataset_file(project)
    assert written is not None
    (part,) = read_dataset_file(written)
    (subset,) = part.subsets
    assert part.resolution == (640, 640)
    assert (subset.folder, subset.repeats) == (home / "images", 3)
    assert (subset.captions.shuffle, subset.captions.keep_tokens) == (False, 2)
    assert not {"shuffle_caption", "keep_tokens"} & found.settings.keys()
    # Its own resolution needs none of the arguments.
    file.write_text(file.read_text().replace("[[datasets]]", "[[datasets]]\nresolution = 704"))
    alone = translated(project, "dataset_config = 'set/dataset.toml'").dataset_file(project)
    assert alone is not None
    assert [part.resolution for part in read_dataset_file(alone)] == [(704, 704)]
    file.write_text("[general]\nshufle_caption = true\n")
    with pytest.raises(ConfigError, match="did you mean shuffle_caption"):
        translated(project, text)


def test_captions_in_one_file(project: Project) -> None:
    home = project.root.parent
    (home / "img").mkdir()
    (home / "meta.json").write_text('{"a.png": {"caption": "mochi"}}')
    text = "train_data_dir = 'img'\nin_json = 'meta.json'\nresolution = 512\ndataset_repeats = 4\n"
    found = translated(project, text + "masked_loss = true\nmax_token_length = 150")
    found.check()
    assert {line.outcome for line in found.lines} == {"maps"}
    written = found.dataset_file(project)
    assert written is not None
    ((subset,),) = (part.subsets for part in read_dataset_file(written))
    assert (subset.metadata, subset.folder, subset.repeats) == (home / "meta.json", home / "img", 4)
    assert found.settings["masked_loss"] is True
    assert (found.settings["max_token_length"], found.settings["chunking"]) == (150, "sd_scripts")
    (home / "meta.json").unlink()
    lines = {line.argument: line for line in translated(project, text).lines}
    assert lines["in_json"].outcome == "differs"
    assert lines["dataset_repeats"].outcome == "harmless"


def test_without_images_the_project_is_trained_on(project: Project) -> None:
    text = (
        "train_data_dir = 'D:/gone/img'\nbucket_reso_steps = 64\nmax_bucket_reso = 2048\n"
        "enable_bucket = false\nrandom_crop = true\nflip_aug = false\nnum_repeats = 1\n"
        "caption_extension = '.tags'\ntoken_warmup_step = 0.5"
    )
    found = translated(project, text)
    assert found.dataset_file(project) is None
    said = {line.argument: line.outcome for line in found.lines}
    assert said == {
        "train_data_dir": "differs",
        "bucket_reso_steps": "harmless",
        "max_bucket_reso": "differs",
        "enable_bucket": "differs",
        "random_crop": "differs",
        "flip_aug": "harmless",
        "num_repeats": "harmless",
        "caption_extension": "harmless",
        "token_warmup_step": "differs",
    }
    (line,) = translated(project, "enable_bucket = true").lines
    assert line.outcome == "harmless"


def test_a_folder_of_images_without_repeats_is_refused(project: Project) -> None:
    (project.root.parent / "img" / "mochi").mkdir(parents=True)
    with pytest.raises(ConfigError, match="10_mychara"):
        translated(project, "train_data_dir = 'img'\nresolution = 512").check()
    (project.root.parent / "img" / "2_mochi").mkdir()
    with pytest.raises(ConfigError, match="no resolution"):
        translated(project, "train_data_dir = 'img'")


def test_a_home_folder_of_another_computer_is_not_here(project: Project) -> None:
    found = translated(project, "train_data_dir = '~nobody-at-all/img'\nresolution = 512")
    (line,) = (line for line in found.lines if line.argument == "train_data_dir")
    assert (line.outcome, found.dataset) == ("differs", "")
