"""Content hashes of the exported pictures of a project.

The trainer draws its validation set by the contents of the files that it reads. While the
export in ``output/dataset`` is up to date, they are known in advance.
"""

from collections.abc import Sequence

from prep.dataset.index import ImageRow
from prep.project import Project
from prep.training_set import Format, training_set
from prep.training_set.manifest import Manifest

_FORMATS: tuple[Format, ...] = ("webp", "png")


def exported_contents(project: Project, rows: Sequence[ImageRow]) -> list[str] | None:
    """Return the content hash of each exported picture.

    Args:
        project: The project.
        rows: All images of the training set, hashed.

    Returns:
        One hash for each crop of each image, in order; ``None`` if the default export of these
        images does not exist or is out of date.
    """
    manifest = Manifest(project.output / "dataset")
    endings = {name.rpartition(".")[2] for name in manifest.names()}
    for image_format in _FORMATS:
        if image_format not in endings:
            continue
        examples = training_set(project, rows, image_format).examples
        outputs = [example.image for example in examples]
        found = [manifest.content(output.name, output.recipe) for output in outputs]
        if all(found):
            return found
    return None
