"""Optimiser, schedule and objective in the configurations for other trainers: nothing is lost."""

from typing import Any

import pytest

from prep.project import Project
from tests.prep.exporting import run
from tests.prep.formats.test_layouts import full as full  # the fixture
from tests.prep.formats.test_training_config import TRAIN_ARGUMENTS, config

OBJECTIVE = {
    "min_snr_gamma": 0.0,
    "debiased_estimation_loss": True,
    "scale_v_pred_loss_like_noise_pred": True,
    "v_pred_like_loss": 0.5,
    "loss_type": "huber",
    "huber_schedule": "exponential",
    "huber_c": 0.2,
    "huber_scale": 2.0,
    "noise_offset": 0.05,
    "noise_offset_random_strength": True,
    "adaptive_noise_scale": 0.01,
    "multires_noise_iterations": 6,
    "multires_noise_discount": 0.4,
    "ip_noise_gamma": 0.1,
    "ip_noise_gamma_random_strength": True,
    "min_timestep": 100,
    "max_timestep": 900,
}
"""Settings that have the same name in sd-scripts."""


def test_the_objective_reaches_sd_scripts(full: Project) -> None:
    changed = full.saved({"train": {**OBJECTIVE, "prior_loss_weight": 0.5}})
    run(changed)
    data = config(changed)
    assert data.keys() <= TRAIN_ARGUMENTS
    expected = {key: value for key, value in OBJECTIVE.items() if value}
    assert {key: data.get(key) for key in expected} == expected
    assert data["prior_loss_weight"] == 0.5
    assert "min_snr_gamma" not in data
    assert "counterpart" not in head(changed)
    removed = dict.fromkeys(OBJECTIVE) | {"min_timestep": 5, "huber_c": 0.2}
    run(full.saved({"train": removed}))
    plain = config(full)
    assert plain["min_timestep"] == 5
    off = OBJECTIVE.keys() - {"min_snr_gamma", "min_timestep"}
    assert not plain.keys() & off, "what is off is not written"


def head(project: Project, file: str = "dataset/sd_scripts.toml") -> str:
    return "\n".join((project.output / file).read_text("utf-8").splitlines()[:4])


@pytest.mark.parametrize(
    ("settings", "kind", "arguments"),
    [
        ({"seed": 1}, "AdamW", ["weight_decay=0.01"]),
        (
            {"optimizer": "adamw8bit", "betas": [0.8, 0.9], "eps": 1e-6, "weight_decay": 0.1},
            "AdamW8bit",
            ["weight_decay=0.1", "betas=(0.8, 0.9)", "eps=1e-06"],
        ),
        (
            {"optimizer": "prodigy", "optimizer_args": {"d_coef": 2.0, "safeguard_warmup": False}},
            "Prodigy",
            [
                "use_bias_correction=True",
                "safeguard_warmup=False",
                "weight_decay=0.01",
                "d_coef=2.0",
            ],
        ),
        (
            {"optimizer": "adafactor", "optimizer_args": {"weight_decay": 0.2}},
            "AdaFactor",
            [
                "scale_parameter=False",
                "relative_step=False",
                "warmup_init=False",
                "weight_decay=0.2",
            ],
        ),
        ({"optimizer": "lion"}, "Lion", ["weight_decay=0.01"]),
        ({"optimizer": "lion8bit"}, "Lion8bit", ["weight_decay=0.01"]),
        ({"optimizer": "schedulefree"}, "AdamWScheduleFree", ["weight_decay=0.01"]),
        (
            {"optimizer": "package.Class", "optimizer_args": {"mode": "odd"}},
            "package.Class",
            ["weight_decay=0.01", "mode='odd'"],
        ),
    ],
)
def test_the_optimiser_reaches_sd_scripts(
    full: Project, settings: dict[str, Any], kind: str, arguments: list[str]
) -> None:
    changed = full.saved({"train": settings})
    run(changed)
    data = config(changed)
    assert (data["optimizer_type"], data["optimizer_args"]) == (kind, arguments)


@pytest.mark.parametrize(
    ("settings", "expected", "missing"),
    [
        (
            {"scheduler": "linear", "warmup_steps": 0.1},
            {"lr_scheduler": "linear", "lr_warmup_steps": 0.1},
            "",
        ),
        (
            {"scheduler": "constant", "warmup_steps": 0.1},
            {"lr_scheduler": "constant_with_warmup"},
            "",
        ),
        ({"scheduler": "constant"}, {"lr_scheduler": "constant", "lr_warmup_steps": 0}, ""),
        (
            {"scheduler": "cosine_with_restarts", "scheduler_cycles": 3},
            {"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": 3},
            "",
        ),
        (
            {"scheduler": "polynomial", "scheduler_power": 2.0, "scheduler_minimum": 0.1},
            {"lr_scheduler": "polynomial", "lr_scheduler_power": 2.0},
            "scheduler_minimum = 0.1",
        ),
        (
            {"scheduler": "wsd", "scheduler_decay": 0.3, "scheduler_minimum": 0.1},
            {
                "lr_scheduler": "warmup_stable_decay",
                "lr_decay_steps": 0.3,
                "lr_scheduler_min_lr_ratio": 0.1,
            },
            "",
        ),
        (
            {"scheduler": "cosine", "scheduler_minimum": 0.1},
            {"lr_scheduler": "cosine_with_min_lr", "lr_scheduler_min_lr_ratio": 0.1},
            "",
        ),
        ({"scheduler": "rex"}, {"lr_scheduler": "cosine"}, 'scheduler = "rex"'),
    ],
)  # fmt: skip
def test_the_schedule_reaches_sd_scripts(
    full: Project, settings: dict[str, Any], expected: dict[str, Any], missing: str
) -> None:
    changed = full.saved({"train": settings})
    run(changed)
    data = config(changed)
    assert data.keys() <= TRAIN_ARGUMENTS
    assert {key: data.get(key) for key in expected} == expected
    others = {"lr_scheduler_num_cycles", "lr_scheduler_power", "lr_decay_steps"}
    assert not data.keys() & (others | {"lr_scheduler_min_lr_ratio"}) - expected.keys()
    assert ("Without a counterpart here" in head(changed)) == bool(missing)
    assert missing in head(changed)


def test_what_another_trainer_lacks_is_said_in_its_file(full: Project) -> None:
    odd = "one\nrm -rf /"
    settings = {
        "optimizer": "lion8bit",
        "scheduler": "wsd",
        "timestep_sampling": "logit_normal",
        "huber_c": 0.3,
        "min_snr_gamma": 5.0,
        "devices": 2,
        "betas": [0.5, 0.9],
        "warmup_steps": 0.5,
        "optimizer_args": {"mode": odd},
    }
    changed = full.saved({"train": settings})
    both = {"timestep_sampling", "devices"}
    other = both | {"scheduler", "huber_c"}
    for layout, file, lost in (
        ("kohya", "dataset/sd_scripts.toml", both),
        ("ai-toolkit", "ai-toolkit/config.yaml", other | {"warmup_steps"}),
        ("diffusers", "diffusers/train.sh", other | {"optimizer", "optimizer_args"}),
    ):
        run(changed, layout=layout)
        text = (changed.output / file).read_text("utf-8")
        (line,) = [line for line in text.splitlines() if "Without a counterpart here: " in line]
        assert line.startswith("# ")
        assert {name for name in settings if f"{name} = " in line} == lost
        assert not any(line.startswith("rm") for line in text.splitlines())
    assert "--adam_beta1 0.5" in text
    assert "--use_8bit_adam" not in text


def test_model_and_network_are_carried_over(full: Project) -> None:
    given = {
        "vae": "vae.safetensors",
        "prediction": "v_prediction",
        "zero_terminal_snr": True,
        "max_norm": 1.5,
        "rank_dropout": 0.1,
        "conv_rank": 4,
    }
    changed = full.saved({"train": given})
    run(changed)
    data = config(changed)
    assert (data["vae"], data["v_parameterization"]) == ("vae.safetensors", True)
    assert (data["zero_terminal_snr"], data["scale_weight_norms"]) == (True, 1.5)
    assert data["network_args"] == ["conv_dim=4", "conv_alpha=1.0", "rank_dropout=0.1"]
    text = (changed.output / "dataset" / "sd_scripts.toml").read_text("utf-8")
    assert "Without a counterpart" not in text
