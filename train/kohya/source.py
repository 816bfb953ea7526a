"""Reading the files that people have: TOML, JSON of the form, or a command line."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.errors import ConfigError
from prep.system.names import with_home
from prep.texts import parse_json, parse_toml, read_text
from train.kohya.gui import form_arguments, is_form, is_form_of_lora

_LISTS = ("network_args", "optimizer_args", "lr_scheduler_args")
"""Arguments that hold further ones, as name=value."""
_SCRIPT = re.compile(r"(?:.*[/\\])?(\w*train\w*)\.py")
_CONTINUED = re.compile(r"[ \t][\\^`][ \t]*\r?\n")
_REMARK = re.compile(r"^\s*(#|::|rem\s).*$", re.IGNORECASE | re.MULTILINE)
_ENDS = ("&&", "||", ";", "|", "&")
_FAMILIES = {"train_network": "", "sdxl_train_network": "sdxl"}
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ALIASES = {
    "max_resolution": "resolution",
    "optimizer": "optimizer_type",
    "flip_augmentation": "flip_aug",
    "caption_extention": "caption_extension",
}


@dataclass(frozen=True)
class Source:
    """The arguments of a file.

    Attributes:
        path: The file; relative paths in it start from its folder.
        arguments: By sd-scripts' names; without those that are empty. The lists of ``name=value``
            are taken apart: ``network_args.conv_dim``.
        family: sd15 or sdxl where the file says so, else empty.
    """

    path: Path
    arguments: Mapping[str, Any]
    family: str = ""

    def place(self, value: str) -> Path:
        """Return the file or folder that a value names."""
        try:
            return self.path.parent / with_home(value)
        except ConfigError:  # ~somebody of another computer
            return self.path.parent / value


def read_source(path: Path) -> Source:
    """Read a configuration of sd-scripts, a preset of kohya_ss, or a command line.

    Raises:
        ConfigError: The file is missing or broken, or is none of these.
    """
    path = with_home(path).absolute()
    text = _text(path)
    if path.suffix.lower() == ".json" or text.lstrip().startswith("{"):
        return _json(path, text)
    if path.suffix.lower() == ".toml":
        return Source(path, _flat(path, _toml(path, text)))
    return _command(path, text)


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {path}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        found = parse_toml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if "datasets" in found:
        raise ConfigError(
            f"{path} is a dataset file, not a training configuration.",
            f"Train on it with: shikomi train --dataset {shlex.quote(str(path))}",
        )
    # Sections are only for the reader: sd-scripts puts all of them into one.
    flat: dict[str, Any] = {}
    for name, value in found.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _json(path: Path, text: str) -> Source:
    try:
        found = parse_json(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} does not hold settings.", "Is it another kind of file?")
    if is_form(found):
        if not is_form_of_lora(found):
            raise ConfigError(
                f"{path} is for fine-tuning or DreamBooth, not for a LoRA: it has no LoRA_type."
            )
        form = form_arguments(found)
        more = _words(path, form.more)
        return Source(path, _flat(path, {**form.arguments, **more}), form.family)
    return Source(path, _flat(path, found))


def _command(path: Path, text: str) -> Source:
    words = _split(path, _CONTINUED.sub(" ", _REMARK.sub("", text)))
    scripts = [(i, match[1]) for i, word in enumerate(words) if (match := _SCRIPT.fullmatch(word))]
    options = (i for i, word in enumerate(words) if word.startswith("--"))
    start, script = scripts[0] if scripts else (next(options, len(words)) - 1, "train_network")
    if script not in _FAMILIES:
        raise ConfigError(
            f"{path} starts {script}.py.",
            "These can be translated: train_network.py and sdxl_train_network.py.",
        )
    rest = words[start + 1 :]
    end = next((i for i, word in enumerate(rest) if word in _ENDS), len(rest))
    given = _named(path, rest[:end])
    if not given:
        raise ConfigError(
            f"{path} holds no arguments of sd-scripts.",
            "It should be its TOML, a JSON file of kohya_ss, or a text with its command line.",
        )
    if file := given.pop("config_file", None):
        config = path.parent / (str(file) if str(file).endswith(".toml") else f"{file}.toml")
        given = _toml(config, _text(config)) | given
    return Source(path, _flat(path, given), _FAMILIES[script])


def _words(path: Path, text: str) -> dict[str, Any]:
    return _named(path, _split(path, text))


def _split(path: Path, text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    lexer.escape = ""  # paths of Windows
    try:
        return list(lexer)
    except ValueError as error:
        raise ConfigError(f"{path}: a quotation mark is not closed.") from error


def _named(path: Path, words: list[str]) -> dict[str, Any]:
    """Return options by name: true without a value, a list with several."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, separator, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = [value] if separator else []
        elif name:
            found[name].append(word)
        elif word != "":
            raise ConfigError(f"{path}: {word} stands where an option such as --seed should.")
    for name, values in found.items():
        if any("$" in value or value.startswith("%") for value in values):
            raise ConfigError(
                f"{path}: {name} is a variable of the script: {' '.join(values)}.",
                "Write its value instead.",
            )
    return {
        name: True if not values else values[0] if len(values) == 1 else values
        for name, values in found.items()
    }


def _flat(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments under their names, without empty ones, lists of name=value taken apart."""
    found: dict[str, Any] = {}
    for written, value in given.items():
        name = _HUMPS.sub("_", written).lower()
        name = _ALIASES.get(name, name)
        if value is None or value == "" or value == []:
            continue
        if name in _LISTS:
            for part in _parts(value):
                key, separator, text = part.partition("=")
                if not separator:
                    raise ConfigError(f"{path}: {name}: {part} is not of the form name=value.")
                found[f"{name}.{key.strip()}"] = text.strip().strip("'\"")
        else:
            found[name] = value
    return found


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.split(r"\s+(?=\w+=)", value.replace('"', "").strip())
    else:
        yield from (str(part) for part in (value if isinstance(value, list) else [value]))
