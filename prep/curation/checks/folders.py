"""Rules about folders: how ``--train_data_dir`` reads them, regularisation, similar names.

Source: sd-scripts takes each folder directly inside the given one, reads the number before the
first ``_`` with Python's ``int`` and skips other folders and numbers below 1; inside, it does not
go deeper (``library/config_util.py``, ``generate_dreambooth_subsets_config_by_subdirs``). It
repeats regularisation images until they match the others and drops the surplus.
"""

import re
import unicodedata
from collections.abc import Iterator
from difflib import get_close_matches

from prep.curation.checks.codes import CheckCode, Problem, error, for_all, info, warning
from prep.curation.checks.view import CheckedFolder, DatasetView
from prep.curation.vocabulary.nearest import distance
from prep.language import quantity
from prep.project import Concept, parse_folder
from prep.system.names import same_name

CODES = (
    CheckCode(
        "folder-no-repeats",
        "folders without repeats in their name",
        {"sd-scripts": error('sd-scripts skips them ("ignore directory without repeats").')},
        "Rename them to 10_name, or train on an export (shikomi export).",
    ),
    CheckCode(
        "folder-zero-repeats",
        "folders with less than one repeat",
        {"sd-scripts": error("sd-scripts silently skips them.")},
        "Rename them to 1_name or more, or train on an export (shikomi export).",
    ),
    CheckCode(
        "folder-nested",
        "images in folders inside concept folders",
        {
            "sd-scripts": error(
                "sd-scripts does not read them: these images are never trained on."
            ),
            "onetrainer": warning("OneTrainer reads them only with include_subdirectories."),
        },
        "Move the images up, or train on an export (shikomi export).",
    ),
    CheckCode(
        "folder-outside",
        "images outside any concept folder",
        {"sd-scripts": error("sd-scripts only reads concept folders: they are never trained on.")},
        "Move them into a folder called 10_name.",
    ),
    CheckCode(
        "folder-leaf",
        "a single concept folder opened as a dataset",
        {
            "sd-scripts": error(
                "Given this folder, sd-scripts finds no images: it needs the parent."
            )
        },
        "Give --train_data_dir the parent folder, and check that.",
    ),
    CheckCode(
        "folder-empty",
        "concept folders without usable images",
        for_all(info("Trainers skip them.")),
        "Fill or remove them.",
    ),
    CheckCode(
        "folder-no-name",
        "folders whose name is only a number",
        {"sd-scripts": info("Images without a caption there are trained on without any words.")},
        "Rename them to 10_name.",
    ),
    CheckCode(
        "concepts-alike",
        "concepts whose names are almost the same",
        for_all(info("Perhaps one concept, split by a typing error.")),
        "Rename one, or keep them if both are intended.",
    ),
    CheckCode(
        "concept-unknown",
        "settings for a folder that does not exist",
        for_all(warning("Its trigger word and repeats in shikomi.toml have no effect.")),
        "Correct the name of its table in shikomi.toml.",
    ),
    CheckCode(
        "reg-unmarked",
        "folders that look like regularisation images",
        for_all(warning("They are trained on as images of your concept.")),
        "Mark the folder: shikomi concept . FOLDER --regularization; for sd-scripts keep them"
        " outside the dataset and give --reg_data_dir.",
    ),
    CheckCode(
        "reg-surplus",
        "more regularisation images than are used",
        for_all(warning("The surplus is never trained on.")),
        "Remove some, lower their repeats, or raise those of the other folders.",
    ),
    CheckCode(
        "reg-steps",
        "regularisation images double the steps",
        for_all(
            info("Each image is matched by a regularisation image: epochs take twice as long.")
        ),
        "Plan half the epochs, or omit them.",
    ),
)

_REG = re.compile(
    r"(?:\d+_)?(?:reg|regs|regular|regulari[sz]ation)(?:[ _-].*|imgs?|images?)?", re.I
)
_LONG = 5


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield the problems of folders."""
    for place in view.places:
        if place.pictures:
            yield from _place(view, place)
    yield from _empty(view)
    yield from _unknown(view)
    yield from _alike(view)
    yield from _regularisation(view)


def kohya_repeats(name: str) -> int | None:
    """Return the repeats that sd-scripts reads from a folder's name; ``None`` for none.

    Example:
        >>> kohya_repeats("10_mochi"), kohya_repeats("10"), kohya_repeats("mochi")
        (10, 10, None)
    """
    try:
        return int(name.split("_")[0])
    except ValueError:
        return None


def _place(view: DatasetView, place: CheckedFolder) -> Iterator[Problem]:
    count = len(place.pictures)
    images = quantity(count, "image")
    if place.depth == 0:
        repeats = kohya_repeats(place.label if place.path != "." else view.project.root.name)
        leaf = view.project.dataset == view.project.root and repeats is not None
        yield Problem("folder-leaf" if leaf else "folder-outside", place.path, images)
    elif place.depth == 1:
        repeats = kohya_repeats(place.label)
        if repeats is None:
            yield Problem("folder-no-repeats", place.path, images)
        elif repeats < 1:
            yield Problem("folder-zero-repeats", place.path, images)
        elif "_" not in place.label:
            yield Problem("folder-no-name", place.path, images)
    else:
        inner = kohya_repeats(place.label) is not None and "_" in place.label
        also = "; a concept folder inside another" if inner else ""
        yield Problem("folder-nested", place.path, images + also)
    concept = place.concept
    if _REG.fullmatch(concept.folder) and not concept.settings.regularization:
        yield Problem("reg-unmarked", place.path, images)


def _empty(view: DatasetView) -> Iterator[Problem]:
    used = {place.concept.folder for place in view.places if place.pictures}
    for place in view.places:
        if place.depth == 1 and place.concept.folder not in used:
            left = len(place.excluded) + len(place.unreadable)
            yield Problem(
                "folder-empty", place.path, f"{left} excluded or unreadable" if left else "empty"
            )


def _unknown(view: DatasetView) -> Iterator[Problem]:
    there = {same_name(place.concept.folder) for place in view.places}
    for folder in view.project.settings.concepts:
        if same_name(folder) not in there:
            near = get_close_matches(folder, sorted(there), 1, 0.6)
            message = f"[concepts.{folder}]" + (f": did you mean {near[0]}?" if near else "")
            yield Problem("concept-unknown", view.project.file.name, message)


def _alike(view: DatasetView) -> Iterator[Problem]:
    concepts = [places[0] for places in view.concepts().values() if places[0].depth > 0]
    named = [(place, parse_folder(place.concept.folder)[1]) for place in concepts]
    for number, (place, name) in enumerate(named):
        for other, other_name in named[:number]:
            if _is_alike(name, other_name):
                yield Problem("concepts-alike", place.path, f"and {other.concept.folder}")


def _is_alike(name: str, other: str) -> bool:
    first, second = _letters(name), _letters(other)
    if first == second:
        return name != other  # the same name with other repeats is intended
    if (
        re.sub(r"\d", "", first) == re.sub(r"\d", "", second)
        or min(len(first), len(second)) < _LONG
    ):
        return False
    if any(character.isdigit() for character in first + second):
        return False
    # A separate letter, as in outfit_a and outfit_b, distinguishes variants.
    words = set(re.split(r"[\W_]+", name.casefold())) ^ set(re.split(r"[\W_]+", other.casefold()))
    if any(len(word) == 1 for word in words):
        return False
    return distance(first, second, 1) == 1


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _regularisation(view: DatasetView) -> Iterator[Problem]:
    regular: list[tuple[Concept, str, int]] = []
    train = 0
    for places in view.concepts().values():
        concept, count = places[0].concept, sum(len(place.pictures) for place in places)
        if concept.settings.regularization:
            regular.append((concept, places[0].path, count))
        else:
            train += count * concept.repeats
    if not regular or not train:
        return
    total = sum(concept.repeats * count for concept, _, count in regular)
    if total > train:
        message = f"{total} with repeats, {train} other exposures: {total - train} unused"
        yield Problem("reg-surplus", regular[0][1], message)
    yield Problem("reg-steps", regular[0][1], f"{quantity(train, 'exposure')} become {2 * train}")
