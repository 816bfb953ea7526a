"""The optimiser, its rates and their schedule, as sd-scripts would choose them."""

from pathlib import Path
from typing import Any

import pytest

from prep.project import Project
from tests.train.kohya.translating import outcomes, translated

ADAFACTOR = "optimizer_type = 'Adafactor'\nlearning_rate = 1e-4"
STABLE = "lr_scheduler = 'warmup_stable_decay'"
ANNEALING = "lr_scheduler_type = 'torch.optim.lr_scheduler.CosineAnnealingLR'"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unet_lr = 0\ntext_encoder_lr = 1e-4", {"train_unet": False, "learning_rate": 1e-4}),
        ("learning_rate = 3e-4\nunet_lr = 1e-4", {"learning_rate": 1e-4, "train_unet": True}),
        ("learning_rate = 3e-4", {"learning_rate": 3e-4, "text_encoder_learning_rate": 3e-4}),
        ("text_encoder_lr = [1e-4, 2e-4]", {"text_encoder_learning_rate": 1e-4}),
        ("", {"optimizer": "adamw", "weight_decay": 0.01, "optimizer_args": {}}),
        ("optimizer_type = 'lion'", {"optimizer": "lion", "weight_decay": 0.0}),
        ("use_8bit_adam = true", {"optimizer": "adamw8bit"}),
        ("use_lion_optimizer = true\nuse_8bit_adam = false", {"optimizer": "lion"}),
        ("optimizer_type = 'AdamP'", {"optimizer": "torch.optim.AdamP"}),
        ("optimizer_type = 'my.own.Adam'", {"optimizer": "my.own.Adam"}),
        ("optimizer_type = 'SGDNesterov'", {"optimizer_args": {"momentum": 0.9, "nesterov": True}}),
        (
            "optimizer_type = 'Prodigy'\nlearning_rate = 1",
            {"betas": (0.9, 0.999), "optimizer_args": {"safeguard_warmup": False}},
        ),
        (
            "optimizer_type = 'Prodigy'\nlearning_rate = 1\n"
            "optimizer_args = ['betas=0.9,0.99', 'd_coef=2', 'weight_decay=0.1']",
            {
                "betas": (0.9, 0.99),
                "optimizer_args": {"safeguard_warmup": False, "d_coef": 2},
                "weight_decay": 0.1,
            },
        ),
        (ADAFACTOR, {"optimizer_args": {"scale_parameter": True, "relative_step": True}}),
        (
            f"{ADAFACTOR}\noptimizer_args = ['warmup_init=True']",
            {
                "optimizer_args": {
                    "scale_parameter": True,
                    "relative_step": True,
                    "warmup_init": True,
                }
            },
        ),
        (
            "optimizer_type = 'AdamWScheduleFree'\nlr_scheduler = 'cosine'\nlr_warmup_steps = 9",
            {"optimizer": "schedulefree", "scheduler": "constant", "warmup_steps": 0},
        ),
        (
            "optimizer_type = 'RAdamScheduleFree'\nlr_scheduler = 'cosine'",
            {"optimizer": "schedulefree.RAdamScheduleFree", "scheduler": "constant"},
        ),
        ("lr_scheduler = 'constant_with_warmup'\nlr_warmup_steps = 9", {"warmup_steps": 9}),
        ("lr_scheduler = 'constant'\nlr_warmup_steps = 9", {"warmup_steps": 0}),
        (
            "lr_scheduler = 'adafactor:1e-4'\nlr_warmup_steps = 9",
            {"scheduler": "constant", "warmup_steps": 0},
        ),
        ("lr_scheduler = 'cosine'\nlr_warmup_steps = 0.1", {"warmup_steps": 0.1}),
        ("lr_scheduler = 'cosine_with_restarts'", {"scheduler_cycles": 1}),
        ("lr_scheduler = 'polynomial'", {"scheduler_power": 1.0}),
        ("lr_scheduler = 'polynomial'\nlr_scheduler_power = 2", {"scheduler_power": 2.0}),
        (
            "lr_scheduler = 'cosine_with_min_lr'\nlr_scheduler_min_lr_ratio = 0.1",
            {"scheduler": "cosine", "scheduler_minimum": 0.1},
        ),
        ("lr_scheduler = 'cosine_with_min_lr'", {"scheduler_minimum": 0.0}),
        (
            f"{STABLE}\nlr_decay_steps = 0.5\nlr_scheduler_min_lr_ratio = 0.1",
            {"scheduler": "wsd", "scheduler_decay": 0.5, "scheduler_minimum": 0.1},
        ),
        (f"{STABLE}\nlr_decay_steps = 1\nmax_train_steps = 4", {"scheduler_decay": 0.25}),
        (f"{STABLE}\nlr_decay_steps = 4\nmax_train_steps = 4", {"scheduler_decay": 1.0}),
        (ANNEALING, {"scheduler": "cosine", "warmup_steps": 0}),
        (
            f"{ANNEALING}\nlearning_rate = 1e-4\nlr_scheduler_args = ['eta_min=5e-5', 'T_max=9']",
            {"scheduler_minimum": 0.5},
        ),
    ],
)
def test_settings_of_the_optimiser(project: Project, text: str, expected: dict[str, Any]) -> None:
    found = translated(project, text)
    found.check()
    assert {key: found.settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("text", "argument", "outcome", "told"),
    [
        ("unet_lr = 0\ntext_encoder_lr = 1e-4", "unet_lr", "maps", "train_unet = false"),
        ("text_encoder_lr = [1e-4, 2e-4]", "text_encoder_lr", "differs", "only the first one"),
        ("text_encoder_lr = [1e-4, 1e-4]", "text_encoder_lr", "maps", "rate = 0.0001"),
        (
            "text_encoder_lr = 1e-4\nnetwork_train_unet_only = true",
            "text_encoder_lr",
            "harmless",
            "not trained",
        ),
        (ADAFACTOR, "learning_rate", "harmless", "finds the rate itself"),
        (
            f"{ADAFACTOR}\noptimizer_args = ['relative_step=False']",
            "learning_rate",
            "maps",
            "learning_rate = 0.0001",
        ),
        ("optimizer_args = ['amsgrad=True']", "optimizer_args.amsgrad", "maps", "amsgrad = True"),
        (
            "optimizer_args = ['weight_decay=0.1']",
            "optimizer_args.weight_decay",
            "maps",
            "weight_decay = 0.1",
        ),
        (
            "lr_scheduler = 'constant'\nlr_warmup_steps = 9",
            "lr_warmup_steps",
            "differs",
            "constant has no warm-up",
        ),
        (f"{STABLE}\nlr_decay_steps = 9", "lr_decay_steps", "differs", "not known yet"),
        (
            f"{STABLE}\nlr_decay_steps = 9\nmax_train_steps = 8",
            "lr_decay_steps",
            "differs",
            "not known yet",
        ),
        (
            f"{STABLE}\nlr_decay_steps = 9\nmax_train_steps = 90\nmax_train_epochs = 3",
            "lr_decay_steps",
            "differs",
            "not known yet",
        ),
        (ANNEALING, "lr_scheduler_type", "differs", "over the whole run"),
        (f"{ANNEALING}\nlr_scheduler = 'linear'", "lr_scheduler", "harmless", "takes its place"),
        (
            f"{ANNEALING}\nlearning_rate = 0\nlr_scheduler_args = ['eta_min=5e-5']",
            "learning_rate",
            "refused",
            "above 0",
        ),
        (
            f"{ANNEALING}\nlearning_rate = 1e-4\nlr_scheduler_args = ['eta_min=low']",
            "lr_scheduler_args.eta_min",
            "differs",
            "whole run",
        ),
        ("lr_scheduler_type = 'my.Own'", "lr_scheduler_type", "refused", "counterpart"),
        (
            f"{ANNEALING}\nlr_scheduler_args = ['T_max=9']",
            "lr_scheduler_args.T_max",
            "differs",
            "whole run",
        ),
        (
            f"{ANNEALING}\nlearning_rate = 1e-4\nlr_scheduler_args = ['eta_min=5e-5']",
            "lr_scheduler_args.eta_min",
            "maps",
            "scheduler_minimum = 0.5",
        ),
    ],
)
def test_what_is_told_of_the_optimiser(
    project: Project, text: str, argument: str, outcome: str, told: str
) -> None:
    said, reason = outcomes(translated(project, text))[argument]
    assert (said, told in reason) == (outcome, True), reason
