"""Configurations of sd-scripts in each form: what they set, and what is told and refused."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prep.errors import ConfigError
from prep.project import Project
from tests.prep.fuzzing import VALUES, answers_or_explains
from tests.train.kohya.translating import outcomes, translated
from train.config import TrainSettings
from train.kohya.arguments import ARGUMENTS, Maps
from train.kohya.network_arguments import NETWORK_ARGUMENTS
from train.kohya.source import read_source
from train.kohya.translation import translate

NOTEBOOK = """
[additional_network_arguments]
unet_lr = 3e-4
text_encoder_lr = 1e-4
network_dim = 16
network_alpha = 8
network_module = "networks.lora"
network_args = ["conv_dim=8", "conv_alpha=4"]
[optimizer_arguments]
learning_rate = 3e-4
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_warmup_steps = 57
optimizer_type = "AdamW8bit"
optimizer_args = ["weight_decay=0.1", "betas=[0.9, 0.99]"]
[training_arguments]
max_train_epochs = 10
train_batch_size = 2
seed = 42
min_snr_gamma = 5.0
mixed_precision = "bf16"
xformers = true
lowram = true
wandb_api_key = "k3y-of-mine"
[saving_arguments]
save_precision = "fp16"
save_every_n_epochs = 1
output_name = "mine"
"""
COMMAND = r"""
# trains
accelerate launch --num_cpu_threads_per_process=2 sd-scripts/train_network.py \
  --network_dim=16 --network_alpha 8 --network_module=networks.lora \
  --unet_lr=3e-4 --text_encoder_lr=1e-4 --learning_rate=3e-4 \
  --network_args conv_dim=8 "conv_alpha=4" --optimizer_type="AdamW8bit" \
  --optimizer_args "weight_decay=0.1" "betas=0.9,0.99" --xformers \
  --lr_scheduler=cosine_with_restarts --lr_scheduler_num_cycles=3 --lr_warmup_steps=57 \
  --max_train_epochs=10 --train_batch_size=2 --seed=42 --min_snr_gamma=5 \
  --mixed_precision=bf16 --save_precision=fp16 --save_every_n_epochs=1
"""
EXPECTED: dict[str, Any] = {
    "rank": 16,
    "alpha": 8.0,
    "conv_rank": 8,
    "conv_alpha": 4.0,
    "learning_rate": 3e-4,
    "text_encoder_learning_rate": 1e-4,
    "optimizer": "adamw8bit",
    "weight_decay": 0.1,
    "scheduler": "cosine_with_restarts",
    "scheduler_cycles": 3,
    "warmup_steps": 57,
    "epochs": 10,
    "batch_size": 2,
    "seed": 42,
    "min_snr_gamma": 5.0,
    "precision": "bf16",
    "save_precision": "fp16",
    "train_text_encoder": True,
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.open(tmp_path)


def test_every_setting_of_the_table_exists_with_its_default() -> None:
    rules = [rule for rule in ARGUMENTS.values() if isinstance(rule, Maps)]
    for rule in rules:
        assert rule.setting in TrainSettings.model_fields
        TrainSettings(**{rule.setting: rule.default} if rule.default is not None else {})
    assert not ARGUMENTS.keys() & NETWORK_ARGUMENTS.keys()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NOTEBOOK, "config.toml"),
        (COMMAND, "train.sh"),
        (COMMAND.replace("\\\n", "^\n").replace("# trains", "rem trains"), "train.bat"),
        (COMMAND.replace("\\\n", "`\n") + "&& echo done", "train.ps1"),
    ],
)
def test_one_run_in_each_form(project: Project, text: str, name: str) -> None:
    found = translated(project, text, name)
    found.check()
    settings = TrainSettings.model_validate(found.settings)
    assert {key: getattr(settings, key) for key in EXPECTED} == EXPECTED
    assert settings.betas == (0.9, 0.99)


def test_a_command_may_name_a_configuration_and_goes_over_it(project: Project) -> None:
    (project.root / "config.toml").write_text(NOTEBOOK)
    command = "python train_network.py --config_file config --network_dim 4"
    assert translated(project, command, "run.txt").settings == {
        **translated(project, NOTEBOOK).settings,
        "rank": 4,
    }


def test_options_alone_are_a_command_too(project: Project) -> None:
    found = translated(project, "--network_dim 4 --vae=''", "run.txt")
    assert (found.settings["rank"], [line.argument for line in found.lines]) == (4, ["network_dim"])


def test_what_a_site_sends_has_its_names(project: Project) -> None:
    text = json.dumps(
        {"unetLR": 5e-4, "textEncoderLR": 5e-5, "networkDim": 32, "networkAlpha": 16}
        | {"maxTrainEpochs": 10, "trainBatchSize": 4, "minSnrGamma": 5, "noiseOffset": 0.1}
        | {"optimizerType": "Adafactor"}
        | {"lrScheduler": "cosine_with_restarts", "lrSchedulerNumCycles": 3, "loraType": "lora"}
        | {"resolution": 512, "enableBucket": True, "shuffleCaption": False, "keepTokens": 0}
        | {"clipSkip": 1, "flipAugmentation": False, "numRepeats": 10, "targetSteps": 1000}
        | {"optimizerArgs": "scale_parameter=False relative_step=False warmup_init=False"}
    )
    found = translated(project, text, "site.json")
    found.check()
    settings = found.settings
    assert (settings["rank"], settings["batch_size"], settings["noise_offset"]) == (32, 4, 0.1)
    assert (settings["learning_rate"], settings["text_encoder_learning_rate"]) == (5e-4, 5e-5)
    assert settings["optimizer_args"]["relative_step"] is False
    assert all(line.outcome != "refused" for line in found.lines)


def test_what_a_file_leaves_out_is_as_sd_scripts_has_it(project: Project) -> None:
    found = translated(project, "network_dim = 8")
    assert (
        found.settings.items()
        >= {
            "alpha": 1.0,
            "learning_rate": 2e-6,
            "scheduler": "constant",
            "min_snr_gamma": 0.0,
            "max_steps": 1600,
            "precision": "fp32",
            "train_text_encoder": True,
            "batch_size": 1,
        }.items()
    )
    assert {"alpha", "min_snr_gamma", "scheduler"} <= found.defaults.keys()
    assert "rank" not in found.defaults
    assert "max_norm" not in found.defaults, "shikomi has the same default"


@pytest.mark.parametrize(
    ("text", "argument", "outcome", "told"),
    [
        ("v2 = true", "v2", "refused", "SD 2"),
        ("v2 = false", "v2", "harmless", "off"),
        ("network_dim = 'many'", "network_dim", "refused", "is not a whole number"),
        ("network_dim = 2000", "network_dim", "refused", "1024"),
        ("min_timestep = 5000", "min_timestep", "refused", "at most 999"),
        ("min_snr_gama = 5", "min_snr_gama", "refused", "did you mean min_snr_gamma"),
        ("network_args = ['conv_dmi=4']", "network_args.conv_dmi", "refused", "conv_dim"),
        ("network_module = 'networks.oft'", "network_module", "refused", "lycoris.kohya"),
        ("loss_type = 'l1'", "loss_type", "refused", "l2"),
        ("lr_scheduler = 'inverse_sqrt'", "lr_scheduler", "refused", "cosine"),
        ("full_bf16 = true", "full_bf16", "differs", "fp32"),
        ("save_model_as = 'ckpt'", "save_model_as", "differs", "safetensors"),
        ("color_aug = true", "color_aug", "refused", "not supported"),
        ("resolution = '768,768'", "resolution", "differs", "512, not 768x768"),
        ("resolution = 512", "resolution", "harmless", "project"),
        ("vae = 'gone.safetensors'", "vae", "differs", "not here"),
        ("seed = 7", "seed", "maps", "seed = 7"),
        ("max_train_steps = 0", "max_train_steps", "refused", "trains nothing"),
        ("max_train_steps = 8\nmax_train_epochs = 1", "max_train_steps", "harmless", "precedence"),
        ("log_with = 'tensorboard'", "log_with", "maps", "tensorboard = true"),
        ("log_with = 'all'", "log_with", "differs", "tensorboard = true; wandb gets nothing"),
        ("log_with = 'wandb'", "log_with", "differs", "wandb gets nothing; tensorboard"),
        ("lr_scheduler_power = 2", "lr_scheduler_power", "harmless", "beside"),
        ("v_parameterization = true", "v_parameterization", "maps", "v_prediction"),
        ("v_parameterization = false", "v_parameterization", "harmless", "decides"),
        ("zero_terminal_snr = true", "zero_terminal_snr", "maps", "= true"),
        ("zero_terminal_snr = false", "zero_terminal_snr", "harmless", "decides"),
        (
            "optimizer_type = 'Prodigy'\nlearning_rate = 1e-4",
            "optimizer_type",
            "refused",
            "= 1 (0.1",
        ),
    ],
)
def test_each_argument_is_answered(
    project: Project, text: str, argument: str, outcome: str, told: str
) -> None:
    found = translated(project, text)
    said, reason = outcomes(found)[argument]
    assert said == outcome
    assert told in reason
    if outcome == "refused":
        with pytest.raises(ConfigError, match=argument) as caught:
            found.check()
        assert str(project.root / "config.toml") in caught.value.message
    else:
        found.check()


def test_only_one_part_is_trained(project: Project) -> None:
    unet = translated(project, "network_train_unet_only = true\ntext_encoder_lr = 1e-4").settings
    text = translated(project, "network_train_text_encoder_only = true").settings
    assert (unet["train_unet"], unet["train_text_encoder"]) == (True, False)
    assert "text_encoder_learning_rate" not in unet
    assert (text["train_unet"], text["train_text_encoder"]) == (False, True)


def test_prompts_are_drawn_as_there(project: Project) -> None:
    (project.root / "prompts.txt").write_text("mochi --w 512\n")
    text = "sample_prompts = 'prompts.txt'\nsample_every_n_steps = 50\nsample_sampler = 'k_euler'"
    settings = translated(project, text).settings
    assert settings["sample_prompts"] == [str(project.root / "prompts.txt")]
    assert (settings["sample_steps"], settings["sample_cfg"]) == (30, 7.5)
    assert (settings["sample_every_epochs"], settings["sample_every_steps"]) == (0, 50)
    assert settings["sampler"] == "euler"
    for sampler, outcome in (("k_euler", "maps"), ("heun", "differs")):
        text = f"sample_prompts = 'mochi'\nsample_sampler = '{sampler}'"
        assert outcomes(translated(project, text))["sample_sampler"][0] == outcome
    assert "sampler" not in translated(project, "sample_every_n_steps = 50").settings


def test_secrets_are_not_shown(project: Project) -> None:
    assert "k3y-of-mine" not in json.dumps(translated(project, NOTEBOOK).summary())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "a = ", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1]", "does not hold settings"),
        ("a.json", '{"max_resolution": "512,512"}', "no LoRA_type"),
        ("a.toml", "[[datasets]]", "dataset file"),
        ("a.sh", "python flux_train_network.py --network_dim 4", "flux_train_network.py"),
        ("a.sh", "echo hello", "no arguments"),
        ("a.sh", "train_network.py --network_dim $DIM", "variable of the script"),
        ("a.sh", "train_network.py --unet_lr '1e-4", "quotation mark"),
        ("a.sh", "train_network.py 4", "4 stands where"),
        ("a.sh", "sdxl_train_network.py --network_dim 4", "for sdxl, and the project for sd15"),
        ("a.toml", "network_args = ['conv_dim']", "name=value"),
    ],
)
def test_files_that_are_something_else(project: Project, name: str, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        translated(project, text, name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*gone\.toml"):
        read_source(tmp_path / "gone.toml")


@given(st.sampled_from(sorted({*ARGUMENTS, "network_args", "optimizer_args"})), VALUES)
@example("network_dim", float("nan"))
@example("learning_rate", float("inf"))
@example("optimizer_args", ["betas=" + "(" * 500])
@example("network_args", ["down_lr_weight=nan"])
@example("sample_prompts", "a\0b")
@example("train_data_dir", "a\0b")
def test_any_value_is_answered(name: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.json"
        file.write_text(json.dumps({name: value}), "utf-8")

        def work() -> None:
            found = translate(file, Project.open(Path(folder)))
            assert len(found.lines) == len(read_source(file).arguments)
            found.check()

        answers_or_explains(work)
