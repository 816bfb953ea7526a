"""Which files an export consists of, for each trainer and tool that is to read it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from prep.formats import ai_toolkit, diffusers, imagefolder, onetrainer, training_config
from prep.formats.train_table import train_table
from prep.project import Project
from prep.system.files import text_hash
from prep.training_set import Example, OutputFile, TrainingSet
from prep.training_set.kohya import ExportSubset

Layout = Literal["kohya", "onetrainer", "ai-toolkit", "diffusers", "imagefolder", "webdataset"]
Sources = list[tuple[str, Sequence[OutputFile]]]


@dataclass(frozen=True)
class Arranged:
    """What to write.

    Attributes:
        sources: Files by the image that they come from.
        files: Files that describe the training set; the first one is given to trainers.
        notes: (message, hint) of features that the reader does not support.
    """

    sources: Sources
    files: tuple[OutputFile, ...]
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Request:
    """An export to arrange.

    Attributes:
        folder: Its absolute path.
        wanted: The training set.
        sources: Its files in the layout of kohya's trainer.
        dataset_file: ``dataset.toml``.
        steps: Returns the number of optimiser steps.
        relative: Write folders relative to the training set.
        shuffle: Let the trainer shuffle tags.
    """

    project: Project
    folder: Path
    wanted: TrainingSet
    sources: Sources
    dataset_file: OutputFile
    steps: Callable[[], int]
    relative: bool
    shuffle: bool

    @property
    def subsets(self) -> list[ExportSubset]:
        """The subsets, with folders as they should be written."""
        if self.relative:
            return list(self.wanted.subsets)
        return [
            replace(
                subset,
                folder=str(self.folder / subset.folder),
                masks=str(self.folder / subset.masks) if subset.masks else "",
            )
            for subset in self.wanted.subsets
        ]


def default_folder(project: Project, layout: Layout) -> Path:
    """Return the default folder of an export, separate for each tool."""
    return project.output / ("dataset" if layout == "kohya" else layout)


def arranged(layout: Layout, request: Request) -> Arranged:
    """Return the files of an export.

    Raises:
        ConfigError: The ``[train]`` table is not valid.
    """
    return _LAYOUTS[layout](request)


def text_output(name: str, text: str) -> OutputFile:
    """Return the output for a small text file."""
    return OutputFile(name, f"text {text_hash(text)}", partial(text.encode, "utf-8"))


def _kohya(request: Request) -> Arranged:
    project, files = request.project, [request.dataset_file]
    if train_table(project).base:  # without a model the configuration would not be ready
        text = training_config.config_toml(
            project,
            request.folder / request.dataset_file.name,
            request.steps(),
            masked=any(subset.masks for subset in request.wanted.subsets),
            regular=any(_is_regular(subset) for subset in request.wanted.subsets),
        )
        files.append(text_output(training_config.NAME, text))
        if prompts := training_config.prompts_txt(project):
            files.append(text_output(training_config.PROMPTS, prompts))
    return Arranged(request.sources, tuple(files))


def _onetrainer(request: Request) -> Arranged:
    sources = [(e.source, list(_onetrainer_files(e))) for e in request.wanted.examples]
    table = train_table(request.project)
    text = onetrainer.concepts_json(
        request.subsets, shuffle=request.shuffle, tag_dropout=table.tag_dropout or 0.0
    )
    notes = [
        (
            f"{subset.folder}: OneTrainer has no regularisation sets: an ordinary concept.",
            "Its repeats are not matched to the others: set them in OneTrainer.",
        )
        for subset in request.wanted.subsets
        if _is_regular(subset)
    ]
    if table.caption_dropout:
        notes.append(
            (
                "caption_dropout is not a setting of OneTrainer's concepts.",
                "Set the dropout probability of the text encoder in OneTrainer to"
                f" {table.caption_dropout:g}.",
            )
        )
    return Arranged([*sources], (text_output("concepts.json", text),), tuple(notes))


def _onetrainer_files(example: Example) -> Iterator[OutputFile]:
    yield example.image
    if example.caption is not None:
        name = Path(example.caption.name).with_suffix(".txt").as_posix()
        yield replace(example.caption, name=name)
    stem = example.image.name.rpartition(".")[0]
    # Transparency alone does not mean that the user wants masks.
    if example.mask is not None and "alpha" not in example.mask.recipe.split()[:3]:
        yield replace(example.mask, name=f"{stem}-masklabel.png")
    if example.condition is not None:
        yield replace(example.condition, name=f"{stem}-condlabel.png")


def _ai_toolkit(request: Request) -> Arranged:
    text = ai_toolkit.config_yaml(
        request.project, request.subsets, request.steps(), shuffle=request.shuffle
    )
    notes = []
    if any(example.image.name.endswith(".webp") for example in request.wanted.examples):
        notes.append(("ai-toolkit documents only JPEG and PNG.", "To be safe, add: --format png"))
    notes += _model_missing(request, ai_toolkit.NAME)
    return Arranged(request.sources, (text_output(ai_toolkit.NAME, text),), tuple(notes))


def _model_missing(request: Request, name: str) -> list[tuple[str, str]]:
    if train_table(request.project).base:
        return []
    hint = "Set base in [train] of shikomi.toml, or enter the model there."
    return [(f"{name} does not name a base model.", hint)]


def _imagefolder(request: Request) -> Arranged:
    return Arranged(*_described(request.wanted.examples))


def _described(examples: Sequence[Example]) -> tuple[Sources, tuple[OutputFile, ...]]:
    """Return only the images, and ``metadata.jsonl`` with their captions."""
    sources: Sources = [(example.source, [example.image]) for example in examples]
    rows = [(example.image.name, caption_text(example)) for example in examples]
    return sources, (text_output("metadata.jsonl", imagefolder.metadata_jsonl(rows)),)


def caption_text(example: Example) -> str:
    """Return the caption of an example; an empty string if it has none."""
    return example.caption.make().decode("utf-8") if example.caption else ""


def _diffusers(request: Request) -> Arranged:
    regular = {subset.folder for subset in request.wanted.subsets if _is_regular(subset)}
    sources, files = _described([e for e in request.wanted.examples if e.folder not in regular])
    subsets = [subset for subset in request.wanted.subsets if subset.folder not in regular]
    place = "." if request.relative else str(request.folder)
    text = diffusers.train_sh(request.project, place, subsets, request.steps())
    notes = [_left_out(folder) for folder in sorted(regular)]
    notes += _model_missing(request, diffusers.NAME)
    table = train_table(request.project)
    dropped = [name for name in ("caption_dropout", "tag_dropout") if getattr(table, name)]
    if dropped:
        message = f"diffusers' script does not support {' or '.join(dropped)}: captions stay whole."
        notes.append((message, "Choose another layout to use these settings."))
    if len({subset.concept.repeats for subset in subsets}) > 1:
        notes.append(
            (
                "diffusers' script has no repeats: all concepts are shown equally often.",
                "The smallest number of repeats was converted to more epochs.",
            )
        )
    if any(e.fit.bucket[0] != e.fit.bucket[1] for e in request.wanted.examples):
        side = request.project.settings.project.resolution
        notes.append(
            (
                "diffusers' script crops every image to a square, so it crops these again.",
                f"To choose the crop yourself, set minimum = {side} and maximum = {side} in"
                " [buckets].",
            )
        )
    return Arranged(sources, (text_output(diffusers.NAME, text), *files), tuple(notes))


def _left_out(folder: str) -> tuple[str, str]:
    return (
        f"{folder}: regularisation images are left out.",
        "The text-to-image script of diffusers does not support them.",
    )


def _webdataset(request: Request) -> Arranged:
    """Return nothing beside the shards, which ``prep.formats.shards`` packs."""
    del request
    return Arranged([], ())


def _is_regular(subset: ExportSubset) -> bool:
    return subset.concept.settings.regularization


_LAYOUTS: dict[Layout, Callable[[Request], Arranged]] = {
    "kohya": _kohya,
    "onetrainer": _onetrainer,
    "ai-toolkit": _ai_toolkit,
    "diffusers": _diffusers,
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
}
