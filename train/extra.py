"""The training extra: is it installed, and how it behaves; asked before anything imports it."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from prep.errors import ConfigError, MissingExtraError
from train.settings.optimizers import OPTIMIZERS, kind_of

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


_UNUSED = ("peft", "bitsandbytes", "scipy")
"""Packages that diffusers and transformers import where they are installed, for what is not done
here. An optimiser of bitsandbytes imports it itself."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import diffusers and transformers without the packages of theirs that nothing here uses.

    For as long as the context lasts, whoever asks for these is told that they are not installed.
    They are 1300 modules, a third of what the process of a run had to import before it could begin.
    Their imports would still succeed: a library may have asked before, and remembers what it was
    told.
    """
    importlib.util.find_spec = _find_used
    try:
        yield
    finally:
        importlib.util.find_spec = find_spec


def _find_used(name: str, package: str | None = None) -> ModuleSpec | None:
    return None if name in _UNUSED and name not in sys.modules else find_spec(name, package)


def require_training() -> None:
    """Check that everything training needs can be imported, without importing it.

    Raises:
        MissingExtraError: The first package that is missing.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "train")


def require_optimizer(name: str) -> None:
    """Check that the package of an optimiser is installed, without importing it.

    Args:
        name: As the settings name it.

    Raises:
        MissingExtraError: It is in the extra that is not installed.
        ConfigError: No package here has this class path.
    """
    package = kind_of(name).package
    if find_spec(package) is not None:
        return
    if name in OPTIMIZERS:
        raise MissingExtraError(package, "optimizers")
    raise ConfigError(
        f"The package {package} of the optimizer {name} is not installed.",
        f"Install it, or choose one of: {', '.join(OPTIMIZERS)}.",
    )


def require_tensorboard() -> None:
    """Check that TensorBoard is installed, without importing it.

    Raises:
        MissingExtraError: It is not.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", "tensorboard")


def configure_libraries() -> None:
    """Set what the libraries read from the environment when they are first imported.

    No network, no progress bars, no advice in the log. OpenMP threads sleep while they wait:
    spinning, they take the very cores that others compute on, and on a busy 2-core machine a
    training step took 13 times as long.
    """
    for name, value in (
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("HF_HUB_OFFLINE", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("TQDM_DISABLE", "1"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),  # tqdm may have been imported already, by torch
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("DIFFUSERS_VERBOSITY", "error"),
    ):
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises other kernels
