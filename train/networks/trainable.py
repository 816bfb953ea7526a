"""What the loop asks of the weights that a run trains, whatever they are.

They are the adapters of a LoRA (``trainee.Trainee``), or the model's own (``full.FullWeights``).
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn


class TrainedWeights(Protocol):
    """Weights that are trained."""

    def weights(self, prefix: str) -> dict[float, list[nn.Parameter]]:
        """Return what is trained of a part of the model, by the factor of its learning rate.

        Args:
            prefix: Beginning of the modules' names (``Family.parts``).
        """
        ...

    def before(self) -> AbstractContextManager[None]:
        """Within it, the model is what it was before training; asked before the first step only."""
        ...

    def begin(self, noise: Tensor) -> None:
        """Prepare for a batch; holds until the next one or ``after_step``.

        Args:
            noise: How noisy each image is, shape (batch,), from 0 to 1 for pure noise.
        """
        ...

    def after_step(self, step: int) -> None:
        """Do what follows a step of the optimiser.

        Args:
            step: How many have been done, this one included.
        """
        ...

    def in_use(self) -> AbstractContextManager[None]:
        """Be as users will have it, for as long as the context lasts: averaged, nothing dropped."""
        ...

    def save(self, path: Path, metadata: Mapping[str, str], precision: str) -> None:
        """Write the file that users load.

        Args:
            path: The file.
            metadata: What it says about itself; hashes are added.
            precision: fp16, bf16 or fp32.

        Raises:
            NotFiniteError: It would hold weights that are NaN or infinite; nothing is written.
            UserError: It cannot be written.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that a run goes on from; it must be used before the weights move again."""
        ...

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to a ``state``, bit for bit.

        Raises:
            KeyError, RuntimeError: It is that of other weights.
        """
        ...

    def train(self) -> object:
        """Be as training has it, from now on."""
        ...

    def detach(self) -> None:
        """End the training: the model is frozen, and its own again where it was only added to."""
        ...
