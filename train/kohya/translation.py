"""A file of sd-scripts or kohya_ss as settings of ``[train]``, a training set, and a report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prep.errors import ConfigError
from prep.project import Project
from prep.project.faults import fault_of
from train.config import TrainSettings
from train.kohya.book import Book
from train.kohya.dataset import store, translate_dataset
from train.kohya.network import translate_network
from train.kohya.optimizer import translate_optimizer
from train.kohya.report import Line, counted
from train.kohya.source import Source, read_source
from train.kohya.values import shown

_SAMPLERS = {
    "ddim": "ddim",
    "euler": "euler",
    "k_euler": "euler",
    "euler_a": "euler_a",
    "k_euler_a": "euler_a",
    "dpmsolver": "dpmpp_2m",
    "dpmsolver++": "dpmpp_2m",
}
_STEPS, _SCALE = 30, 7.5
"""Of samples, where a prompt does not say."""
_LENGTH = 1600
"""Steps of a run that has no length."""
_MANY_EPOCHS = 100_000
"""More than any run has: then the number of steps ends it."""


@dataclass(frozen=True)
class Translation:
    """What a file says, in the terms of this program.

    Attributes:
        path: The file.
        settings: Of ``[train]``.
        defaults: Those of the settings that the file leaves out and sd-scripts has otherwise.
        lines: What became of each argument.
        dataset: Text of a dataset file; empty for the project's export.
    """

    path: Path
    settings: Mapping[str, Any]
    defaults: Mapping[str, Any]
    lines: tuple[Line, ...]
    dataset: str

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ConfigError: With every argument that is refused, and the reason.
        """
        faults = [
            f"{line.argument} = {shown(line.value)} {line.text}"
            for line in self.lines
            if line.outcome == "refused"
        ]
        if faults:
            raise ConfigError(
                f"{self.path}: " + "; ".join(faults),
                "Leave these out, or change them. The report on all arguments: --dry-run",
            )

    def differences(self) -> list[str]:
        """Return a sentence for each argument that acts otherwise here."""
        return [
            f"{line.argument} = {shown(line.value)}: {line.text}."
            for line in self.lines
            if line.outcome == "differs"
        ]

    def dataset_file(self, project: Project) -> Path | None:
        """Write the dataset file into the project and return it; ``None`` for the export."""
        return store(self.dataset, project, self.path) if self.dataset else None

    def summary(self) -> dict[str, Any]:
        """Return the report, for people (``report.report_text``) and as JSON."""
        return {
            "file": str(self.path),
            "arguments": [asdict(line) for line in self.lines],
            "settings": dict(self.settings),
            "defaults": [[name, value] for name, value in self.defaults.items()],
            "dataset": self.dataset,
            "counts": counted(self.lines),
        }


def translate(path: Path, project: Project) -> Translation:
    """Translate a TOML file of sd-scripts, a JSON file of kohya_ss, or a command line.

    Args:
        path: The file.
        project: Its family decides what the arguments mean, and it is trained on where the file
            names no training set that is here.

    Raises:
        ConfigError: The file is missing or broken, or is for another family. Arguments that cannot
            be trained are in the report; see ``Translation.check``.
    """
    source = read_source(path)
    family = project.settings.project.family
    if source.family and source.family != family:
        raise ConfigError(
            f"{source.path} is for {source.family}, and the project for {family}.",
            f'Set family = "{source.family}" in [project], or take another project.',
        )
    book = Book(source)
    book.read()
    translate_network(book, family)
    translate_optimizer(book)
    _model(book)
    _course(book)
    _weighting(book)
    _tokens(book)
    _samples(book)
    _logs(book)
    dataset = translate_dataset(book, project)
    _refuse_invalid(book)
    return _finished(source, book, dataset)


def _finished(source: Source, book: Book, dataset: str) -> Translation:
    usual = TrainSettings()
    defaults = {
        name: value
        for name, value in book.defaults.items()
        if book.settings.get(name) == value and getattr(usual, name) != value
    }
    settings = {name: book.settings[name] for name in sorted(book.settings)}
    return Translation(source.path, settings, defaults, tuple(book.finish()), dataset)


def _model(book: Book) -> None:
    for name, setting in (("pretrained_model_name_or_path", "base"), ("vae", "vae")):
        value = book.get(name)
        if value is None:
            continue
        place = book.source.place(value)
        if place.exists():
            book.setting(setting, str(place.absolute()), name)
        else:
            book.say(name, "differs", f"it is not here: {setting} of [train] is taken")


def _course(book: Book) -> None:
    """Set the length; epochs take precedence over steps in sd-scripts."""
    epochs, steps = book.get("max_train_epochs"), book.get("max_train_steps", _LENGTH)
    if epochs is not None:
        book.setting("epochs", epochs, "max_train_epochs")
        book.setting("max_steps", 0)
        book.say("max_train_steps", "harmless", "max_train_epochs takes precedence")
    else:
        book.setting("epochs", _MANY_EPOCHS)
        book.setting("max_steps", steps, "max_train_steps")
        if not steps:  # here, 0 means without end
            book.say("max_train_steps", "refused", "trains nothing")
    book.defaults.pop("epochs", None)
    if "seed" in book.values:
        book.setting("seed", book.values["seed"], "seed")


def _weighting(book: Book) -> None:
    debiased = book.get("debiased_estimation_loss", False)
    note = ""
    if debiased and book.get("min_snr_gamma"):
        book.setting("min_snr_gamma", 0.0)
        note = "min_snr_gamma is left out: sd-scripts applies both weights at once"
        book.say("min_snr_gamma", "differs", "debiased_estimation_loss takes its place")
    book.setting("debiased_estimation_loss", debiased, "debiased_estimation_loss", note=note)


def _tokens(book: Book) -> None:
    length = book.get("max_token_length", 75)
    book.setting("max_token_length", length, "max_token_length")
    if length > 75:
        book.setting("chunking", "sd_scripts")


def _samples(book: Book) -> None:
    """Set what is drawn; without prompts nothing is, and the rest is of no matter."""
    prompts = _prompts(book)
    if not prompts:
        return
    book.setting("sample_prompts", prompts, "sample_prompts")
    epochs, steps = book.get("sample_every_n_epochs", 0), book.get("sample_every_n_steps", 0)
    book.setting("sample_every_epochs", epochs, "sample_every_n_epochs")
    book.setting("sample_every_steps", 0 if epochs else steps, "sample_every_n_steps")
    book.setting("sample_steps", _STEPS)
    book.setting("sample_cfg", _SCALE)
    written = str(book.get("sample_sampler", "ddim"))
    note = "" if written in _SAMPLERS else "there is no such sampler here"
    book.setting("sampler", _SAMPLERS.get(written, "ddim"), "sample_sampler", note=note)


def _prompts(book: Book) -> list[str]:
    value = str(book.get("sample_prompts", ""))
    if not value:
        return []
    file = book.source.place(value) if "\n" not in value and len(value) < 1000 else None
    if file is not None and file.suffix.lower() == ".txt":
        if file.is_file():
            return [str(file.absolute())]
        book.say("sample_prompts", "differs", "it is not here: sample_prompts of [train] is taken")
        return []
    if file is not None and file.suffix.lower() in (".json", ".toml"):
        book.say("sample_prompts", "differs", "write one prompt a line into a .txt file")
        return []
    lines = (line.strip() for line in value.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _logs(book: Book) -> None:
    written = str(book.get("log_with") or "")
    if written in ("tensorboard", "all"):
        note = "wandb gets nothing" if written == "all" else ""
        book.setting("tensorboard", True, "log_with", note=note)
    elif written:
        told = f"{written} gets nothing; tensorboard = true writes TensorBoard's logs"
        book.say("log_with", "differs", told)


def _refuse_invalid(book: Book) -> None:
    """Refuse values that the settings refuse, by the names of the arguments."""
    try:
        TrainSettings.model_validate(book.settings)
    except ValidationError as error:
        for fault in error.errors():
            setting = str(fault["loc"][0])
            origin = book.origins.get(setting, "")
            if not origin:
                raise ConfigError(f"{book.source.path}: {setting}: {fault_of(fault)}.") from error
            book.say(origin, "refused", f"is not possible: {fault_of(fault)}")
