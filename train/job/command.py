"""The command line of a training job; torch-free, since front ends build it."""

import os
import sys
from pathlib import Path

from train.config import RunConfig


def training_argv(run: RunConfig, machine: int = 0) -> list[str]:
    """Return the command that trains on a machine, counted from 0.

    One process is started directly; several by ``accelerate launch``, which takes 2 CPU seconds and
    a few hundred MB of memory for as long as the run lasts. The job directory is not in the
    command: the job's supervisor passes it in ``SHIKOMI_JOB``. accelerate would give a CPU process
    a single thread, so the threads are named; mixed precision is the run's own business.
    """
    devices, machines = run.train.devices, run.train.machines
    if devices == 1:
        return [sys.executable, "-m", "train"]
    here = devices // machines
    threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or max(1, (os.cpu_count() or 1) // here)
    argv = [sys.executable, "-m", "accelerate.commands.launch"]
    argv += ["--num_processes", str(devices), "--num_machines", str(machines)]
    if machines > 1:
        host, _, port = run.train.main_address.rpartition(":")
        argv += ["--machine_rank", str(machine)]
        argv += ["--main_process_ip", host, "--main_process_port", port]
    argv += ["--multi_gpu"] if devices > 1 else []
    argv += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    argv += ["--num_cpu_threads_per_process", str(threads), "--quiet"]
    return [*argv, "-m", "train"]


def other_machines(run: RunConfig, job: Path) -> list[list[str]]:
    """Return the commands that join a run on the other machines.

    Args:
        run: The run.
        job: Its job directory, which lies at the same path there.
    """
    return [[*training_argv(run, number), str(job)] for number in range(1, run.train.machines)]
