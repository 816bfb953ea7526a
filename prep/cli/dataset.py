"""The command line of dataset work: parse, call the operation, show its events. No logic here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from prep import events
from prep.cli import console
from prep.dataset.index import Index
from prep.errors import UserError
from prep.ops import edit as edit_op
from prep.ops import scan as scan_op
from prep.ops.edit import ExcludeOptions
from prep.project import ConceptSection, Project, initialise
from prep.system import jobs

ProjectPath = Annotated[
    Path, Parameter(help="Project folder, or any folder of images.", show_default=True)
]
Json = Annotated[bool, Parameter(help="Print events as JSON lines.", negative="")]
HERE = Path()


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

    def stream() -> Iterator[events.Event]:
        project = Project.open(path)
        if rescan:
            for event in scan_op.run(project):
                if isinstance(event, events.Progress):
                    yield event
        yield from start(project)

    return console.show(stream(), json=json, printer=printer, summary=summary)


def init(directory: Path, /, *, json: Json = False) -> int:
    """Make a new project: dataset/, model/, output/ and shikomi.toml.

    Args:
        directory: Folder of the new project; it is made when it does not exist.
    """

    def stream() -> Iterator[events.Event]:
        project = initialise(directory)
        yield events.Written(str(project.file))
        yield events.Finished({"project": str(project.root)})

    return console.show(
        stream(),
        json=json,
        summary=lambda s: (
            f"{s['project']}\nNext: put your images into dataset/10_NAME/, then run"
            f" shikomi {s['project']}"
        ),
    )


def scan(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """Find images and captions; list what cannot be read."""
    return operate(project, scan_op.run, json=json, rescan=False)


def ls(project: ProjectPath = HERE, /, *, where: str = "", json: Json = False) -> int:
    """List images.

    Args:
        where: Only images that match this filter, as: smile -hat* name:beach excluded:no.
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


def tags(project: ProjectPath = HERE, /, *, where: str = "", json: Json = False) -> int:
    """Count the tags of all captions, most frequent first.

    Args:
        where: Only images that match this filter.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        with Index(opened) as index:
            counts = index.tag_counts(where)
        for name, count in counts:
            yield events.TagCount(name, count)
        yield events.Finished({"tags": len(counts)})

    return operate(project, start, json=json, printer=_tag_line)


def exclude(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[ExcludeOptions, Parameter(name="*")],
    json: Json = False,
) -> int:
    """Leave images out of everything (files stay where they are), or take them in again."""
    return operate(
        project, lambda opened: edit_op.exclude(opened, options), json=json, printer=_path_line
    )


def concept(
    project: Path,
    folder: str,
    /,
    *,
    trigger: str | None = None,
    repeats: int | None = None,
    prune: tuple[str, ...] | None = None,
    regularization: bool | None = None,
    json: Json = False,
) -> int:
    """Set a concept's trigger word, repeats, pruned tags and kind in shikomi.toml.

    Args:
        project: Project folder.
        folder: Folder below dataset/, as 10_mychara.
        trigger: Trigger word; first in every caption. Write captions with: shikomi edit --rules.
        repeats: How often each image is seen per epoch.
        prune: Tags of the concept itself, left out of captions.
        regularization: Its images show what the concept is one of (1girl), so that the rest of
            the model stays as it is; they have no trigger word.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        if not (opened.dataset / folder).is_dir():
            raise UserError(f"There is no folder {folder} in {opened.dataset}.")
        given = {"trigger": trigger, "repeats": repeats, "prune": prune}
        given |= {"regularization": regularization}
        wanted = {key: value for key, value in given.items() if value is not None}
        saved = opened.saved({"concepts": {folder: wanted}}) if wanted else opened
        settings = saved.settings.concepts.get(folder, ConceptSection())
        yield events.Finished({"folder": folder, **settings.model_dump()})

    return operate(project, start, json=json)


def jobs_list(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """List jobs, newest first, and where they stand."""

    def start(opened: Project) -> Iterator[events.Event]:
        found = jobs.listed(opened.jobs)
        for job in found:
            state = jobs.status(job).state
            yield events.JobState(job.name, state, job.settings().title, str(job.directory))
        yield events.Finished({"jobs": len(found)})

    return operate(project, start, json=json, rescan=False, printer=_job_line)


def jobs_follow(project: ProjectPath = HERE, /, *, job: str = "", json: Json = False) -> int:
    """Show a job's progress until it ends; Ctrl+C stops looking, not the job.

    Args:
        job: Its name; the newest job when empty.
    """
    return operate(
        project, lambda opened: jobs.follow(find_job(opened, job)), json=json, rescan=False
    )


def jobs_stop(
    project: ProjectPath = HERE, /, *, job: str = "", now: bool = False, json: Json = False
) -> int:
    """Ask a running job to finish its step, save and end.

    Args:
        job: Its name; the newest job when empty.
        now: End it at once, without saving.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        found = find_job(opened, job)
        if not jobs.alive(found):
            raise UserError(f"The job {found.name} is not running.", "See: shikomi jobs list")
        jobs.send(found, "kill" if now else "stop")
        yield events.Finished({"job": found.name})

    return operate(project, start, json=json, rescan=False)


def find_job(project: Project, name: str) -> jobs.Job:
    """Return a job of the project by its name, or the newest one.

    Raises:
        UserError: There is no such job.
    """
    found = jobs.listed(project.jobs)
    for job in found:
        if name in ("", job.name):
            return job
    fault = f"There is no job {name}." if name else "There are no jobs yet."
    raise UserError(fault, "See: shikomi jobs list" if name else "Start one with: shikomi train")


def _image_line(event: events.Event) -> str | None:
    if not isinstance(event, events.Image):
        return None
    state = event.error or (f"excluded: {event.excluded}" if event.excluded else event.caption)
    return f"{event.width:>5}x{event.height:<5} {event.path}  {state or '(no caption)'}"


def _tag_line(event: events.Event) -> str | None:
    return f"{event.count:>6}  {event.name}" if isinstance(event, events.TagCount) else None


def _path_line(event: events.Event) -> str | None:
    return event.path if isinstance(event, events.Change) else None


def _job_line(event: events.Event) -> str | None:
    if not isinstance(event, events.JobState):
        return None
    return f"{event.state:<8} {event.name}  {event.title}"
