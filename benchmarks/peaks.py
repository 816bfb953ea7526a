"""What common configurations need, by the memory planner, for ``shikomi doctor``.

``python -m benchmarks.peaks`` writes ``train/doctor/machine/peaks.json``: some minutes, no GPU. Run
it again when the planner, a preset or the models change.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import train.doctor.machine
from train.config import RunConfig, TrainSettings, load_presets
from train.doctor.machine.full_size import full_size
from train.memory_plan.peak import Place, peak_of
from train.settings.model import FamilyName

_CASES: tuple[tuple[FamilyName, int, tuple[str, ...]], ...] = (
    ("sd15", 512, ("character",)),
    ("sdxl", 1024, ("character",)),
    ("sdxl", 1024, ("character", "16gb")),
    ("sdxl", 1024, ("character", "12gb")),
    ("sdxl", 768, ("character", "8gb")),
)
"""Family, side in pixels, presets: of each family the most generous first."""
_FORMATS = {"bf16": torch.bfloat16, "fp32": torch.float32}


def main() -> None:
    """Calculate all of them."""
    file = Path(train.doctor.machine.__file__).with_name("peaks.json")
    rows = list(_rows())
    file.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def _rows() -> Iterator[dict[str, Any]]:
    for family, side, presets in _CASES:
        settings = TrainSettings(**load_presets(presets, family))
        place = Path()
        run = RunConfig(
            name="any",
            family=family,
            project=place,
            dataset=place,
            output=place,
            samples=place,
            cache=place,
            train=settings,
        )
        for name, dtype in _FORMATS.items():
            peak = peak_of(run, full_size(family), Place(dtype, is_cpu=False), (side, side))
            row = {"family": family, "side": side, "presets": presets, "format": name}
            print(row, peak.phases, flush=True)
            yield row | {"bytes": peak.total}


if __name__ == "__main__":
    main()
