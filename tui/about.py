"""Short descriptions of an image."""

from prep.dataset.index import ImageRow
from prep.images.buckets import Fit, enlargement
from prep.project import Project

_TURNS = {
    2: "mirrored",
    3: "rotated by 180°",
    4: "flipped",
    5: "rotated and mirrored",
    6: "rotated by 90°",
    7: "rotated and mirrored",
    8: "rotated by 270°",
}


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
    parts = [f"bucket {fit.bucket[0]}x{fit.bucket[1]}"]
    if fit.cut >= 0.005:
        parts.append(f"{fit.cut:.0%} cut off")
    if times := enlargement(fit.scale):
        parts.append(f"enlarged {times}")
    return " · ".join(parts)


def about(project: Project, row: ImageRow) -> str:
    """Return the facts about an image, for the lines below its picture."""
    if row.error is not None:
        return f"{row.path}\ncannot be used: {row.error}"
    facts = [f"{row.width}x{row.height} {row.format}", size_text(row.size)]
    if row.alpha:
        facts.append("transparent")
    if row.orientation in _TURNS:
        facts.append(f"EXIF: {_TURNS[row.orientation]}")
    if row.frames > 1:
        facts.append(f"first of {row.frames} frames")
    lines = [row.path, " · ".join(facts), fit_text(project.buckets.fit((row.width, row.height)))]
    if row.excluded is not None:
        lines.append(f"excluded: {row.excluded}")
    if row.caption_error is not None:
        lines.append(row.caption_error)
    return "\n".join(lines)
