"""Prompts as people write them for sd-scripts: text, then options after `` --``.

    mochi, cat, party hat --n blurry --w 512 --h 768 --d 1 --l 7.5 --s 28

``<lora:NAME:WEIGHT>`` inside the text loads a LoRA, like in A1111. Emphasis such as ``(hat:1.2)``
is not parsed: parentheses are ordinary text.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from prep.errors import ConfigError, reason_of
from prep.texts import read_text
from train.families.base_model import BaseModel
from train.sampling.options import DrawOptions
from train.settings.samples import SamplerName

_LORA = re.compile(r"<lora:([^:>]+)(?::([^>]*))?>")
_OPTION = re.compile(r"([a-z]+)\s*(.*)", re.DOTALL)
_KNOWN = "w width, h height, d seed, s steps, l guidance, n negative prompt, ss sampler"


@dataclass(frozen=True)
class Prompt:
    """One picture to draw; ``None`` leaves a choice to the caller's defaults.

    Attributes:
        text: Without its LoRA tags.
        loras: Strength by name, from the text's LoRA tags.
    """

    text: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: SamplerName | None = None
    loras: dict[str, float] = field(default_factory=dict)


def parse(line: str) -> Prompt:
    """Read one prompt line.

    Example:
        >>> prompt = parse("mochi, hat <lora:mochi:0.8> --n bad --d 3 --w 64")
        >>> prompt.text, prompt.negative, prompt.seed, prompt.width, prompt.loras
        ('mochi, hat', 'bad', 3, 64, {'mochi': 0.8})

    Raises:
        ConfigError: An unknown option, or a value that is not a number.
    """
    text, *options = re.split(r"\s--(?=[a-z])", f" {line.strip()}")
    values: dict[str, str] = {}
    for option in options:
        match = _OPTION.fullmatch(option.strip())
        name, value = (match[1], match[2].strip()) if match else (option, "")
        if name not in _READERS:
            raise ConfigError(f"The prompt option --{name} is unknown.", f"Known: {_KNOWN}")
        values[name] = value
    loras, plain = _loras(text)
    read = {_READERS[name][0]: _read(name, value) for name, value in values.items()}
    return Prompt(plain, loras=loras, **read)  # type: ignore[arg-type]


def _sampler(value: str) -> str:
    if value not in get_args(SamplerName):
        raise ValueError
    return value


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


_READERS: dict[str, tuple[str, Callable[[str], int | float | str]]] = {
    "w": ("width", int),
    "h": ("height", int),
    "d": ("seed", int),
    "s": ("steps", int),
    "l": ("cfg", _finite),
    "n": ("negative", str),
    "ss": ("sampler", _sampler),
}


def _read(name: str, value: str) -> int | float | str:
    setting, reader = _READERS[name]
    try:
        read = reader(value)
        DrawOptions.model_validate({setting: read})
    except ValueError as error:
        raise ConfigError(
            f"The prompt option --{name} cannot be {value!r}.", _possible(setting)
        ) from error
    return read


def _possible(setting: str) -> str:
    """Return which values a setting may have: those that it may have on the command line."""
    if setting == "sampler":
        return f"Samplers: {', '.join(get_args(SamplerName))}"
    limits = DrawOptions.model_fields[setting].metadata
    least = next((limit.ge for limit in limits if hasattr(limit, "ge")), 0)
    most = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    kind = "a number" if setting == "cfg" else "a whole number"
    end = f"of at least {least}" if most is None else f"from {least} to {most}"
    return f"Write {kind} {end}."


def _loras(text: str) -> tuple[dict[str, float], str]:
    """Take the LoRA tags out of a prompt."""
    found: dict[str, float] = {}
    for name, weight in _LORA.findall(text):
        try:
            found[name] = _finite(weight or "1")
        except ValueError as error:
            raise ConfigError(
                f"<lora:{name}:{weight}> has no plain strength.", f"Write <lora:{name}:0.8>."
            ) from error
    plain = re.sub(r"\s+", " ", _LORA.sub("", text)).strip()
    return found, plain.strip(", ")


def read_prompts(entries: tuple[str, ...] | list[str], home: Path) -> list[str]:
    """Return prompt lines; an entry that ends in ``.txt`` is a file of them.

    Args:
        entries: Prompts and files.
        home: What relative files are relative to.

    Raises:
        ConfigError: A file is missing, or a prompt has faults.
    """
    lines: list[str] = []
    for entry in entries:
        if entry.endswith(".txt"):
            lines += _file(home / entry)
        else:
            parse(entry)
            lines.append(entry)
    return lines


def _file(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in read_text(path).split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The prompt file {path} cannot be read: {reason_of(error)}.",
            "It is a text file in UTF-8, one prompt a line.",
        ) from error
    found = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    for number, line in found:
        try:
            parse(line)
        except ConfigError as error:
            raise ConfigError(f"{path}, line {number}: {error.message}", error.hint) from error
    return [line for _, line in found]


def training_prompts(lines: Iterable[str], base: BaseModel) -> list[Prompt]:
    """Read the prompts that are drawn during training.

    Raises:
        ConfigError: A prompt has faults, or loads other LoRAs.
        UserError: A size that the base model cannot draw.
    """
    prompts = [parse(line) for line in lines]
    for prompt in prompts:
        if prompt.loras:
            raise ConfigError(
                "Prompts that are drawn during training cannot load other LoRAs.",
                "Remove the <lora:…> tags from sample_prompts.",
            )
        base.check_size(prompt.width or 0, prompt.height or 0)
    return prompts
