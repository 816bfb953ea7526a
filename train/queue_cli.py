"""The command line of the queue of runs."""

from collections.abc import Iterator

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, ProjectPath
from prep.cli.examples import examples
from prep.project import Project
from train.job import begin


@examples(
    ("shikomi jobs start my_project", "Go on after the computer was switched off."),
    (
        "shikomi jobs start my_project --json",
        "The same in a script that runs when the computer starts, such as crontab's @reboot.",
    ),
)
def jobs_start(project: ProjectPath = HERE, /, *, json: Json = False) -> int:
    """Go on with training after a restart of the computer.

    The run that was under way continues from its newest state; those that waited in the queue run
    after it, in their order.
    """

    def stream() -> Iterator[events.Event]:
        started = yield from begin.restart_queue(Project.open(project))
        yield events.Finished({"started": [job.name for job in started]})

    return console.show(stream(), json=json, summary=_summary)


def _summary(summary: dict[str, list[str]]) -> str:
    names = summary["started"]
    return "\n".join(f"started {name}" for name in names) or "nothing to start"
