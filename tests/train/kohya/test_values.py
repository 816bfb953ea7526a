"""Values, forms and the report: pure functions, each by examples."""

from typing import Any

import pytest

from tests.train.kohya.form_facts import USUAL
from train.kohya.gui import form_arguments
from train.kohya.report import Line, counted, report_text
from train.kohya.values import Kind, literal, shown, typed

WRONG = "is not"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("switch", "True", True),
        ("switch", "1", True),
        ("switch", "yes", True),
        ("switch", "FALSE", False),
        ("switch", "0", False),
        ("switch", "no", False),
        ("switch", 1, True),
        ("switch", 0.0, False),
        ("switch", 2, WRONG),
        ("switch", "on", WRONG),
        ("number", "1e-4", 1e-4),
        ("number", True, WRONG),
        ("whole", "2.0", 2),
        ("whole", 2.5, WRONG),
        ("size", "512", [512, 512]),
        ("size", "512,768", [512, 768]),
        ("size", [640], [640, 640]),
        ("size", (512, 768), [512, 768]),
        ("size", "1,2,3", WRONG),
        ("numbers", 1, [1.0]),
        ("numbers", ["1", 2], [1.0, 2.0]),
        ("text", 5, "5"),
    ],
)
def test_values_are_typed_whatever_a_file_has_them_as(
    kind: Kind, value: Any, expected: Any
) -> None:
    if expected == WRONG:
        with pytest.raises(ValueError, match=WRONG):
            typed(value, kind)
    else:
        found = typed(value, kind)
        assert (found, type(found)) == (expected, type(expected))


def test_values_are_read_and_shown_as_people_write_them() -> None:
    assert [literal(text) for text in ("(1, 2)", "'a'", "full", "f(")] == [
        (1, 2),
        "a",
        "full",
        "f(",
    ]
    assert [shown(value) for value in (True, 1e-4, "a\n b")] == ["true", "0.0001", "a b"]
    assert (shown("x" * 60), shown("x" * 61)) == ("x" * 60, "x" * 57 + "...")


def test_the_report_says_everything_by_outcome() -> None:
    lines = [
        Line("vae", "gone.pt", "differs", "it is not here"),
        Line("seed", 7, "maps", "seed = 7"),
        Line("network_args.dropout", "x" * 60, "maps", "long"),
    ]
    summary = {
        "file": "a.toml",
        "arguments": [line.__dict__ for line in lines],
        "defaults": [["alpha", 1.0], ["max_norm", 0.0]],
        "dataset": "",
        "counts": counted(lines),
    }
    assert report_text(summary).splitlines() == [
        "a.toml",
        f"maps      seed = 7{'':36}  seed = 7",
        f"maps      network_args.dropout = {'x' * 60}  long",
        f"differs   vae = gone.pt{'':31}  it is not here",
        "not in the file, so as sd-scripts has it: alpha = 1, max_norm = 0",
        "trained on: the export of the project",
        "2 maps, 0 harmless, 1 differs, 0 refused",
    ]
    short = report_text({**summary, "arguments": [], "defaults": [], "dataset": "text"})
    assert short.splitlines()[:2] == ["a.toml", "trained on: text"]


USUAL_ARGUMENTS = {
    "lr_scheduler": "constant",
    "train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "max_timestep": 1000,
    "max_resolution": "1024,1024",
    "max_token_length": "75",
    "clip_skip": "1",
    "unet_lr": 1.0,
    "text_encoder_lr": 1.0,
    "network_module": "networks.lora",
    "network_args": [],
    "max_train_epochs": 1,
    "lr_scheduler_num_cycles": 1,
}


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        ({}, {}),
        ({"epoch": 3}, {"max_train_epochs": 3, "lr_scheduler_num_cycles": 3}),
        ({"max_train_steps": "90"}, {"max_train_epochs": None, "max_train_steps": "90"}),
        ({"max_train_epochs": 4, "max_train_steps": 0}, {"max_train_epochs": 4}),
        ({"lr_scheduler_num_cycles": 5}, {"lr_scheduler_num_cycles": 5}),
        ({"lr_warmup": 10}, {"lr_warmup_steps": 0.1}),
        ({"lr_warmup": 10, "lr_warmup_steps": 40}, {"lr_warmup_steps": 40}),
        ({"lr_warmup": "ten"}, {"lr_warmup_steps": "ten"}),
        ({"lr_warmup": 0, "seed": 0, "clip_skip": 0, "vae": ""}, {"clip_skip": None}),
        ({"stop_text_encoder_training_pct": 30}, {"stop_text_encoder_training": 30}),
        ({"stop_text_encoder_training_pct": 0}, {}),
        ({"unet_lr": 0}, {"unet_lr": None, "network_train_text_encoder_only": True}),
        ({"text_encoder_lr": 0}, {"text_encoder_lr": None, "network_train_unet_only": True}),
        ({"sdxl_cache_text_encoder_outputs": True}, {"cache_text_encoder_outputs": True}),
        ({"sdxl_cache_text_encoder_outputs": True, "sdxl": False}, {}),
        ({"noise_offset": 0.1, "multires_noise_iterations": 6}, {"noise_offset": 0.1}),
        ({"noise_offset": 0, "adaptive_noise_scale": 0}, {}),
        (
            {"noise_offset_type": "Multires", "noise_offset": 0.1, "multires_noise_iterations": 6},
            {"multires_noise_iterations": 6, "multires_noise_discount": 0},
        ),
        ({"flux1_checkbox": True}, {"network_module": "kohya_ss' flux1"}),
        ({"flux1_t5xxl": "a", "blocks_to_swap": 3}, {}),
        ({"rank_dropout": 0.1}, {"network_args": ["rank_dropout=0.1"]}),
        ({"LoRA_type": "Kohya LoCon"}, {"network_args": ["conv_dim=1", "conv_alpha=1"]}),
        (
            {"LoRA_type": "Kohya LoKr"},
            {
                "network_module": "networks.lokr",
                "network_args": ["conv_dim=1", "conv_alpha=1", "factor=-1"],
            },
        ),
        (
            {"LoRA_type": "LyCORIS/LoHa"},
            {
                "network_module": "lycoris.kohya",
                "network_args": ["preset=full", "algo=loha", "conv_dim=1", "conv_alpha=1"],
            },
        ),
        ({"LoRA_type": "Own"}, {"network_module": "Own"}),
        ({"lora_network_weights": "a.pt"}, {"network_weights": "a.pt"}),
    ],
)
def test_a_form_means_what_kohya_ss_would_make_of_it(
    form: dict[str, Any], changed: dict[str, Any]
) -> None:
    found = form_arguments({**USUAL, **form})
    expected = {**USUAL_ARGUMENTS, **changed}
    assert found.arguments == {name: v for name, v in expected.items() if v is not None}
    assert found.family == ("sdxl" if form.get("sdxl", True) else "")
