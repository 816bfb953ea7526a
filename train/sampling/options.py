"""Options of the verbs that draw pictures; torch-free, since the command line reads them."""

from pathlib import Path

from pydantic import Field

from prep.project import Project, Section
from prep.project.boundary import refuse_links
from prep.system.names import with_home
from train.settings.samples import SamplerName


class PictureOptions(Section):
    """How pictures are drawn; what is absent comes from ``[train]``."""

    base: str = ""
    """Base model: a file, a folder in the diffusers layout, or a name on the hub. Default: base of
    [train]."""
    prompt: tuple[str, ...] = ()
    """Prompt, optionally followed by settings such as --d 1 --n bad, or a .txt file of prompts;
    repeatable. Default: sample_prompts of [train]."""
    negative: str = ""
    """Negative prompt, for prompts that have none."""
    width: int | None = Field(None, ge=16, le=4096)
    """Width in pixels. Default: the training resolution."""
    height: int | None = Field(None, ge=16, le=4096)
    """Height in pixels. Default: the training resolution."""
    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    """Seed of the first image of a prompt; each further one adds 1. Default: seed of
    [train]."""
    steps: int | None = Field(None, ge=1, le=1000)
    """Number of denoising steps. Default: sample_steps of [train]."""
    cfg: float | None = Field(None, ge=0)
    """Guidance scale. Default: sample_cfg of [train]."""
    sampler: SamplerName | None = None
    """Sampling method. Default: sampler of [train]."""


class DrawOptions(PictureOptions):
    """What sample and grid have in common."""

    out: Path | None = None
    """Folder for the images. Default: output/samples, or output/grids for grid."""


class SampleOptions(DrawOptions):
    """Draw pictures with a base model and any LoRAs."""

    lora: tuple[str, ...] = ()
    """LoRA, as NAME:STRENGTH; NAME is a file, or a name in output/lora; repeatable."""
    count: int = Field(1, ge=1, le=10_000)
    """Number of images per prompt, each with another seed."""


class GridOptions(DrawOptions):
    """Draw a contact sheet: one row per LoRA file, one column per strength."""

    lora: tuple[str, ...] = ()
    """LoRA file, a row of the sheet; repeatable. Default: all files in output/lora."""
    strengths: tuple[float, ...] = (0.0, 0.6, 0.8, 1.0)
    """Strength, a column of the sheet; 0 is the base model alone; repeatable."""


class RegularizeOptions(PictureOptions):
    """Draw regularisation images."""

    prompt: tuple[str, ...] = ()
    """The class to draw, such as 1girl, optionally followed by settings such as --n bad, or a .txt
    file of prompts, which are drawn in turn; repeatable."""
    folder: str = ""
    """Concept folder for the images. Default: 1_ and the first tag of the prompt."""
    count: int | None = Field(None, ge=1, le=10_000)
    """Total number of images in the folder, including those already there. Default: the exposures
    of the concepts in an epoch, at most 500."""
    dry_run: bool = False
    """Show how many images would be drawn; draw nothing."""


def folder_for(project: Project, options: DrawOptions, usual: str) -> Path:
    """Return the absolute folder for the images.

    Args:
        project: The project.
        options: A folder that is given may be anywhere.
        usual: The folder below ``output`` otherwise.

    Raises:
        ConfigError: A link leads to the usual folder, out of the project.
    """
    if options.out is None:
        refuse_links(project, project.output / usual)
    return with_home(options.out or project.output / usual).resolve()
