"""Learning rates of single blocks, as sd-scripts' ``network_args`` give them.

Source: ``parse_block_lr_kwargs`` and ``get_block_index`` of ``networks/lora.py``: 12 values on the
way down and up for SD 1.5, 9 for SDXL; 1 and 3 values for the middle.
"""

from typing import Any

from prep.language import quantity
from train.kohya.book import Book

_ARGUMENT = "network_args."
_SIDES = ("down", "mid", "up")
_ATTENTION: dict[str, dict[str, dict[int, str]]] = {
    "sd15": {
        # The first number is that of the convolution which everything begins with.
        "down": {
            1 + 3 * i + j: f"down_blocks.{i}.attentions.{j}" for i in range(3) for j in range(2)
        },
        "mid": {0: "mid_block"},
        "up": {3 * i + j: f"up_blocks.{i}.attentions.{j}" for i in range(1, 4) for j in range(3)},
    },
    "sdxl": {
        "down": {i: f"input_blocks.{i}" for i in (4, 5, 7, 8)},
        "mid": {1: "middle_block.1"},
        "up": {i: f"output_blocks.{i}" for i in range(6)},
    },
}
"""Modules with attention by the number of their block, which are those of a LoRA."""
_COUNTS = {"sd15": {"down": 12, "mid": 1, "up": 12}, "sdxl": {"down": 9, "mid": 3, "up": 9}}


def block_settings(book: Book, family: str) -> dict[str, Any]:
    """Return block_learning_rates and block_ranks; empty where the blocks are alike.

    Args:
        book: Says what is wrong with a list.
        family: Of the project: sd15 or sdxl.
    """
    weights = {side: _weights(book, side, _COUNTS[family][side]) for side in _SIDES}
    given = {side: found for side, found in weights.items() if found is not None}
    if all(value == 1 for found in given.values() for value in found):
        for side in given:
            book.say(f"{_ARGUMENT}{side}_lr_weight", "harmless", "all blocks are alike")
        return {}
    if book.settings.get("conv_rank"):
        for side in given:
            why = "is translated without convolutions only: set block_learning_rates"
            book.say(f"{_ARGUMENT}{side}_lr_weight", "refused", why)
        return {}
    limit = book.get(f"{_ARGUMENT}block_lr_zero_threshold", 0.0)
    rates: dict[str, float] = {}
    ranks: dict[str, int] = {}
    for side, found in given.items():
        for number, module in _ATTENTION[family][side].items():
            if found[number] <= limit:
                ranks[module] = 0
            elif found[number] != 1:
                rates[module] = found[number]
    settings = {"block_learning_rates": rates, "block_ranks": ranks}
    return {name: value for name, value in settings.items() if value}


def _weights(book: Book, side: str, count: int) -> list[float] | None:
    name = f"{_ARGUMENT}{side}_lr_weight"
    text = book.get(name)
    if text is None:
        return None
    try:
        found = [float(part) if part.strip() else 0.0 for part in str(text).split(",")]
    except ValueError:
        book.say(name, "refused", "is a named curve: write its values, or set block_learning_rates")
        return None
    if len(found) != count:
        book.say(name, "refused", f"has {quantity(len(found), 'value')}, not {count}")
        return None
    return found
