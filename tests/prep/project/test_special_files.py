"""What settings of somebody else cannot do: name files that never end, or places to write to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from prep.dataset.index import Index
from prep.dataset.journal.changes import caption_change, content_change
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, UserError
from prep.ops import scan
from prep.project import Project, Settings
from prep.project.caption_rules import rules_for
from tests.conftest import draw_numbered
from train.config import TrainSettings
from train.sampling.prompts import read_prompts


def test_settings_that_are_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shikomi.toml")
    with pytest.raises(ConfigError, match="cannot be read: not a regular file"):
        Project.open(tmp_path)


def test_settings_of_megabytes(tmp_path: Path) -> None:
    (tmp_path / "shikomi.toml").write_text("#" + (1 << 20) * "x")
    with pytest.raises(ConfigError, match="cannot be read: File too large"):
        Project.open(tmp_path)


@pytest.mark.parametrize("key", ["blacklist", "whitelist", "aliases", "implications"])
@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_lists_that_never_end(project: Project, key: str, name: str) -> None:
    os.mkfifo(project.root / "pipe")
    project = project.saved({"captions": {key: name}})
    with pytest.raises(UserError, match="not a regular file"):
        rules_for(project, "10_mochi")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_captions_that_never_end_are_left_alone(project: Project, name: str) -> None:
    draw_numbered(1, (64, 64)).save(project.dataset / "a.png")
    list(scan.run(project))
    os.mkfifo(project.dataset / "pipe")
    (project.dataset / "a.txt").symlink_to(name)
    note = project.dataset / "note.txt"
    note.symlink_to(name)
    with Index(project) as index:
        changes = [
            caption_change("dataset/a.png", None, ["hat"]),
            content_change("dataset/note.txt", None, b"x"),
        ]
        outcome = Journal(index).apply("two captions", changes)
    assert not outcome.changed
    assert [path for path, _ in outcome.conflicts] == ["dataset/a.png", "dataset/note.txt"]
    assert all("cannot be read" in reason for _, reason in outcome.conflicts)
    assert note.is_symlink()


def test_prompts_that_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "prompts.txt")
    with pytest.raises(ConfigError, match=r"prompts.txt cannot be read"):
        read_prompts(["prompts.txt"], tmp_path)


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the names and types of all settings."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field.annotation
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")


def test_settings_name_no_place_to_write_to(project: Project) -> None:
    """Texts name files that are read: lists, prompts, base models. Results have fixed places."""
    known = dict([*fields(Settings), *fields(TrainSettings, "train.")])
    assert {"captions.blacklist", "train.base"} <= known.keys()
    assert Path not in known.values()
    words = {word for name in known for part in name.split(".") for word in part.split("_")}
    assert words.isdisjoint({"output", "out", "folder", "directory", "dir", "cache", "log", "to"})
    project.file.write_text('[project]\noutput = "/home"\n')
    with pytest.raises(ConfigError, match=r"unknown key project.output"):
        Project.open(project.root)
