"""The command line of what comes in and goes out: import, diff, push."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.cli.arguments import Json, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import quantity
from prep.ops import diff as diff_op
from prep.ops import importing
from prep.ops import push as push_op
from prep.ops.importing import ImportOptions
from prep.ops.push import PushOptions


@examples(
    (
        "shikomi import my_project kohya/img --dry-run",
        "Show what a folder of kohya_ss would add to the project.",
    ),
    (
        "shikomi import my_project photos.zip --as 5_mychara",
        "Import the images of a zip file into one concept folder, with 5 repeats.",
    ),
)
def import_(
    project: Path,
    source: Path,
    /,
    *,
    concept: Annotated[str, Parameter(name="--as")] = "",
    family: Literal["sd15", "sdxl"] | None = None,
    link: Annotated[bool, Parameter(negative="--copy")] = False,
    dry_run: bool = False,
    json: Json = False,
) -> int:
    """Import images, captions and settings of kohya_ss, OneTrainer, TagGUI and others.

    The source is not changed, and nothing in the project is overwritten. shikomi undo takes the
    whole import back.

    Args:
        project: Project folder; created if it does not exist.
        source: A folder, a zip file, or the file that describes a dataset: dataset.toml,
            concepts.json, metadata.jsonl, .csv or .parquet.
        concept: Put all images into this folder below dataset/, e.g. 10_mychara.
        family: Base model family of a new project: sd15 (512 px) or sdxl (1024 px: Illustrious,
            NoobAI, Pony). Default: sd15.
        link: Make hard links to the images instead of copies. Captions are always copied.
        dry_run: Only show what would be imported.
    """
    options = ImportOptions(concept=concept, family=family, link=link, dry_run=dry_run)
    return console.show(
        importing.run(project, source, options),
        json=json,
        printer=_imported_line,
        summary=_import_summary,
    )


def _imported_line(event: events.Event) -> str | None:
    if not isinstance(event, events.Imported):
        return None
    extras = [] if event.caption else ["no caption"]
    extras += [quantity(event.masks, "mask")] if event.masks else []
    return f"{event.path}  <- {event.source}" + (f"  ({', '.join(extras)})" if extras else "")


def _import_summary(found: dict[str, Any]) -> str:
    text = (
        f"{found['format']}: {quantity(found['images'], 'image')},"
        f" {quantity(found['captions'], 'caption')}, {quantity(found['masks'], 'mask')};"
        f" {found['unchanged']} already there, {found['skipped']} skipped"
    )
    return text + ("\nTake it back with: shikomi undo" if found["edit"] else "")


@examples(
    (
        "shikomi diff my_project/output/dataset my_project",
        "Show what has changed in the project since it was last exported.",
    ),
    (
        "shikomi diff first_export second_export --json",
        "Compare two exports, and print each difference as JSON.",
    ),
)
def diff(before: Path, after: Path, /, *, json: Json = False) -> int:
    """Compare two training sets image by image; the exit code is 1 if they differ.

    Args:
        before: An export, a project in its current state, or any dataset that can be imported.
        after: What to compare it with: the same kinds of folders.
    """
    return console.show(
        diff_op.run(before, after), json=json, printer=_difference_lines, summary=_diff_summary
    )


@examples(
    (
        "shikomi push my_project me/my-dataset --dry-run",
        "Show which files would be uploaded, and which removed from the repository.",
    ),
    (
        "shikomi push my_project me/my-dataset --public",
        "Upload the training set; a repository created by this is public.",
    ),
)
def push(
    project: ProjectPath,
    repository: str,
    /,
    *,
    public: bool = False,
    dry_run: bool = False,
    json: Json = False,
) -> int:
    """Upload the training set to the Hugging Face hub as an imagefolder dataset.

    Log in first, with: hf auth login

    Args:
        repository: Name on the hub, e.g. me/my-dataset; created if it does not exist.
        public: Make a newly created repository public instead of private.
        dry_run: Only show what would be uploaded and removed.
    """
    options = PushOptions(repository=repository, public=public, dry_run=dry_run)
    return operate(project, lambda opened: push_op.run(opened, options), json=json)


_SIGNS = {"added": "+", "removed": "-"}


def _difference_lines(event: events.Event) -> str | None:
    if isinstance(event, events.TagDiffers):
        came = [f"+{event.added}"] if event.added else []
        gone = [f"-{event.removed}"] if event.removed else []
        return f"tag {event.name}: {' '.join([*came, *gone])}"
    if not isinstance(event, events.Differs):
        return None
    if event.what in _SIGNS:
        return f"{_SIGNS[event.what]} {event.path}"
    if event.what == "tags":
        changes = [*(f"+{tag}" for tag in event.added), *(f"-{tag}" for tag in event.removed)]
        return f"~ {event.path}: {', '.join(changes)}"
    if event.what == "pixels":
        return f"~ {event.path}: other pixels"
    if event.what == "mask":
        verb = "changed" if event.before and event.after else "added" if event.after else "removed"
        return f"~ {event.path}: mask {verb}"
    if event.what == "caption":
        return f"~ {event.path}: caption\n  - {event.before}\n  + {event.after}"
    return f"~ {event.path}: {event.what} {event.before or '(none)'} -> {event.after or '(none)'}"


def _diff_summary(found: dict[str, Any]) -> str:
    before, after = quantity(found["before"], "image"), quantity(found["after"], "image")
    if found["same"]:
        return f"The same: {before} before, {after} after."
    kinds = [f"{kind} {n}" for kind, n in found.items() if kind not in _NO_KIND and n]
    return f"Different: {', '.join(kinds)}. {before} before, {after} after."


_NO_KIND = ("same", "before", "after")
