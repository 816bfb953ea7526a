"""How steps are executed: kernel by kernel, as CUDA graphs, or with compiled blocks."""

from collections.abc import Iterator
from typing import Any

import torch

from prep.events import Event, Stage, Warned
from prep.language import english
from train.config import TrainSettings
from train.families.base import Family
from train.run.graphs import CudaRecorder, Graphs
from train.run.prepare import Training

_SHAPES = 8
"""Sizes of images, with and without gradients, that a block is compiled for."""


def choose_execution(training: Training, *, starved: bool | None) -> Iterator[Event]:
    """Decide whether the steps of a run are recorded; a resumed run goes on as it began.

    Args:
        training: About to do its first step of this sitting.
        starved: The card was seen to wait; ``None`` where nobody has looked.

    Yields:
        A Stage when graphs are used; Warned when they were asked for and cannot be.
    """
    settings, counters, device = training.settings, training.counters, training.group.device
    if settings.execution not in ("auto", "graphs"):
        return
    if device.type != "cuda":
        if settings.execution == "graphs":
            yield Warned("CUDA graphs need an NVIDIA card: steps are done without them.")
        return
    wanted = settings.execution == "graphs"
    if not wanted:
        wanted = bool(starved) if counters.graphs is None else counters.graphs
    possible = wanted and not settings.without_graphs()
    counters.graphs = training.group.broadcast({"graphs": possible})["graphs"]
    if counters.graphs:
        gradients = [group.gradients for group in training.stepper.groups]
        training.graphs = Graphs(CudaRecorder(device), gradients)
        why = "as set" if settings.execution == "graphs" else "the card waits for the processor"
        yield Stage("execution", True, note=f"steps are CUDA graphs: {why}")


def compile_blocks(
    model: Family, settings: TrainSettings, backend: Any = "inductor"
) -> Iterator[Event]:
    """Have the repeated blocks of the denoiser compiled when they are first used.

    Args:
        model: With its adapters.
        settings: Of the run.
        backend: Of ``torch.compile``.

    Yields:
        A Stage, or Warned where the denoiser names no blocks.
    """
    if settings.execution != "compile":
        return
    unet: Any = model.component("unet")
    names = getattr(unet, "_repeated_blocks", None) or ()
    count = sum(type(module).__name__ in names for module in unet.modules())
    if not count:
        yield Warned(f"{model.base.name} has no blocks that can be compiled.")
        return
    # The adapters of a block are its own: to the compiler, no two blocks are the same.
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, _SHAPES * count)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, _SHAPES * count)
    unet.compile_repeated_blocks(backend=backend)
    note = english(
        "{count} block is compiled in the first steps",
        "{count} blocks are compiled in the first steps",
        count,
    )
    yield Stage("execution", True, note=note)
