from pathlib import Path
from typing import Any

import pytest

from prep.errors import ConfigError
from prep.formats.train_table import TrainTable
from prep.project import Project
from train.config import (
    PRESETS,
    RunConfig,
    TrainSettings,
    load_preset,
    load_presets,
    parse_override,
    presets,
    validated,
)
from train.hub import model_file
from train.settings.model import FamilyName


def project_with(tmp_path: Path, table: str) -> Project:
    (tmp_path / "shikomi.toml").write_text(f"[train]\n{table}\n")
    return Project.open(tmp_path)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_every_preset_is_valid_and_described(family: FamilyName) -> None:
    assert set(presets()) == {path.stem for path in PRESETS.rglob("*.toml")}
    for name, description in presets().items():
        assert len(description) > 40, "it says why"
        TrainSettings.model_validate(load_preset(name, family))
    for purpose in presets("purpose"):
        for memory in presets("memory"):
            TrainSettings.model_validate(load_presets((purpose, memory), family))


def test_presets_of_both_kinds() -> None:
    assert list(presets("memory")) == ["8gb", "12gb", "16gb", "24gb"]
    assert {"character", "style", "concept", "guide"} <= presets("purpose").keys()
    assert presets() == presets("purpose") | presets("memory")


def test_a_preset_is_that_of_the_family() -> None:
    assert load_preset("character", "sd15")["train_text_encoder"] is True
    assert load_preset("character", "sdxl")["train_text_encoder"] is False
    assert load_preset("8gb", "sdxl")["batch_size"] < load_preset("8gb", "sd15")["batch_size"]
    assert "sdxl" not in load_preset("character", "sd15")


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_memory_presets_learn_alike(family: FamilyName) -> None:
    """Another card is another batch, with as many images in each optimiser step."""
    for name in presets("memory"):
        found = load_preset(name, family)
        assert found["batch_size"] * found["gradient_accumulation"] == 4


def test_later_presets_take_precedence(tmp_path: Path) -> None:
    (tmp_path / "shikomi.toml").write_text("[project]\nfamily = 'sdxl'\n")
    project = Project.open(tmp_path)
    first = TrainSettings.from_project(project, ["guide", "8gb"])
    last = TrainSettings.from_project(project, ["8gb", "guide"])
    assert (first.gradient_accumulation, last.gradient_accumulation) == (4, 1)
    assert first.gradient_checkpointing
    assert last.gradient_checkpointing
    over = TrainSettings.from_project(project, ["guide"], (), {"rank": 3, "seed": 5})
    assert (over.rank, over.seed) == (16, 5)


def test_every_setting_is_documented() -> None:
    for name, field in TrainSettings.model_fields.items():
        assert field.description, name


def test_later_sources_go_over_earlier_ones(tmp_path: Path) -> None:
    project = project_with(tmp_path, "rank = 5\nepochs = 3")
    assert TrainSettings.from_project(project).rank == 5
    assert not TrainSettings.from_project(project, ["style"]).train_text_encoder
    character = TrainSettings.from_project(project, ["character"], ["epochs=7", "base=model/x"])
    assert (character.rank, character.epochs, character.base) == (16, 7, "model/x")


def test_all_faults_are_named_with_the_nearest_key(tmp_path: Path) -> None:
    project = project_with(tmp_path, 'lerning_rate = 1\nrank = 0\nscheduler = "linaer"')
    with pytest.raises(ConfigError) as caught:
        TrainSettings.from_project(project)
    message = caught.value.message
    assert "did you mean learning_rate?" in message
    assert "rank:" in message
    assert "scheduler:" in message


def test_unknown_preset_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="character"):
        TrainSettings.from_project(Project.open(tmp_path), ["charcter"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rank=8", 8),
        ("learning_rate=1e-4", 1e-4),
        ("shuffle_caption=true", True),
        ('sample_prompts=["a", "b"]', ["a", "b"]),
        ("base=model/my base", "model/my base"),
        ("precision=bf16", "bf16"),
    ],
)
def test_overrides_are_toml_or_text(text: str, value: object) -> None:
    assert parse_override(text)[1] == value


def test_a_fault_is_told_where_it_was_given(tmp_path: Path) -> None:
    project = project_with(tmp_path, "alpha = 0")
    with pytest.raises(ConfigError, match=r"shikomi.toml \[train\]: alpha: "):
        TrainSettings.from_project(project, overrides=["epochs=2"])
    assert TrainSettings.from_project(project, overrides=["alpha=1"]).alpha == 1
    with pytest.raises(ConfigError, match=r"^--set: rank: "):
        TrainSettings.from_project(project_with(tmp_path, "epochs = 2"), overrides=["rank=0"])


def test_override_without_equals_sign() -> None:
    with pytest.raises(ConfigError, match="--set rank=16"):
        parse_override("rank")


def test_run_config_survives_its_file(tmp_path: Path) -> None:
    run = RunConfig(
        name='mo "chi"',
        project=tmp_path,
        dataset=tmp_path / "a b.toml",
        output=tmp_path,
        samples=tmp_path,
        cache=tmp_path,
        train=TrainSettings(text_encoder_learning_rate=0, sample_prompts=("a --d 1", "ü")),
    )
    assert RunConfig.from_toml(run.to_toml()) == run


@pytest.mark.parametrize("text", ["not toml at all [", "nam = 1"])
def test_broken_config_file(text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml"):
        RunConfig.from_toml(text)


# ---- what absent and zero mean -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({}, 1e-4),
        ({"learning_rate": 0.5}, 0.5),
        ({"text_encoder_learning_rate": 0.25}, 0.25),
        ({"text_encoder_learning_rate": 0}, 0.0),
        ({"text_encoder_learning_rate": 0.25, "train_text_encoder": False}, 0.0),
    ],
)
def test_the_rate_of_the_text_encoder(settings: dict[str, Any], rate: float) -> None:
    assert TrainSettings(**settings).rates("sd15")["text_encoder"] == rate
    assert TrainTable(**settings).text_encoder_rate == rate


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({}, (0.0, 0.0)),
        ({"train_text_encoder": True}, (1e-4, 1e-4)),
        ({"train_text_encoder": True, "text_encoder_learning_rate": 0.25}, (0.25, 0.25)),
        ({"train_text_encoder": True, "text_encoder_2_learning_rate": 0}, (1e-4, 0.0)),
        ({"text_encoder_2_learning_rate": 0.5}, (0.0, 0.0)),
    ],
)
def test_the_rates_of_two_text_encoders(
    settings: dict[str, Any], rates: tuple[float, float]
) -> None:
    assert TrainSettings(**settings).rates("sdxl") == {
        "unet": 1e-4,
        "text_encoder": rates[0],
        "text_encoder_2": rates[1],
    }


def test_a_base_model_may_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert model_file("~/model", Path("/project")) == tmp_path / "model"
    assert model_file("model", Path("/project")) == Path("/project/model")
    with pytest.raises(ConfigError, match="home folder"):
        model_file("~nobody-at-all/model", Path("/project"))


@pytest.mark.parametrize("network", ["loha", "lokr"])
@pytest.mark.parametrize("name", ["dropout", "rank_dropout", "noisy_rank_share", "lora_plus_ratio"])
def test_what_acts_on_loras_is_refused_with_other_networks(network: str, name: str) -> None:
    value = 2.0 if name == "lora_plus_ratio" else 0.5
    with pytest.raises(ConfigError, match=f"{name}: acts on lora and dora, not on {network}"):
        validated({name: value, "network": network}, "here")
    default = TrainSettings.model_fields[name].default
    assert validated({name: str(default), "network": network}, "here").network == network
    for other in ("lora", "dora"):
        assert getattr(validated({name: value, "network": other}, "here"), name) == value


def test_tables_of_settings_survive_the_files(tmp_path: Path) -> None:
    given = 'block_ranks = {"down_blocks.1" = 8, "*attn2*" = 0}\nlokr_factor = -1'
    settings = TrainSettings.from_project(project_with(tmp_path, given))
    assert settings.block_ranks == {"down_blocks.1": 8, "*attn2*": 0}
    over = ["block_learning_rates={'up_blocks.1' = 0.5}"]
    settings = TrainSettings.from_project(Project.open(tmp_path), "", over)
    run = RunConfig(
        name="a",
        project=tmp_path,
        dataset=tmp_path,
        output=tmp_path,
        samples=tmp_path,
        cache=tmp_path,
        train=settings,
    )
    again = RunConfig.from_toml(run.to_toml()).train
    assert again.block_ranks == settings.block_ranks
    assert again.block_learning_rates == {"up_blocks.1": 0.5}


@pytest.mark.parametrize(
    "fault",
    [
        {"block_ranks": {"a": -1}},
        {"block_ranks": {"a": 1025}},
        {"block_learning_rates": {"a": 0.0}},
        {"lokr_factor": 0},
        {"lokr_factor": 1},
        {"lokr_factor": -2},
        {"noisy_rank_share": 0.0},
        {"ema_decay": 1.0},
        {"network": "oft"},
        {"dora_axis": "both"},
    ],
)
def test_settings_of_networks_out_of_range_are_refused(fault: dict[str, object]) -> None:
    (name,) = fault
    with pytest.raises(ConfigError, match=f"^here: {name}"):
        validated(fault, "here")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"devices": 3, "machines": 2, "main_address": "a:1"}, "machines: .*3 are not 2 times"),
        ({"devices": 2, "machines": 2}, "main_address: must be the address and port"),
        ({"devices": 2, "machines": 2, "main_address": "10.0.0.1"}, "main_address: must be"),
        ({"main_address": "--rdzv:1"}, "main_address: must be"),
        ({"main_address": "a:0"}, "main_address: must be"),
    ],
)
def test_machines_are_of_equal_size_and_know_the_first(fault: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        validated(fault, "here")
    assert validated({"devices": 4, "machines": 2, "main_address": "a.lan:29500"}, "x").devices == 4
