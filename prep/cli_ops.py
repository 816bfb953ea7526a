"""The command line of the larger operations, each importing its own only when it is called."""

from typing import Annotated

from cyclopts import Parameter

from prep import events
from prep.cli import HERE, Json, ProjectPath, change_lines, operate
from prep.ops import buckets as buckets_op
from prep.ops import dupes as dupes_op
from prep.ops import export as export_op
from prep.ops import plan as plan_op
from prep.ops import tag as tag_op
from prep.ops.buckets import BucketsOptions
from prep.ops.dupes import DupesOptions
from prep.ops.export import ExportOptions
from prep.ops.plan import PlanOptions
from prep.ops.tag import TagOptions

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


def dupes(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[DupesOptions, Parameter(name="*")] = DupesOptions(),
    json: Json = False,
) -> int:
    """Find images that are the same picture; leave all but the best out, if asked to."""
    return operate(
        project, lambda opened: dupes_op.run(opened, options), json=json, printer=_group_lines
    )


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


def buckets(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[BucketsOptions, Parameter(name="*")] = BucketsOptions(),
    json: Json = False,
) -> int:
    """Show which bucket each image falls into, by the arithmetic of sd-scripts."""
    return operate(
        project, lambda opened: buckets_op.run(opened, options), json=json, printer=_bucket_line
    )


def plan(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[PlanOptions, Parameter(name="*")] = PlanOptions(),
    json: Json = False,
) -> int:
    """Count repeats, exposures and steps, with the arithmetic shown."""
    return operate(
        project,
        lambda opened: plan_op.run(opened, options),
        json=json,
        summary=lambda found: "\n".join(found["arithmetic"]),
    )


def export(
    project: ProjectPath = HERE,
    /,
    *,
    options: Annotated[ExportOptions, Parameter(name="*")] = ExportOptions(),
    json: Json = False,
) -> int:
    """Write a training set that sd-scripts and the bundled trainer read."""
    return operate(project, lambda opened: export_op.run(opened, options), json=json)


def _group_lines(event: events.Event) -> str | None:
    if not isinstance(event, events.Group):
        return None
    lines = [f"{event.reason}: {event.why}" if event.why else event.reason]
    for path, distance in zip(event.images, event.distances, strict=True):
        mark = "keep" if path == event.keep else f"{distance:>4}"
        lines.append(f"  {mark}  {path}")
    return "\n".join(lines)


def _bucket_line(event: events.Event) -> str | None:
    if not isinstance(event, events.Bucket):
        return None
    return f"{event.width:>5}x{event.height:<5} {len(event.images):>6} images"
