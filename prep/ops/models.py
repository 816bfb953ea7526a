"""List known taggers and detectors of heads, their sizes, and which are on this machine."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from prep import events
from prep.errors import ConfigError
from prep.project.tagger import CHARACTER, GENERAL
from prep.section import Section
from prep.system.names import with_home
from prep.tagging.models import catalogue, detectors
from prep.tagging.models.catalogue import APACHE, HubTagger
from prep.tagging.models.obtain import DEMO, at_hand, find, obtain
from prep.tagging.scores.presets import expanded

COMES_ALONG = "comes with shikomi"


class ModelOptions(Section):
    """Which models to list, and which to download."""

    download: tuple[str, ...] = ()
    """Download this tagger or detector into the cache of the Hugging Face hub; repeatable."""
    cached: bool = Field(False)
    """Only models that are on this machine."""


def run(options: ModelOptions) -> Iterator[events.Event]:
    """List the known models; makes no request unless one is downloaded.

    Yields:
        Downloading and Progress of downloads; a KnownTagger or a KnownDetector for each; Finished
        with ``models``, ``cached`` and ``downloaded``.

    Raises:
        ConfigError: A name to download is that of a folder, or empty.
        UserError: There is no such tagger; RetryError if the network may be the reason.
    """
    for name in options.download:
        if not name or with_home(name).is_dir():
            raise ConfigError(f"{name or 'Nothing'} cannot be downloaded.", "Give a known name.")
        if detectors.known(name):
            yield from detectors.obtain(name, Path())
            continue
        for each in expanded([name]):
            yield from obtain(each, Path())
    listed: list[events.KnownTagger | events.KnownDetector]
    listed = [_demo(), *map(_line, catalogue.KNOWN), *_detectors()]
    for line in listed:
        if line.cached or not options.cached:
            yield line
    yield events.Finished(
        {
            "models": len(listed),
            "cached": sum(line.cached for line in listed),
            "downloaded": list(options.download),
        }
    )


def _demo() -> events.KnownTagger:
    size = find(DEMO, Path()).model.stat().st_size
    return events.KnownTagger(DEMO, COMES_ALONG, size, True, GENERAL, CHARACTER, APACHE)


def _detectors() -> Iterator[events.KnownDetector]:
    own = detectors.at_hand(detectors.DEMO, Path())
    if own is not None:
        size = own.model.stat().st_size
        yield events.KnownDetector(own.name, COMES_ALONG, size, True, APACHE)
    for known in detectors.KNOWN:
        files = detectors.at_hand(known.name, Path())
        size = files.model.stat().st_size if files else known.size
        yield events.KnownDetector(
            known.name, known.repository, size, files is not None, known.licence
        )


def _line(known: HubTagger) -> events.KnownTagger:
    paths = at_hand(known)
    weights = [path for path in paths or () if path.suffix in (".onnx", ".data")]
    size = sum(path.stat().st_size for path in weights) or known.size
    record = known.record
    general = GENERAL if record.general is None else record.general
    character = general if record.character is None else record.character
    return events.KnownTagger(
        known.name,
        known.repository,
        size,
        bool(paths),
        general,
        character,
        known.licence,
        known.gated,
        record.point,
    )
