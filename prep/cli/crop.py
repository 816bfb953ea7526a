"""The command line of crops, heads and what trainers see; operations are imported when called."""

from pathlib import Path
from typing import Any

from prep import events
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.language import _, english, quantity
from prep.ops import buckets as buckets_op
from prep.ops import crop as crop_op
from prep.ops import heads as heads_op
from prep.ops import preview as preview_op
from prep.ops.buckets import BucketsOptions
from prep.ops.crop import CropOptions
from prep.ops.heads import HeadOptions
from prep.ops.preview import PreviewOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi crop my_project --where 'ar>1.4' --subject --aspect 2:3",
        "Crop wide images to upright ones, each around its subject.",
    ),
    (
        "shikomi crop my_project --where name:sticker --set 0.1,0,0.8,1",
        "Crop a tenth off the left and the right of one image.",
    ),
)
def crop(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[CropOptions] = CropOptions(),
    json: Json = False,
) -> int:
    """Crop images for training, by hand or automatically.

    Crops are applied by the export: image files are not changed. The whole run is one step of
    undo.
    """
    return operate(
        project, lambda opened: crop_op.run(opened, options), json=json, printer=_crop_lines
    )


@examples(
    ("shikomi buckets my_project", "Count the images in each bucket."),
    (
        "shikomi buckets my_project --trainer sd-scripts --each --where in:10_mychara",
        "Show how sd-scripts would scale and cut each image of one concept.",
    ),
)
def buckets(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[BucketsOptions] = BucketsOptions(),
    json: Json = False,
) -> int:
    """Show the bucket of each image, calculated as the trainer does."""
    return operate(
        project, lambda opened: buckets_op.run(opened, options), json=json, printer=_bucket_lines
    )


@examples(
    (
        "shikomi preview my_project sticker",
        "Show bucket, scale and cut of the image with sticker in its path.",
    ),
    (
        "shikomi preview my_project sticker --out preview.png",
        "Also draw what is kept and, in red, what is cut off.",
    ),
)
def preview(
    project: ProjectPath,
    image: str,
    /,
    *,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Show one image as sd-scripts and OneTrainer see it, and as it is exported.

    Args:
        image: Path of the image, or any part of it that occurs in no other path.
        out: Draw the image with the areas that are kept and cut off (red) into this file.
    """
    options = PreviewOptions(image=image, out=out)
    return operate(
        project, lambda opened: preview_op.run(opened, options), json=json, printer=_bucket_lines
    )


@examples(
    (
        "shikomi heads my_project --model head_detect_v1.6_s",
        "Find the heads in all images; the detector is downloaded on first use.",
    ),
    (
        "shikomi heads my_project --model demo --cut",
        "List the images that lose a head to a crop or to their bucket.",
    ),
)
def heads(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[HeadOptions] = HeadOptions(),
    json: Json = False,
) -> int:
    """Find the heads in images, and list those that training would cut off.

    What was found is stored: a detector looks at each image only once. With head_detector in
    [crops] of shikomi.toml, check, crop, review and the application know the heads, too.
    """
    return operate(
        project,
        lambda opened: heads_op.run(opened, options),
        json=json,
        printer=_head_lines,
        summary=_head_summary,
    )


def _head_lines(event: events.Event) -> str | None:
    if not isinstance(event, events.Heads):
        return None
    line = f"{quantity(len(event.heads), 'head')}  {event.path}"
    places = (
        f"    {right - left}x{bottom - top} at {left},{top} ({score:.0%})"
        for (left, top, right, bottom), score in zip(event.heads, event.scores, strict=True)
    )
    return "\n".join([line, *places, *(f"    ! {clause}" for clause in event.cut)])


def _head_summary(found: dict[str, Any]) -> str:
    line = english(
        "{count} head in {images}",
        "{count} heads in {images}",
        found["heads"],
        images=quantity(found["images"], "image"),
    )
    provider = found["provider"].replace("ExecutionProvider", "")
    model = found["model"]
    line += f"; {model} on {provider}" if provider else f"; {model} (all were known)"
    line += f"; {found['without']} without a head"
    cut = english(
        "{count} loses a head to a crop or to its bucket",
        "{count} lose a head to a crop or to their bucket",
        found["cut"],
    )
    return f"{line}\n{cut}"


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
        line = f"{event.width:>5}x{event.height:<5} {quantity(len(event.images), 'image'):>13}"
        line += f" {quantity(event.exposures, 'exposure'):>17}"
        line += f" {quantity(event.batches, 'batch', 'batches'):>14}"
        return line + (f"  ({event.rest} over)" if event.rest else "")
    return _seen_lines(event) if isinstance(event, events.Seen) else None


def _seen_lines(event: events.Seen) -> str:
    left, top, right, bottom = event.part
    part = f"{right - left}x{bottom - top}"
    lines = [f"{event.path}  [{event.trainer}]"]
    if event.bucket:
        line = f"  {part} x{event.scale:.2f} = {event.scaled[0]}x{event.scaled[1]}"
        line += f" -> {_('bucket')} {event.bucket[0]}x{event.bucket[1]}"
        sides = zip(("left", "top", "right", "bottom"), event.strips, strict=True)
        strips = [f"{side} {pixels}" for side, pixels in sides if pixels]
        if strips:
            line += f", {event.cut:.1%} cut off ({', '.join(strips)} px)"
        lines.append(line)
    return "\n".join([*lines, *(f"  ! {note}" for note in event.notes)])
