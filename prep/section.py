"""The base of everything that is set: tables of ``shikomi.toml`` and options of operations."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen, no unknown keys; the text below each field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
