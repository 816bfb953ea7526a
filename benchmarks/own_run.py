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


def main() -> None:
    """Train."""
    base, dataset, precision, steps, folder, *execution = sys.argv[1:]
    place = Path(folder)
    settings = TrainSettings.model_validate(
        {
            "base": base,
            "precision": precision,
            "max_steps": int(steps),
            "batch_size": 1,
            "rank": 16,
            "alpha": 8.0,
            "learning_rate": 1e-4,
            "train_text_encoder": False,
            "validation_fraction": 0,
            "sample_prompts": [],
            "execution": (*execution, "auto")[0],
        }
    )
    run = RunConfig(
        name="ours",
        family="sd15",
        project=place,
        dataset=Path(dataset),
        output=place / "ours",
        samples=place / "samples",
        cache=place / "cache",
        train=settings,
    )
    (place / "job").mkdir()
    for _ in train(run, jobs.Job(place / "job"), ProcessGroup(torch.device("cpu"))):
        pass


if __name__ == "__main__":
    main()
