"""The disk and /dev/shm."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from prep.events import Diagnosis
from prep.language import marked
from train.doctor.findings import fine, found, gib
from train.doctor.resources import SHM, shm_size

DISK = marked("disk")

_WRITTEN = 64 << 20
"""Bytes that are written to measure: more than caches of controllers, less than a second."""
_LEAST_ROOM = 10 << 30
"""SDXL in fp16 (6.9 GB), with room for the states and files of a LoRA."""
_LEAST_SPEED = 50e6
"""Bytes per second; below it, a base model of 6.9 GB takes more than two minutes."""
_DEFAULT_SHM = 64 << 20
"""What a container has unless it is told otherwise."""


def disk(folder: Path) -> Diagnosis:
    """Measure room and speed of writing where a project would be.

    Args:
        folder: The place; a file is made in it and removed.
    """
    where = folder.resolve()
    try:
        free = shutil.disk_usage(where).free
        speed = _written(where)
    except OSError as error:
        cause = f"Nothing can be written to {where}."
        return found(DISK, error.strerror or str(error), cause, "Choose another folder.")
    told = f"{gib(free)} free in {where}, written at {speed / 1e6:.0f} MB/s"
    if free < _LEAST_ROOM:
        cause = "A base model, latents, states and samples may not fit."
        return found(DISK, told, cause, "Free space, or use another disk.")
    if speed < _LEAST_SPEED:
        cause = "The disk is slow, as network drives are: loading and saving take minutes."
        return found(DISK, told, cause, "Put base model and project on a local disk.")
    return fine(DISK, told)


def _written(folder: Path) -> float:
    """Return the bytes per second at which a file reaches the disk."""
    data = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".shikomi-doctor-") as file:
        began = time.perf_counter()
        for _ in range(_WRITTEN >> 20):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return _WRITTEN / (time.perf_counter() - began)


def shared_memory(cards: int) -> Diagnosis:
    """Judge the size of /dev/shm, which processes of several cards exchange gradients through.

    Args:
        cards: How many there are.
    """
    size = shm_size()
    told = f"{gib(size)}" if size >= 1 << 30 else f"{size >> 20} MiB"
    if not size:
        return fine(SHM, "there is none, and one card needs none")
    if size <= _DEFAULT_SHM and cards > 1:
        cause = "That is the default of containers; training on several cards crashes with it."
        return found(SHM, told, cause, "Start the container with: docker run --shm-size=8g")
    if size <= _DEFAULT_SHM:
        return fine(
            SHM,
            f"{told}, the default of containers: enough for shikomi on one card, not for several,"
            " nor for other trainers (docker run --shm-size=8g)",
        )
    return fine(SHM, told)
