"""Write a training set: images cropped to their buckets, captions, and ``dataset.toml``.

The result is exactly what the preview showed, pixel for pixel; an image with several crops yields
several images. A second export writes only changes; files written or changed by others are
left alone and reported. The next export finishes an interrupted one.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import Field

from prep import events
from prep.dataset import contents, overlooked
from prep.dataset.index import ImageRow, Index
from prep.errors import ConfigError, UnreadableError, UserError
from prep.formats.collection import safe_folder
from prep.formats.layouts import Arranged, Layout, Request, arranged, default_folder
from prep.formats.shards import Packer, samples
from prep.images import is_image_name
from prep.language import english, quantity
from prep.ops.plan import plan_of, step_settings
from prep.project import Project, Section
from prep.project.boundary import refuse_links
from prep.system.files import bytes_hash, text_hash, write_bytes
from prep.system.leftovers import sweep
from prep.system.names import natural_key, with_home
from prep.system.parallel import ordered
from prep.training_set import Format, OutputFile, TrainingSet, kohya, leftovers
from prep.training_set.manifest import FileState, Manifest, ManifestEntry, entry_of
from prep.training_set.masked import (
    MaskFiles,
    mask_advice,
    mask_count,
    masked_set,
    outputs_by_source,
)
from prep.training_set.snapshot import of_training_set

_WITH_MASKS = ("onetrainer", "webdataset")
"""Layouts that support separate masks."""
_SAVE_EVERY = 500
"""Images between two saves of the manifest: the most work that a power cut costs."""


class ExportOptions(Section):
    """Where the training set goes, and how it is written."""

    out: Path | None = None
    """Folder for the training set. Default: output/dataset in the project for kohya, output/LAYOUT
    for other layouts."""
    format: Format = "webp"
    """Format of the images: webp (lossless, small) or png (read by every program)."""
    relative: bool = False
    """Write relative paths into dataset.toml, so that the training set can be moved; sd-scripts
    must then be started in its folder."""
    shuffle: bool = True
    """Let the trainer shuffle tags at every step; the trigger word stays first."""
    layout: Layout = "kohya"
    """Layout of the training set: kohya (for sd-scripts and shikomi), onetrainer, ai-toolkit,
    diffusers, imagefolder (Hugging Face) or webdataset (tar shards)."""
    shard_mb: int = Field(256, ge=1)
    """Maximum size of a webdataset shard in MiB."""
    masks: MaskFiles = "none"
    """How to export masks: none (not at all), alpha (in the alpha channel, for alpha_mask of
    sd-scripts) or folder (as files beside the images, for its --masked_loss; images without a
    mask get a white one)."""


@dataclass(frozen=True)
class _Task:
    """Files to write for one source, with their current state; ``names`` are all its files."""

    source: str
    names: Sequence[str]
    files: Sequence[tuple[OutputFile, FileState]]


@dataclass(frozen=True)
class _Result:
    """The result for one output: ``entry`` is ``None`` if a foreign file is in the way."""

    output: OutputFile
    before: FileState
    entry: ManifestEntry | None


def run(project: Project, options: ExportOptions | None = None) -> Iterator[events.Event]:
    """Write the training set of the usable images.

    Yields:
        Progress; Written per file; Skipped for images and captions that cannot be used and for
        files in the way; Warned; Finished with ``images``, ``written`` and ``unchanged``
        (files), ``removed``, ``masks`` (exported), ``folder``, ``layout`` and, for
        kohya, ``dataset_toml`` (its path).

    Raises:
        ConfigError: The folder cannot hold a training set, or a link leads to it, out of the
            project, or there is nothing to export.
        UserError: The disk is full, or the folder is not writable.
    """
    options = options or ExportOptions()
    if options.out is None:
        refuse_links(project, default_folder(project, options.layout))
    folder = export_target(project, options.out or default_folder(project, options.layout))
    with Index(project) as index:
        rows = yield from _usable(index)
    wanted = masked_set(project, rows, options.format, options.masks)
    for subset in wanted.subsets:
        export_target(project, folder / subset.folder)  # it may be a link into the dataset
    files = _arranged(project, folder, wanted, rows, options)
    manifest = Manifest(folder)
    export = _Export(project, folder, manifest)
    try:
        if options.layout == "webdataset":
            yield from export.pack(wanted, options.shard_mb << 20)
        else:
            yield from export.write([*files.sources, *((f.name, [f]) for f in files.files)])
        yield from export.remove_stale()
        hashes = manifest.hashes() | export.hashes
        manifest.finish(of_training_set(wanted, rows, export.missing(wanted), hashes))
        manifest.complete()
    except BaseException:
        with suppress(UserError):  # the disk may be full; what was announced is on it
            manifest.save()
        raise
    finally:
        manifest.close()
    yield from export.warnings(wanted)
    if others := list(overlooked.overlooked(project, rows).values()):
        text = overlooked.message(others, quantity(len(others), "exported image"))
        yield events.Warned(text, overlooked.hint(project))
    yield from (events.Warned(message, hint) for message, hint in files.notes)
    carries = options.layout in _WITH_MASKS
    if not carries:
        yield from mask_advice(wanted, options.masks)
    masked = mask_count(wanted, options.masks, drawn=carries)
    count = {"images": len(wanted.examples) - export.failed, **export.count, "masks": masked}
    place = {"folder": str(folder), "layout": options.layout}
    place |= {"dataset_toml": str(folder / "dataset.toml")} if options.layout == "kohya" else {}
    yield events.Finished(count | place)


def _arranged(
    project: Project,
    folder: Path,
    wanted: TrainingSet,
    rows: list[ImageRow],
    options: ExportOptions,
) -> Arranged:
    request = Request(
        project,
        folder,
        wanted,
        list(outputs_by_source(wanted, options.masks)),
        _dataset_file(project, folder, wanted, options),
        lambda: plan_of(project, rows).steps,
        options.relative,
        options.shuffle,
    )
    return arranged(options.layout, request)


def export_target(project: Project, out: Path | None) -> Path:
    """Return the absolute folder to export to.

    Raises:
        ConfigError: It is a file, or it overlaps the dataset.
    """
    folder = with_home(out or project.output / "dataset").resolve()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", "Give a folder for the training set.")
    inside_own_output = folder.is_relative_to(project.output)
    mixed = folder.is_relative_to(project.dataset) and not inside_own_output
    if mixed or project.dataset.is_relative_to(folder) or folder.is_relative_to(project.state):
        raise ConfigError(
            f"{folder} overlaps the dataset {project.dataset}.",
            f"Give another folder, such as {project.output / 'dataset'}.",
        )
    return folder


def _usable(index: Index) -> Generator[events.Event, None, list[ImageRow]]:
    """Return the images to export, hashed; skip those that cannot be used."""
    for row in index.select():
        reason = row.error or row.caption_error
        if reason and row.excluded is None:
            yield events.Skipped(row.path, reason)
    yield from contents.hash_contents(index, index.usable())
    rows = [row for row in index.usable() if row.caption_error is None]
    if not rows:
        raise ConfigError(
            "There are no usable images to export.", f"Put images into {index.project.dataset}."
        )
    return rows


def _dataset_file(
    project: Project, folder: Path, wanted: TrainingSet, options: ExportOptions
) -> OutputFile:
    """Return ``dataset.toml``.

    sd-scripts resolves a relative ``image_dir`` from its working directory, so absolute is the
    safe choice; shikomi's own trainer resolves it from the dataset file.
    """
    subsets = [
        subset if options.relative else _absolute(folder, subset) for subset in wanted.subsets
    ]
    batch_size = step_settings(project).batch_size
    text = kohya.dataset_toml(project, subsets, batch_size, shuffle=options.shuffle)
    return OutputFile("dataset.toml", f"toml {text_hash(text)}", partial(text.encode, "utf-8"))


def _absolute(folder: Path, subset: kohya.ExportSubset) -> kohya.ExportSubset:
    masks = str(folder / subset.masks) if subset.masks else ""
    return replace(subset, folder=str(folder / subset.folder), masks=masks)


class _Export:
    """A running export; the manifest records what is done."""

    def __init__(self, project: Project, folder: Path, manifest: Manifest) -> None:
        self._project, self._folder, self._manifest = project, folder, manifest
        self._wanted: set[str] = set()
        self._remade: list[str] = []
        self.count = Counter(written=0, unchanged=0, removed=0)
        self.failed = 0
        self.hashes: dict[str, str] = {}

    def write(self, sources: Iterable[tuple[str, Sequence[OutputFile]]]) -> Iterator[events.Event]:
        """Write the missing or outdated files of each source, replacing only our own."""
        tasks = []
        for source, outputs in sources:
            self._wanted.update(output.name for output in outputs)
            files = [(output, state) for output in outputs if (state := self._to_write(output))]
            for output, state in files:
                if state is FileState.CHANGED:
                    yield self._in_the_way(output.name, "changed since it was exported")
            todo = [(output, state) for output, state in files if state is not FileState.CHANGED]
            tasks.append(_Task(source, [output.name for output in outputs], todo))
        tasks = [task for task in tasks if task.files]
        if tasks:
            self._manifest.refuse_outside(w.name for task in tasks for w, _ in task.files)
            self._manifest.begin()
        yield from self._carry_out(tasks)

    def pack(self, wanted: TrainingSet, limit: int) -> Iterator[events.Event]:
        """Pack everything into tar shards of at most ``limit`` bytes."""
        packer = Packer(self._folder, self._manifest, safe_folder(self._project.name), limit)
        found = samples(wanted)
        yield from packer.pack(found, self._shown)
        self.hashes = packer.hashes(found)
        self._wanted = packer.wanted | (self.names(wanted) - packer.failed)
        self.count.update(packer.count)
        self.failed = len(packer.failed)

    def missing(self, wanted: TrainingSet) -> frozenset[str]:
        """Return the pictures that could not be written."""
        return frozenset(self.names(wanted) - self._wanted)

    @staticmethod
    def names(wanted: TrainingSet) -> set[str]:
        """Return the names of all pictures."""
        return {example.image.name for example in wanted.examples}

    def _to_write(self, output: OutputFile) -> FileState | None:
        """Return the state of the file to write; ``None`` if it is up to date."""
        state = self._manifest.state(output.name)
        if state is FileState.OURS and self._manifest.has(output.name, output.recipe):
            self.count["unchanged"] += 1
            return None
        return state

    def _carry_out(self, tasks: Sequence[_Task]) -> Iterator[events.Event]:
        throttle = events.Throttle()
        with closing(ordered(self._attempt, tasks)) as results:
            for done, (task, result) in enumerate(results, 1):
                if isinstance(result, UnreadableError):
                    # Its earlier export is removed with all other stale files.
                    self._wanted.difference_update(task.names)
                    self.failed += 1
                    name = Path(task.source).name
                    yield events.Skipped(task.source, result.message.removeprefix(f"{name}: "))
                else:
                    yield from self._noted(result)
                if done % _SAVE_EVERY == 0:
                    self._manifest.save()
                yield from events.tick("export", len(tasks), throttle, done)

    def _attempt(self, task: _Task) -> list[_Result] | UnreadableError:
        """Write the files of one source; runs in a thread."""
        try:
            return [self._made(output, state) for output, state in task.files]
        except UnreadableError as error:
            return error

    def _made(self, output: OutputFile, state: FileState) -> _Result:
        data, file = output.make(), self._folder / output.name
        if state is not FileState.FOREIGN:
            self._manifest.announce(output.name, output.recipe, len(data), bytes_hash(data))
            write_bytes(file, data)
        elif not file.is_file() or file.read_bytes() != data:
            return _Result(output, state, None)
        return _Result(output, state, entry_of(file, output.recipe, data))

    def _noted(self, results: Iterable[_Result]) -> Iterator[events.Event]:
        for result in results:
            name = result.output.name
            if result.entry is None:
                yield self._in_the_way(name, "not written by shikomi")
                continue
            if result.before is FileState.FOREIGN:
                # The same bytes: fine, but not ours to replace or remove later.
                self.count["unchanged"] += 1
                continue
            self._manifest.record(name, result.entry)
            self.count["written"] += 1
            if result.before is FileState.OURS and is_image_name(name):
                self._remade.append(name)
            yield events.Written(self._shown(name))

    def remove_stale(self) -> Iterator[events.Event]:
        """Remove files that we wrote and that are no longer wanted, unless changed since."""
        for name in self._manifest.names():
            if name in self._wanted:
                continue
            file, state = self._folder / name, self._manifest.state(name)
            if state is FileState.CHANGED:
                yield events.Warned(
                    f"{self._shown(name)} is no longer exported, but was changed by hand.",
                    "It was kept: remove it, or move it away.",
                )
            elif state is FileState.OURS:
                file.unlink(missing_ok=True)
                self.count["removed"] += 1
                if is_image_name(name):
                    self._remade.append(name)
            self._manifest.forget(name)
            with suppress(OSError):  # it contains other files
                file.parent.rmdir()
        for folder in {self._folder, *((self._folder / name).parent for name in self._wanted)}:
            sweep(folder)

    def warnings(self, wanted: TrainingSet) -> Iterator[events.Event]:
        """Warn of unexpected behaviour of trainers on this folder."""
        bare = Counter(example.folder for example in wanted.examples if example.caption is None)
        for folder, count in sorted(bare.items(), key=lambda item: natural_key(item[0])):
            yield events.Warned(
                english(
                    "{count} image in {folder} has neither caption nor trigger word.",
                    "{count} images in {folder} have neither caption nor trigger word.",
                    count,
                    folder=folder,
                ),
                "The trainer will use the name of the folder. Caption them with: shikomi tag",
            )
        folders = [subset.folder for subset in wanted.subsets]
        yield from leftovers.foreign_images(self._folder, folders, self._wanted, self._shown)
        yield from leftovers.old_caches(self._folder, self._remade, self._shown)

    def _in_the_way(self, name: str, whose: str) -> events.Skipped:
        return events.Skipped(
            self._shown(name), f"{whose}, so it was kept: delete it to have it written"
        )

    def _shown(self, name: str) -> str:
        file = self._folder / name
        inside = file.is_relative_to(self._project.root)
        return self._project.relative(file) if inside else str(file)
