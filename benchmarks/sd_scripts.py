"""Training steps beside those of sd-scripts, on the CPU: full-size SD 1.5, random weights.

    python -m benchmarks.sd_scripts CHECKOUT PYTHON [--rounds 3] [--steps 6]

CHECKOUT is a copy of github.com/kohya-ss/sd-scripts, PYTHON an interpreter with what it needs and
the same torch as ours. Both train a LoRA of rank 16 on the UNet with AdamW, 256 pixels, batch 1,
from cached latents, one process after the other in turns, with one thread each. What a step takes
is what passes between two steps of the optimiser (``step_clock``), loading and first steps left
out, and everything that either loop does around the arithmetic included. On a machine that does
other work, trust processor time.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks import corpus
from benchmarks.full_size import make_file
from prep import demo_world

SIDE, RANK, ALPHA, RATE = 256, 16, 8, 1e-4
_FIRST = 2
"""Steps that are left out: they make room, and the optimiser's state."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Taken:
    """What a process took: seconds of each step on the clock and of processor time, peak bytes."""

    wall: list[float]
    cpu: list[float]
    peak: int


def pictures(folder: Path) -> Path:
    """Write pictures with captions, in the folder that sd-scripts reads."""
    images = folder / "images" / "10_thing"
    images.mkdir(parents=True)
    for number in range(4):
        corpus.draw(number).resize((SIDE, SIDE)).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text("thing, solo, smile, hat, outdoors, night sky")
    (folder / "dataset.toml").write_text(
        f"[[datasets]]\nresolution = {SIDE}\nbatch_size = 1\n[[datasets.subsets]]\n"
        f'image_dir = "images/10_thing"\nnum_repeats = 10\ncaption_extension = ".txt"\n'
    )
    # It asks the hub for CLIP's tokenizer unless it finds one; any will do for random weights.
    shutil.copytree(
        demo_world.base() / "tokenizer", folder / "tokenizers" / "openai_clip-vit-large-patch14"
    )
    return folder


def timed(python: str, script: Path, arguments: list[str], place: Path) -> Taken:
    """Run a script under the clock.

    Raises:
        SystemExit: It failed; what it said is printed.
    """
    figures = place / "figures.json"
    command = [python, str(_HERE / "step_clock.py"), str(figures), str(script), *arguments]
    settings = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env={**os.environ, **settings}, cwd=script.parent, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr.decode(errors="replace")[-3000:])
    found = json.loads(figures.read_text())
    walls, cpus = zip(*found["steps"][_FIRST - 1 :], strict=True)
    wall, cpu = ([b - a for a, b in pairwise(x)] for x in (walls, cpus))
    return Taken(wall, cpu, found["peak"])


def theirs(
    options: argparse.Namespace, precision: str, base: Path, data: Path, place: Path
) -> Taken:
    """Train with sd-scripts."""
    arguments = {
        "pretrained_model_name_or_path": base,
        "train_data_dir": data / "images",
        "output_dir": place / "theirs",
        "output_name": "theirs",
        "resolution": f"{SIDE},{SIDE}",
        "train_batch_size": 1,
        "network_module": "networks.lora",
        "network_dim": RANK,
        "network_alpha": ALPHA,
        "optimizer_type": "AdamW",
        "learning_rate": RATE,
        "max_train_steps": options.steps,
        "mixed_precision": "no" if precision == "fp32" else precision,
        "save_precision": "fp16",
        "caption_extension": ".txt",
        "tokenizer_cache_dir": data / "tokenizers",
        "max_data_loader_n_workers": 0,
        "seed": 1,
    }
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    words += ["--cache_latents", "--network_train_unet_only"]
    return timed(options.python, options.checkout / "train_network.py", words, place)


def ours(options: argparse.Namespace, precision: str, base: Path, data: Path, place: Path) -> Taken:
    """Train with our own loop."""
    words = [str(base), str(data / "dataset.toml"), precision, str(options.steps), str(place)]
    return timed(sys.executable, _HERE / "own_run.py", words, place)


def compare(options: argparse.Namespace, precision: str, base: Path, folder: Path) -> None:
    """Print both sides of one number format."""
    data = folder / "data"
    found: dict[str, list[Taken]] = {"ours": [], "theirs": []}
    for turn in range(options.rounds):
        place = folder / f"{precision}{turn}"
        place.mkdir()
        for name, side in (("theirs", theirs), ("ours", ours)):
            found[name].append(side(options, precision, base, data, place))
    figures = {}
    for name, some in found.items():
        wall = statistics.median([second for taken in some for second in taken.wall])
        cpu = statistics.median([second for taken in some for second in taken.cpu])
        peak = max(taken.peak for taken in some)
        figures[name] = (wall, cpu, peak)
        print(f"{precision:<8}{name:<8}{wall:>8.2f}{cpu:>8.2f}{peak / 2**30:>10.2f}", flush=True)
    (wall, cpu, peak), (their_wall, their_cpu, their_peak) = figures["ours"], figures["theirs"]
    print(
        f"{precision:<8}speed by processor time {their_cpu / cpu:.2f}x, on the clock"
        f" {their_wall / wall:.2f}x; memory {peak / their_peak:.2f}x",
        flush=True,
    )


def main() -> None:
    """Compare all number formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--precisions", default="bf16,fp32")
    parser.add_argument("--base", type=Path, help="made here before; default: made and removed")
    options = parser.parse_args()
    options.checkout = options.checkout.resolve()
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, 1 thread of {os.cpu_count()}, {platform.machine()}")
    print(f"load {load:.1f}, {options.rounds} rounds of {options.steps} steps, medians\n")
    print("                  wall s   cpu s  peak GiB")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        pictures(folder / "data")
        base = options.base or make_file(folder / "sd15.safetensors", "sd15")
        for precision in options.precisions.split(","):
            compare(options, precision, base.resolve(), folder)


if __name__ == "__main__":
    main()
