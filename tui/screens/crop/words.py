"""What the crop screen says: the same as its drawings, in words."""

from collections.abc import Mapping, Sequence

from prep.images.buckets import NOTICEABLE, Fit
from prep.images.crops import Rect
from prep.images.crops.draft import CropDraft
from prep.images.crops.framing import shapes
from prep.images.crops.heads import CutHead, Head
from prep.language import _, ngettext
from prep.ops.crop import Kind
from prep.training_set.bucket_groups import MUCH, Group, GroupKind
from tui.scope import Scope
from tui.widgets.line_list import Piece, cell

_BAR, _NAME = 12, 22
_KEYS: dict[Kind, str] = {"subject": "p", "borders": "b", "usual": "m"}


def heading() -> str:
    """Return the heading of the groups."""
    return f"  {cell(_('group or bucket'), _NAME)} {cell(_('images'), 7, right=True)}"


def group_line(group: Group, most: int) -> list[Piece]:
    """Return a group as a line: buckets as bars of a histogram.

    Args:
        group: The group.
        most: Images of the largest bucket.
    """
    count = len(group)
    if group.bucket is None:
        mark: Piece = ("  ", "") if group.kind in ("all", "cropped") else ("! ", "warn")
        return [mark, (cell(_name(group.kind), _NAME), ""), (f" {count:>7}", "")]
    mark = ("! ", "warn") if group.lonely else ("  ", "")
    bar = "█" * max(1, round(count * _BAR / most))
    size = f"{group.bucket[0]}x{group.bucket[1]}"
    return [mark, (f"{size:>9} ", ""), (cell(bar, _BAR), "key"), (f" {count:>7}", "")]


def _name(kind: GroupKind) -> str:
    return {
        "all": _("all images"),
        "enlarged": _("enlarged"),
        "cut": _("cut by more than {share:.0%}").format(share=MUCH),
        "alone": _("alone in a bucket"),
        "cropped": _("with crops"),
        "bucket": "",
    }[kind]


def advice(group: Group) -> str:
    """Say what can be done about a group; empty if there is nothing to do."""
    if group.kind == "enlarged":
        return _(
            "Smaller than their bucket: trained on with that blur. Find larger versions, exclude"
            " them in 1 (x), or set no_upscale = true in [buckets]."
        )
    if group.kind == "cut":
        return _(
            "The trainer cuts much off their edges. p crops around the subject, e by hand: so you"
            " choose what is lost."
        )
    if group.kind == "alone":
        return _(
            "Each is the only one of its bucket, so its batches hold nothing else. m crops it to"
            " the nearest bucket that others use."
        )
    if group.usual is not None:
        return _(
            "The only image of its bucket, so its batches hold nothing else. m crops it to"
            " {width}x{height}, which others use."
        ).format(width=group.usual[0], height=group.usual[1])
    return ""


def scope(chosen: Scope, trained: int) -> str:
    """Name the images that are listed, and how many of all are not.

    Example:
        >>> scope(Scope(total=60), 58)
        'all 60 images, 2 of them excluded or unreadable'
    """
    if chosen.kind != "all" or trained == chosen.total:
        return chosen.words()
    text = ngettext(
        "{scope}, {count} of them excluded or unreadable",
        "{scope}, {count} of them excluded or unreadable",
        chosen.total - trained,
    )
    return text.format(scope=chosen.words(), count=chosen.total - trained)


def title(draft: CropDraft, *, editing: bool, step: int, heads: Sequence[Head] = ()) -> str:
    """Say what is shown, and while it is edited, how keys move it, and what it must not do."""
    parts = [_title(draft, editing=editing)]
    if any(draft.cuts(heads)):
        parts.append(_("! a head is cut off"))
    if editing:
        parts.append(_("arrows: {step} px, shift: size").format(step=step))
    return " · ".join(parts)


def _title(draft: CropDraft, *, editing: bool) -> str:
    if not editing:
        if draft.changed:
            return _("! drawn earlier, and not saved: enter goes on, and saves it")
        count = len(draft.stored)
        if not count:
            return _("bright: what the trainer uses")
        return ngettext("{count} crop", "{count} crops, n for the next", count).format(count=count)
    known, shape = shapes(draft.buckets), draft.frame.shape
    if shape is None:
        form = _("free shape")
    elif shape in known:
        form = _("shape {width}x{height}, {place} of {count}").format(
            width=shape[0], height=shape[1], place=known.index(shape) + 1, count=len(known)
        )
    else:
        form = _("shape {width}x{height}").format(width=shape[0], height=shape[1])
    state = _("not saved") if draft.changed else _("saved")
    return f"✎ {form} · {state}"


def about(
    path: str,
    draft: CropDraft,
    proposals: Mapping[Kind, Rect],
    heads: Sequence[Head] | None = (),
) -> str:
    """Describe the crop that is looked at, what the trainer makes of it, and what is proposed.

    Args:
        path: The image.
        draft: Its crops.
        proposals: What is proposed.
        heads: The heads in it; ``None`` if a detector has yet to look for them.
    """
    rect, (width, height) = draft.frame.rect, draft.size
    if rect == draft.frame.whole:
        part = _("the whole image")
    else:
        part = _("{width}x{height} at {left},{top}").format(
            width=rect.size[0], height=rect.size[1], left=rect.left, top=rect.top
        )
    if len(draft.frames) > 1:
        part = _("crop {place} of {count}: {part}").format(
            place=draft.place + 1, count=len(draft.frames), part=part
        )
    size = _("of {width}x{height}").format(width=width, height=height)
    lines = [path, f"{part} {size}", fit_words(draft.buckets.fit(rect.size))]
    lines += head_lines(draft, heads)
    lines += [_proposed(kind, rect) for kind, rect in proposals.items()]
    return "\n".join(lines)


def not_proposed(kind: Kind, heads: Sequence[Head] | None) -> str:
    """Say why there is no proposal of a kind; ``heads`` as in ``about``."""
    if heads is None:
        return _("Heads were not looked for yet: a crop could cut one off. Run shikomi heads.")
    if heads and kind != "borders":
        return _("Nothing would be cut off, or no crop of this kind leaves its heads whole.")
    return {
        "subject": _("Nothing would be cut off around the subject."),
        "borders": _("No borders were found."),
        "usual": _("Others are in this bucket, too."),
    }[kind]


def head_lines(draft: CropDraft, heads: Sequence[Head] | None) -> list[str]:
    """Say which heads are cut off, and by which crop; see ``about``."""
    if heads is None:
        return [_("heads: not looked for yet, run shikomi heads; until then nothing is proposed")]
    if not heads:
        return []
    cuts = draft.cuts(heads)
    if not any(cuts):
        return [ngettext("{count} head, whole", "{count} heads, none cut off", len(heads)).format(
            count=len(heads))]  # fmt: skip
    several = len(cuts) > 1
    return [
        _("! crop {place}: {text}").format(place=place, text=_cut_words(cut))
        if several
        else f"! {_cut_words(cut)}"
        for place, found in enumerate(cuts, 1)
        for cut in found
    ]


def _cut_words(cut: CutHead) -> str:
    if cut.left_out:
        return _("no head is left, which is what the character is known by")
    return _("{share:.0%} of a head is cut off").format(share=cut.lost)


def fit_words(fit: Fit) -> str:
    """Say into which bucket a part goes, and what is lost on the way."""
    right = fit.resized[0] - fit.bucket[0] - fit.left
    bottom = fit.resized[1] - fit.bucket[1] - fit.top
    sides = (
        (_("left {pixels}"), fit.left),
        (_("top {pixels}"), fit.top),
        (_("right {pixels}"), right),
        (_("bottom {pixels}"), bottom),
    )
    strips = _(", ").join(text.format(pixels=pixels) for text, pixels in sides if pixels > 0)
    parts = [_("bucket {width}x{height}").format(width=fit.bucket[0], height=fit.bucket[1])]
    if strips:
        parts.append(_("{share:.1%} cut off ({strips} px)").format(share=fit.cut, strips=strips))
    else:
        parts.append(_("nothing cut off"))
    if fit.scale >= NOTICEABLE:
        parts.append(_("! enlarged {times:.1f} times").format(times=fit.scale))
    else:
        parts.append(_("scaled x{scale:.2f}").format(scale=fit.scale))
    return " · ".join(parts)


def _proposed(kind: Kind, rect: Rect) -> str:
    text = {
        "subject": _("{key}: around the subject, {width}x{height} at {left},{top}"),
        "borders": _("{key}: without borders, {width}x{height} at {left},{top}"),
        "usual": _("{key}: to a bucket that others use, {width}x{height} at {left},{top}"),
    }[kind]
    return text.format(
        key=_KEYS[kind], width=rect.size[0], height=rect.size[1], left=rect.left, top=rect.top
    )
