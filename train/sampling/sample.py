"""Drawing pictures from the command line or for a verdict: prompts and LoRAs in, PNG files out."""

import io
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from prep.errors import ConfigError, UserError
from prep.events import Event, Finished, Progress, Sample, Stage
from prep.project import Project
from prep.system.files import write_bytes
from train.arithmetic.memory import free_memory
from train.arithmetic.precision import choose, default_device
from train.config import TrainSettings
from train.families.base_model import BaseModel
from train.families.opening import load_family
from train.hub import model_file, named_model, obtain_model
from train.lora.file import read_header
from train.networks.base import Network
from train.networks.build import network_of_file
from train.networks.saved import load_lora
from train.sampling.draw import ImageGenerator, ImageSpec, parameters, png_text
from train.sampling.loras import distinct_names, find_lora, find_with_strength, shown
from train.sampling.options import DrawOptions, PictureOptions, SampleOptions, folder_for
from train.sampling.prompts import parse, read_prompts

_ROOM = 4 << 30
"""Bytes that it takes to draw and decode a picture of 1024 pixels whole."""


class LoraSampler:
    """A loaded base model with LoRA files that are attached when a picture asks for them."""

    def __init__(self, base: BaseModel, settings: TrainSettings) -> None:
        self._model = load_family(base, choose(settings.precision, default_device()))
        self._targets = self._model.modules()
        self._generator = ImageGenerator(self._model, self._make_room)
        self._networks: dict[str, Network] = {}
        self._hashes: dict[str, str] = {}

    def _make_room(self) -> None:
        """Send the text encoders away if a graphics card has little memory beside them."""
        device = self._model.policy.device
        free = free_memory(device) if device.type == "cuda" else None
        if free is not None and free < _ROOM:
            self._model.park("texts")

    def attach(self, name: str, file: Path) -> None:
        """Load a LoRA file under a name; it acts only in pictures that name it.

        Raises:
            UserError: It is missing, or does not fit the base model.
        """
        metadata = read_header(file).metadata
        network = network_of_file(self._targets, load_lora(file), metadata)
        network.to(self._model.policy.device).eval()
        self._networks[name] = network.attach(self._targets)
        self._hashes[name] = metadata.get("sshs_model_hash", "")

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
        data = io.BytesIO()
        image.save(data, "PNG", pnginfo=png_text(text))
        write_bytes(path, data.getvalue())


def run(project: Project, options: SampleOptions) -> Iterator[Event]:
    """Draw the prompts.

    Yields:
        What downloading the base model yields, if it is one of the hub and not on the disk;
        Stage while it loads, a Progress and a Sample for each picture; Finished with
        images, grid (none) and folder.

    Raises:
        UserError: No prompt, no base model, or a LoRA that does not fit.
    """
    settings = TrainSettings.from_project(project)
    yield from obtain_model(options.base or settings.base, project.root)
    base = opened_base(project, options, settings)
    pictures, names = _pictures(project, options, settings, base)
    check_sizes(base, pictures)
    folder = folder_for(project, options, "samples/drawn")
    yield Stage("load")
    began = time.monotonic()
    sampler = LoraSampler(base, settings)
    for file, name in names.items():
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
    project: Project, options: SampleOptions, settings: TrainSettings, base: BaseModel
) -> tuple[list[ImageSpec], dict[Path, str]]:
    """Return what to draw, and the LoRA files that it takes with the names they have in it."""
    given = dict(find_with_strength(text, project) for text in options.lora)
    defaults = default_picture(project, options, settings, base)
    pictures, loras = [], []
    for index, line in enumerate(prompt_lines(project, options, settings)):
        prompt = parse(line)
        picture = ImageSpec.of(replace(prompt, loras={}), defaults, index * options.count)
        tagged = {_of_tag(name, given, project): w for name, w in prompt.loras.items()}
        pictures += [replace(picture, seed=picture.seed + turn) for turn in range(options.count)]
        loras += [{**given, **tagged}] * options.count
    names = distinct_names(dict.fromkeys(file for found in loras for file in found))
    named = [{names[file]: weight for file, weight in found.items()} for found in loras]
    return [replace(p, loras=own) for p, own in zip(pictures, named, strict=True)], names


def _of_tag(name: str, given: Mapping[Path, float], project: Project) -> Path:
    """Return the file that a ``<lora:NAME>`` tag means: one of --lora, or another.

    Raises:
        ConfigError: There is none, or several of --lora have the name.
    """
    same = [file for file, own in distinct_names(given).items() if name in (own, file.stem)]
    if len(same) > 1:
        raise ConfigError(
            f"<lora:{name}> may be {' or '.join(map(str, same))}.",
            "Write more of its path into the tag.",
        )
    return same[0] if same else find_lora(name, project)


def check_sizes(base: BaseModel, pictures: Iterable[ImageSpec]) -> None:
    """Check the sizes of pictures before the model is loaded.

    Raises:
        UserError: The base model cannot draw one of them.
    """
    for picture in pictures:
        base.check_size(picture.width, picture.height)


def prompt_lines(project: Project, options: DrawOptions, settings: TrainSettings) -> list[str]:
    """Return the prompts to draw.

    Raises:
        ConfigError: There are none, or they have faults.
    """
    lines = read_prompts(options.prompt or settings.sample_prompts, project.root)
    if not lines:
        raise ConfigError("There is nothing to draw.", 'Give a prompt: --prompt "mochi, hat"')
    return lines


def default_picture(
    project: Project, options: PictureOptions, settings: TrainSettings, base: BaseModel
) -> ImageSpec:
    """Return what a prompt that says nothing gets; the training resolution, as far as it fits."""
    side, _ = base.fitting_size(*project.buckets.resolution)
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


def opened_base(project: Project, options: PictureOptions, settings: TrainSettings) -> BaseModel:
    """Open the base model to draw with.

    Raises:
        UserError: None is set, or it cannot be used.
    """
    if options.base:  # another model: what the settings say of theirs does not hold
        return BaseModel.open(named_model(options.base, project.root))
    if not settings.base:
        raise ConfigError(
            "No base model is set.",
            'Write its file into shikomi.toml, below [train]: base = "PATH". For once, --base PATH'
            " is enough.",
        )
    return BaseModel.open(
        model_file(settings.base, project.root),
        vae=model_file(settings.vae, project.root) if settings.vae else None,
        prediction=settings.prediction,
        zero_terminal_snr=settings.zero_terminal_snr,
    )


def _next_number(folder: Path) -> int:
    numbers = [int(p.name[:5]) for p in folder.glob("*.png") if p.name[:5].isdecimal()]
    return max(numbers, default=0) + 1
