"""The training loop. It reads from top to bottom what a run does, and yields what happens."""

import contextlib
import re
import time
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path

from torch import Tensor

from prep.errors import UserError
from prep.events import Event, Finished, Metric, Sample, Saved, Started, Warned
from prep.system import jobs
from train.arithmetic.memory import catch_out_of_memory
from train.config import RunConfig, TrainSettings
from train.lora.metadata import build
from train.optim.schedules import factor
from train.run.checkpoint import save_state
from train.run.execution import choose_execution, compile_blocks
from train.run.gate import probe
from train.run.gradients import add_gradients
from train.run.image_report import write_images
from train.run.monitor import CommandReader, Step, StepLog, StepTimer
from train.run.prepare import Planner, Training, prepare
from train.run.processes import ProcessGroup, StopAskedError
from train.run.validation import measures_anything, validate, worth_a_round
from train.sampling.draw import ImageSpec, parameters, png_text


def train(
    run: RunConfig, job: jobs.Job, group: ProcessGroup, plan: Planner | None = None
) -> Iterator[Event]:
    """Train a LoRA or a whole model, from the beginning or from the newest state in the job.

    After a step the file for users is saved first, then validated, then sampled, so that nothing
    that goes wrong later costs what was learned.

    Args:
        run: The complete configuration.
        job: Its directory keeps the states and receives commands.
        group: This process and its device.
        plan: Calculates the memory that it will need.

    Yields:
        Started, Stage, Probed, Progress, Metric, Sample, Saved, Skipped and Warned; last Finished.

    Raises:
        UserError: Anything the user can fix.
    """
    yield Started(f"train {run.name}")
    commands = CommandReader(job)
    try:
        preparing = prepare(run, job, group, plan, commands)
        training = yield from _heeding(preparing, commands, group)
        yield from _before(training)
    except StopAskedError:
        yield Finished({}, "stopped")
        return
    counters, schedule = training.counters, training.schedule
    most = training.settings.batch_size * training.settings.gradient_accumulation
    log = StepLog(schedule.steps, counters, group, lambda: training.ledger.settle(group, most))
    reason = yield from _steps(training, log)
    yield from _finish(training, log.timer, reason)


def _heeding(
    preparing: Generator[Event, None, Training], commands: CommandReader, group: ProcessGroup
) -> Generator[Event, None, Training]:
    """Pass events on; between them wait while the run is paused, and end when it is to stop."""
    with contextlib.closing(preparing):
        while True:
            try:
                event = next(preparing)
            except StopIteration as end:
                training: Training = end.value
                return training
            yield event
            commands.rest()
            commands.heed(group)


def _steps(training: Training, log: StepLog) -> Generator[Event, None, str]:
    """Do the steps that are left, and what follows each of them; return why they end."""
    counters, schedule, group = training.counters, training.schedule, training.group
    while counters.step < schedule.steps:
        log.begin()
        epoch = schedule.epoch_of(counters.step)
        rate = set_rates(training)
        loss = optimise(training)
        counters.step += 1
        norm = training.stepper.norm
        log.add(Step(counters.step, epoch + 1, rate, loss, norm, part_rates(training)))
        yield from training.lost.news()
        yield from training.micro.news()
        yield from training.graphs.news()

        if log.due:
            yield from log.read()
        asked = training.commands.asked() if group.is_main else set()
        if "pause" in asked:
            log.restart()
        due = group.broadcast(_due(training, asked))
        if any(due.values()):
            yield from log.read()
        if due["save"]:
            yield from _save(training)
        if due["stop"]:
            return "stopped"
        if due["validate"] or due["sample"]:
            stopped = yield from _look(training, validated=due["validate"], drawn=due["sample"])
            if group.broadcast({"stop": stopped})["stop"]:
                if not due["save"]:
                    yield from _save(training)
                return "stopped"
    return "done"


def _before(training: Training) -> Iterator[Event]:
    """Try the run, and look at the model as it was before the first step."""
    training.network.train()
    settings = training.settings
    yield from compile_blocks(training.model, settings)
    starved = yield from probe(training, _trial)
    yield from training.micro.news()
    yield from choose_execution(training, starved=starved)
    if training.counters.step == 0:
        stopped = yield from _look(training, validated=True, drawn=settings.sample_at_start)
        training.group.meet(stop=stopped)


def _look(training: Training, *, validated: bool, drawn: bool) -> Generator[Event, None, bool]:
    """Validate and draw; return whether somebody asked to stop meanwhile, which ends it at once."""
    try:
        if validated:
            yield from _validate(training)
        if drawn:
            yield from _draw(training)
    except StopAskedError:
        return True
    return False


def set_rates(training: Training) -> float:
    """Give the optimiser the learning rates of this step; return that of its first group."""
    share = factor(training.settings, training.counters.step, training.schedule.steps)
    return training.stepper.set_rate(share)


def part_rates(training: Training) -> dict[str, float]:
    """Return the learning rate of each part that the step before this moment moved."""
    share = factor(training.settings, training.counters.step - 1, training.schedule.steps)
    rates = training.settings.rates(training.run.family)
    return {part: rate * share for part, rate in rates.items() if rate}


def _trial(training: Training) -> Tensor:
    """Do a step that will be undone; return its loss, shape ()."""
    set_rates(training)
    return optimise(training, move=training.moves_in_trials)


def optimise(training: Training, *, move: bool = True) -> Tensor:
    """Do one optimiser step; return the mean loss of its images, shape (), on the device.

    The gradient is that of the mean over all images of the step, however they are spread over
    batches, accumulation and devices.

    Args:
        training: The run.
        move: Move the weights; otherwise the gradients are forgotten.

    Raises:
        MemoryRanOutError: A step does not fit, not even image by image.
    """
    step, group = training.counters.step, training.group
    window = training.schedule.window_of(step)
    images = sum(len(batch) for _, batch in window)
    with catch_out_of_memory("a training step", _smaller(training.settings)):
        loss, moves = add_gradients(training, window[group.rank :: group.size], images)
        total = group.all_reduce(loss)
        if not move:
            training.stepper.forget()
            return total
        if moves or group.size > 1:  # another process may have a gradient
            training.stepper.step(training.settings.max_grad_norm, group.all_reduce)
        training.network.after_step(step + 1)
    return total


def _smaller(settings: TrainSettings) -> str:
    """Return how to need less memory; a batch was computed image by image already."""
    if not settings.gradient_checkpointing:
        return "Set gradient_checkpointing = true."
    if settings.method == "full":
        return 'Set optimizer = "adafactor", lower the resolution, or train a LoRA.'
    return "Lower the resolution or the rank, or train the UNet only."


def _due(training: Training, asked: set[str]) -> dict[str, bool]:
    """Decide what follows this step: by settings, or because somebody asks."""
    settings, counters, schedule = training.settings, training.counters, training.schedule
    step = counters.step
    last = step == schedule.steps
    epochs = 0 if step % schedule.steps_per_epoch else step // schedule.steps_per_epoch

    def every(number: int, count: int) -> bool:
        return number > 0 and count > 0 and count % number == 0

    stop = "stop" in asked and not last
    save = every(settings.save_every_epochs, epochs) or every(settings.save_every_steps, step)
    often = (settings.sample_every_epochs, epochs), (settings.sample_every_steps, step)
    # The last step need not end an epoch, and its file is the one that people take.
    sample = any(every(*one) or (last and one[0] > 0) for one in often)
    return {
        "save": save or "save" in asked or stop or last,
        "validate": measures_anything(training)
        and ((every(settings.validate_every_epochs, epochs) and worth_a_round(training)) or last),
        "sample": bool(training.pictures) and (sample or "sample" in asked),
        "stop": stop,
    }


def _validate(training: Training) -> Iterator[Event]:
    counters = training.counters
    if not training.group.is_main or not measures_anything(training):
        return
    training.graphs.release()
    with training.stepper.inference_weights():
        found = validate(training)
    counters.val_loss, counters.validated = found.loss, counters.step
    if counters.step == 0:
        counters.val_loss_before = found.loss
    yield found
    if found.loss is not None:
        yield Metric(found.step, found.total, found.epoch, val_loss=found.loss)


def _draw(training: Training) -> Iterator[Event]:
    """Draw the sample prompts with the LoRA as it is now; a sample that fails is a warning."""
    if not training.group.is_main:
        return
    training.graphs.release()
    for index, picture in enumerate(training.pictures):
        try:
            with training.stepper.inference_weights():
                sample = _sample(training, picture, index)
            yield sample
        except StopAskedError:
            raise
        except Exception as error:  # whatever went wrong, the run is worth more than a picture
            traceback.print_exc()
            reason = error.message if isinstance(error, UserError) else repr(error)
            yield Warned(
                f"Sample {index + 1} after step {training.counters.step} failed: {reason}",
                "Training continues. See sample_prompts in [train], and the job's log.",
            )
    training.model.park("vae")


def _sample(training: Training, picture: ImageSpec, index: int) -> Sample:
    run, step = training.run, training.counters.step
    training.commands.heed()
    with training.network.in_use():
        image = training.generator.draw(picture, lambda _: training.commands.heed())
    path = run.samples / f"step{step:08d}-{index:02d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    base = training.model.base
    text = parameters(picture, model=base.name, model_hash=base.weights_hash, lora_hashes={})
    image.save(path, pnginfo=png_text(text))
    return Sample(training.relative(path), picture.text, picture.seed, {run.name: 1.0}, step)


def _saved_file(training: Training) -> Path:
    """Return the name of the file of this step: of the run at its end, else of epoch or step."""
    run, schedule, step = training.run, training.schedule, training.counters.step
    if step == schedule.steps:
        return run.output / f"{run.name}.safetensors"
    if step % schedule.steps_per_epoch == 0:
        return run.output / f"{run.name}-{step // schedule.steps_per_epoch:06d}.safetensors"
    return run.output / f"{run.name}-step{step:08d}.safetensors"


def _save(training: Training) -> Iterator[Event]:
    """Save the file for users, and the state to resume from."""
    counters, schedule, path = training.counters, training.schedule, _saved_file(training)
    counters.micro_batches = training.micro.table(training.group)
    counters.graphs = counters.graphs and training.graphs.in_use
    yield from training.micro.news()
    if not training.group.is_main:
        return
    metadata = build(
        training.run, training.data, schedule, training.facts, counters.step, time.time()
    )
    with training.stepper.inference_weights(), training.network.in_use():
        training.network.save(path, metadata, training.settings.save_precision)
    counters.scaler = training.stepper.scaler.state_dict()
    superfluous = _superfluous(training, path.name)
    kept_states = training.settings.kept_states
    save_state(
        training.states, training.network, training.stepper, counters, kept_states, training.ledger
    )
    write_images(training)
    for name in superfluous:
        (path.parent / name).unlink(missing_ok=True)
    epoch = schedule.epoch_of(max(0, counters.step - 1)) + 1
    yield Saved(training.relative(path), counters.step, epoch)


def _superfluous(training: Training, newest: str) -> list[str]:
    """Note a file that was saved; return those of the run that are to go, the oldest ones."""
    counters, kept = training.counters, training.settings.kept_saves
    own = re.compile(re.escape(training.run.name) + r"-(step)?\d+\.safetensors")
    files = [name for name in counters.files if name != newest] + [newest]
    going = files[:-kept] if kept else []
    counters.files = files[len(going) :]
    return [name for name in going if own.fullmatch(name)]  # states may come from anybody


def _finish(training: Training, timer: StepTimer, reason: str) -> Iterator[Event]:
    """Report how the run went; everything is saved by now."""
    counters = training.counters
    if reason == "done" and counters.validated != counters.step:
        # Killed between the last save and its validation.
        stopped = yield from _look(training, validated=True, drawn=False)
        reason = "stopped" if stopped else reason
    training.network.detach()
    summary = {
        "lora": training.relative(_saved_file(training)),
        "steps": counters.step,
        "it_per_s": counters.step / counters.seconds if counters.seconds else None,
        "peak_memory_bytes": timer.peak_memory,
        "val_loss_before": counters.val_loss_before,
        "val_loss_after": counters.val_loss if counters.validated else None,
        "average_loss": counters.average_loss,
        "seconds": round(time.time() - counters.started, 2),
    }
    yield Finished(summary, reason)
