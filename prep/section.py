"""Base class of all settings: tables of ``shikomi.toml`` and options of operations."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from prep.printable import printable


class Section(BaseModel):
    """Frozen, unknown keys refused; the docstring below each field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def writable(text: str) -> str:
    """Return a tag that may be written into captions.

    Raises:
        ValueError: It holds a character that controls a terminal or the direction of writing, or
            bytes that are no text.
    """
    if (shown := printable(text)) == text:
        return text
    kind = "a control character" if _encodes(text) else "bytes that are not UTF-8"
    raise ValueError(f"{shown} contains {kind}; enter it without")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


TagText = Annotated[str, AfterValidator(writable)]
"""A tag that settings put into captions."""
