"""The command line of regularisation images."""

from collections.abc import Iterator, Mapping
from typing import Any

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.examples import examples
from prep.language import quantity
from prep.project import Project
from train.extra import configure_libraries, require_training
from train.sampling.options import RegularizeOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi regularize my_project --prompt '1girl, solo' --dry-run",
        "Show how many images would be drawn for the class 1girl, and where.",
    ),
    (
        "shikomi regularize my_project --prompt 1girl --negative lowres --count 20",
        "Draw until dataset/1_1girl holds 20 images; the same command goes on after an interrupt.",
    ),
)
def regularize(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[RegularizeOptions] = RegularizeOptions(),
    json: Json = False,
) -> int:
    """Generate regularisation images with the base model.

    They show what the base model knows about a class such as 1girl, so that it does not forget it
    while it learns one character. Their folder is marked as regularisation, and each image gets its
    prompt as caption.
    """

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        from train.sampling import regularize as drawing

        yield from drawing.run(Project.open(project), options)

    return console.show(stream(), json=json, printer=_line, summary=_summary)


def _line(event: events.Event) -> str | None:
    return event.path if isinstance(event, events.Sample) else None


def _summary(found: Mapping[str, Any]) -> str:
    kept = f"; {found['kept']} are there already" if found["kept"] else ""
    verb = "would be drawn" if found["dry_run"] else "drawn"
    return f"{quantity(found['images'], 'image')} {verb} into {found['folder']}{kept}"
