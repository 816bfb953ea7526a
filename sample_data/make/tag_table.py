"""The demo tagger's vocabulary: the rows of `selected_tags.csv`, in the order of its outputs.

Three blocks as in the WD v3 files: ratings, general tags, characters; the last two by falling
count. Counts are those of a fixed random sample of the world.
"""

import csv
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sample_data.make.world import Scene, character_tag, sample_scene, tags

RATINGS = ("general", "sensitive", "questionable", "explicit")
RATING, GENERAL, CHARACTER = 9, 0, 4
COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """One output of the tagger."""

    tag_id: int
    name: str
    category: int
    count: int


def rows() -> list[Row]:
    """Count the tags of a fixed sample of scenes and return all rows."""
    rng = random.Random("tag counts")
    general: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for _ in range(COUNTED):
        scene = sample_scene(rng)
        general.update(tags(scene))
        characters.update(filter(None, [character_tag(scene)]))
    counted = [(name, RATING, COUNTED if name == "general" else 0) for name in RATINGS]
    for category, counts in ((GENERAL, general), (CHARACTER, characters)):
        by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        counted += [(name, category, count) for name, count in by_count]
    numbered = enumerate(counted)
    return [Row(9_000_000 + k, name, category, count) for k, (name, category, count) in numbered]


def targets(scene: Scene, table: list[Row]) -> list[float]:
    """Return what a perfect tagger would answer for a scene."""
    true = {"general", *tags(scene), character_tag(scene)}
    return [float(row.name in true) for row in table]


def write(path: Path, table: list[Row]) -> None:
    """Write the table as WD's CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("tag_id", "name", "category", "count"))
        writer.writerows((row.tag_id, row.name, row.category, row.count) for row in table)


def read(path: Path) -> list[Row]:
    """Read a table back from WD's CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Row(int(row["tag_id"]), row["name"], int(row["category"]), int(row["count"]))
            for row in csv.DictReader(file)
        ]
