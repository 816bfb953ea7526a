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
from train.memory_plan.fit import GIB, Fit, ladder, memory_here
from train.memory_plan.peak import Place
from train.memory_plan.remembered import known_peak


def plan_run(run: RunConfig, base: BaseModel, bucket: Size) -> Generator[Event, None, int | None]:
    """Calculate what a run needs; implements ``prepare.Planner``.

    Yields:
        A Stage with the figure; Warned with the cheapest change that fits when it does not.

    Returns:
        The peak, bytes; ``None`` for a whole model, which is not calculated here.
    """
    if run.train.method == "full":
        return None
    began = time.monotonic()
    yield Stage("plan")
    fits = _fits(run, base, bucket)
    first = next(fits)
    note = f"about {first.needed / GIB:.1f} GiB of {first.room / GIB:.1f} will be needed"
    yield Stage("plan", True, round(time.monotonic() - began, 2), note)
    if not first.fits:
        better = next((fit for fit in fits if fit.fits), None)
        yield Warned(
            f"The run may not fit: it needs about {first.needed / GIB:.1f} GiB, and there are"
            f" {first.room / GIB:.1f}.",
            _advice(better) if better else "No setting makes it fit; lower the resolution.",
        )
    return first.peak.total if default_device().type == "cuda" else first.needed


def what_fits(run: RunConfig) -> str:
    """Return the cheapest change that makes a run fit which ran out of memory; empty for none.

    By then its batches were computed image by image: fewer images in them would not help.
    """
    if run.train.method == "full":
        return ""
    run = run.model_copy(update={"train": run.train.model_copy(update={"batch_size": 1})})
    try:
        base = opened_base(run)
        images, _ = split_validation(read_dataset(run.dataset, run.train), run.train)
        fits = _fits(run, base, largest_bucket(images))
        first = next(fits)
        better = next((fit for fit in fits if fit.fits and fit.needed < first.needed), None)
    except UserError:  # of the fault at hand, the other reasons matter less
        return ""
    return _advice(better) if better else ""


def _fits(run: RunConfig, base: BaseModel, bucket: Size) -> Iterator[Fit]:
    """Yield the run as it is, then with changes that save memory, the cheapest first."""
    device = default_device()
    place = Place(choose(run.train.precision, device).dtype, is_cpu=device.type == "cpu")
    drawn = base.fitting_size(*bucket) if run.train.sample_prompts else None
    for changes in ladder(run.train, run):
        changed = run.model_copy(update={"train": run.train.model_copy(update=changes)})
        yield Fit(changes, known_peak(changed, base, place, bucket, drawn), memory_here())


def _advice(fit: Fit) -> str:
    """Return a change as options of the command line, with what it brings."""
    options = " ".join(f"--set {name}={str(v).lower()}" for name, v in fit.changes.items())
    return f"The cheapest change: {options} ({fit.needed / GIB:.1f} GiB)."
