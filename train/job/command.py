"""The command line of a training job; torch-free, since front ends build it."""

import os
import sys

from train.config import RunConfig


def training_argv(run: RunConfig) -> list[str]:
    """Return ``accelerate launch … -m train`` for a run.

    The job directory is not in it: the job's supervisor passes it in ``SHIKOMI_JOB``. accelerate
    would give a CPU process a single thread, so the threads are named; mixed precision is the
    run's own business.
    """
    devices = run.train.devices
    threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or max(1, (os.cpu_count() or 1) // devices)
    argv = [sys.executable, "-m", "accelerate.commands.launch"]
    argv += ["--num_processes", str(devices), "--num_machines", "1"]
    argv += ["--multi_gpu"] if devices > 1 else []
    argv += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    argv += ["--num_cpu_threads_per_process", str(threads), "--quiet"]
    return [*argv, "-m", "train"]
