"""Is the training extra installed? Asked before anything imports it, so that users get a hint."""

from importlib.util import find_spec

from prep.errors import MissingExtraError

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


def require_training() -> None:
    """Check that everything training needs can be imported, without importing it.

    Raises:
        MissingExtraError: The first package that is missing.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "train")
