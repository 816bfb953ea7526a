"""Three real steps before a long run, on the batch that needs the most memory; then all is undone.

They show in seconds what would otherwise show after hours: whether a step fits into memory, whether
its loss is a number, and how long the run will take. What they changed is put back, so that the run
is bit for bit the one that it would have been without them.
"""

import json
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, replace

import torch
from torch import Tensor

from prep.events import Event, Probed, Progress
from prep.language import quantity
from prep.system.files import write_text
from train.data.dataset import Batch, Schedule
from train.optim.optimizers import make_optimizer
from train.optim.stepper import Stepper
from train.run.batches import Lost
from train.run.building import make_scaler
from train.run.checkpoint import Counters
from train.run.ledger import Ledger
from train.run.monitor import TrainingError, memory_in_use
from train.run.prepare import Training
from train.run.probe import LEAST_STEPS

FILE = "probe.json"
"""Where the findings are kept in the job directory."""
STEPS = 3
_IDLE = 0.3
"""Share of a step in which a GPU waits, from which on CUDA graphs are worth their memory."""
_ASKING = 0.95

TakeStep = Callable[[Training], Tensor]
"""Does the step that the counters of a run stand before; returns its loss, shape ()."""


def probe(training: Training, take_step: TakeStep) -> Generator[Event, None, bool | None]:
    """Measure three steps of a run that is about to begin, and put everything back.

    Args:
        training: Ready to step. One that is resumed, or that is short, is left alone.
        take_step: Does a step.

    Yields:
        Progress, and Probed.

    Returns:
        Whether the processor cannot keep a GPU busy; ``None`` where nobody has looked.

    Raises:
        MemoryRanOutError: A step does not fit.
        TrainingError: The loss of a step is NaN or infinite.
        StopAskedError: Somebody asked to stop.
    """
    schedule = training.schedule
    if training.counters.step or schedule.steps < LEAST_STEPS:
        return None
    place = heaviest_step(schedule)
    ledger = Ledger(schedule.images, schedule.steps, training.model.objective.timesteps)
    commands, group = training.commands, training.group
    # Several processes exchange their gradients in a step, and must end it together.
    heed = commands.heed if group.size == 1 else training.heed
    trial = replace(training, counters=Counters(step=place), lost=Lost(), ledger=ledger, heed=heed)
    idle: float | None = None
    seconds: list[float] = []
    asking: list[float] = []
    with torch.random.fork_rng(_gpus(training)):
        before = _snapshot(training)
        for number in range(STEPS):
            yield Progress("probe", number, STEPS)
            commands.rest()
            group.meet(stop=commands.stop_asked())
            last_on_gpu = number == STEPS - 1 and training.group.device.type == "cuda"
            began = time.monotonic()
            if last_on_gpu:
                busy = busy_seconds(lambda: take_step(trial))
                idle = idle_share(busy, seconds[-1])
                continue
            asked = take_step(trial)
            asking.append(time.monotonic() - began)
            loss = float(asked)  # waits for a GPU to finish
            seconds.append(time.monotonic() - began)
            if not math.isfinite(loss):
                raise _not_finite(training, number)
        found = _findings(training, place, seconds, idle)
        _put_back(training, before)
    yield Progress("probe", STEPS, STEPS)
    if training.group.is_main:
        body = {**asdict(found), "relative_errors": dict(training.errors)}
        write_text(training.job.directory / FILE, json.dumps(body, indent=1) + "\n")
        yield found
    return starved(idle, asking[-1] / seconds[-1]) if _gpus(training) else None


def starved(idle: float | None, asking: float) -> bool:
    """Return whether a GPU waits for the processor, which tells it what to do.

    Args:
        idle: Share of a step in which it computes nothing; ``None`` where that cannot be observed.
        asking: Share of a step after which the processor has told it everything. A GPU that keeps
            up is done nearly as soon.
    """
    return asking > _ASKING if idle is None else idle > _IDLE


def heaviest_step(schedule: Schedule) -> int:
    """Return the step of the first epoch, from 0, with the batch of the most pixels."""
    steps = range(min(schedule.steps_per_epoch, schedule.steps))
    return max(steps, key=lambda step: _weight(schedule, step))


def _weight(schedule: Schedule, step: int) -> tuple[int, int]:
    sizes = [_pixels(batch) for _, batch in schedule.window_of(step)]
    return max(sizes), sum(sizes)


def _pixels(batch: Batch) -> int:
    width, height = batch[0].image.fit.bucket
    return len(batch) * width * height


def expected_seconds(schedule: Schedule, place: int, seconds: float) -> float:
    """Return how long all steps take, if one takes ``seconds``: the time grows with the pixels.

    Args:
        schedule: Of the run.
        place: The step that was measured, from 0.
        seconds: What it took.
    """
    epoch = range(min(schedule.steps_per_epoch, schedule.steps))
    work = [_weight(schedule, step)[1] for step in epoch]
    return seconds * sum(work) / work[place] * schedule.steps / len(work)


def _findings(
    training: Training, place: int, seconds: Sequence[float], idle: float | None
) -> Probed:
    """Return what was measured; the first step, which makes room and plans, is slower."""
    steady = min(seconds[1:])
    return Probed(
        step_seconds=steady,
        run_seconds=expected_seconds(training.schedule, place, steady),
        memory_bytes=memory_in_use(training.group.device),
        planned_bytes=training.planned,
        idle=idle,
    )


def busy_seconds(step: Callable[[], object]) -> float | None:
    """Return how long a GPU computes in a step; ``None`` where it cannot be observed.

    Observing makes a step slower, not the kernels in it. Containers often forbid it.
    """
    activities = [torch.profiler.ProfilerActivity.CUDA]
    try:
        with torch.profiler.profile(activities=activities) as observed:
            step()
            torch.cuda.synchronize()
        events = observed.key_averages()
    except RuntimeError:
        return None
    return sum(float(event.self_device_time_total) for event in events) / 1e6 or None


def idle_share(busy: float | None, seconds: float) -> float | None:
    """Return the share of a step in which a GPU waits for work, 0 to 1.

    Args:
        busy: Seconds in which it computes.
        seconds: Of the step, unobserved.
    """
    return None if busy is None else max(0.0, 1.0 - busy / seconds)


def _not_finite(training: Training, number: int) -> TrainingError:
    """Return the error with the change that most likely helps."""
    settings, dtype = training.settings, training.model.policy.dtype
    if number:
        hint = f"Lower the learning rate: --set learning_rate={settings.lower_rate():g}"
    elif dtype == torch.float16:
        hint = "fp16 overflows: --set precision=bf16, or fp32 on older cards."
    else:
        hint = "The base model or the VAE is broken, or is not what it says: try another file."
    where = (
        "before anything was learned"
        if number == 0
        else f"after {quantity(number, 'step')} of a trial"
    )
    return TrainingError(f"The loss is NaN or infinite {where}.", hint)


def _snapshot(training: Training) -> dict[str, Tensor] | None:
    """Return a copy of what is trained; ``None`` for a whole model, which is not moved."""
    if training.moves_in_trials:
        return {name: t.detach().cpu().clone() for name, t in training.network.state().items()}
    return None


def _put_back(training: Training, before: dict[str, Tensor] | None) -> None:
    """Undo the steps: the weights as they were, an optimiser that knows nothing yet."""
    if before is None:
        return
    training.network.load_state(before)
    groups, device = training.stepper.groups, training.group.device
    optimizer = make_optimizer(groups, training.settings, device)
    training.stepper = Stepper(groups, optimizer, make_scaler(training.model.policy))


def _gpus(training: Training) -> list[torch.device]:
    device = training.group.device
    return [device] if device.type == "cuda" else []
