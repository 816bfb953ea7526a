"""Learning rates as pure functions of the step, so that resuming is exact.

Sources: transformers' ``get_cosine_schedule_with_warmup`` and its siblings, whose values these are;
REX: Chen et al. 2022 (arXiv 2107.04197); WSD (warm-up, stable, decay) with a fall along
1 - sqrt(progress), the best of those that Hägele et al. 2024 (arXiv 2405.18392) compare.
"""

import math

from train.settings.optimization import OptimizationSettings


def factor(settings: OptimizationSettings, step: int, steps: int) -> float:
    """Return what the learning rate is multiplied with, 0 to 1.

    Args:
        settings: Scheduler and warm-up.
        step: From 0.
        steps: Steps of the whole run.

    Example:
        >>> settings = OptimizationSettings(scheduler="cosine", warmup_steps=2)
        >>> [round(factor(settings, step, 10), 2) for step in (0, 1, 2, 6)]
        [0.0, 0.5, 1.0, 0.5]
    """
    warmup = settings.warmup(steps)
    if step < warmup:
        return step / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    if settings.scheduler == "wsd":
        # Counted from the end of the run, however long the warm-up is.
        decay = min(int(settings.scheduler_decay * steps), steps - warmup)
        progress = min(1.0, max(0, step - steps + decay) / max(1, decay))
    low = settings.scheduler_minimum
    return low + (1.0 - low) * _shape(settings, progress)


def _shape(settings: OptimizationSettings, progress: float) -> float:
    """Return what is left at a progress from 0, where it is 1, to 1."""
    left = 1.0 - progress
    match settings.scheduler:
        case "constant":
            return 1.0
        case "linear":
            return left
        case "cosine":
            return _half_cosine(progress)
        case "cosine_with_restarts":
            return _half_cosine(settings.scheduler_cycles * progress % 1.0) if left else 0.0
        case "polynomial":
            return float(left**settings.scheduler_power)
        case "rex":
            return left / (0.5 + 0.5 * left)
        case "wsd":
            return 1.0 - math.sqrt(progress)


def _half_cosine(progress: float) -> float:
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
