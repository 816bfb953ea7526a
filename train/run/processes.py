"""The processes of one run, one per device; several are started by ``accelerate launch``."""

import os
import sys
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor

from prep.errors import EXIT_USAGE, UserError
from train.arithmetic.precision import default_device

PATIENCE = timedelta(days=30)
"""How long a process waits for the others. The first one may draw, measure or be paused for as long
as its user likes, and by default the others give up after 10 minutes; of a process that has died,
the launcher knows."""


class StopAskedError(Exception):
    """Somebody asked a run to stop in the midst of what is not worth saving."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process among the others.

    Attributes:
        device: Where this process computes.
        rank: Its number, from 0; only 0 reports, saves, validates and draws.
        size: How many there are.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> "ProcessGroup":
        """Join the processes that were launched together; alone without a launcher.

        Raises:
            UserError: There are fewer GPUs than processes.
        """
        from accelerate.state import PartialState

        _enough_gpus()
        # Unless it is told that there is no GPU, accelerate runs each CPU process on its own.
        state = PartialState(cpu=default_device().type == "cpu", timeout=PATIENCE)
        return cls(state.device, state.process_index, state.num_processes)

    def leave(self) -> None:
        """Close the connection to the other processes."""
        if self.size > 1:
            torch.distributed.destroy_process_group()

    @property
    def is_main(self) -> bool:
        """Whether this is the process that reports and saves."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which of the things that are done once, by any of the processes, this one does."""
        return slice(self.rank, None, self.size)

    def meet(self, *, stop: bool = False) -> None:
        """Wait until all processes have come here, or to another place where they meet.

        Args:
            stop: This process has been asked to stop. It may come from anywhere before a meeting.

        Raises:
            StopAskedError: One of them has; it is raised in all, so that nobody waits for another.
        """
        if self._any(stop):
            raise StopAskedError

    def _any(self, flag: bool) -> bool:
        """Return whether a flag is set in any of the processes."""
        if self.size == 1:
            return flag
        return bool(self.all_reduce(torch.tensor(float(flag), device=self.device)).item())

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes; return it."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def broadcast(self, flags: dict[str, bool]) -> dict[str, bool]:
        """Return the first process's flags in all processes."""
        if self.size == 1:
            return flags
        mine = [float(flag) if self.is_main else 0.0 for flag in flags.values()]
        shared = self.all_reduce(torch.tensor(mine, device=self.device)).tolist()
        return {name: value > 0 for name, value in zip(flags, shared, strict=True)}


def _enough_gpus() -> None:
    """Refuse more processes than GPUs: they would wait for each other for ever."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if not gpus or processes <= gpus:
        return
    if int(os.environ.get("LOCAL_RANK", 0)):
        sys.exit(EXIT_USAGE)  # the first process reports why
    raise UserError(
        f"The run needs {processes} GPUs, and only {gpus} can be used here.",
        f"Set devices = {gpus}, or check what CUDA_VISIBLE_DEVICES hides.",
    )
