"""What settings of somebody else cannot do: name files that never end, or places to write to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from prep.errors import ConfigError, UserError
from prep.project import Project, Settings
from prep.project.caption_rules import rules_for
from train.config import TrainSettings
from train.sampling.prompts import read_prompts


def test_settings_that_are_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shikomi.toml")
    with pytest.raises(ConfigError, match="cannot be read: not a regular file"):
        Project.open(tmp_path)


@pytest.mark.parametrize("key", ["blacklist", "whitelist", "aliases", "implications"])
@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_lists_that_never_end(project: Project, key: str, name: str) -> None:
    os.mkfifo(project.root / "pipe")
    project = project.saved({"captions": {key: name}})
    with pytest.raises(UserError, match="not a regular file"):
        rules_for(project, "10_mochi")


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
