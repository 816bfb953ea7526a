"""Which rank and which rate a module gets."""

from typing import Any

import pytest
import torch
from torch import nn

from prep.errors import ConfigError
from train.config import TrainSettings
from train.networks.build import network_to_train
from train.networks.ranks import Ranks, named

PARTS = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
UNET = (
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_q",
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_ff_net_2",
    "lora_unet_down_blocks_10_attentions_0_proj_in",
    "lora_unet_up_blocks_1_attentions_0_proj_in",
)
TEXT = ("lora_te_text_model_encoder_layers_0_mlp_fc1", "lora_te_text_model_encoder_layers_0_self_attn_q_proj")  # fmt: skip  # noqa: E501
SDXL = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"


def layers() -> dict[str, nn.Module]:
    return {name: nn.Linear(4, 4) for name in (*UNET, *TEXT, SDXL)}


def ranks(**settings: Any) -> dict[str, int]:
    """Return the ranks of a network over all layers, by module."""
    given = {"rank": 4, "alpha": 2.0, **settings}
    network = network_to_train(layers(), PARTS, TrainSettings(**given))
    return {name: adapter.rank for name, adapter in network.trained().items()}


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("down_blocks.1", UNET[:3]),
        ("down_blocks_1", UNET[:3]),
        ("lora_unet_down_blocks_1", UNET[:3]),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn2", UNET[1:2]),
        ("*attn2*", UNET[1:2]),
        ("*_blocks.1", (*UNET[:3], UNET[4])),
        ("encoder.layers.0.mlp", TEXT[:1]),
        ("lora_te_text_model", TEXT),
        ("input_blocks.4", (SDXL,)),
        ("*", (*UNET, *TEXT, SDXL)),
        (UNET[3], UNET[3:4]),
    ],
)
def test_patterns_are_beginnings_in_whole_parts_or_wildcards(
    pattern: str, chosen: tuple[str, ...]
) -> None:
    found = ranks(block_ranks={pattern: 7})
    assert {name for name, rank in found.items() if rank == 7} == set(chosen)
    assert set(found.values()) <= {4, 7}


@pytest.mark.parametrize("pattern", ["down_blocks.2", "down_block", "blocks.1", "attn2", "", "."])
def test_patterns_that_match_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="block_ranks: nothing that is trained is named"):
        ranks(block_ranks={pattern: 7})


def test_the_nearest_names_are_told() -> None:
    with pytest.raises(ConfigError) as caught:
        ranks(block_learning_rates={"down_block.1": 0.5})
    assert caught.value.message.startswith("block_learning_rates")
    assert "down_blocks_1" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        named("block_ranks", {"9999": 1}, UNET, PARTS.values())
    assert caught.value.hint == "For example: down."


def test_the_nearest_names_are_whole_modules_too_and_three_at_most() -> None:
    names = [f"lora_unet_block_{letter}_q" for letter in "abcd"]
    with pytest.raises(ConfigError) as caught:
        named("", {"block_b_p": 1}, names, ["lora_unet_"])
    assert caught.value.hint == "Near it: block_b_q, block_b, block_d_q."


def test_convolutions_of_one_pixel_count_as_linear_and_others_are_left_alone() -> None:
    assert Ranks(4, 2.0).of("a", nn.Conv2d(2, 2, 1)) == (4, 2.0)
    assert Ranks(4, 2.0).of("a", nn.Conv2d(2, 2, 3))[0] == 0
    assert Ranks(4, 2.0, 3, 1.5).of("a", nn.Conv2d(2, 2, (2, 1))) == (3, 1.5)


def test_the_last_pattern_counts_and_rank_0_leaves_modules_out() -> None:
    found = ranks(block_ranks={"*": 0, "down_blocks": 8, "*attn2*": 2})
    assert found == {UNET[0]: 8, UNET[1]: 2, UNET[2]: 8, UNET[3]: 8}


def test_alpha_follows_a_ranks_of_blocks_in_proportion() -> None:
    some = Ranks(4, 2.0, 8, 1.0, {"a": 16, "b": 4, "c": 0})
    wide = nn.Conv2d(3, 3, 3)
    linear = nn.Linear(1, 1)
    assert some.of("a", linear) == (16, 8.0)
    assert some.of("a", wide) == (16, 2.0)
    assert some.of("b", linear) == (4, 2.0)
    assert some.of("b", wide) == (4, 0.5)
    assert some.of("c", linear)[0] == 0
    assert some.of("d", wide) == (8, 1.0)
    assert Ranks(4, 2.0, 0, 1.0, {"a": 16}).of("a", wide)[0] == 0


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"train_unet": False}, set(TEXT)),
        ({"train_feed_forward": False}, {*UNET, *TEXT, SDXL} - {UNET[2], TEXT[0]}),
        ({"train_unet": False, "train_feed_forward": False}, {TEXT[1]}),
    ],
)
def test_parts_of_the_model_are_left_out(settings: dict[str, Any], left: set[str]) -> None:
    assert set(ranks(**settings)) == left


def test_a_run_that_trains_nothing_is_refused() -> None:
    unet = {name: layer for name, layer in layers().items() if name in UNET}
    with pytest.raises(ConfigError, match="Nothing is trained"):
        network_to_train(unet, PARTS, TrainSettings(train_unet=False))


def test_rates_differ_by_block_and_for_the_up_matrices() -> None:
    settings = TrainSettings(
        rank=2,
        lora_plus_ratio=8.0,
        block_learning_rates={"down_blocks.1": 0.5, "*attn2*": 0.25, "encoder": 3.0},
    )
    network = network_to_train(layers(), PARTS, settings)
    trained: dict[str, Any] = dict(network.trained())
    unet = network.weights(PARTS["unet"])
    assert list(unet) == [1.0, 0.25, 0.5, 2.0, 4.0, 8.0], "the rate that is shown is the first"
    rates = {id(p): rate for rate, some in unet.items() for p in some}
    for name, rate in ((UNET[0], 0.5), (UNET[1], 0.25), (UNET[3], 1.0), (SDXL, 1.0)):
        assert rates[id(trained[name].down.weight)] == rate
        assert rates[id(trained[name].up.weight)] == rate * 8.0
    assert sum(map(len, unet.values())) == 2 * (len(UNET) + 1)
    assert {rate: len(some) for rate, some in network.weights(PARTS["text_encoder"]).items()} == {
        3.0: 2,
        24.0: 2,
    }


def test_loras_plus_leaves_the_magnitudes_of_dora_alone() -> None:
    settings = TrainSettings(rank=2, network="dora", lora_plus_ratio=8.0)
    network = network_to_train({UNET[0]: nn.Linear(4, 4)}, PARTS, settings)
    adapter: Any = network.trained()[UNET[0]]
    (first, rest) = network.weights(PARTS["unet"]).items()
    assert first[0] == 1.0
    assert {id(p) for p in first[1]} == {id(adapter.down.weight), id(adapter.magnitude)}
    assert rest[0] == 8.0
    assert rest[1][0] is adapter.up.weight


def test_settings_reach_the_adapters() -> None:
    settings = TrainSettings(
        network="lokr",
        rank=2,
        alpha=1.0,
        lokr_factor=2,
        module_dropout=0.25,
        rank_stabilised=True,
    )
    network = network_to_train({UNET[0]: nn.Linear(12, 12)}, PARTS, settings)
    adapter: Any = network.trained()[UNET[0]]
    assert adapter.lokr_w1.shape == (2, 2)
    assert adapter.scale == pytest.approx(2**-0.5)
    assert adapter.drops.modules == 0.25
    settings = TrainSettings(network="dora", dora_axis="output", dropout=0.5, rank_dropout=0.125)
    adapter = network_to_train({UNET[0]: nn.Linear(12, 20)}, PARTS, settings).trained()[UNET[0]]
    assert adapter.magnitude.shape == (20, 1)
    assert (adapter.drops.inner, adapter.drops.ranks) == (0.5, 0.125)
    other = TrainSettings(network="dora", seed=7)
    first, again, last = (
        network_to_train({UNET[0]: nn.Linear(12, 20)}, PARTS, one).tensors()
        for one in (settings, settings, other)
    )
    key = f"{UNET[0]}.lora_down.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], last[key])
