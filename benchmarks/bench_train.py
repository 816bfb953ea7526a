"""How near the training loop comes to bare arithmetic: both sides are measured in one run.

    python -m benchmarks.bench_train [--steps 20]

"Ours" is ``train.run.loop.optimise``: batches, captions, noise, text encoder, LoRA,
loss, AdamW and clipping.
"Bare" runs the same UNet, text encoder and LoRA forward and backward on ready-made tensors of the
same shapes, with the same optimiser, and nothing around it. The sides take turns.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from prep import demo_world
from prep.project import Project
from prep.system import jobs
from train import demo
from train.arithmetic.loss import pixel_errors
from train.config import TrainSettings
from train.job.start import run_config
from train.run.loop import optimise, set_rates
from train.run.prepare import Training, prepare
from train.run.processes import ProcessGroup


def prepared(project: Project, overrides: Sequence[str], device: torch.device) -> Training:
    """Prepare a run of a project on a device, up to its first step."""
    from prep.ops import export, scan

    for _ in (*scan.run(project), *export.run(project)):
        pass
    settings = TrainSettings.from_project(project, (), overrides)
    run = run_config(project, settings, project.output / "dataset" / "dataset.toml")
    job = jobs.create(project.jobs, jobs.JobSettings("train", []), run.to_toml())
    stream = prepare(run, job, ProcessGroup(device))
    while True:
        try:
            next(stream)
        except StopIteration as end:
            result: Training = end.value
            return result


def bare_step(training: Training) -> Callable[[], None]:
    """Return a step that does the model's arithmetic alone, on tensors made beforehand."""
    model = training.model
    window = training.schedule.window_of(0)
    [(_, batch)] = window[:1]
    size = batch[0].image.fit.bucket
    shape = (len(batch), *model.latent_shape(*size)[1:])
    device = training.group.device
    latents, noise = torch.randn(shape, device=device), torch.randn(shape, device=device)
    settings = training.settings
    times = model.objective.draw_timesteps(len(batch), torch.Generator(), settings).to(device)
    noisy = model.objective.noisy(latents, noise, times)
    target = model.objective.target(latents, noise, times)
    tokens = model.tokenize([exposure.image.caption for exposure in batch], 75)

    def step() -> None:
        predicted = model.predict(noisy, times, model.encode_tokens(tokens))
        training.stepper.backward(pixel_errors(predicted, target).mean())
        training.stepper.step(0.0, training.group.all_reduce)

    return step


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(precision: str, steps: int) -> None:
    """Measure both sides in turns and print steps per second and their ratio."""
    overrides = [f"precision={precision}", "validation_fraction=0", "sample_prompts=[]"]
    with tempfile.TemporaryDirectory() as folder:
        project = demo.prepare(Path(folder) / "demo")
        training = prepared(project, overrides, torch.device("cpu"))
        bare = bare_step(training)

        def ours() -> None:
            set_rates(training)
            float(optimise(training))
            training.counters.step += 1

        for warm_up in (ours, bare):
            warm_up()
        taken = [(seconds(ours), seconds(bare)) for _ in range(steps)]
    mine, limit = (1 / statistics.median(side) for side in zip(*taken, strict=True))
    print(f"{precision:<6}{mine:>14.2f}{limit:>14.2f}{mine / limit:>10.2f}")


def main() -> None:
    """Compare the loop with bare arithmetic in both number formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each side")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"demo base model, {demo_world.base().name}, LoRA of the demo, batch 8\n")
    print(f"{'':<6}{'ours, steps/s':>14}{'bare, steps/s':>14}{'ratio':>10}")
    for precision in ("fp32", "bf16"):
        compare(precision, options.steps)


if __name__ == "__main__":
    main()
