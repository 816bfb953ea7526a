"""Drawing pictures from the command line or for a verdict: prompts and LoRAs in, PNG files out."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from prep.errors import ConfigError, UserError
from prep.events import Event, Finished, Progress, Sample, Stage
from prep.project import Project
from train.arithmetic.precision import choose, default_device
from train.config import TrainSettings
from train.families.base_model import BaseModel
from train.families.opening import load_family
from train.lora.file import read_header
from train.networks.base import Network
from train.networks.build import network_of_file
from train.networks.saved import load_lora
from train.sampling.draw import ImageGenerator, ImageSpec, parameters, png_text
from train.sampling.options import DrawOptions, SampleOptions, folder_for
from train.sampling.prompts import parse, read_prompts


class LoraSampler:
    """A loaded base model with LoRA files that are attached when a picture asks for them."""

    def __init__(self, base: BaseModel, settings: TrainSettings) -> None:
        self._model = load_family(base, choose(settings.precision, default_device()))
        self._targets = self._model.targets(text=True, conv=True)
        self._generator = ImageGenerator(self._model)
        self._networks: dict[str, Network] = {}
        self._hashes: dict[str, str] = {}

    def attach(self, name: str, file: Path) -> None:
        """Load a LoRA file under a name; it acts only in pictures that name it.

        Raises:
            UserError: It is missing, or does not fit the base model.
        """
        network = network_of_file(self._targets, load_lora(file))
        network.to(self._model.policy.device).eval()
        self._networks[name] = network.attach(self._targets)
        self._hashes[name] = read_header(file).metadata.get("sshs_model_hash", "")

    def detach(self, name: str) -> None:
        """Take a LoRA off again."""
        self._networks.pop(name).detach()
        self._hashes.pop(name)

    def draw(self, picture: ImageSpec) -> Image.Image:
        """Draw one picture with the LoRAs that it names.

        Raises:
            UserError: It names a LoRA that is not attached, or has a wrong size.
        """
        missing = set(picture.loras) - set(self._networks)
        if missing:
            raise UserError(
                f"The LoRA {sorted(missing)[0]} is not loaded.", "Name its file with --lora."
            )
        for name, network in self._networks.items():
            network.strength = picture.loras.get(name, 0.0)
        return self._generator.draw(picture)

    def save(self, image: Image.Image, picture: ImageSpec, path: Path) -> None:
        """Write a PNG file with the text that A1111 reads back."""
        hashes = {name: self._hashes[name] for name in picture.loras if self._hashes.get(name)}
        text = parameters(
            picture,
            model=self._model.base.name,
            model_hash=self._model.base.weights_hash,
            lora_hashes=hashes,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            image.save(path, pnginfo=png_text(text))
        except OSError as error:
            raise UserError(f"{path} was not written: {error.strerror}.") from error


def run(project: Project, options: SampleOptions) -> Iterator[Event]:
    """Draw the prompts.

    Yields:
        Stage while the model loads, a Progress and a Sample for each picture; Finished with
        images, grid (none) and folder.

    Raises:
        UserError: No prompt, no base model, or a LoRA that does not fit.
    """
    settings = TrainSettings.from_project(project)
    loras = dict(_named(text, project) for text in options.lora)
    pictures = _pictures(project, options, settings, {name: w for name, (_, w) in loras.items()})
    files = {name: file for name, (file, _) in loras.items()}
    for picture in pictures:
        for name in picture.loras:
            files.setdefault(name, find_lora(name, project))
    folder = folder_for(project, options, "samples/drawn")
    yield Stage("load")
    began = time.monotonic()
    sampler = LoraSampler(opened_base(project, options, settings), settings)
    for name, file in files.items():
        sampler.attach(name, file)
    yield Stage("load", True, round(time.monotonic() - began, 2))
    first = _next_number(folder)
    for index, picture in enumerate(pictures):
        path = folder / f"{first + index:05d}-{picture.seed}.png"
        sampler.save(sampler.draw(picture), picture, path)
        yield Progress("draw", index + 1, len(pictures), path.name)
        yield Sample(shown(path, project), picture.text, picture.seed, dict(picture.loras))
    yield Finished({"images": len(pictures), "grid": None, "folder": shown(folder, project)})


def _pictures(
    project: Project,
    options: SampleOptions,
    settings: TrainSettings,
    loras: Mapping[str, float],
) -> list[ImageSpec]:
    defaults = replace(default_picture(project, options, settings), loras=dict(loras))
    found = []
    for index, line in enumerate(prompt_lines(project, options, settings)):
        picture = ImageSpec.of(parse(line), defaults, index * options.count)
        found += [replace(picture, seed=picture.seed + turn) for turn in range(options.count)]
    return found


def prompt_lines(project: Project, options: DrawOptions, settings: TrainSettings) -> list[str]:
    """Return the prompts to draw.

    Raises:
        ConfigError: There are none, or they have faults.
    """
    lines = read_prompts(options.prompt or settings.sample_prompts, project.root)
    if not lines:
        raise ConfigError("There is nothing to draw.", 'Give a prompt: --prompt "mochi, hat"')
    return lines


def default_picture(project: Project, options: DrawOptions, settings: TrainSettings) -> ImageSpec:
    """Return what a prompt that says nothing gets."""
    side = project.settings.project.resolution
    return ImageSpec(
        "",
        options.negative,
        options.width or side,
        options.height or side,
        settings.seed if options.seed is None else options.seed,
        options.steps or settings.sample_steps,
        settings.sample_cfg if options.cfg is None else options.cfg,
        options.sampler or settings.sampler,
        settings.clip_skip,
    )


def opened_base(project: Project, options: DrawOptions, settings: TrainSettings) -> BaseModel:
    """Open the base model to draw with.

    Raises:
        UserError: None is set, or it cannot be used.
    """
    base = options.base or settings.base
    if not base:
        raise ConfigError("No base model is set.", "Set base in [train], or give --base FOLDER.")
    return BaseModel.open(project.root / Path(base).expanduser())


def find_lora(name: str, project: Project) -> Path:
    """Return the file of a LoRA: a path, or a name in ``output/lora``.

    Raises:
        ConfigError: There is none.
    """
    folder = project.output / "lora"
    places = (Path(name).expanduser(), project.root / name, folder / f"{name}.safetensors")
    for place in places:
        if place.is_file():
            return place.resolve()
    raise ConfigError(
        f"There is no LoRA {name}.", f"Give a file, or a name in {shown(folder, project)}."
    )


def _named(text: str, project: Project) -> tuple[str, tuple[Path, float]]:
    """Read NAME:WEIGHT into the name that prompts use, the file and the strength."""
    name, separator, weight = text.rpartition(":")
    try:
        name, strength = (name, float(weight)) if separator else (text, 1.0)
    except ValueError:
        name, strength = text, 1.0
    file = find_lora(name, project)
    return file.stem, (file, strength)


def _next_number(folder: Path) -> int:
    numbers = [int(p.name[:5]) for p in folder.glob("*.png") if p.name[:5].isdecimal()]
    return max(numbers, default=0) + 1


def shown(path: Path, project: Project) -> str:
    """Return a path as events name it: relative to the project where possible."""
    root = project.root
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
