"""The command line of jobs: list, follow, stop.

Nothing here opens the project's databases: jobs must be seen and stopped on a full disk, too.
"""

from collections.abc import Callable, Iterator
from typing import Annotated

from cyclopts import Parameter, validators

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, ProjectPath
from prep.cli.examples import examples
from prep.cli.run_lines import run_line
from prep.errors import UserError
from prep.project import Project
from prep.system import jobs, queue

Place = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""A place in the queue."""


@examples(
    ("shikomi jobs list my_project", "List jobs and whether they are running."),
    ("shikomi jobs list my_project --json", "The same for scripts, with the folder of each job."),
)
def jobs_list(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """List jobs and their states, newest first; queued ones with their place in the queue."""

    def start(opened: Project) -> Iterator[events.Event]:
        found = jobs.listed(opened.jobs)
        waiting = queue.waiting(opened.jobs)
        for job in found:
            state, title = jobs.status(job).state, job.settings().title
            place = waiting.index(job) + 1 if job in waiting else 0
            yield events.JobState(job.name, state, title, str(job.directory), place)
        yield events.Finished({"jobs": len(found)})

    return _show(project, start, json=json, printer=_job_line)


@examples(
    ("shikomi jobs follow my_project", "Follow the job that runs, for instance after a new login."),
    (
        "shikomi jobs follow my_project --job 20260301-181500-train",
        "Follow the job of this name; shikomi jobs list shows the names.",
    ),
)
def jobs_follow(project: ProjectPath = HERE, /, *, job: str = "", json: Json = False) -> int:
    """Show a job's progress until it ends; Ctrl+C stops following, not the job.

    Args:
        job: Name of the job. Default: the job that runs, or the newest.
    """
    return _show(
        project,
        lambda opened: jobs.follow(find_job(opened, job)),
        json=json,
        printer=run_line,
    )


@examples(
    (
        "shikomi jobs stop my_project",
        "Stop the job that runs; shikomi train --resume continues it.",
    ),
    (
        "shikomi jobs stop my_project --job 20260301-181500-train --now",
        "End this job at once: what came after its last saved state is lost.",
    ),
)
def jobs_stop(
    project: ProjectPath = HERE, /, *, job: str = "", now: bool = False, json: Json = False
) -> int:
    """Stop a running job after its current step; training saves its state first.

    A queued job leaves the queue.

    Args:
        job: Name of the job. Default: the job that runs, or the newest.
        now: End the job at once, without saving.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        found = find_job(opened, job)
        if jobs.alive(found):
            jobs.send(found, "kill" if now else "stop")
        elif queue.ticket(found) is not None:
            queue.withdraw(found)
        else:
            raise UserError(f"The job {found.name} is not running.", "See: shikomi jobs list")
        yield events.Finished({"job": found.name})

    return _show(project, start, json=json)


@examples(
    (
        "shikomi jobs move my_project --job 20260301-181500-train",
        "Let this run be the next one; shikomi jobs list shows the names and places.",
    ),
    (
        "shikomi jobs move my_project --job 20260301-181500-train --to 3",
        "Put it in the third place of the queue.",
    ),
)
def jobs_move(
    project: ProjectPath = HERE, /, *, job: str, to: Place = 1, json: Json = False
) -> int:
    """Give a queued run another place in the queue.

    Args:
        job: Name of the job.
        to: Its new place; 1 is the next one.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        found = find_job(opened, job)
        queue.move(found, to)
        order = queue.waiting(opened.jobs)
        place = order.index(found) + 1 if found in order else 0
        yield events.Finished({"job": found.name, "place": place})

    return _show(project, start, json=json)


def _show(
    path: ProjectPath,
    start: Callable[[Project], Iterator[events.Event]],
    *,
    json: bool,
    printer: console.Printer | None = None,
) -> int:
    def stream() -> Iterator[events.Event]:
        yield from start(Project.open(path))

    return console.show(stream(), json=json, printer=printer)


def find_job(project: Project, name: str) -> jobs.Job:
    """Return a job of the project by its name; without one the job that runs, or the newest.

    Raises:
        UserError: There is no such job.
    """
    found = jobs.listed(project.jobs)
    if not found and not name:
        raise UserError("There are no jobs yet.", "Start one with: shikomi train")
    for job in found:
        if job.name == name or (not name and jobs.status(job).state == "running"):
            return job
    if name:
        raise UserError(f"There is no job {name}.", "See: shikomi jobs list")
    return found[0]


def _job_line(event: events.Event) -> str | None:
    if not isinstance(event, events.JobState):
        return None
    state = f"{event.state} {event.place}" if event.place else event.state
    return f"{state:<9} {event.name}  {event.title}"
