"""The memory of a run that begins: told beforehand, and consulted when it ran out."""

import time
from collections.abc import Generator, Iterator

from prep.errors import UserError
from prep.events import Event, Stage, Warned
from prep.images.buckets import Size
from train.arithmetic.precision import choose, default_device
from train.config import RunConfig
from train.data.dataset import largest_bucket, split_validation
from train.data.reading import read_dataset
from train.families.base_model import BaseModel
from train.families.opening import opened_base
from train.memory_plan.fit import GIB, Fit, fits, memory_here
from train.memory_plan.peak import Place


def plan_run(run: RunConfig, base: BaseModel, bucket: Size) -> Generator[Event, None, int | None]:
    """Calculate what a run needs; implements ``prepare.Planner``.

    Yields:
        A Stage with the figure; Warned with the cheapest change that fits when it does not.

    Returns:
        The peak, bytes.
    """
    began = time.monotonic()
    yield Stage("plan")
    tried: list[Fit] = []
    for fit in _fits(run, base, bucket):
        tried.append(fit)
        if fit.fits:
            break
    first, best = tried[0], tried[-1]
    needs, room = f"{first.needed / GIB:.1f} GiB", f"{first.room / GIB:.1f}"
    note = f"about {needs} of {room} will be needed"
    divided = best.fits and not best.rung.changes and best is not first
    if divided:
        note = (
            f"a batch needs about {needs}, and there are {room}: {best.rung.at_once} of its"
            f" {run.train.batch_size} images are computed at once ({best.needed / GIB:.1f} GiB)"
        )
    if best.fits and best.tiled:
        note += "; samples are decoded in tiles"
    yield Stage("plan", True, round(time.monotonic() - began, 2), note)
    if not first.fits and not divided:
        yield Warned(
            f"The run may not fit: it needs about {needs}, and there are {room}.",
            _advice(best) if best.fits else "No setting makes it fit; lower the resolution.",
        )
    chosen = best if divided else first
    return chosen.peak.total if default_device().type == "cuda" else chosen.needed


def what_fits(run: RunConfig) -> str:
    """Return the cheapest change that makes a run fit which ran out of memory; empty for none.

    By then its batches were computed image by image: fewer images in them would not help.
    """
    run = run.model_copy(update={"train": run.train.model_copy(update={"batch_size": 1})})
    try:
        base = opened_base(run)
        images, _ = split_validation(read_dataset(run.dataset, run.train), run.train)
        found = _fits(run, base, largest_bucket(images))
        first = next(found)
        better = next((fit for fit in found if fit.fits and fit.needed < first.needed), None)
    except UserError:  # of the fault at hand, the other reasons matter less
        return ""
    return _advice(better) if better else ""


def _fits(run: RunConfig, base: BaseModel, bucket: Size) -> Iterator[Fit]:
    """Yield the run as it is, then with changes that save memory, the cheapest first."""
    device = default_device()
    place = Place(choose(run.train.precision, device).dtype, is_cpu=device.type == "cpu")
    drawn = base.fitting_size(*bucket) if run.train.sample_prompts else None
    return fits(run, base, place, bucket, drawn, memory_here())


def _advice(fit: Fit) -> str:
    """Return a change as options of the command line, with what it brings."""
    options = " ".join(f"--set {name}={str(v).lower()}" for name, v in fit.rung.changes.items())
    return f"The cheapest change: {options} ({fit.needed / GIB:.1f} GiB)."
