"""The adapter: algorithms, ranks, blocks, and what is told of their arguments."""

from pathlib import Path
from typing import Any

import pytest

from prep.project import Project
from tests.train.kohya.translating import outcomes, translated

LYCORIS = "network_module = 'lycoris.kohya'\nnetwork_args = ['algo="


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.open(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"algo": "locon", "dora_wd": "True"}, {"network": "dora", "conv_rank": 8}),
        ({"algo": "loha", "preset": "attn-mlp"}, {"network": "loha", "conv_rank": 0}),
        ({"algo": "lokr", "factor": "8"}, {"lokr_factor": 8, "conv_rank": 8, "conv_alpha": 2.0}),
        ({"algo": "lora", "loraplus_lr_ratio": "4"}, {"lora_plus_ratio": 4.0}),
    ],
)
def test_algorithms_of_lycoris(
    project: Project, arguments: dict[str, str], expected: dict[str, Any]
) -> None:
    given = [f"{name}={value}" for name, value in arguments.items()]
    text = "network_module = 'lycoris.kohya'\nnetwork_dim = 8\nnetwork_alpha = 2\n"
    found = translated(project, f"{text}network_args = {given}")
    found.check()
    assert {key: found.settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("rank", "both", "told"),
    [
        (1024, "differs", "maps"),
        (1025, "harmless", "differs"),
        (9999, "harmless", "differs"),
        (10_000, "harmless", "maps"),
    ],
)
def test_factors_of_lokr_that_are_trained_whole(
    project: Project, rank: int, both: str, told: str
) -> None:
    text = f"{LYCORIS}lokr', 'preset=attn-mlp', 'decompose_both=True']\nnetwork_dim = {rank}"
    found = translated(project, text)
    said = {argument: outcome for argument, (outcome, _) in outcomes(found).items()}
    assert (said["network_args.decompose_both"], said["network_dim"]) == (both, told)
    assert found.settings["rank"] == 1024


ATTENTION = {  # by the numbers of IN01, M00 and OUT03, as people know the blocks
    "sd15": {
        "down": {1: "0.attentions.0", 2: "0.attentions.1", 4: "1.attentions.0"}
        | {5: "1.attentions.1", 7: "2.attentions.0", 8: "2.attentions.1"},
        "mid": {0: "mid_block"},
        "up": {3: "1.attentions.0", 4: "1.attentions.1", 5: "1.attentions.2"}
        | {6: "2.attentions.0", 7: "2.attentions.1", 8: "2.attentions.2"}
        | {9: "3.attentions.0", 10: "3.attentions.1", 11: "3.attentions.2"},
    },
    "sdxl": {
        "down": {4: "4", 5: "5", 7: "7", 8: "8"},
        "mid": {1: "middle_block.1"},
        "up": {0: "0", 1: "1", 2: "2", 3: "3", 4: "4", 5: "5"},
    },
}


@pytest.mark.parametrize(
    ("family", "counts", "folders"),
    [
        ("sd15", {"down": 12, "mid": 1, "up": 12}, ("down_blocks.", "up_blocks.")),
        ("sdxl", {"down": 9, "mid": 3, "up": 9}, ("input_blocks.", "output_blocks.")),
    ],
)
def test_every_block_has_its_own_rate(
    tmp_path: Path, family: str, counts: dict[str, int], folders: tuple[str, str]
) -> None:
    (tmp_path / "shikomi.toml").write_text(f"[project]\nfamily = '{family}'\n")
    rates = {"down": 0.1, "mid": 0.3, "up": 0.5}
    given = {
        side: [round(rates[side] + number / 100, 2) for number in range(count)]
        for side, count in counts.items()
    }
    lists = [f"{side}_lr_weight={','.join(map(str, given[side]))}" for side in given]
    found = translated(Project.open(tmp_path), f"network_args = {lists}")
    found.check()
    names = {"down": folders[0], "mid": "", "up": folders[1]}
    assert found.settings["block_learning_rates"] == {
        names[side] + module: given[side][number]
        for side, modules in ATTENTION[family].items()
        for number, module in modules.items()
    }
    assert "block_ranks" not in found.settings


def test_rates_of_blocks(project: Project) -> None:
    down = ",".join(["0", "0.5", "1", "1", "0", "0.1", "", *["1"] * 5])
    threshold = "block_lr_zero_threshold=0.1"
    found = translated(project, f"network_args = ['down_lr_weight={down}', '{threshold}']")
    found.check()
    assert found.settings["block_learning_rates"] == {"down_blocks.0.attentions.0": 0.5}
    off = dict.fromkeys(("down_blocks.1.attentions.0", "down_blocks.1.attentions.1"), 0)
    assert found.settings["block_ranks"] == off
    alike = translated(project, "network_args = ['mid_lr_weight=1']")
    assert not any(name.startswith("block_") for name in alike.settings)
    short = translated(project, "network_args = ['down_lr_weight=1,0']")
    assert outcomes(short)["network_args.down_lr_weight"] == ("refused", "has 2 values, not 12")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("['conv_dim=8']", {"conv_rank": 8, "conv_alpha": 1.0, "network": "lora"}),
        ("['conv_dim=8', 'conv_alpha=0']", {"conv_alpha": 8.0}),
        ("[]\nnetwork_dim = 8\nnetwork_alpha = 0", {"alpha": 8.0, "conv_rank": 0}),
        ("['rs_lora=True']", {"rank_stabilised": True}),
        ("['rank_dropout=0.1', 'module_dropout=0.2']", {"rank_dropout": 0.1, "dropout": 0.0}),
        ("['module_dropout=0.2']\nnetwork_dropout = 0.3", {"module_dropout": 0.2, "dropout": 0.3}),
        ("['loraplus_unet_lr_ratio=4']", {"lora_plus_ratio": 4.0}),
        ("['loraplus_text_encoder_lr_ratio=3']", {"lora_plus_ratio": 3.0}),
        ("['loraplus_unet_lr_ratio=4', 'loraplus_lr_ratio=2']", {"lora_plus_ratio": 4.0}),
        (f"{LYCORIS}lora', 'preset=attn-only']", {"train_feed_forward": False, "conv_rank": 0}),
        (f"{LYCORIS}locon', 'dora_wd=True']", {"network": "dora", "dora_axis": "output"}),
        (f"{LYCORIS}locon', 'dora_wd=True', 'wd_on_output=False']", {"dora_axis": "input"}),
    ],
)
def test_arguments_of_the_adapter(project: Project, text: str, expected: dict[str, Any]) -> None:
    found = translated(project, text if text.startswith("net") else f"network_args = {text}")
    found.check()
    assert {key: found.settings[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("text", "argument", "outcome", "told"),
    [
        ("['mid_lr_weight=1']", "mid_lr_weight", "harmless", "alike"),
        ("['mid_lr_weight=']", "mid_lr_weight", "maps", "mid_block"),
        ("['up_lr_weight=sine']", "up_lr_weight", "refused", "named curve"),
        ("['conv_dim=4', 'mid_lr_weight=2']", "mid_lr_weight", "refused", "without convolutions"),
        ("['conv_dim=1025']", "conv_dim", "refused", "above 1024"),
        ("['loraplus_lr_ratio=2']", "loraplus_lr_ratio", "maps", "lora_plus_ratio = 2"),
        ("['loraplus_unet_lr_ratio=4']", "loraplus_unet_lr_ratio", "differs", "one ratio"),
        (
            "['loraplus_unet_lr_ratio=4']\nnetwork_train_unet_only = true",
            "loraplus_unet_lr_ratio",
            "maps",
            "lora_plus_ratio = 4",
        ),
        ("['loraplus_lr_ratio=0']", "loraplus_lr_ratio", "harmless", "off"),
        (f"{LYCORIS}loha', 'loraplus_lr_ratio=2']", "loraplus_lr_ratio", "differs", "not for loha"),
        (f"{LYCORIS}loha', 'dora_wd=True']", "dora_wd", "refused", "not for loha"),
        (f"{LYCORIS}loha', 'dropout=0.1']", "dropout", "differs", "not applied to loha"),
        (f"{LYCORIS}loha', 'dropout=0']", "dropout", "harmless", "not applied to loha"),
        (f"{LYCORIS}lokr', 'conv_dim=9999', 'use_cp=True']", "use_cp", "harmless", "nothing to"),
        (f"{LYCORIS}lokr', 'conv_dim=8', 'use_cp=True']", "use_cp", "differs", "plain matrices"),
        (f"{LYCORIS}loha', 'conv_dim=1024', 'use_cp=True']", "use_cp", "differs", "plain matrices"),
        (f"{LYCORIS}loha', 'use_cp=False']", "use_cp", "harmless", "off"),
        (f"{LYCORIS}lora', 'preset=full']", "preset", "differs", "left alone here"),
        (f"{LYCORIS}lora', 'preset=unet-only']", "preset", "refused", "attn-mlp"),
        (f"{LYCORIS}lora', 'train_norm=True']", "train_norm", "differs", "left alone here"),
        (f"{LYCORIS}lokr', 'full_matrix=True']", "full_matrix", "differs", "rank = 1024"),
        (f"{LYCORIS}lora', 'rank_dropout_scale=True']", "rank_dropout_scale", "harmless", "with"),
        (
            f"{LYCORIS}lora', 'rank_dropout_scale=True', 'rank_dropout=0.1']",
            "rank_dropout_scale",
            "differs",
            "not scaled",
        ),
        (
            "['rank_dropout_scale=True', 'rank_dropout=0.1']",
            "rank_dropout_scale",
            "harmless",
            "with rank_dropout only",
        ),
    ],
)
def test_what_is_told_of_the_adapter(
    project: Project, text: str, argument: str, outcome: str, told: str
) -> None:
    found = translated(project, text if text.startswith("net") else f"network_args = {text}")
    said, reason = outcomes(found)[f"network_args.{argument}"]
    assert (said, told in reason) == (outcome, True), reason


def test_weights_to_start_from(project: Project) -> None:
    text = "network_weights = 'mine.safetensors'\ndim_from_weights = true"
    gone = outcomes(translated(project, text))
    assert (gone["network_weights"][0], gone["dim_from_weights"][0]) == ("differs", "harmless")
    file = project.root / "mine.safetensors"
    file.touch()
    found = translated(project, text)
    assert found.settings["start_from"] == str(file)
    assert outcomes(found)["dim_from_weights"][0] == "differs"
