"""The command line of crops and of what trainers see; each operation is imported when called."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prep import events
from prep.cli.dataset import HERE, Json, ProjectPath, operate
from prep.ops import buckets as buckets_op
from prep.ops import crop as crop_op
from prep.ops import preview as preview_op
from prep.ops.buckets import BucketsOptions
from prep.ops.crop import CropOptions
from prep.ops.preview import PreviewOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


def crop(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[CropOptions, Parameter(name="*")] = CropOptions(),
    json: Json = False,
) -> int:
    """Crop images for training (files stay as they are); one step of undo."""
    return operate(
        project, lambda opened: crop_op.run(opened, options), json=json, printer=_crop_lines
    )


def buckets(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[BucketsOptions, Parameter(name="*")] = BucketsOptions(),
    json: Json = False,
) -> int:
    """Show which bucket each image falls into, by the arithmetic of the trainer."""
    return operate(
        project, lambda opened: buckets_op.run(opened, options), json=json, printer=_bucket_lines
    )


def preview(
    project: Path,
    image: str,
    /,
    *,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Show one image as sd-scripts, OneTrainer and the exported set will have it.

    Args:
        project: Project folder.
        image: The image: its path, or any part of it that only one image has.
        out: Write a picture of it: what is kept, what is cut off (red), and the results.
    """
    options = PreviewOptions(image=image, out=out)
    return operate(
        project, lambda opened: preview_op.run(opened, options), json=json, printer=_bucket_lines
    )


def _crop_lines(event: events.Event) -> str | None:
    if not isinstance(event, events.Crop):
        return None
    if not event.parts:
        return f"{event.path}\n  all of it"
    lines = [event.path]
    for (left, top, right, bottom), bucket in zip(event.parts, event.buckets, strict=True):
        share = (right - left) * (bottom - top) / (event.width * event.height)
        lines.append(
            f"  {right - left}x{bottom - top} at {left},{top} ({share:.0%} of it)"
            f" -> bucket {bucket[0]}x{bucket[1]}"
        )
    return "\n".join(lines)


def _bucket_lines(event: events.Event) -> str | None:
    if isinstance(event, events.Bucket):
        line = f"{event.width:>5}x{event.height:<5} {len(event.images):>6} images"
        line += f" {event.exposures:>7} exposures {event.batches:>6} batches"
        return line + (f"  ({event.rest} over)" if event.rest else "")
    return _seen_lines(event) if isinstance(event, events.Seen) else None


def _seen_lines(event: events.Seen) -> str:
    left, top, right, bottom = event.part
    part = f"{right - left}x{bottom - top}"
    lines = [f"{event.path}  [{event.trainer}]"]
    if event.bucket:
        line = f"  {part} x{event.scale:.2f} = {event.scaled[0]}x{event.scaled[1]}"
        line += f" -> bucket {event.bucket[0]}x{event.bucket[1]}"
        sides = zip(("left", "top", "right", "bottom"), event.strips, strict=True)
        strips = [f"{side} {pixels}" for side, pixels in sides if pixels]
        if strips:
            line += f", {event.cut:.1%} cut off ({', '.join(strips)} px)"
        lines.append(line)
    return "\n".join([*lines, *(f"  ! {note}" for note in event.notes)])
