"""The stages of the work, and their states in the rail."""

from dataclasses import dataclass

from prep.dataset.index import Index
from prep.images.buckets import enlargement
from prep.language import _, counted, marked
from tui.jobs.follow import JobBoard

GLYPHS = {"done": "✓", "needs you": "!", "running": "▶", "open": "○"}
"""State -> glyph; the word is written beside it if there is room."""

STATES = {
    "done": marked("done"),
    "needs you": marked("needs you"),
    "running": marked("running"),
    "open": marked("open"),
}
"""State -> the word for it."""

SHORT = {
    "review": marked("Review"),
    "images": marked("Images"),
    "dupes": marked("Dupes"),
    "crop": marked("Crop"),
    "tag": marked("Tag"),
    "plan": marked("Plan"),
    "train": marked("Train"),
    "samples": marked("Samples"),
}
"""Mode -> name for a narrow terminal; in the order of the work."""


@dataclass(frozen=True)
class StageState:
    """The state of a stage: a key of ``GLYPHS`` and a short text."""

    state: str
    words: str


@dataclass(frozen=True)
class Survey:
    """Counts of the dataset that determine the states.

    Attributes:
        images: Usable images.
        captioned: Usable images that have a caption.
        broken: Files that cannot be used.
        enlarged: Usable images that are noticeably smaller than their bucket.
        untriggered: Concept folders without a trigger word.
        samples: Generated pictures.
    """

    images: int = 0
    captioned: int = 0
    broken: int = 0
    enlarged: int = 0
    untriggered: int = 0
    samples: int = 0


def survey(index: Index) -> Survey:
    """Count what the rail needs, grouped by size so that few buckets must be computed."""
    project, buckets = index.project, index.project.buckets
    images = captioned = broken = enlarged = 0
    for size in index.sizes():
        if size.faulty:
            broken += size.images
        else:
            images += size.images
            captioned += size.captioned
            if enlargement(buckets.fit((size.width, size.height)).scale):
                enlarged += size.images
    untriggered = sum(not project.concept(folder).trigger for folder, _ in index.folders())
    return Survey(images, captioned, broken, enlarged, untriggered)


def states(found: Survey, board: JobBoard) -> dict[str, StageState]:
    """Return the state of each stage."""
    result = {
        "review": StageState("open", _("not looked yet")),
        "images": _images(found),
        "dupes": StageState("open", _("compare pictures")),
        "crop": _crop(found),
        "tag": _captions(found),
        "plan": _plan(found),
        "train": StageState("open", _("not yet")),
        "samples": StageState("open", _("none yet")),
    }
    for mode in ("dupes", "tag", "train"):
        views = board.newest(mode)
        if views:
            result[mode] = _job(views[0].state, result[mode])
    if found.samples:
        result["samples"] = StageState(
            "done", counted("{count} picture", "{count} pictures", found.samples)
        )
    return result


def _images(found: Survey) -> StageState:
    if not found.images:
        return StageState("needs you", _("no images yet"))
    if found.broken:
        return StageState("needs you", _("{count} unreadable").format(count=found.broken))
    return StageState("done", counted("{count} image", "{count} images", found.images))


def _crop(found: Survey) -> StageState:
    if not found.images:
        return StageState("open", _("no images yet"))
    if found.enlarged:
        return StageState("needs you", _("{count} enlarged").format(count=found.enlarged))
    return StageState("done", _("all large enough"))


def _captions(found: Survey) -> StageState:
    missing = found.images - found.captioned
    if not found.images:
        return StageState("open", _("no images yet"))
    if missing:
        return StageState("needs you", _("{count} without caption").format(count=missing))
    return StageState("done", _("all captioned"))


def _plan(found: Survey) -> StageState:
    if not found.images:
        return StageState("open", _("no images yet"))
    if found.untriggered:
        return StageState("needs you", _("no trigger word"))
    return StageState("done", _("trigger words set"))


def _job(state: str, otherwise: StageState) -> StageState:
    """Return the state of the newest job if it says more than the dataset."""
    if state == "running":
        return StageState("running", _("running"))
    if state == "stopped":
        return StageState("needs you", _("stopped, can resume"))
    if state in ("failed", "lost"):
        return StageState("needs you", _("job failed"))
    return otherwise if otherwise.state != "open" else StageState("done", _("done"))
