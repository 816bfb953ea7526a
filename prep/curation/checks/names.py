"""Rules about file names: files that trainers skip, and images that share a caption.

Sources: sd-scripts lists ``*.png`` to ``*.bmp`` all in lower or all in upper case, ``.avif`` and
``.jxl`` with plug-ins (``library/train_util.py``, ``IMAGE_EXTENSIONS``). OneTrainer takes bmp, jpg,
jpeg, png, tif, tiff and webp in any case (``modules/util/path_util.py``), hidden files too, and no
links (mgds ``CollectPaths.py``). Neither checks the actual file type.
"""

from collections.abc import Iterator

from prep.curation.checks.captions import fixed
from prep.curation.checks.codes import CheckCode, Problem, error, for_all, info, warning
from prep.curation.checks.view import ALIASES, CheckedFolder, CheckedImage, DatasetView, ending
from prep.dataset.journal.changes import Change, content_change, move
from prep.images import is_image_name
from prep.language import english
from prep.system.names import natural_key

CODES = (
    CheckCode(
        "suffix-case",
        "suffixes in mixed case (.Jpg)",
        {"sd-scripts": error("sd-scripts lists only .jpg and .JPG, and skips these images.")},
        "--fix renames them to lower case.",
        safe=True,
    ),
    CheckCode(
        "suffix-alias",
        "JPEG images with another suffix (.jfif)",
        for_all(error("Trainers do not know the suffix, and skip these images.")),
        "--fix renames them to .jpg.",
        safe=True,
    ),
    CheckCode(
        "suffix-skipped",
        "images in a format that the trainer does not read",
        {
            "sd-scripts": error("sd-scripts skips them; it needs pillow_avif for AVIF."),
            "onetrainer": error("OneTrainer skips them."),
        },
        "shikomi export writes all of them as WebP or PNG.",
    ),
    CheckCode(
        "suffix-unknown",
        "images in a format that nothing reads",
        for_all(error("Trainers and shikomi skip them.")),
        "Save them as PNG, or as JPEG of high quality.",
    ),
    CheckCode(
        "suffix-wrong",
        "suffixes of another format",
        for_all(info("Trainers check the content; programs that rely on the name may fail.")),
        "Rename them if anything other than a trainer reads them.",
    ),
    CheckCode(
        "stem-shared",
        "images that differ only in their suffix",
        {
            "sd-scripts": warning("They share one caption and one latent cache."),
            "onetrainer": warning("They share one caption and one mask."),
            "shikomi": warning("They share one caption."),
        },
        "--fix renames all but one, each with a copy of the caption; shikomi dupes finds copies"
        " of a picture.",
        safe=True,
    ),
    CheckCode(
        "name-not-text",
        "names that are not UTF-8",
        for_all(error("shikomi cannot keep track of such files, and trainers may stop.")),
        "Rename them.",
    ),
    CheckCode(
        "image-hidden",
        "hidden files with the name of an image",
        {"onetrainer": error("OneTrainer also reads them, and stops: mostly macOS's ._ files.")},
        "--fix moves them to the trash.",
        safe=True,
    ),
    CheckCode(
        "image-linked",
        "images that are symbolic links",
        {"onetrainer": error("OneTrainer skips links.")},
        "Replace them with the files themselves.",
    ),
    CheckCode(
        "excluded-present",
        "excluded images in the folder",
        {
            "sd-scripts": info("sd-scripts trains on them if it reads this folder directly."),
            "onetrainer": info("OneTrainer trains on them if it reads this folder directly."),
        },
        "Train on an export (shikomi export).",
    ),
)

_ALL = frozenset(code.name for code in CODES)
_KOHYA = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_ONETRAINER = frozenset({".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
_NOBODY = frozenset(
    {".heic", ".heif", ".jxl", ".jp2", ".tga", ".psd", ".svg", ".ico", ".dng", ".cr2", ".nef"}
)
_FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "MPO": (".jpg", ".jpeg"),
}


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield the problems of image names."""
    for place in view.places:
        targets = _targets(view, place, _ALL)
        for picture in place.pictures:
            yield from _suffix(view, picture, picture.path in targets)
        for pictures in place.stems.values():
            if len(pictures) > 1:
                keeper = _keeper(view, pictures)
                for picture in pictures:
                    if picture is not keeper:
                        message = f"shares its captions with {keeper.name}"
                        fixable = picture.path in targets
                        yield Problem(
                            "stem-shared", picture.path, message + _held(view, picture), fixable
                        )
        for name, _, suffix in place.parts:
            if suffix.lower() in _NOBODY:
                yield Problem("suffix-unknown", place.file(name), f"{suffix} file")
            if not name.isascii() and (shown := _printable(name)) != name:
                yield Problem("name-not-text", _printable(place.file(name)), shown)
        for name in sorted(place.links, key=natural_key):
            if is_image_name(name):
                yield Problem("image-linked", place.file(name), "a link")
        for name in place.hidden:
            if is_image_name(name.lstrip("._")):
                yield Problem("image-hidden", place.file(name), "hidden", fixable=True)
        if place.excluded:
            message = english(
                "{count} excluded image is here",
                "{count} excluded images are here",
                len(place.excluded),
            )
            yield Problem("excluded-present", place.path, message)


def changes(view: DatasetView, wanted: frozenset[str]) -> Iterator[Change]:
    """Yield the renames, with captions and caches where images shared them."""
    for place in view.places:
        yield from _renames(view, place, wanted)
        if "image-hidden" in wanted and view.trainer == "onetrainer":
            for name in place.hidden:
                if is_image_name(name.lstrip("._")):
                    yield view.trash(place.file(name))


def _suffix(view: DatasetView, picture: CheckedImage, fixable: bool) -> Iterator[Problem]:
    suffix = picture.suffix
    lower = suffix.lower()
    if lower in ALIASES:
        message = f"{suffix} file{_held(view, picture)}"
        yield Problem("suffix-alias", picture.path, message, fixable)
        return
    known = _KOHYA if view.trainer == "sd-scripts" else _ONETRAINER
    if lower not in known:
        yield Problem("suffix-skipped", picture.path, f"{suffix} file")
    elif suffix not in (lower, suffix.upper()):
        yield Problem("suffix-case", picture.path, suffix + _held(view, picture), fixable)
    row = picture.row
    if row is not None and lower not in _FORMATS.get(row.format, (lower,)):
        yield Problem("suffix-wrong", picture.path, f"{row.format} inside")


def _held(view: DatasetView, picture: CheckedImage) -> str:
    """Return why an image is not renamed."""
    link = view.link_to(picture.path)
    return f"; {link} leads to it: rename both" if link else ""


def _right_suffix(view: DatasetView, suffix: str, wanted: frozenset[str]) -> str:
    lower = suffix.lower()
    if lower in ALIASES:
        return ALIASES[lower] if "suffix-alias" in wanted else suffix
    mixed = suffix not in (lower, suffix.upper()) and lower in _KOHYA
    if mixed and view.trainer == "sd-scripts" and "suffix-case" in wanted:
        return lower
    return suffix


def _keeper(view: DatasetView, pictures: list[CheckedImage]) -> CheckedImage:
    """Return the image that keeps the name: one with the right suffix, if there is one."""

    def renamed(picture: CheckedImage) -> tuple[bool, str]:
        return _right_suffix(view, picture.suffix, _ALL) != picture.suffix, picture.name

    return min(pictures, key=renamed)


def _renames(view: DatasetView, place: CheckedFolder, wanted: frozenset[str]) -> Iterator[Change]:
    targets = _targets(view, place, wanted)
    for stem, pictures in place.stems.items():
        for picture in pictures:
            target = targets.get(picture.path)
            if target is None:
                continue
            yield move(picture.path, place.file(target))
            new_stem = target[: len(target) - len(ending(target))]
            if new_stem != stem:
                yield from _copied_caption(view, place, stem, new_stem, wanted)


def _targets(view: DatasetView, place: CheckedFolder, wanted: frozenset[str]) -> dict[str, str]:
    """Return the new names of images to rename, by path; none is in use."""
    found: dict[str, str] = {}
    given: set[str] = set()
    taken: set[str] | None = None
    for stem, pictures in place.stems.items():
        keeper = pictures[0] if len(pictures) == 1 else _keeper(view, pictures)
        for picture in pictures:
            if picture is keeper and picture.suffix in _KOHYA:
                continue  # nearly all
            if view.link_to(picture.path):
                continue  # it would lead nowhere
            new_stem = stem
            if picture is not keeper and "stem-shared" in wanted:
                if taken is None:
                    taken = {stem.casefold() for _, stem, _ in place.parts}
                new_stem = _free(stem, taken)
            target = new_stem + _right_suffix(view, picture.suffix, wanted)
            if target not in place.all_names and target not in given:
                found[picture.path] = target
                given.add(target)
    return found


def _free(stem: str, taken: set[str]) -> str:
    number = 2
    while f"{stem}-{number}".casefold() in taken:
        number += 1
    taken.add(f"{stem}-{number}".casefold())
    return f"{stem}-{number}"


def _copied_caption(
    view: DatasetView, place: CheckedFolder, stem: str, new_stem: str, wanted: frozenset[str]
) -> Iterator[Change]:
    for suffix in (".txt", ".caption"):
        name = stem + suffix
        if name in place.all_names and (raw := view.caption_bytes(place.file(name))) is not None:
            after = fixed(view, place, raw, wanted) if suffix == view.extension else raw
            if after is not None:
                yield content_change(place.file(new_stem + suffix), None, after)


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
