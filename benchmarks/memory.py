"""The calculated peak memory of a run beside the resident memory of a real one, on the CPU.

``python -m benchmarks.memory FILE FAMILY SIDE PRECISION [checkpointing] [full=OPTIMIZER]``: one
configuration in one process, since a process never gives its peak back. FILE is made if it is not
there.
"""

import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size import make_file
from train.arithmetic.precision import choose
from train.config import RunConfig, TrainSettings
from train.families.base_model import BaseModel
from train.families.opening import open_family
from train.memory_plan.fit import GIB, Fit, Rung
from train.memory_plan.peak import Place, known_conditioning, loss_of, peak_of
from train.run.building import make_network, make_stepper
from train.settings.model import FamilyName

_STEPS = 2


def main() -> None:
    """Calculate, then load the model, encode a picture and take two steps."""
    file, family, side = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    policy = choose("fp32" if sys.argv[4] == "fp32" else "bf16", torch.device("cpu"))
    kind: FamilyName = "sdxl" if family == "sdxl" else "sd15"
    if not file.exists():
        make_file(file, kind)
    trained: dict[str, Any] = {"rank": 16, "alpha": 8.0}
    for optimizer in (word.removeprefix("full=") for word in sys.argv[5:] if "=" in word):
        trained = {"method": "full", "optimizer": optimizer, "learning_rate": 1e-6}
    settings = TrainSettings(
        base=str(file),
        batch_size=1,
        gradient_checkpointing="checkpointing" in sys.argv,
        train_text_encoder=False,
        **trained,
    )
    place = file.parent
    run = RunConfig(
        name="a",
        family=kind,
        project=place,
        dataset=place,
        output=place,
        samples=place,
        cache=place,
        train=settings,
    )
    base, bucket = BaseModel.open(file), (side, side)
    peak = peak_of(run, base, Place(policy.dtype, is_cpu=True), bucket)
    peak = replace(peak, resident=() if settings.method == "full" else ("unet",))
    phases, before = peak.phases, _resident_now()
    model = open_family(base, policy)
    if settings.gradient_checkpointing:
        model.checkpoint_gradients()
    model.encode_pixels(torch.zeros(1, 3, side, side))  # as train.run.prepare does it
    model.park("vae")
    known = known_conditioning(model, run, bucket)
    model.park("texts")
    encoded = _peak()
    model.load_denoiser()
    network = make_network(model, run, fresh=True)
    stepper = make_stepper(model, network, settings)
    for step in range(_STEPS):
        network.begin(torch.full((1,), 0.5))
        stepper.backward(loss_of(model, run, bucket, known))
        stepper.step(settings.max_grad_norm, lambda tensor: tensor)
        network.after_step(step + 1)
    calculated, grown = max(phases.values()) / GIB, (_peak() - before) / GIB
    told = Fit(Rung({}, 1), peak, 0).needed / GIB
    print(
        f"{family} {side} px {sys.argv[4]}{''.join(f' {word}' for word in sys.argv[5:])}:"
        f" calculated {calculated:.2f} GiB, resident {grown:.2f} GiB more than before"
        f" ({before / GIB:.2f}), ratio {grown / calculated:.2f}; told to users {told:.2f},"
        f" resident in all {_peak() / GIB:.2f}, ratio {_peak() / GIB / told:.2f};"
        f" while encoding: calculated {phases['encode'] / GIB:.2f},"
        f" resident {(encoded - before) / GIB:.2f}"
    )


def _resident_now() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
