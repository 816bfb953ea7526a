"""What a machine can train: calculated peaks of common configurations beside its memory.

``peaks.json`` is what the memory planner says of the real modules at full size; it is made by
``benchmarks/peaks.py``, since calculating takes minutes. ``shikomi plan --memory`` calculates a
project's own settings.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from prep.events import Diagnosis
from prep.language import marked
from train.doctor.findings import fine, found, gib

TRAINING = marked("what it can train")

_PROCESS = 1 << 29
_SLACK = 1.05
"""As ``memory_plan.fit``: what the libraries take, and what the allocator keeps."""
_TITLES = {"sd15": "SD 1.5", "sdxl": "SDXL"}
_FILE = Path(__file__).with_name("peaks.json")


@cache
def peaks() -> list[dict[str, Any]]:
    """Return the rows of ``peaks.json``: of each family the most generous configuration first."""
    rows: list[dict[str, Any]] = json.loads(_FILE.read_text("utf-8"))
    return rows


def judge(room: int, number_format: str, where: str) -> Diagnosis:
    """Say which configurations fit.

    Args:
        room: Memory, bytes.
        number_format: bf16, for fp16 as well, or fp32.
        where: What has the memory, such as a card's name.
    """
    told, least = [], 0.0
    for family, title in _TITLES.items():
        rows = [r for r in peaks() if r["family"] == family and r["format"] == number_format]
        needs = [row["bytes"] * _SLACK + _PROCESS for row in rows]
        fitting = [pair for pair in zip(rows, needs, strict=True) if pair[1] <= room]
        if fitting:
            row, need = fitting[0]
            presets = " ".join(f"--preset {name}" for name in row["presets"])
            told.append(f"{title} at {row['side']} px, with {presets} ({gib(need)})")
        else:
            told.append(f"{title} not: it needs {gib(min(needs))} at least")
            least = min(least or min(needs), min(needs))
    text = f"LoRAs on {where} ({gib(room)}, {number_format}), calculated: {'; '.join(told)}"
    if all(" not: " in line for line in told):
        change = f"{gib(least)} of memory are needed; train on another machine, or rent one."
        return found(TRAINING, text, "There is too little memory.", change)
    return fine(TRAINING, f"{text}. Your own settings: shikomi plan --memory")
