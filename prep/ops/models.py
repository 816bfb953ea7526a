"""List known taggers, their sizes, and which are on this machine."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from prep import events
from prep.errors import ConfigError
from prep.project.tagger import CHARACTER, GENERAL
from prep.section import Section
from prep.system.names import with_home
from prep.tagging.models import catalogue
from prep.tagging.models.catalogue import APACHE, HubTagger
from prep.tagging.models.obtain import DEMO, at_hand, find, obtain
from prep.tagging.scores.presets import expanded


class ModelOptions(Section):
    """Which taggers to list, and whether to download them."""

    download: tuple[str, ...] = ()
    """Download this tagger into the cache of the Hugging Face hub; repeatable."""
    cached: bool = Field(False)
    """Only taggers that are on this machine."""


def run(options: ModelOptions) -> Iterator[events.Event]:
    """List the known taggers; makes no request unless one is downloaded.

    Yields:
        Downloading and Progress of downloads; a KnownTagger for each; Finished with ``models``,
        ``cached`` and ``downloaded``.

    Raises:
        ConfigError: A name to download is that of a folder, or empty.
        UserError: There is no such tagger; RetryError if the network may be the reason.
    """
    for name in options.download:
        if not name or with_home(name).is_dir():
            raise ConfigError(f"{name or 'Nothing'} cannot be downloaded.", "Give a known name.")
        for each in expanded([name]):
            yield from obtain(each, Path())
    listed = [_demo(), *map(_line, catalogue.KNOWN)]
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
    return events.KnownTagger(DEMO, "comes with shikomi", size, True, GENERAL, CHARACTER, APACHE)


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
