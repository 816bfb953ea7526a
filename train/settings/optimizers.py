"""The optimisers that the settings may name; none of them is loaded here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ADAM = ("weight_decay", "betas", "eps")


@dataclass(frozen=True)
class OptimizerKind:
    """One optimiser.

    Attributes:
        path: Module and class, joined by a dot.
        shared: The settings that its arguments of the same name get.
        flat: All weights of a group may be given to it as one tensor: what it computes does not
            depend on the shapes of the weights, at most on sums over all of them.
        arguments: What differs from the defaults of its class.
    """

    path: str
    shared: tuple[str, ...] = ADAM
    flat: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """What must be importable."""
        return self.path.partition(".")[0]


OPTIMIZERS: Mapping[str, OptimizerKind] = {
    "adamw": OptimizerKind("torch.optim.AdamW"),
    "adamw8bit": OptimizerKind("bitsandbytes.optim.AdamW8bit"),
    "lion": OptimizerKind("train.optim.lion.Lion", ("weight_decay", "betas")),
    "lion8bit": OptimizerKind("bitsandbytes.optim.Lion8bit", ("weight_decay", "betas")),
    # Its own scaling and its own learning rate are off, so that learning_rate means what it means
    # everywhere: https://huggingface.co/docs/transformers/main_classes/optimizer_schedules
    "adafactor": OptimizerKind(
        "transformers.optimization.Adafactor",
        ("weight_decay",),
        flat=False,
        arguments={"scale_parameter": False, "relative_step": False},
    ),
    # Not with use_bias_correction and a beta of 0.999, as its authors advise for diffusion models:
    # the correction then begins at a third, and for some hundred steps the estimate of the rate
    # stays near its first value, 1e-6, which trains nothing (benchmarks/learning.txt).
    "prodigy": OptimizerKind(
        "prodigyopt.Prodigy", arguments={"safeguard_warmup": True, "betas": (0.9, 0.99)}
    ),
    "schedulefree": OptimizerKind("schedulefree.AdamWScheduleFree"),
}
"""By the name in the settings. Any other optimiser is named by its class path."""


def kind_of(name: str) -> OptimizerKind:
    """Return the optimiser of a name; a class path is an optimiser that may look at shapes."""
    return OPTIMIZERS.get(name) or OptimizerKind(name, flat=False)
