"""Regularisation images: what the base model draws for the class of a concept.

They keep a model from forgetting the class (1girl) while it learns one of its members, since they
are what it already believes of it. Hand-picked images teach something new instead.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prep.dataset.index import Index
from prep.errors import ConfigError
from prep.events import Event, Finished, Progress, Sample, Stage, Warned
from prep.ops import concept, scan
from prep.ops.concept import ConceptOptions
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system.files import write_text
from train.config import TrainSettings
from train.families.base_model import BaseModel
from train.hub import obtain_model
from train.sampling.draw import ImageSpec
from train.sampling.loras import shown
from train.sampling.options import RegularizeOptions
from train.sampling.prompts import parse, read_prompts
from train.sampling.sample import LoraSampler, check_sizes, default_picture, opened_base

MOST = 500
"""Images that are drawn at most when no number is given."""
_LONGEST = 40
_NUMBERED = re.compile(r"(\d{5})-\d+\.png")


def run(project: Project, options: RegularizeOptions) -> Iterator[Event]:
    """Draw what is missing of a folder of regularisation images, with their captions.

    The folder is marked as regularisation before the first image, so that an interrupted run is
    not taken for a concept. Images that are there stay; the same command goes on.

    Yields:
        Warned for a prompt with a trigger word; what downloading the base model yields; Stage
        while it loads, a Progress and a Sample for each picture; Finished with images (drawn),
        kept, folder and edit (of shikomi.toml; 0 for none).

    Raises:
        ConfigError: No prompt, or the folder holds images of a concept.
        UserError: No base model, or one that cannot draw them.
    """
    settings = TrainSettings.from_project(project)
    lines = read_prompts(options.prompt, project.root)
    if not lines:
        raise ConfigError("There is no class to draw.", "Give a prompt: --prompt 1girl")
    name = options.folder or _folder_name(parse(lines[0]).text)
    folder = _checked_folder(project, name)
    yield from _trigger_warnings(project, lines)
    there = _numbers(folder)
    count = options.count or _exposures(project)
    missing = [number for number in range(count) if number not in there]
    summary = {"images": len(missing), "kept": len(there), "folder": name, "edit": 0}
    if options.dry_run or not missing:
        yield Finished({**summary, "dry_run": options.dry_run})
        return
    yield from obtain_model(options.base or settings.base, project.root)
    base = opened_base(project, options, settings)
    defaults = default_picture(project, options, settings, base)
    pictures = _pictures(lines, defaults, missing)
    check_sizes(base, pictures.values())
    folder.mkdir(parents=True, exist_ok=True)
    summary["edit"] = _mark(project, name)
    yield from _draw(project, base, settings, folder, pictures)
    for _ in scan.run(Project.open(project.root)):
        pass
    yield Finished({**summary, "dry_run": False})


def _draw(
    project: Project,
    base: BaseModel,
    settings: TrainSettings,
    folder: Path,
    pictures: dict[int, ImageSpec],
) -> Iterator[Event]:
    yield Stage("load")
    began = time.monotonic()
    sampler = LoraSampler(base, settings)
    yield Stage("load", True, round(time.monotonic() - began, 2))
    for done, (number, picture) in enumerate(pictures.items(), 1):
        path = folder / f"{number:05d}-{picture.seed}.png"
        image = sampler.draw(picture)
        # The caption first: an image without one would be trained on without its class.
        write_text(path.with_suffix(project.settings.captions.extension), picture.text)
        sampler.save(image, picture, path)
        yield Progress("draw", done, len(pictures), path.name)
        yield Sample(shown(path, project), picture.text, picture.seed, {})


def _pictures(lines: list[str], defaults: ImageSpec, numbers: list[int]) -> dict[int, ImageSpec]:
    """Return what to draw by its number: the prompts in turn, each number with a seed of its own.

    Raises:
        ConfigError: A prompt loads a LoRA, or has a seed of its own.
    """
    prompts = [parse(line) for line in lines]
    if any(prompt.loras for prompt in prompts):
        raise ConfigError(
            "Regularisation images are those of the base model alone.",
            "Remove the <lora:…> tags from the prompts.",
        )
    turns = {n: replace(prompts[n % len(prompts)], seed=None) for n in numbers}
    return {number: ImageSpec.of(prompt, defaults, number) for number, prompt in turns.items()}


def _folder_name(prompt: str) -> str:
    """Return a folder's name, seen once per epoch, for the first tag of a prompt.

    Example:
        >>> _folder_name("1girl, solo"), _folder_name("a photo of a dog")
        ('1_1girl', '1_a_photo_of_a_dog')
    """
    words = re.sub(r"\W+", "_", prompt.partition(",")[0]).strip("_")
    return f"1_{words[:_LONGEST].strip('_') or 'class'}"


def _checked_folder(project: Project, name: str) -> Path:
    """Return the folder of a concept.

    Raises:
        ConfigError: The name is not that of a folder right below the dataset, a link leads out of
            the project, or there are images of a concept in it.
    """
    if name != Path(name).name or name.startswith("."):
        raise ConfigError(
            f"{name} is not the name of a concept folder.", "Give one such as --folder 1_1girl"
        )
    folder = project.dataset / name
    refuse_links(project, folder)
    if project.concept(name).settings.regularization:
        return folder
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(
            f"{name} holds images of a concept.",
            "Choose another --folder, or mark it: shikomi concept"
            f" {project.root} {name} --regularization",
        )
    return folder


def _trigger_warnings(project: Project, lines: list[str]) -> Iterator[Warned]:
    """Warn of prompts that name a concept: they would teach that it is the class."""
    triggers = {project.concept(folder).trigger for folder in project.settings.concepts} - {""}
    for trigger in sorted(triggers):
        if any(trigger.lower() in line.lower() for line in lines):
            yield Warned(
                f"The prompt has the trigger word {trigger}.",
                "Name only the class, such as 1girl.",
            )


def _numbers(folder: Path) -> set[int]:
    """Return the numbers of the images that were drawn before."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return {int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))}


def _exposures(project: Project) -> int:
    """Return how often images of concepts are seen in an epoch, up to ``MOST``.

    Trainers pair each exposure with one of a regularisation image.

    Raises:
        ConfigError: There are no images yet.
    """
    for _ in scan.run(project):
        pass
    with Index(project) as index:
        concepts = [(project.concept(folder), images) for folder, images in index.folders()]
    seen = sum(c.repeats * images for c, images in concepts if not c.settings.regularization)
    if not seen:
        raise ConfigError("There are no images of a concept yet.", "Give the number: --count 100")
    return min(seen, MOST)


def _mark(project: Project, name: str) -> int:
    """Mark a folder as regularisation images; return the number of the edit, 0 for none."""
    if project.concept(name).settings.regularization:
        return 0
    *_, end = concept.run(project, name, ConceptOptions(regularization=True))
    assert isinstance(end, Finished)
    return int(end.summary["edit"])
