"""Rules about pixels: where a trainer reads a picture differently from what people see.

Sources: sd-scripts uses ``Image.open(...).convert("RGB")``: no EXIF rotation, no transparency, the
first frame of animations (``library/train_util.py``). OneTrainer applies EXIF rotation and drops
transparency (mgds ``LoadImage.py``). Neither converts colours. Exports of shikomi are upright, on
white, and in sRGB.
"""

from collections.abc import Iterator
from pathlib import Path

from prep.curation.checks.codes import CheckCode, Problem, error, for_all, info, warning
from prep.curation.checks.view import DatasetView
from prep.dataset.index import ImageRow
from prep.dataset.values import transparency_values
from prep.dataset.values.transparency_values import Transparency
from prep.errors import UnreadableError
from prep.images import profile_of
from prep.images.buckets import enlargement
from prep.language import quantity

CODES = (
    CheckCode(
        "image-unreadable",
        "images that cannot be read",
        {
            "sd-scripts": error("sd-scripts stops at the first one."),
            "onetrainer": error("OneTrainer stops at the first one."),
            "shikomi": error("They are left out."),
        },
        "Replace them, or move them out of the folder.",
    ),
    CheckCode(
        "image-turned",
        "photographs that are rotated by EXIF",
        {"sd-scripts": warning("sd-scripts trains on them sideways or upside down.")},
        "shikomi export writes them upright.",
    ),
    CheckCode(
        "image-transparent",
        "images with transparent areas",
        {
            "sd-scripts": warning("sd-scripts drops transparency and trains on the hidden pixels."),
            "onetrainer": warning("OneTrainer drops transparency and trains on the hidden pixels."),
            "shikomi": info("They are composed on white."),
        },
        "shikomi export composes them on white; sd-scripts can use it as a mask (alpha_mask).",
    ),
    CheckCode(
        "image-profile",
        "images whose colours are not sRGB",
        {
            "sd-scripts": warning("sd-scripts ignores colour profiles, so colours are shifted."),
            "onetrainer": warning("OneTrainer ignores colour profiles, so colours are shifted."),
            "shikomi": info("They are converted to sRGB."),
        },
        "shikomi export writes them in sRGB.",
    ),
    CheckCode(
        "profile-broken",
        "images with a colour profile that cannot be used",
        for_all(warning("Their numbers are taken for sRGB, so colours may be shifted.")),
        "Open them in an image editor and save them in sRGB.",
    ),
    CheckCode(
        "image-animated",
        "animations",
        for_all(warning("Only the first frame is trained on.")),
        "Save the frames that you want as separate images.",
    ),
    CheckCode(
        "image-small",
        "images much smaller than the training resolution",
        for_all(warning("They are enlarged to fill their bucket, and trained on with that blur.")),
        "Find larger versions, exclude them, or set no_upscale in [buckets].",
    ),
    CheckCode(
        "image-thin",
        "images thinner than one bucket step",
        {
            "sd-scripts": error(
                "With bucket_no_upscale, sd-scripts has no bucket for them and stops."
            )
        },
        "Exclude them, or crop them from a larger picture.",
    ),
)

MUCH = 1.25
"""Factor of enlargement from which blur is visible."""
LITTLE = 0.001
"""Share of the picture below which transparency is a stray pixel."""


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield the problems of pixels; call ``transparency.measure`` first."""
    known = {}
    if any(row.alpha for row in view.rows):
        known = transparency_values.known(view.index.connection)
    buckets = view.project.buckets
    scales: dict[tuple[int, int], float] = {}
    for place in view.places:
        for row in place.unreadable:
            yield Problem("image-unreadable", row.path, row.error or "")
    profiled = view.index.with_profile()
    for _, picture, row in view.pictures():
        if picture.path in profiled:
            yield from _profile(view.project.root / picture.path, picture.path)
        if row.orientation != 1:
            turn = _TURNS.get(row.orientation, "turned")
            yield Problem("image-turned", picture.path, turn)
        if row.frames > 1:
            yield Problem("image-animated", picture.path, quantity(row.frames, "frame"))
        if row.alpha:
            yield from _transparent(row, known)
        size = (row.width, row.height)
        if buckets.no_upscale:
            if min(size) < buckets.step:
                yield Problem("image-thin", picture.path, f"{row.width}x{row.height}")
            continue
        if size not in scales:
            scales[size] = buckets.fit(size).scale
        if scales[size] >= MUCH:
            message = f"{row.width}x{row.height}, enlarged {enlargement(scales[size])}"
            yield Problem("image-small", picture.path, message)


def _profile(file: Path, path: str) -> Iterator[Problem]:
    try:
        kind = profile_of(file)
    except UnreadableError:
        return
    if kind == "other":
        yield Problem("image-profile", path, "another colour space")
    elif kind == "broken":
        yield Problem("profile-broken", path, "broken, or for another kind of pixels")


_TURNS = {
    2: "mirrored",
    3: "upside down",
    4: "upside down and mirrored",
    5: "on its side and mirrored",
    6: "on its side",
    7: "on its side and mirrored",
    8: "on its side",
}


def _transparent(row: ImageRow, known: dict[str, Transparency]) -> Iterator[Problem]:
    seen = known.get(row.content or "")
    if seen is not None and seen.share >= LITTLE:
        hidden = "other colours below"
        if seen.grey < 40 or seen.grey > 215:
            hidden = "black below" if seen.grey < 40 else "white below"
        message = f"{seen.share:.0%} transparent, {hidden}"
        yield Problem("image-transparent", row.path, message)
