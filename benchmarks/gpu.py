"""Training, drawing and tagging at full size, beside the models' bare arithmetic in the same run.

    python -m benchmarks.gpu [--steps 20] [--images 400] [--parts train,execute,draw,tag]

For a machine with a GPU; without one it takes hours. Weights are random (``full_size``,
``stand_in``), which costs the same time as trained ones. ``alone`` is the same models forward (and
backward, with AdamW) on ready-made tensors; for taggers, onnxruntime on a constant batch.
``execute`` compares the ways to execute a step (``execution`` in [train]) in turns: steps per
second, the share of a step in which the card computes, the loss of each beside eager's, and whether
a step ever waits for the card (torch raises an error where it would).
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import corpus, full_size, stand_in
from benchmarks.bench_prep import drain
from benchmarks.bench_train import bare_step, prepared, seconds
from benchmarks.tagging import forget_scores
from prep import events
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.tagging.models.obtain import find
from prep.tagging.runtime.tagger import Tagger
from train.arithmetic.precision import choose, default_device
from train.families.base_model import BaseModel
from train.families.sd15 import StableDiffusion15
from train.run.execution import choose_execution, compile_blocks
from train.run.gate import busy_seconds
from train.run.loop import optimise, set_rates
from train.run.prepare import Training
from train.sampling.draw import ImageGenerator, ImageSpec

_RUNS: tuple[tuple[str, int, bool], ...] = (
    ("bf16", 1, False),
    ("bf16", 4, False),
    ("bf16", 8, False),
    ("bf16", 8, True),
    ("fp16", 4, False),
    ("fp32", 4, False),
)
"""Precision, batch size, gradient checkpointing."""


def pictured(folder: Path) -> Project:
    """Make a project of 16 square pictures of 512 pixels."""
    project = initialise(folder / "pictures")
    concept = project.dataset / "1_thing"
    concept.mkdir(parents=True)
    for number in range(16):
        corpus.draw(number).resize((512, 512)).save(concept / f"{number}.png")
        (concept / f"{number}.txt").write_text("thing, solo, smile, hat, outdoors, night sky")
    return project


def training(folder: Path, base: Path, steps: int) -> None:
    """Print steps per second, ours and alone, and the peak of memory."""
    device = default_device()
    print("\ntraining, 512 x 512, rank 32, UNet and text encoder")
    print("format batch checkpointing  steps/s   alone  ratio  images/s  peak GiB")
    project = pictured(folder)
    for precision, batch, checkpointing in _RUNS:
        overrides = [f"base={base}", "validation_fraction=0", "epochs=1000", f"batch_size={batch}"]
        overrides += [f"precision={precision}", f"gradient_checkpointing={checkpointing}"]
        ready = prepared(project, overrides, device)
        bare = bare_step(ready)

        def ours(ready: Training = ready) -> None:
            set_rates(ready)
            optimise(ready)
            ready.counters.step += 1

        for work in (ours, bare) * 3:
            settled(work)
        _reset_peak()
        taken = [(settled(ours), settled(bare)) for _ in range(steps)]
        peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
        mine, alone = (1 / statistics.median(side) for side in zip(*taken, strict=True))
        said = f"{precision:<7}{batch:>5}{'yes' if checkpointing else 'no':>14}"
        said += f"{mine:>9.2f}{alone:>8.2f}{mine / alone:>7.2f}{mine * batch:>10.1f}{peak:>10.1f}"
        print(said, flush=True)
        ready.network.detach()
        del ready, bare, ours, work
        _reset_peak()


def executing(folder: Path, base: Path, steps: int) -> None:
    """Print steps per second and the busy share of each way to execute a step."""
    device = default_device()
    print("\nexecuting, 512 x 512, rank 16, UNet alone, bf16")
    print("execution batch  steps/s  busy  same losses  waits  peak GiB")
    project = pictured(folder / "executed")
    for batch in (1, 4):
        losses: dict[str, list[float]] = {}
        for execution in ("eager", "graphs", "compile"):
            overrides = [f"base={base}", "validation_fraction=0", "epochs=1000", "rank=16"]
            overrides += ["alpha=8", f"batch_size={batch}", "train_text_encoder=false"]
            ready = prepared(project, [*overrides, f"execution={execution}"], device)
            for _ in (
                *compile_blocks(ready.model, ready.settings),
                *choose_execution(ready, starved=True),
            ):
                pass
            step = partial(_step, ready)
            _reset_peak()
            losses[execution] = [float(step()) for _ in range(5)]  # records or compiles
            taken = statistics.median(settled(step) for _ in range(steps))
            peak = torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0
            busy = busy_seconds(step) if device.type == "cuda" else None
            same = losses[execution] == losses["eager"]
            said = f"{execution:<9}{batch:>6}{1 / taken:>9.2f}"
            said += (
                f"{'?' if busy is None else f'{busy / taken:.2f}':>6}{'yes' if same else 'no':>13}"
            )
            print(f"{said}{_waits(step):>7}{peak:>10.1f}", flush=True)
            ready.graphs.release()
            ready.network.detach()
            del ready, step
            _reset_peak()


def _step(ready: Training) -> torch.Tensor:
    set_rates(ready)
    loss = optimise(ready)
    ready.counters.step += 1
    return loss


def _waits(step: Callable[[], object]) -> str:
    """Return whether a step waits for the card."""
    if not torch.cuda.is_available():
        return "?"
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        print(str(error).splitlines()[0])
        return "yes"
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return "no"


def settled(work: Callable[[], object]) -> float:
    """Return the seconds of a step on the GPU until it is done."""

    def whole() -> None:
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return seconds(whole)


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def drawing(base: Path) -> None:
    """Print seconds per picture of 20 steps, ours and the UNet alone."""
    policy = choose("auto", default_device())
    model = StableDiffusion15.load(BaseModel.open(base), policy)
    generator = ImageGenerator(model)
    picture = ImageSpec("thing, smile", "blurry", 512, 512, 1, 20, 7.0, "dpmpp_2m_karras")
    with torch.no_grad():
        context = model.encode_tokens(model.tokenize(["", "thing"]))
    latents = torch.randn(2, 4, 64, 64, device=policy.device)
    times = torch.full((2,), 500, device=policy.device)

    @torch.no_grad()
    def alone() -> None:
        for _ in range(picture.steps):
            model.predict(latents, times, context)

    def ours() -> None:
        generator.draw(replace(picture, seed=picture.seed + 1))

    for work in (ours, alone):
        settled(work)
    taken = [(settled(ours), settled(alone)) for _ in range(5)]
    mine, bare = (statistics.median(side) for side in zip(*taken, strict=True))
    print(f"\ndrawing 512 x 512, 20 steps, guided: {mine:.2f} s, UNet alone {bare:.2f} s")


def tagging(folder: Path, images: int) -> None:
    """Print images per second of taggers, from files to kept scores, and of onnxruntime alone."""
    project = initialise(folder / "tagging")
    few = corpus.make(folder / "few", 40)
    concept = project.dataset / "1_thing"
    concept.mkdir(parents=True)
    for number in range(images):  # Other bytes, since scores are kept by content.
        source = few[number % len(few)]
        target = concept / f"{number:05}{source.suffix}"
        target.write_bytes(source.read_bytes() + str(number).encode())
    drain(scan.run(project))
    print(f"\ntagging, {images} images of 0.3 to 2.7 MP")
    print("model       decode     provider  batch  images/s    alone  ratio")
    for width, blocks in ((384, 12), (1152, 14)):
        model = str(stand_in.make_tagger(folder / f"tagger{width}", width, blocks))
        tagger = Tagger(find(model, project.root))
        blank = tagger.inputs(np.full((tagger.batch, 448, 448, 3), 127, np.uint8))
        tagger.run(blank)
        began = time.perf_counter()
        for _ in range(10):
            tagger.run(blank)
        alone = 10 * tagger.batch / (time.perf_counter() - began)
        for decode in ("reference", "fast"):
            forget_scores(project)
            options = TagOptions(model=model, write="none", general=1.0, decode=decode)
            (done,) = (e for e in tag.run(project, options) if isinstance(e, events.Finished))
            rate = done.summary["images_per_second"]
            provider = done.summary["provider"].removesuffix("ExecutionProvider")
            print(
                f"{stand_in.gigaflop(width, blocks):>4.0f} GFLOP  {decode:<11}{provider:<9}"
                f"{tagger.batch:>6}{rate:>10.1f}{alone:>9.1f}{rate / alone:>7.2f}",
                flush=True,
            )


def main() -> None:
    """Print everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="measured steps of each side")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--parts", default="train,execute,draw,tag")
    options = parser.parse_args()
    parts = options.parts.split(",")
    device = default_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    print(f"{name}, torch {torch.__version__}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        if {"train", "execute", "draw"} & set(parts):
            base = full_size.make_base(folder / "base", device)
        if "train" in parts:
            training(folder, base, options.steps)
        if "execute" in parts:
            executing(folder, base, options.steps)
        if "draw" in parts:
            drawing(base)
        if "tag" in parts:
            tagging(folder, options.images)


if __name__ == "__main__":
    main()
