"""The command line of the larger operations, each importing its own only when it is called."""

from typing import Annotated

from cyclopts import Parameter

from prep.cli.dataset import HERE, Json, ProjectPath, change_lines, operate
from prep.ops import export as export_op
from prep.ops import tag as tag_op
from prep.ops.export import ExportOptions
from prep.ops.tag import TagOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


def tag(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[TagOptions, Parameter(name="*")] = TagOptions(),
    json: Json = False,
) -> int:
    """Tag images with a WD tagger and write captions; hand-made tags stay."""
    return operate(
        project, lambda opened: tag_op.run(opened, options), json=json, printer=change_lines
    )


def export(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions(),
    json: Json = False,
) -> int:
    """Write a training set that sd-scripts and the bundled trainer read; see check first."""
    return operate(project, lambda opened: export_op.run(opened, options), json=json)
