"""The command line of dataset work: parse, call the operation, show its events. No logic here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from prep import events
from prep.captions.translations import Translations, read_translations
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.examples import examples
from prep.cli.recovery import with_sound_cache
from prep.dataset.index import Index
from prep.ops import concept as concept_op
from prep.ops import edit as edit_op
from prep.ops import scan as scan_op
from prep.ops.concept import ConceptOptions
from prep.ops.edit import ExcludeOptions
from prep.project import Project
from prep.project.creation import initialise

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


def operate(
    path: Path,
    start: Callable[[Project], Iterator[events.Event]],
    *,
    json: bool,
    rescan: bool = True,
    printer: console.Printer | None = None,
    summary: Callable[[dict[str, Any]], str] | None = None,
) -> int:
    """Open the project, bring the index up to date, run an operation and show it."""

    def work(project: Project) -> Iterator[events.Event]:
        if rescan:
            for event in scan_op.run(project):
                if isinstance(event, events.Progress):
                    yield event
        yield from start(project)

    def stream() -> Iterator[events.Event]:
        yield from with_sound_cache(Project.open(path), work)

    return console.show(stream(), json=json, printer=printer, summary=summary)


@examples(
    (
        "shikomi init my_project",
        "Create the folder my_project; put images into my_project/dataset/10_mychara/.",
    ),
    (
        "shikomi init styles/ink --family sdxl",
        "Create a project in a subfolder, for SDXL: 1024 px.",
    ),
)
def init(project: Path, /, *, family: Literal["sd15", "sdxl"] = "sd15", json: Json = False) -> int:
    """Create a project: a folder with dataset/, model/, output/ and shikomi.toml.

    Args:
        project: Folder of the new project; created if it does not exist.
        family: Base model family: sd15 (512 px) or sdxl (1024 px: Illustrious, NoobAI, Pony).
    """

    def stream() -> Iterator[events.Event]:
        created = initialise(project, family)
        yield events.Written(str(created.file))
        yield events.Finished({"project": str(created.root)})

    return console.show(
        stream(),
        json=json,
        summary=lambda s: (
            f"{s['project']}\nNext: put your images into dataset/10_NAME/, then run"
            f" shikomi {s['project']}"
        ),
    )


@examples(
    (
        "shikomi scan my_project",
        "Look for new, changed and removed files; list images that cannot be read.",
    ),
    ("shikomi scan my_project --json", "The same for scripts: one JSON object per line."),
)
def scan(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """Find images and captions, and list files that cannot be read.

    Verbs that use the dataset do this by themselves when they start. All of them skip hidden files,
    the recycle bins, thumbnails and system folders of NAS boxes, Windows and macOS (such as @eaDir,
    #recycle and $RECYCLE.BIN), and a folder Thumbs that holds only small versions of the pictures
    beside it.
    """
    return operate(project, scan_op.run, json=json, rescan=False)


@examples(
    ("shikomi ls my_project --where 'smile -hat'", "List images with the tag smile, but no hat."),
    ("shikomi ls my_project --where -has:caption", "List images that have no caption yet."),
)
def ls(project: ProjectPath = HERE, /, *, where: str = "", json: Json = False) -> int:
    """List images with their sizes and captions.

    Args:
        where: Only images that match this filter, e.g. 'smile -hat* name:beach excluded:no'.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        with Index(opened) as index:
            rows = index.select(where)
        for row in rows:
            yield events.Image(
                row.path, row.width, row.height, row.caption, row.excluded, row.error
            )
        yield events.Finished({"images": len(rows)})

    return operate(project, start, json=json, printer=_image_line)


@examples(
    ("shikomi tags my_project", "Count the tags of all captions."),
    ("shikomi tags my_project --where in:10_mychara", "Count the tags of one concept folder."),
)
def tags(
    project: ProjectPath = HERE,
    /,
    *,
    where: str = "",
    translations: Path | None = None,
    json: Json = False,
) -> int:
    """Count the tags of all captions, most frequent first.

    Args:
        where: Only images that match this filter.
        translations: CSV of translations (tag,translation) to show beside the tags.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        known = Translations(()) if translations is None else read_translations(translations)
        with Index(opened) as index:
            counts = index.tag_counts(where)
        for name, count in counts:
            yield events.TagCount(name, count, known.of(name))
        yield events.Finished({"tags": len(counts)})

    return operate(project, start, json=json, printer=_tag_line)


@examples(
    (
        "shikomi exclude my_project --where name:scan --reason blurry",
        "Exclude images with scan in their path; plan and export skip them.",
    ),
    (
        "shikomi exclude my_project --where excluded:yes --include",
        "Include all images again that were excluded before.",
    ),
)
def exclude(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ExcludeOptions],
    json: Json = False,
) -> int:
    """Exclude images from the dataset (files stay where they are), or include them again."""
    return operate(
        project, lambda opened: edit_op.exclude(opened, options), json=json, printer=_path_line
    )


@examples(
    (
        "shikomi concept my_project 10_mychara --trigger mychara",
        "Set the trigger word; shikomi edit my_project --rules writes it into captions.",
    ),
    (
        "shikomi concept my_project 10_mychara --repeats 4 --prune 'blue eyes'",
        "Show each image 4 times per epoch, and keep a tag out of the captions.",
    ),
)
def concept(
    project: ProjectPath,
    folder: str,
    /,
    *,
    options: Options[ConceptOptions] = ConceptOptions(),
    json: Json = False,
) -> int:
    """Set the trigger word, repeats, pruned tags and kind of a concept in shikomi.toml.

    Args:
        folder: Concept folder below dataset/, e.g. 10_mychara.
    """
    return operate(
        project,
        lambda opened: concept_op.run(opened, folder, options),
        json=json,
        rescan=False,
        summary=_concept_summary,
    )


def _concept_summary(found: dict[str, Any]) -> str:
    repeats = found["repeats"]
    parts = [
        f"trigger {found['trigger']}" if found["trigger"] else "no trigger word",
        f"repeats {repeats}" if repeats else "repeats of the folder's name",
    ]
    if found["prune"]:
        parts.append(f"never in captions: {', '.join(found['prune'])}")
    if found["regularization"]:
        parts.append("regularisation images")
    undo = f" (edit {found['edit']}; take it back with: shikomi undo)" if found["edit"] else ""
    return f"{found['folder']}: {', '.join(parts)}{undo}"


def _image_line(event: events.Event) -> str | None:
    if not isinstance(event, events.Image):
        return None
    state = event.error or (f"excluded: {event.excluded}" if event.excluded else event.caption)
    return f"{event.width:>5}x{event.height:<5} {event.path}  {state or '(no caption)'}"


def _tag_line(event: events.Event) -> str | None:
    if not isinstance(event, events.TagCount):
        return None
    return f"{event.count:>6}  {event.name}  {event.translation}".rstrip()


def _path_line(event: events.Event) -> str | None:
    return event.path if isinstance(event, events.Change) else None
