"""Learning rates as pure functions of the step, so that resuming is exact.

The values are those of transformers' ``get_cosine_schedule_with_warmup`` and its siblings.
"""

import math
from typing import Literal


def factor(name: Literal["constant", "cosine"], step: int, steps: int, warmup: int) -> float:
    """Return what the learning rate is multiplied with, 0 to 1.

    Args:
        name: What happens after the warm-up.
        step: From 0.
        steps: Steps of the whole run.
        warmup: Steps in which it rises from 0.

    Example:
        >>> [round(factor("cosine", step, 10, 2), 2) for step in (0, 1, 2, 6)]
        [0.0, 0.5, 1.0, 0.5]
    """
    if step < warmup:
        return step / warmup
    if name == "constant":
        return 1.0
    progress = (step - warmup) / max(1, steps - warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
