"""Where the demo world is: a drawn mascot, a small tagger and a small base model, all offline."""

from pathlib import Path

from prep.errors import UserError


def root() -> Path:
    """Return the folder of the demo world, in an installed wheel or in a checkout.

    Raises:
        UserError: This installation does not contain it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_sample_data", package.parent / "sample_data"):
        if folder.is_dir():
            return folder
    raise UserError(
        "This installation has no demo world.", "Install shikomi from its wheel or a checkout."
    )


def tagger() -> Path:
    """Return the folder of the demo tagger, which follows the WD v3 contract."""
    return _part("tagger")


def detector() -> Path:
    """Return the folder of the demo head detector, a YOLO model for drawings of this world."""
    return _part("heads")


def base() -> Path:
    """Return the folder of the demo base model, Stable Diffusion in the diffusers layout."""
    return _part("base")


def mascot() -> Path:
    """Return the folder with the images of the mascot, in concept folders."""
    return _part("mascot")


def _part(name: str) -> Path:
    folder = root() / name
    if not folder.is_dir():
        raise UserError(
            f"The demo world has no {name} folder: {folder} is missing.",
            "Install shikomi from its wheel, or build it with the scripts in sample_data/make.",
        )
    return folder
