"""Crop images: by hand, by shape, around the subject, without borders. Undoable.

A crop is a rectangle in ``work.db``; the files are not changed. Every crop is made *legal*, so
that a trainer cuts nothing more off (``prep.images.crops.snapping``), unless disabled.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple
from typing import Literal

from PIL import Image

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal import changes
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Journal, Outcome
from prep.errors import ConfigError, UnreadableError, UserError
from prep.images import crops, decode
from prep.images.buckets import Buckets, Size
from prep.images.crops import WHOLE, Box, Rect, borders
from prep.images.crops.heads import Head, is_clear, moved_clear, within
from prep.images.crops.snapping import centre, largest, parse_shape, placed, snapped
from prep.images.crops.subject import proposal
from prep.ops.edit import report
from prep.project import Project, Section
from prep.system.parallel import ordered
from prep.tagging.heads import Heads, look
from prep.training_set.heads import head_cuts

Kind = Literal["subject", "borders", "usual"]
HeadsOf = Mapping[str, Sequence[Head]]
"""The heads of images, by path, as far as they are known."""


class CropOptions(Section):
    """Which images to crop, and how; borders go first, then a subject is looked for inside."""

    where: str = ""
    """Only images that match this filter."""
    set: tuple[str, ...] = ()
    """Crop by hand, as X,Y,WIDTH,HEIGHT in fractions (0.1,0,0.8,1) or in pixels (64,0,512,768);
    0,0,1,1 is the whole image. Repeatable, for several crops of an image."""
    aspect: str = ""
    """Aspect ratio of the crop, as WIDTH:HEIGHT, e.g. 2:3; rounded to the nearest bucket. Without
    --set or --subject: the largest such part in the middle."""
    bucket: str = ""
    """Aspect ratio of the bucket with this size, e.g. 832x1216."""
    subject: bool = False
    """Place the crop around the subject, found by saliency (no model, no network)."""
    close: bool = False
    """With --subject: crop closely around it instead of cutting off as little as possible."""
    borders: bool = False
    """Cut off uniform borders such as letterboxes and frames of screenshots."""
    add: bool = False
    """Keep the existing crops, or the whole image if there are none, and add this one."""
    snap: bool = True
    """Adjust crops to the aspect ratio of their bucket, so that nothing else is cut off."""
    clear: bool = False
    """Remove the crops: the whole image is trained."""
    dry_run: bool = False
    """Only show what would change."""

    @property
    def shape(self) -> str:
        """The requested aspect ratio, as text; empty for that of the picture."""
        return self.aspect or self.bucket

    @property
    def title(self) -> str:
        """A line for the history."""
        parts = [f"crop to {' and '.join(self.set)}"] if self.set else []
        parts += ["without borders"] if self.borders else []
        parts += ["closely"] if self.close else []
        parts += ["around the subject"] if self.subject else []
        parts += [f"to the shape {self.shape}"] if self.shape else []
        if self.clear:
            return "remove crops"
        text = " ".join(parts)
        return text if text.startswith("crop") else f"crop {text}" if text else ""


def run(project: Project, options: CropOptions) -> Iterator[events.Event]:
    """Crop the usable images that match.

    Yields:
        Progress; a Crop for each image that changes, and Warned where one by hand cuts a head off;
        Skipped for images that cannot be read, or that no crop fits; Finished with ``changed``,
        ``edit`` (its number, 0 for a dry run), ``conflicts`` and ``crops`` (how many the changed
        images have now).

    Raises:
        ConfigError: The filter or a shape is not valid, or there is nothing to do.
    """
    _check(options)
    buckets = project.buckets
    shape = parse_shape(options.shape, buckets) if options.shape else None
    with Index(project) as index:
        rows = [row for row in index.select(options.where) if row.usable]
        before = stored_crops.read(index.connection)
        heads = yield from _heads(index, rows, options)
        cropper = _Cropper(buckets, shape, options, heads)
        changes = yield from _changes(project, rows, before, cropper)
        outcome = Outcome(0, options.title, changes)
        if not options.dry_run:
            outcome = Journal(index).apply(options.title, changes)
    by_path = {row.path: row for row in rows}
    made = [_event(by_path[change.path], change, buckets) for change in outcome.changed]
    yield from made
    for change in outcome.changed:
        yield from _warned(project, by_path[change.path], change, heads)
    for event in report(outcome):
        if isinstance(event, events.Finished):
            count = sum(len(crop.boxes) for crop in made)
            yield events.Finished({**event.summary, "crops": count})
        elif isinstance(event, events.Skipped):
            yield event


def proposed(index: Index, row: ImageRow, options: CropOptions) -> list[Change]:
    """Return the change that crops one image, or none if there is nothing to cut off.

    Raises:
        UserError: The image cannot be read, or has changed since the last scan.
    """
    before = stored_crops.read(index.connection)
    found: list[Change] = []

    def kept() -> Iterator[events.Event]:
        heads = yield from _heads(index, [row], options)
        cropper = _Cropper(index.project.buckets, None, options, heads)
        found.extend((yield from _changes(index.project, [row], before, cropper)))

    for event in kept():
        if isinstance(event, events.Skipped):
            raise UserError(f"{event.path}: {event.reason}.")
    return found


def suggestions(
    project: Project, row: ImageRow, usual: Size | None = None, heads: Sequence[Head] = ()
) -> dict[Kind, Box]:
    """Return crops of one image that ``run`` would make, without those that cut nothing off.

    Args:
        project: The project.
        row: A readable image.
        usual: A bucket whose proportions the image could have.
        heads: The heads that are known in it.

    Raises:
        UserError: It cannot be read, or has changed since the last scan.
    """
    image = decode(project.root / row.path)
    if image.size != (row.width, row.height):
        raise UserError(f"{row.path} has changed since the last scan.", "Scan again: shikomi scan")
    options: dict[Kind, CropOptions] = {
        "subject": CropOptions(subject=True),
        "borders": CropOptions(borders=True),
    }
    if usual is not None:
        options["usual"] = CropOptions(subject=True, bucket=f"{usual[0]}x{usual[1]}")
    found: dict[Kind, Box] = {}
    for kind, each in options.items():
        shape = parse_shape(each.shape, project.buckets) if each.shape else None
        try:
            boxes = _Cropper(project.buckets, shape, each, {row.path: heads}).boxes(row, image)
        except ConfigError:  # it would cut a head off
            continue
        if boxes and boxes[0] != WHOLE:
            found[kind] = boxes[0]
    return found


def _event(row: ImageRow, change: Change, buckets: Buckets) -> events.Crop:
    boxes = crops.from_text(change.after)
    parts = [box.pixels((row.width, row.height)) for box in boxes]
    fits = [list(buckets.fit(part.size).bucket) for part in parts]
    numbers = [list(astuple(box)) for box in boxes]
    corners = [list(part.corners) for part in parts]
    return events.Crop(row.path, row.width, row.height, numbers, corners, fits)


def _check(options: CropOptions) -> None:
    if not options.title:
        raise ConfigError(
            "Nothing to do.", "Give --set, --aspect, --bucket, --subject, --borders or --clear."
        )
    for text in options.set:
        crops.numbers(text)
    others = (options.set, options.shape, options.subject, options.borders, options.add)
    if options.clear and any(others):
        raise ConfigError("--clear can only be combined with --where.", "Run it first, then crop.")
    if options.set and (options.subject or options.borders):
        raise ConfigError(
            "--set cannot be combined with --subject or --borders.",
            "Use one or the other; --add keeps existing crops.",
        )
    if options.aspect and options.bucket:
        raise ConfigError("--aspect and --bucket exclude each other.", "Give only one of them.")
    if options.close and not options.subject:
        raise ConfigError("--close requires --subject.", "Add --subject.")


class _Cropper:
    """Finds the crops of one image after another; used by several threads."""

    def __init__(
        self, buckets: Buckets, shape: Size | None, options: CropOptions, heads: HeadsOf
    ) -> None:
        self._buckets, self._shape, self._options = buckets, shape, options
        self._heads = heads
        self.looks = options.subject or options.borders

    def boxes(self, row: ImageRow, image: Image.Image | None) -> list[Box]:
        """Return the new crops of an image; none if there is nothing to cut off.

        Raises:
            ConfigError: A crop by hand does not fit the image, or any other would cut a head off.
        """
        size, options = (row.width, row.height), self._options
        heads = self._heads.get(row.path, ())
        if options.set:
            wanted = [crops.parse(text, size).pixels(size) for text in options.set]
            return [self._by_hand(rect, size, heads).box(size) for rect in wanted]
        room, inside = Rect(0, 0, *size), False
        if options.borders and image is not None:
            inner = borders.inner(image)
            room, inside = inner or room, inner is not None
        if options.subject and image is not None:
            return [_whole_heads(self._subject(image, room, heads)).box(size)]
        if self._shape is not None:
            part = largest(self._buckets, self._shape, room.size)
            found = moved_clear(heads, placed(part, centre(room), room), room, size)
            return [_whole_heads(found).box(size)]
        if not inside:
            return []
        found = moved_clear(heads, self._snapped(room, size, inside=True), room, size)
        return [_whole_heads(found).box(size)]

    def _subject(self, image: Image.Image, room: Rect, heads: Sequence[Head]) -> Rect | None:
        part = image.crop(room.corners) if room.size != image.size else image
        inside = within(heads, room, image.size)
        found = proposal(part, self._buckets, self._shape, close=self._options.close, heads=inside)
        if found is None:
            return None
        return Rect(
            found.left + room.left,
            found.top + room.top,
            found.right + room.left,
            found.bottom + room.top,
        )

    def _by_hand(self, rect: Rect, size: Size, heads: Sequence[Head]) -> Rect:
        """Return a crop made legal, which must not take a head off that it has not taken before."""
        made = self._snapped(rect, size)
        if made == rect or not is_clear(heads, rect, size):
            return made
        return moved_clear(heads, made, Rect(0, 0, *size), size) or made

    def _snapped(self, rect: Rect, size: Size, *, inside: bool = False) -> Rect:
        whole = rect == Rect(0, 0, *size)
        if not self._options.snap or (whole and self._shape is None):
            return rect
        return snapped(self._buckets, rect, size, self._shape, inside=inside)


def _whole_heads(found: Rect | None) -> Rect:
    if found is None:
        raise ConfigError("No crop of this kind leaves its heads whole.")
    return found


def _heads(
    index: Index, rows: Sequence[ImageRow], options: CropOptions
) -> Generator[events.Event, None, HeadsOf]:
    """Look for heads, where the project has a detector, and return them."""
    if options.clear:
        return {}
    yield from look(index, rows)
    return Heads(index).of(index.rows([row.id for row in rows]))


def _warned(
    project: Project, row: ImageRow, change: Change, heads: HeadsOf
) -> Iterator[events.Event]:
    boxes = crops.from_text(change.after)
    for cut in head_cuts(project, row, heads.get(row.path, ()), boxes):
        yield events.Warned(f"{row.path}: {cut.words}.")


def _changes(
    project: Project,
    rows: Sequence[ImageRow],
    before: dict[str, tuple[Box, ...]],
    cropper: _Cropper,
) -> Generator[events.Event, None, list[Change]]:
    """Yield Progress and Skipped; return the changes."""
    options, throttle = cropper._options, events.Throttle()
    changes: list[Change] = []

    def attempt(row: ImageRow) -> list[Box] | str:
        try:
            image = decode(project.root / row.path) if cropper.looks else None
            if image is not None and image.size != (row.width, row.height):
                return "it has changed since the last scan"
            return cropper.boxes(row, image)
        except UnreadableError as error:
            return error.message.removeprefix(f"{row.path.rpartition('/')[2]}: ")
        except ConfigError as error:
            return error.message

    work: Callable[[ImageRow], list[Box] | str] = (lambda _: []) if options.clear else attempt
    with closing(ordered(work, rows)) as results:
        for done, (row, found) in enumerate(results, 1):
            if isinstance(found, str):
                yield events.Skipped(row.path, found)
            else:
                changes += _change(row, before.get(row.path, ()), found, options)
            yield from events.tick("crop", len(rows), throttle, done)
    return changes


def _change(
    row: ImageRow, before: tuple[Box, ...], found: list[Box], options: CropOptions
) -> list[Change]:
    if not found and not options.clear:
        return []
    after = [*(before or (WHOLE,)), *found] if options.add else found
    distinct = list(dict.fromkeys(after))
    if distinct == [WHOLE]:
        distinct = []  # no crop means the whole image
    change = changes.crop_change(row.path, before, distinct)
    return [change] if change.before != change.after else []
