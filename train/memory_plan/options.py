"""What ``shikomi plan --memory`` can be asked; no torch."""

from pydantic import Field

from prep.section import Section


class MemoryOptions(Section):
    """Calculate the memory of the training run as well."""

    memory: bool = False
    """Also calculate the peak memory of the training run, with its real modules (10 s to a few
    minutes)."""
    card: float | None = Field(None, gt=0, le=1024)
    """With --memory: memory of the graphics card to plan for, GiB. Default: what this computer
    has."""
