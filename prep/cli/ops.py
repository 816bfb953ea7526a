"""The command line of the larger operations, each importing its own only when it is called."""

from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.ops import export as export_op
from prep.ops.export import ExportOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi export my_project",
        "Write output/dataset/ with images, captions and dataset.toml for sd-scripts.",
    ),
    (
        "shikomi export my_project --layout onetrainer --format png",
        "Write output/onetrainer/ with PNG images and concepts.json.",
    ),
)
def export(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ExportOptions] = ExportOptions(),
    json: Json = False,
) -> int:
    """Write a training set for sd-scripts, the bundled trainer or another one.

    Only files that changed are written. Run shikomi check first.
    """
    return operate(project, lambda opened: export_op.run(opened, options), json=json)
