"""Out of memory, /dev/shm, slow: what a run did to the machine, and the machine to the run."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from prep.events import Diagnosis
from prep.language import english, marked
from train.doctor.findings import fine, found, gib, percent, unknown
from train.doctor.record import RunRecord

MEMORY, SHM, SLOW = marked("out of memory"), "/dev/shm", marked("slow")

_KILLED = ("killed by signal 9", "ended with code 137", "ended with code -9")
"""What the supervisor says of a command that the kernel ended, itself or as a child."""
_BUS_ERROR = ("bus error", "killed by signal 7", "code 135", "sigbus")
"""A page of shared memory that is not there."""
_SHARED = ("/dev/shm", "shared memory", "shm_open")
_FULL = 0.95
"""Share of the memory from which the next larger bucket or sample may not fit."""
_ENOUGH_SHM = 1 << 30
"""NCCL maps some tens of MB for each pair of GPUs; containers have 64 MiB by default, and 1 GiB is
what NVIDIA's documentation of NCCL in containers asks for."""
_RECENT = 20
"""Steps that are compared with all others, ..."""
_FELL = 0.5
"""... and the share of their speed below which something is in the way."""
_ASIDE = 0.4
"""Share of the time that may go into anything but steps."""
_LEAST_STEPS = 2 * _RECENT


@dataclass(frozen=True)
class Surroundings:
    """What the rules know of the machine that they run on.

    Attributes:
        memory: Of the card, or of the computer for a run on the CPU, bytes; 0 if unknown.
        shm: Size of /dev/shm, bytes; 0 if there is none.
        gpu: There seems to be an NVIDIA card.
    """

    memory: int = 0
    shm: int = 0
    gpu: bool = False


def shm_size() -> int:
    """Return the size of /dev/shm, bytes; 0 if there is none."""
    place = Path("/dev/shm")
    return shutil.disk_usage(place).total if place.is_dir() else 0


def out_of_memory(record: RunRecord, here: Surroundings) -> Diagnosis:
    """Did memory run out, or nearly?"""
    failure, peak = record.failure, max((m.memory_bytes or 0 for m in record.metrics), default=0)
    used = f"peak {gib(peak)}" + (f" of {gib(here.memory)}" if here.memory else "")
    if failure is not None and "Memory ran out" in failure.message:
        told = f"{failure.message.rstrip('.')}; {used if peak else 'before the first step'}"
        cause = "This configuration does not fit."
        return found(MEMORY, told, cause, f"{failure.hint} {_plan(record)}".strip())
    if failure is not None and any(word in failure.message for word in _KILLED):
        told = f"{failure.message.partition('. ')[0].rstrip('.')}; {used}"
        cause = "The system ended the run, as it does when the computer's memory runs out."
        return found(MEMORY, told, cause, f"{_smaller(record)} {_plan(record)}")
    if not peak:
        return unknown(MEMORY, "no step was done yet", _plan(record))
    if here.memory and peak > _FULL * here.memory:
        cause = "A larger bucket, a sample or another program would be too much."
        divides = record.device != "cpu"  # a batch too large for a card is computed in parts
        return found(MEMORY, used, cause, f"{_smaller(record, divides=divides)} {_plan(record)}")
    return fine(MEMORY, used)


def _smaller(record: RunRecord, *, divides: bool = False) -> str:
    settings = record.run.train if record.run else None
    if settings and settings.batch_size > 1 and not divides:
        half, doubled = settings.batch_size // 2, settings.gradient_accumulation * 2
        return f"Set batch_size = {half} and gradient_accumulation = {doubled}: the same result."
    if settings and not settings.gradient_checkpointing:
        return "Set gradient_checkpointing = true."
    return "Lower the resolution or the rank."


def _plan(record: RunRecord) -> str:
    plan = record.command.replace("shikomi train", "shikomi plan")
    return f"What fits: {plan} --memory"


def shared_memory(record: RunRecord, here: Surroundings) -> Diagnosis:
    """Was /dev/shm too small?"""
    text = f"{record.failure.message if record.failure else ''}\n{record.log}".lower()
    size = f"/dev/shm has {gib(here.shm)} here" if here.shm else "there is no /dev/shm here"
    devices = record.run.train.devices if record.run else 1
    cure = "In a container: docker run --shm-size=8g; otherwise: mount -o remount,size=8g /dev/shm"
    full = "no space left on device" in text and any(word in text for word in _SHARED)
    if record.failure and (any(word in text for word in _BUS_ERROR) or full):
        line = next((w for w in _BUS_ERROR if w in text), "no space left on device")
        told = f'"{line}" in what the run said; {size}'
        return found(SHM, told, "Processes share memory there, and it ran out.", cure)
    if devices > 1 and 0 < here.shm < _ENOUGH_SHM:
        told = f"{size}, and the run has {devices} processes"
        return found(SHM, told, "Several GPUs exchange gradients through it.", cure)
    return fine(SHM, f"{size}; {'one process needs none' if devices == 1 else 'that is enough'}")


def slow(record: RunRecord, here: Surroundings) -> Diagnosis:
    """Is the card idle, has the run become slower, or does it do something else than steps?"""
    rates = [m.it_per_s for m in record.metrics if m.it_per_s]
    if len(rates) < _LEAST_STEPS:
        told = english(
            "{count} step was timed, and {least} are needed",
            "{count} steps were timed, and {least} are needed",
            len(rates),
            least=_LEAST_STEPS,
        )
        return unknown(SLOW, told, "Ask again later.")
    usual, now = median(rates), median(rates[-_RECENT:])
    told = f"{now:.2f} steps/s on {record.device or 'an unknown device'}, usually {usual:.2f}"
    if record.device == "cpu" and here.gpu:
        cause = "The run computes on the CPU, and there is a graphics card."
        return found(SLOW, told, cause, "See why: shikomi doctor")
    if now < _FELL * usual:
        cause = "The run has become slower: another program computes, or the card is too hot."
        return found(SLOW, told, cause, "See who else computes: nvidia-smi, or top")
    total = sum(record.spent.values())
    if total:
        told += "; time: " + ", ".join(
            f"{name} {percent(s / total)}" for name, s in record.spent.items()
        )
    aside = {name: s for name, s in record.spent.items() if name != "steps"}
    if total and sum(aside.values()) > _ASIDE * total:
        most = max(aside, key=lambda name: aside[name])
        cause = f"Much of the time goes into something else than steps, mostly: {most}."
        return found(SLOW, told, cause, _more_seldom(most, record))
    if _could_do_without_checkpointing(record, here):
        cause = (
            "gradient_checkpointing saves memory that is there, for about a quarter of the time."
        )
        return found(SLOW, told, cause, f"{record.command} --set gradient_checkpointing=false")
    return fine(SLOW, told)


def _more_seldom(what: str, record: RunRecord) -> str:
    settings = record.run.train if record.run else None
    keys: Mapping[str, tuple[str, int]] = {}
    if settings:
        keys = {
            "sample": ("sample_every_epochs", settings.sample_every_epochs),
            "validation": ("validate_every_epochs", settings.validate_every_epochs),
            "save": ("save_every_epochs", settings.save_every_epochs),
        }
    name, now = keys.get(what, (f"{what}_every_epochs", 1))
    resume = f"{record.command} --resume {record.job.name}"
    return f"{resume} --set {name}={max(1, now) * 4} (after stopping it)"


def _could_do_without_checkpointing(record: RunRecord, here: Surroundings) -> bool:
    """Return whether a run saves memory in vain: activations are at most a few times the rest."""
    settings = record.run.train if record.run else None
    peak = max((m.memory_bytes or 0 for m in record.metrics), default=0)
    needless = settings is not None and settings.gradient_checkpointing and record.device != "cpu"
    return needless and 0 < peak < 0.3 * here.memory
