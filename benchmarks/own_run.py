"""A short run of our own loop, for ``sd_scripts``.

python own_run.py BASE DATASET PRECISION STEPS FOLDER [EXECUTION]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from prep.system import jobs
from train.config import RunConfig, TrainSettings
from train.run.loop import train
from train.run.processes import ProcessGroup


def configured(
    base: Path, dataset: Path, precision: str, steps: int, place: Path, execution: str = "auto"
) -> RunConfig:
    """Return a run of a LoRA of rank 16 on the UNet of SD 1.5, batch 1, that only trains."""
    settings = TrainSettings.model_validate(
        {
            "base": str(base),
            "precision": precision,
            "max_steps": steps,
            "batch_size": 1,
            "rank": 16,
            "alpha": 8.0,
            "learning_rate": 1e-4,
            "train_text_encoder": False,
            "validation_fraction": 0,
            "sample_prompts": [],
            "execution": execution,
        }
    )
    return RunConfig(
        name="ours",
        family="sd15",
        project=place,
        dataset=dataset,
        output=place / "ours",
        samples=place / "samples",
        cache=place / "cache",
        train=settings,
    )


def main() -> None:
    """Train."""
    base, dataset, precision, steps, folder, *execution = sys.argv[1:]
    place = Path(folder)
    run = configured(Path(base), Path(dataset), precision, int(steps), place, *execution)
    (place / "job").mkdir()
    for _ in train(run, jobs.Job(place / "job"), ProcessGroup(torch.device("cpu"))):
        pass


if __name__ == "__main__":
    main()
