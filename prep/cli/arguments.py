"""Parameters that many verbs share."""

from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter, validators

_Model = TypeVar("_Model")

ProjectPath = Annotated[Path, Parameter(help="Project folder, or any folder of images.")]
"""The project a verb works on: its first positional argument."""
ProjectOrChoice = Annotated[
    Path | None,
    Parameter(
        help="Project folder, or any folder of images. By default the current folder, or a choice"
        " where it has no images."
    ),
]
"""The project that the application opens, on a terminal or in a browser."""
HERE = Path()
"""Default of ``ProjectPath`` where no further argument must follow it: the current folder."""
Json = Annotated[bool, Parameter(help="Print events as JSON lines.")]
ShownCount = Annotated[int, Parameter(validator=validators.Number(gte=0))]
"""How many results are printed; 0 for all."""
Options = Annotated[_Model, Parameter(name="*")]
"""``Options[EditOptions]``: every field of the model is an option of the verb."""
