"""Base models named as on the hub, with the real client, against a hub on this machine."""

from pathlib import Path

import pytest

from prep import events
from prep.errors import ConfigError, UserError
from tests.prep.model_hub import ModelHub
from tests.train.checkpoints.single import parts, write_single_file
from tests.train.tiny import make_base
from train.families.base_model import BaseModel
from train.hub import HubModel, model_file, named_model, obtain_model

NAME = "somebody/tiny-sd15"


@pytest.fixture
def folder(tmp_path: Path, hub: ModelHub) -> Path:
    """Put a model in the diffusers layout on the hub, with files beside it that are not read."""
    made = make_base(tmp_path / "made")
    files = {str(p.relative_to(made)): p.read_bytes() for p in made.rglob("*") if p.is_file()}
    files["unet/diffusion_pytorch_model.fp16.safetensors"] = b"another variant"
    files["safety_checker/model.safetensors"] = b"not needed"
    hub.add(NAME, files)
    return made


def obtained(name: str, project: Path) -> list[events.Event]:
    return list(obtain_model(name, project))


@pytest.mark.parametrize(
    ("text", "repository", "revision", "file"),
    [
        ("owner/name", "owner/name", "main", ""),
        ("owner/name-xl.1@fp16", "owner/name-xl.1", "fp16", ""),
        ("owner/name/v2/model.safetensors", "owner/name", "main", "v2/model.safetensors"),
        ("owner/name@abc/model.ckpt", "owner/name", "abc", "model.ckpt"),
    ],
)
def test_names_of_the_hub(text: str, repository: str, revision: str, file: str) -> None:
    found = HubModel.parse(text)
    assert found is not None
    assert (found.repository.name, found.repository.revision) == (repository, revision)
    assert found.file == file


@pytest.mark.parametrize(
    "text",
    [
        "", "name", "model.safetensors", "/models/owner/name", "~/owner/name", "./owner/name",
        "../owner/name", "owner/../name", "owner/name/folder", r"owner\name", "https://host/a/b",
        "owner/name/../../x.safetensors", "model/x.safetensors", "model/x.ckpt",
    ],
)  # fmt: skip
def test_what_is_no_name_of_the_hub(text: str) -> None:
    assert HubModel.parse(text) is None


def test_a_folder_is_downloaded_once_and_then_opened_without_a_request(
    folder: Path, hub: ModelHub, tmp_path: Path
) -> None:
    assert not model_file(NAME, tmp_path).exists()
    seen = obtained(NAME, tmp_path)
    assert any(isinstance(e, events.Downloading) and e.source.endswith(NAME) for e in seen)
    asked = [request.path for request in hub.requests]
    assert not any("fp16" in path or "safety" in path for path in asked)
    hub.requests.clear()
    assert obtained(NAME, tmp_path) == []
    base = BaseModel.open(model_file(NAME, tmp_path))
    assert hub.requests == []
    assert base.family == "sd15"
    assert base.weights_hash == BaseModel.open(folder).weights_hash


def test_a_download_that_broke_off_is_no_model_yet(
    folder: Path, hub: ModelHub, tmp_path: Path
) -> None:
    model = HubModel.parse(NAME)
    assert model is not None
    obtained(NAME, tmp_path)
    snapshot = model.on_disk()
    assert snapshot is not None
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert model.on_disk() is None
    obtained(NAME, tmp_path)
    assert model.on_disk() == snapshot


def test_a_single_file(hub: ModelHub, tmp_path: Path) -> None:
    file = write_single_file(tmp_path / "made.safetensors", parts("sd15"))
    hub.add("somebody/one", {"README.md": b"x", "only.safetensors": file.read_bytes()})
    obtained("somebody/one", tmp_path)
    for name in ("somebody/one", "somebody/one/only.safetensors"):
        assert BaseModel.open(model_file(name, tmp_path)).family == "sd15"


def test_commands_name_models_as_they_lie_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, here = tmp_path / "project", tmp_path / "here"
    for folder, name in ((project, "a"), (project, "b"), (here, "a")):
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    monkeypatch.chdir(here)
    assert [named_model(name, project) for name in "abc"] == [
        here / "a",
        project / "b",
        project / "c",
    ]
    assert model_file("a", project) == project / "a"


def test_several_checkpoints_are_named_in_the_refusal(hub: ModelHub, tmp_path: Path) -> None:
    hub.add("somebody/many", {"a.safetensors": b"1", "b.ckpt": b"2"})
    with pytest.raises(UserError, match="not one base model") as refused:
        obtained("somebody/many", tmp_path)
    assert "a.safetensors, b.ckpt" in refused.value.hint
    with pytest.raises(UserError, match=r"no file c\.safetensors"):
        obtained("somebody/many/c.safetensors", tmp_path)


def test_a_folder_of_that_name_comes_first(hub: ModelHub, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir(parents=True)
    assert obtained(NAME, tmp_path) == []
    assert model_file(NAME, tmp_path) == tmp_path / NAME
    assert hub.requests == []


def test_a_file_that_is_missing_in_a_folder_that_is_there_is_not_asked_for(
    hub: ModelHub, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    assert obtained("model/nowhere", tmp_path) == []
    assert hub.requests == []


def test_a_file_below_the_current_folder_is_a_path(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "my").mkdir(parents=True)
    (tmp_path / "here" / "my" / "notes").touch()
    monkeypatch.chdir(tmp_path / "here")
    assert obtained("my/notes", tmp_path / "project") == []
    assert hub.requests == []


def test_what_is_not_on_the_hub_either(hub: ModelHub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nobody/nothing"):
        obtained("nobody/nothing", tmp_path)
    with pytest.raises(ConfigError, match="no base model at"):
        BaseModel.open(model_file("nobody/nothing", tmp_path))
