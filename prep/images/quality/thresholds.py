"""Quality thresholds: the ``[quality]`` table of ``shikomi.toml``, and flags."""

from typing import Literal

from pydantic import Field

from prep.section import Section

Measure = Literal[
    "blur",
    "blocks",
    "noise",
    "dark",
    "flat",
    "clipped",
    "upscale",
    "borders",
    "text",
    "alpha",
]


class QualitySection(Section):
    """Values from which a picture is a finding, all measured at the training size."""

    blur: float = Field(1.4, ge=0)
    """Width of the sharpest edges, pixels: 0.5 is as sharp as pixels allow, 2 visibly soft."""
    blocks: float = Field(0.8, ge=0)
    """Height of JPEG block edges above other steps, grey levels: 1 is about quality 50."""
    noise: float = Field(4.0, ge=0)
    """Grain in the plainest parts, grey levels."""
    dark: float = Field(50.0, ge=0, le=255)
    """Dark when 95 % of the pixels are below this level, 0 to 255."""
    flat: float = Field(50.0, ge=0, le=255)
    """Flat when its tones span fewer levels than this, 0 to 255."""
    clipped: float = Field(0.15, ge=0, le=1)
    """Share that is clipped to white or black (paper and outlines do not count)."""
    upscale: float = Field(1.25, ge=0)
    """Factor by which it is enlarged to fill its bucket."""
    borders: float = Field(0.02, ge=0, le=1)
    """Share of it that is plain bars or a frame."""
    text: float = Field(0.02, ge=0, le=1)
    """Share of it that lines of text cover."""
    alpha: float = Field(0.05, ge=0, le=1)
    """Nearly empty if a smaller share than this is visible."""
    skip: tuple[Measure, ...] = ()
    """Measures to skip."""
