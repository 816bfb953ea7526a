"""New projects: their folders and their ``shikomi.toml``."""

from pathlib import Path
from typing import Literal

import tomlkit

from prep.errors import ConfigError
from prep.project import FILE_NAME, Project
from prep.system.files import write_text
from prep.system.names import with_home

_RESOLUTIONS = {"sd15": 512, "sdxl": 1024}

TEMPLATE = """\
# shikomi project. Everything here may be edited by hand; comments are kept.

[project]
name = {name}          # name of the LoRA
family = "{family}"        # sd15 or sdxl
resolution = {resolution}       # 512 or 768 for SD 1.5, 1024 for SDXL

[captions]
always_first = []      # right after the trigger word, if present
drop = []              # tags that never enter a caption

# [train]
# base = "~/models/my-model.safetensors"  # the base model: the file that you have

# One table for each folder below dataset/:
# [concepts.10_mychara]
# trigger = "mychara"  # first in every caption
# prune = []           # tags of the character itself, absorbed by the trigger word
"""


def initialise(folder: Path, family: Literal["sd15", "sdxl"] = "sd15") -> Project:
    """Create the folders of a new project and its ``shikomi.toml``; changes nothing that exists.

    Args:
        folder: The project.
        family: Of the base model that it is for; decides the resolution.

    Raises:
        ConfigError: ``folder`` is a file.
        UserError: The folder is not writable.
    """
    root = with_home(folder).resolve()
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{folder} is a file.", "Choose another name for the project folder.")
    name = root.name.replace('"', "")
    if not (root / FILE_NAME).exists():
        title, resolution = tomlkit.item(name).as_string(), _RESOLUTIONS[family]
        text = TEMPLATE.format(name=title, family=family, resolution=resolution)
        write_text(root / FILE_NAME, text)
    for part in ("dataset", "model", "output"):
        (root / part).mkdir(exist_ok=True)
    return Project.open(root)
