"""Find duplicates: identical, near-identical, mirrored or rotated pictures.

Nothing is ever deleted: ``resolve`` excludes all but the best of each group (or moves them to the
trash of the project), as one edit that ``undo`` reverts. Every image of a group was compared
with the kept one, so chains of small differences never join pictures that differ much.
Pictures that may be copies with a mark over
them or variants are shown, and related ones (variants and crops of one source) on request; they are
never excluded.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from prep import events
from prep.curation.duplicates import families, hash_kinds, hash_store
from prep.curation.duplicates.best import KeepRanking, KeepRule, full_order
from prep.curation.duplicates.groups import (
    APART,
    REASONS,
    UNCERTAIN,
    VARIANT,
    DuplicateGroup,
    GroupMember,
    Search,
)
from prep.curation.duplicates.hash_kinds import HashKind
from prep.curation.duplicates.merging import CaptionRule
from prep.curation.duplicates.neighbours import (
    MIRRORED,
    TURNS,
    UPRIGHT,
    EitherNeighbours,
    Neighbours,
)
from prep.curation.duplicates.resolving import hand_made, resolution
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import CAPTION
from prep.dataset.journal.edits import Journal
from prep.dataset.values import duplicates
from prep.errors import ConfigError
from prep.project import Project, Section

_RADII = ((20_000, 12), (200_000, 10), (1 << 62, 8))
"""(Number of images, distance below it): chance matches grow with the square of the number."""


class DupesOptions(Section):
    """What counts as a duplicate, and what to do about it."""

    distance: int | None = Field(None, ge=0, le=15)
    """Maximum number of bits by which the 64-bit hashes of near-duplicates differ; candidates are
    then compared in detail. Default: 12; 10 from 20,000 images on, 8 from 200,000."""
    hash: HashKind = "phash"
    """Kind of hash that finds candidates: phash, or ahash, dhash or whash, which take longer."""
    mirrored: bool = True
    """Also find mirror images."""
    rotated: bool = True
    """Also find images rotated by 90, 180 or 270 degrees, mirrored or not."""
    variants: bool = False
    """Also show images that differ in a detail such as the facial expression; all are kept."""
    crops: bool = False
    """Also show different crops of the same image; all are kept."""
    resolve: Literal["none", "keep-best"] = "none"
    """What to do with duplicates: none, or keep-best (exclude all but the best of each group)."""
    prefer: tuple[KeepRule, ...] = ()
    """What decides which version is the best: resolution, sharpness, format, caption (written by
    hand) or compression. Repeatable, the most important first; the others follow in this order."""
    captions: CaptionRule = "hand-first"
    """Caption of the image that is kept: hand-first (its own, unless only a duplicate has one
    written by hand), union (its own and the tags of the duplicates) or best (its own if any)."""
    trash: bool = False
    """Move excluded images to the trash of the project, with their captions and masks."""
    dry_run: bool = False
    """Only show what would change."""


_LOOK = "variants, or copies with a mark over them: please look"


def run(project: Project, options: DupesOptions | None = None) -> Iterator[events.Event]:
    """Group the duplicates among the images that are readable and not excluded.

    Yields:
        Progress; Skipped for each image that cannot be decoded; Group per group, the image to
        keep first; a Change per merged caption; Finished with ``images`` (looked at),
        ``groups``, ``duplicates`` (all but the kept ones), ``uncertain``, ``variants``, ``crops``
        (groups of each), ``excluded``, ``trashed``, ``captions`` (merged) and ``edit``
        (its number in the history, 0 for none).

    Raises:
        ConfigError: Options contradict each other.
        UserError: The index cannot be used.
    """
    options = options or DupesOptions()
    if options.trash and options.resolve == "none":
        raise ConfigError(
            "--trash requires --resolve keep-best.",
            "Add: --resolve keep-best",
        )
    with Index(project) as index:
        yield from contents.hash_unread(index)
        yield from hash_store.hash_pictures(index, hash_store.unseen(index))
        if options.hash != hash_kinds.OWN:
            yield from hash_kinds.make(index, index.usable(), options.hash)
        found = _Found(index, options)
        yield from found.duplicates()
        yield from found.apart(UNCERTAIN)
        if options.variants:
            yield from found.apart(VARIANT)
        if options.crops:
            yield from found.crops()
        found.remember()
        summary = found.summary()
        if options.resolve == "keep-best":
            summary |= yield from _keep_best(index, found.clusters, found.ranking, options)
        yield events.Finished(summary)


class _Found:
    """The groups of one run, and the search that finds them."""

    def __init__(self, index: Index, options: DupesOptions) -> None:
        self._index, self._options = index, options
        if options.hash == hash_kinds.OWN:
            self._hashes = hash_store.usable_hashes(index)
        else:
            self._hashes = hash_kinds.usable_hashes(index, options.hash)
        self.clusters: list[DuplicateGroup] = []
        self._groups = 0
        self._apart = dict.fromkeys(APART, 0)
        self._told: list[tuple[str, str, str]] = []
        self.ranking = KeepRanking(index.project, order=full_order(options.prefer))

    def duplicates(self) -> Iterator[events.Event]:
        """Search, compare, and yield the groups."""
        hashes = (self._hashes.hashes, self._hashes.middle)
        neighbours = EitherNeighbours(
            [Neighbours(each, self._radius(), self._turns()) for each in hashes]
        )
        if neighbours.crowded:
            yield events.Warned(
                "Very many pictures have nearly the same hash, like frames of one film; those were"
                " compared only with the nearest of them.",
                "A smaller --distance compares all pairs within it.",
            )
        yield from hash_store.make_thumbnails(self._index, self._firsts(neighbours))
        rows = self._rows(neighbours)  # without broken ones
        self.ranking = self._informed(rows.values())
        ordered = {place: self.ranking.best_first(images) for place, images in rows.items()}
        variants = self._options.variants
        search = Search(self._index, ordered, neighbours, self.ranking, variants=variants)
        throttle = events.Throttle()
        for done, cluster in enumerate(search.clusters(), 1):
            if cluster is not None:
                self.clusters.append(cluster)
                yield from self._events(cluster)
            total = len(search)
            yield from events.tick("comparing", total, throttle, min(done, total))
        self._search = search

    def apart(self, reason: str) -> Iterator[events.Event]:
        """Yield the groups of variants, or of what is uncertain."""
        for cluster in self._search.apart(reason):
            yield from self._events(cluster)

    def crops(self) -> Iterator[events.Event]:
        """Yield the families of crops among the pictures that are not duplicates."""
        gone = {member.row.path for cluster in self.clusters for member in cluster.members}
        rows = [row for row in self._index.usable() if row.path not in gone]
        for found in families.run(self._index, rows):
            if isinstance(found, DuplicateGroup):
                yield from self._events(found)
            else:
                yield found

    def remember(self) -> None:
        """Store the groups, for filters such as ``dup:yes``."""
        duplicates.save(self._index.connection, self._told)

    def summary(self) -> dict[str, int]:
        gone = {member.row.path for cluster in self.clusters for member in cluster.members}
        return {
            "images": self._images(),
            "groups": self._groups,
            "duplicates": len(gone),
            "uncertain": self._apart[UNCERTAIN],
            "variants": self._apart[VARIANT],
            "crops": self._apart["crop"],
            "excluded": 0,
            "trashed": 0,
            "captions": 0,
            "edit": 0,
        }

    def _images(self) -> int:
        return sum(count for _, count in self._index.folders())

    def _radius(self) -> int:
        """Return the requested distance, or one with few chance matches for so many images."""
        if self._options.distance is not None:
            return self._options.distance
        count = len(self._hashes.ids)
        return next(radius for most, radius in _RADII if count < most)

    def _turns(self) -> list[int]:
        turns = [UPRIGHT]
        turns += [MIRRORED] if self._options.mirrored else []
        others = range(MIRRORED + 1, len(TURNS))
        return turns + (list(others) if self._options.rotated else [])

    def _rows(self, neighbours: EitherNeighbours) -> dict[int, list[ImageRow]]:
        """Return the images of all pictures that have candidates or copies, by position."""
        places = {int(number): place for place, number in enumerate(self._hashes.ids.tolist())}
        wanted = [int(self._hashes.ids[place]) for place in neighbours.doubtful().tolist()]
        wanted += hash_store.copied(self._index)
        images = hash_store.images_of(self._index, wanted)
        return {places[number]: rows for number, rows in images.items()}

    def _firsts(self, neighbours: EitherNeighbours) -> contents.RowPages:
        """Return one image of each of these pictures, a few at a time."""
        rows = self._rows(neighbours).values()
        return contents.RowPages(self._index, [images[0].id for images in rows])

    def _informed(self, images: Iterable[Sequence[ImageRow]]) -> KeepRanking:
        rows = [row for group in images for row in group]
        contents = {row.content for row in rows if row.content is not None}
        sharpness = hash_store.sharpness_of(self._index, contents)
        order = full_order(self._options.prefer)
        return KeepRanking(self._index.project, sharpness, hand_made(self._index, rows), order)

    def _events(self, cluster: DuplicateGroup) -> Iterator[events.Group]:
        for reason in (*REASONS, *APART):
            members = [member for member in cluster.members if member.reason == reason]
            if members:
                self._groups += reason in REASONS
                if reason in APART:
                    self._apart[reason] += 1
                yield self._event(reason, cluster, members)

    def _event(
        self, reason: str, cluster: DuplicateGroup, members: Sequence[GroupMember]
    ) -> events.Group:
        rows = [cluster.keep, *(member.row for member in members)]
        self._told += ((row.path, reason, cluster.keep.path) for row in rows)
        why = cluster.why
        if reason == UNCERTAIN:
            why = _LOOK
        if reason in REASONS and not why:
            why = self.ranking.why_kept([cluster.keep, *self.ranking.best_first(rows[1:])])
        return events.Group(
            reason,
            [row.path for row in rows],
            cluster.keep.path,
            [0, *(member.bits for member in members)],
            why,
            ["", *(member.detail for member in members)],
            [UPRIGHT, *(member.turn for member in members)],
        )


def _keep_best(
    index: Index, clusters: Sequence[DuplicateGroup], ranking: KeepRanking, options: DupesOptions
) -> Generator[events.Event, None, dict[str, int]]:
    """Exclude the duplicates as one edit."""
    wanted = resolution(index.project, clusters, ranking, options.captions, trash=options.trash)
    for path, reason in wanted.refused:
        yield events.Warned(f"{path} was not copied to the kept image: {reason}.")
    merged = [change for change in wanted.changes if change.what == CAPTION]
    for change in merged:
        yield events.Change(change.path, change.before, change.after)
    counted = "trashed" if options.trash else "excluded"
    if options.dry_run:
        return {counted: len(wanted.gone), "captions": len(merged)}
    where = "move duplicates to the trash" if options.trash else "exclude duplicates"
    outcome = Journal(index).apply(where, wanted.changes)
    for path, reason in outcome.conflicts:
        yield events.Skipped(path, reason)
    done = {change.path for change in outcome.changed if change.what != CAPTION}
    return {
        counted: len(done.intersection(wanted.gone)),
        "captions": sum(change.what == CAPTION for change in outcome.changed),
        "edit": outcome.edit,
    }
