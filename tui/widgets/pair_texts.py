"""What is written at two pictures that are compared: how they differ, and their captions."""

from collections.abc import Sequence

from prep.language import _, counted

_NAMED = 12
"""Most tags that are named as a difference of captions."""


def differing(places: int | None, *, turned: bool) -> str:
    """Return how two pictures differ.

    Args:
        places: Number of places that differ; ``None`` if they have no common frame.
        turned: The second one was turned to be compared.
    """
    parts = [_("turned alike")] if turned else []
    if places is None:
        parts.append(_("no common frame: each is shown as it is"))
    elif places:
        parts.append(counted("{count} place differs", "{count} places differ", places))
    else:
        parts.append(_("no visible difference"))
    return " · ".join(parts)


def looking(*, marked: bool, whole: bool, up: int | None) -> list[str]:
    """Return how two pictures are shown.

    Args:
        marked: There are places that differ.
        whole: All of the pictures is shown, not only these places.
        up: Which one is shown in the place of both; ``None`` for both.
    """
    parts = []
    if marked:
        parts.append(_("marked, whole picture (z)") if whole else _("marked, enlarged (z)"))
    if up is not None:
        parts.append(
            _("showing B, the second (space: the other, esc: both)")
            if up
            else _("showing A, the first (space: the other, esc: both)")
        )
    return parts


def caption_difference(text: str | None, only: Sequence[str]) -> str:
    """Return what a caption has that the other one has not.

    Args:
        text: The caption; ``None`` for no file.
        only: The tags that only this one has.
    """
    if text is None:
        return _("no caption")
    if not only:
        return _("= no tag of its own")
    tags, more = ", ".join(only[:_NAMED]), len(only) - _NAMED
    if more > 0:
        return _("+ only here: {tags} and {count} more").format(tags=tags, count=more)
    return _("+ only here: {tags}").format(tags=tags)
