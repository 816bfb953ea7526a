"""Short descriptions of an image, a size and a moment."""

import time

from prep.dataset.index import ImageRow
from prep.images.buckets import Fit, enlargement
from prep.language import _, marked, translated
from prep.project import Project

_TURNS = {
    2: marked("mirrored"),
    3: marked("rotated by 180°"),
    4: marked("flipped"),
    5: marked("rotated and mirrored"),
    6: marked("rotated by 90°"),
    7: marked("rotated and mirrored"),
    8: marked("rotated by 270°"),
}


def moment(seconds: float) -> str:
    """Return day and time of day, here, of a Unix time."""
    return time.strftime(_("%d %b %H:%M"), time.localtime(seconds))


def size_text(size: int) -> str:
    """Return a readable file size.

    Example:
        >>> size_text(900), size_text(2_100_000)
        ('900 B', '2.1 MB')
    """
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000_000:
        return f"{size / 1e3:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
    return f"{size / 1e9:.2f} GB"


def fit_text(fit: Fit) -> str:
    """Describe how an image is fitted into its bucket.

    Example:
        >>> from prep.images.buckets import Buckets
        >>> fit_text(Buckets((512, 512)).fit((256, 256)))
        'bucket 512x512 · enlarged 2.0 times'
    """
    parts = [_("bucket {width}x{height}").format(width=fit.bucket[0], height=fit.bucket[1])]
    if fit.cut >= 0.005:
        parts.append(_("{share} cut off").format(share=f"{fit.cut:.0%}"))
    if times := enlargement(fit.scale):
        parts.append(_("enlarged {times}").format(times=translated(times)))
    return " · ".join(parts)


def about(project: Project, row: ImageRow) -> str:
    """Return the facts about an image, for the lines below its picture."""
    if row.error is not None:
        text = _("cannot be used: {reason}").format(reason=translated(row.error))
        return f"{row.path}\n{text}"
    facts = [f"{row.width}x{row.height} {row.format}", size_text(row.size)]
    if row.alpha:
        facts.append(_("transparent"))
    if row.orientation in _TURNS:
        facts.append(f"EXIF: {_(_TURNS[row.orientation])}")
    if row.frames > 1:
        facts.append(_("first of {count} frames").format(count=row.frames))
    lines = [row.path, " · ".join(facts), fit_text(project.buckets.fit((row.width, row.height)))]
    if row.excluded is not None:
        lines.append(_("excluded: {reason}").format(reason=translated(row.excluded)))
    if row.caption_error is not None:
        lines.append(translated(row.caption_error))
    return "\n".join(lines)
