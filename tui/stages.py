"""The stages of the work, and their states in the rail."""

from dataclasses import dataclass

from prep.dataset.index import Index
from prep.images.buckets import enlargement
from tui.jobs.follow import JobBoard

GLYPHS = {"done": "✓", "needs you": "!", "running": "▶", "open": "○"}
"""State -> glyph; the word is written beside it if there is room."""

SHORT = {
    "review": "Review",
    "images": "Images",
    "dupes": "Dupes",
    "crop": "Crop",
    "tag": "Tag",
    "plan": "Plan",
    "train": "Train",
    "samples": "Samples",
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
        "review": StageState("open", "not looked yet"),
        "images": _images(found),
        "dupes": StageState("open", "compare pictures"),
        "crop": _crop(found),
        "tag": _captions(found),
        "plan": _plan(found),
        "train": StageState("open", "not yet"),
        "samples": StageState("open", "none yet"),
    }
    for mode in ("dupes", "tag", "train"):
        views = board.newest(mode)
        if views:
            result[mode] = _job(views[0].state, result[mode])
    if found.samples:
        result["samples"] = StageState("done", f"{found.samples} pictures")
    return result


def _images(found: Survey) -> StageState:
    if not found.images:
        return StageState("needs you", "no images yet")
    if found.broken:
        return StageState("needs you", f"{found.broken} unreadable")
    return StageState("done", f"{found.images} images")


def _crop(found: Survey) -> StageState:
    if not found.images:
        return StageState("open", "no images yet")
    if found.enlarged:
        return StageState("needs you", f"{found.enlarged} enlarged")
    return StageState("done", "all large enough")


def _captions(found: Survey) -> StageState:
    missing = found.images - found.captioned
    if not found.images:
        return StageState("open", "no images yet")
    if missing:
        return StageState("needs you", f"{missing} without caption")
    return StageState("done", "all captioned")


def _plan(found: Survey) -> StageState:
    if not found.images:
        return StageState("open", "no images yet")
    if found.untriggered:
        return StageState("needs you", "no trigger word")
    return StageState("done", "trigger words set")


def _job(state: str, otherwise: StageState) -> StageState:
    """Return the state of the newest job if it says more than the dataset."""
    if state == "running":
        return StageState("running", "running")
    if state == "stopped":
        return StageState("needs you", "stopped, can resume")
    if state in ("failed", "lost"):
        return StageState("needs you", "job failed")
    return otherwise if otherwise.state != "open" else StageState("done", "done")
