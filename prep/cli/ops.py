"""The command line of the larger operations, each importing its own only when it is called."""

from typing import Annotated

from cyclopts import Parameter

from prep.cli.dataset import HERE, Json, ProjectPath, operate
from prep.ops import export as export_op
from prep.ops.export import ExportOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


def export(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions(),
    json: Json = False,
) -> int:
    """Write a training set that sd-scripts and the bundled trainer read; see check first."""
    return operate(project, lambda opened: export_op.run(opened, options), json=json)
