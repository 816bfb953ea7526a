"""Find the heads in images, and list those that training would cut off."""

from collections.abc import Iterator

from pydantic import Field

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.images.crops import Box
from prep.images.crops.heads import Head
from prep.project import Project, Section
from prep.tagging.heads import Heads, detected, detector_of
from prep.tagging.models import detectors
from prep.tagging.runtime.providers import Device
from prep.tagging.runtime.running import Running
from prep.training_set.heads import head_cuts


class HeadOptions(Section):
    """Which images, and with which detector."""

    where: str = ""
    """Only images that match this filter."""
    model: str = ""
    """Head detector: a folder with a model.onnx, a known name (head_detect_v1.6_s), a folder of a
    repository on the Hugging Face hub as OWNER/NAME/FOLDER, or demo. Default: head_detector of
    [crops] in shikomi.toml."""
    threshold: float | None = Field(None, ge=0.1, lt=1.0)
    """Minimum score of a head. Default: head_threshold of [crops], else what the detector
    recommends."""
    cut: bool = False
    """List only images of which training would cut a head off."""
    batch: int = Field(0, ge=0, le=1024)
    """Batch size; 0 for one that suits the device."""
    threads: int = Field(0, ge=0, le=1024)
    """Number of threads for decoding and for models on the CPU; 0 for one per core."""
    device: Device = "auto"
    """Device that runs the model."""


def run(project: Project, options: HeadOptions | None = None) -> Iterator[events.Event]:
    """Look for heads in the usable images that match; once in each, whatever it is called.

    Yields:
        Downloading and Progress of a download; Progress; Skipped for images that cannot be read;
        Warned; Heads for each image; Finished with ``images``, ``heads``, ``without`` (images
        without a head), ``cut`` (images that lose one), ``model`` and ``provider`` (empty if all
        heads were known).

    Raises:
        ConfigError: The filter is not valid.
        UserError: There is no detector, or it is broken; RetryError if the network may be the
            reason.
    """
    options = options or HeadOptions()
    model = options.model or detector_of(project)
    with Index(project) as index:
        rows = [row for row in index.select(options.where) if row.usable]
        files = yield from detectors.obtain(model, project.root)
        running = Running(options.device, options.batch, options.threads)
        detector = yield from detected(index, rows, files, model, running)
        rows = [row for row in index.rows([row.id for row in rows]) if row.usable]
        found = Heads(index, model, options.threshold).of(rows)
        boxes = stored_crops.read(index.connection)
    told = [
        _event(project, row, found[row.path], boxes.get(row.path, ()))
        for row in rows
        if row.path in found
    ]
    yield from (event for event in told if event.cut or not options.cut)
    yield events.Finished(
        {
            "images": len(told),
            "heads": sum(len(event.heads) for event in told),
            "without": sum(not event.heads for event in told),
            "cut": sum(bool(event.cut) for event in told),
            "model": files.name,
            "provider": "" if detector is None else detector.choice.provider,
        }
    )


def _event(
    project: Project, row: ImageRow, heads: tuple[Head, ...], boxes: tuple[Box, ...]
) -> events.Heads:
    cuts = head_cuts(project, row, heads, boxes)
    return events.Heads(
        row.path,
        [list(head.box.pixels((row.width, row.height)).corners) for head in heads],
        [round(head.score, 4) for head in heads],
        [cut.words for cut in cuts],
    )
