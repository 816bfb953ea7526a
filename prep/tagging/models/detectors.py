"""Detectors of heads: where their files come from, and what these say.

Such a detector is a folder with ``model.onnx``, as YOLO and RT-DETR models are exported, and beside
it, if there are any, ``labels.json`` (a list of names), ``threshold.json`` (``threshold``: where
its F1 is best) and ``model_type.json`` (``model_type``: yolo or rtdetr). The models of
deepghs/anime_head_detection are published in this way, each in a folder of one repository.
"""

import hashlib
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep import demo_world, events
from prep.errors import UserError, reason_of
from prep.system.files import content_hash
from prep.system.names import with_home
from prep.tagging.models.download import Repository
from prep.tagging.models.records import MODEL, Record
from prep.texts import parse_json, read_text

DEMO = "demo"
"""The name of the detector that comes along, for drawings of the demo world."""
LABELS, THRESHOLD, MODEL_TYPE = "labels.json", "threshold.json", "model_type.json"
SIDECARS = (LABELS, THRESHOLD, MODEL_TYPE)
USUAL_THRESHOLD = 0.4
"""Threshold for detectors that recommend none; the public ones recommend 0.33 to 0.58."""
EXAMPLES = (
    "Give a known name (head_detect_v1.6_s), a folder with a model.onnx, or a folder of a"
    " repository on the Hugging Face hub (docs/topics/crops.md)."
)

YOLO = Record(
    tags=LABELS,
    fit="letterbox",
    background=(114, 114, 114),
    kernel="bilinear",
    rounding="round",
    channels="RGB",
    layout="NCHW",
    divide=255,
)
"""Input of YOLO models: scaled to fit, centred on grey. These numbers are those of Ultralytics."""
RTDETR = YOLO.model_copy(update={"fit": "stretch"})
"""Input of RT-DETR models."""

_LARGEST = 1 << 16
"""Bytes of a file beside the model."""
_RULES = 1
"""Version of what is made of a model's answers: raise it when the same answers give other boxes."""
_REPOSITORY = re.compile(r"([\w][\w.-]*/[\w][\w.-]*)((?:/[\w.-]+)*)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class KnownDetector:
    """A detector on the Hugging Face hub.

    Attributes:
        name: Its name, which is that of its folder.
        size: Size of its weights, bytes: four for each parameter.
    """

    name: str
    size: int
    repository: str = "deepghs/anime_head_detection"
    revision: str = "708f79bf3f861970acd296026daae9ca23ee7d96"
    licence: str = "MIT"


KNOWN = (
    KnownDetector("head_detect_v1.6_s", 44_400_000),
    KnownDetector("head_detect_v1.6_n", 12_040_000),
    KnownDetector("head_detect_v1.6_s_yv10", 32_160_000),
)
"""Detectors known by name, the best first; sizes as in their model card."""


@dataclass(frozen=True)
class DetectorFiles:
    """The files of a detector.

    Attributes:
        name: For people.
        model: The ONNX file; what describes it is beside it.
    """

    name: str
    model: Path

    @property
    def rtdetr(self) -> bool:
        """Return whether it says of itself that it is an RT-DETR model."""
        found = self._read(MODEL_TYPE)
        return isinstance(found, dict) and found.get("model_type") == "rtdetr"

    @property
    def record(self) -> Record:
        """Its input format."""
        return RTDETR if self.rtdetr else YOLO

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what it finds, as the file beside it says; empty if there is none.

        Raises:
            UserError: It is no list of names.
        """
        found = self._read(LABELS)
        if found is None:
            return ()
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise UserError(
                f"{self.model.with_name(LABELS)} is not a list of names.",
                "Take it from the place of the model.",
            )
        return tuple(found)

    @property
    def threshold(self) -> float:
        """Score from which on it is to be believed, 0 to 1."""
        found = self._read(THRESHOLD)
        value = found.get("threshold") if isinstance(found, dict) else None
        usable = isinstance(value, int | float) and 0 < value < 1
        return float(value) if usable and value is not None else USUAL_THRESHOLD

    def key(self) -> str:
        """Return the key of its answers: a hash of its files, and of how it is used."""
        parts = [content_hash(self.model), self.record.pixel_key(), str(_RULES), *self.labels]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _read(self, name: str) -> Any:
        file = self.model.with_name(name)
        if not file.is_file():
            return None
        try:
            return parse_json(read_text(file, largest=_LARGEST))
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read: {reason_of(error)}.") from error


def at_hand(model: str, folder: Path) -> DetectorFiles | None:
    """Return a detector if it is on this machine; makes no request.

    Args:
        model: A folder or ONNX file, a known name, a repository with a folder, or ``demo``.
        folder: Base of relative paths, besides the current folder.
    """
    if model == DEMO:
        return DetectorFiles("demo detector", demo_world.detector() / MODEL)
    for place in (with_home(model), folder / model) if model else ():
        if place.is_file() and place.suffix == ".onnx":
            return DetectorFiles(place.stem, place)
        if (place / MODEL).is_file():
            return DetectorFiles(place.resolve().name, place / MODEL)
    found = _place(model)
    if found is None:
        return None
    repository, inside, _ = found
    paths = repository.cached([inside + MODEL])
    return DetectorFiles(_name(model), paths[0]) if paths else None


def obtain(model: str, folder: Path) -> Generator[events.Event, None, DetectorFiles]:
    """Find the files of a detector; those on the hub are downloaded once.

    Args:
        model: As in ``at_hand``.
        folder: Likewise.

    Yields:
        Downloading, with size and licence, before anything is transferred; Progress.

    Raises:
        UserError: There is no such detector; RetryError if the network may be the reason.
    """
    if not model:
        raise UserError("No head detector was chosen.", EXAMPLES)
    files = at_hand(model, folder)
    if files is not None:
        return files
    found = _place(model)
    if found is None:
        raise UserError(f"There is no head detector {model}.", EXAMPLES)
    repository, inside, licence = found
    listing = yield from repository.listing()
    if inside + MODEL not in listing.names:
        raise _nothing_there(repository, listing.names)
    beside = [inside + name for name in SIDECARS if inside + name in listing.names]
    # The model comes last: where it is, everything is.
    paths = yield from repository.fetch([*beside, inside + MODEL], licence or listing.licence)
    return DetectorFiles(_name(model), paths[-1])


def known(name: str) -> KnownDetector | None:
    """Return the detector known by a name."""
    return next((each for each in KNOWN if each.name == name.partition("@")[0]), None)


def _place(model: str) -> tuple[Repository, str, str] | None:
    """Return the repository, the folder in it with its slash, and the licence if it is known."""
    listed = known(model)
    if listed is not None:
        revision = model.partition("@")[2] or listed.revision
        return Repository(listed.repository, revision), f"{listed.name}/", listed.licence
    match = _REPOSITORY.fullmatch(model)
    if match is None or ".." in match[2].split("/"):
        return None
    inside = match[2].lstrip("/")
    return Repository(match[1], match[3] or "main"), f"{inside}/" if inside else "", ""


def _name(model: str) -> str:
    return model.partition("@")[0].rpartition("/")[2]


def _nothing_there(repository: Repository, names: list[str]) -> UserError:
    folders = sorted(name.removesuffix(f"/{MODEL}") for name in names if name.endswith(f"/{MODEL}"))
    has = f"it has {', '.join(folders[:6])}" if folders else "no folder in it has one"
    return UserError(
        f"There is no {MODEL} at that place in {repository.name}: {has}.",
        f"Give a folder as {repository.name}/FOLDER.",
    )


def names_in(text: str) -> tuple[str, ...]:
    """Read the names that exporters write into a model: ``{0: 'head', 1: 'tail'}``.

    Example:
        >>> names_in("{0: 'head', 1: 'tail'}"), names_in('["head"]'), names_in("")
        (('head', 'tail'), ('head',), ())
    """
    text = text[:_LARGEST]
    pairs = re.findall(r"""(\d+)['"]?\s*:\s*(?:'([^']*)'|"([^"]*)")""", text)
    if pairs:
        return tuple(single or double for _, single, double in pairs)
    try:
        found = parse_json(text)
    except ValueError:
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()
