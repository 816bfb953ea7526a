"""Learn what tells marks from changes of content, and write ``overlay_model.json``.

    python -m benchmarks.marks_fit FOLDER [--pairs 1750] [--seed 1] [--features FILE]

FOLDER is that of ``benchmarks.foreign``, whose half ``tuning`` gives the pictures. A third of the
pairs are pictures with and without a mark, a third are pictures with a changed detail, and the
rest are different pictures whose hashes nearly agree. Prints what is recognised of pictures by
authors that were held out, at several probabilities. Needs scikit-learn (``pip install
scikit-learn``), which the program itself does not.
"""

import argparse
import io
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import changes, foreign
from benchmarks.edits import EDITS
from benchmarks.marks import KINDS, MarkMaker
from prep.curation.duplicates import closer, overlay
from prep.curation.duplicates.hashes import distance, phash
from prep.curation.duplicates.overlay import Traits
from prep.curation.duplicates.similarity import first_look, small_square

RADIUS = 14
FOLDS = 6
RISING = ("one", "two", "flat", "texture", "edges", "added", "worst")
"""Traits of which more never makes a mark less likely."""
MODEL = Path(overlay.__file__).with_name("overlay_model.json")


class Example(NamedTuple):
    """A pair of pictures: the traits of both assumptions, and the truth.

    Attributes:
        source: The picture, whose set is held out together.
        marked: The second is the first with a mark over it.
        traits: If the first is the marked one, and if the second is.
    """

    source: str
    marked: bool
    traits: tuple[Traits, Traits]


def pairs(
    folder: Path, count: int, seed: int
) -> Iterator[tuple[str, bool, Image.Image, Image.Image]]:
    """Yield source, truth, and both pictures."""
    rng, half = random.Random(seed), foreign.HALVES["tuning"]
    pictures = list(foreign.sources(folder, half, rng))
    near = _near(pictures)
    rng.shuffle(near)
    marker = MarkMaker(foreign.fonts(folder, half), half.texts, rng)
    for _ in range(count):
        source, first = rng.choice(pictures)
        kind = rng.choice(("mark", "mark", "change", "face", "other"))
        if kind == "other" and near:
            one, other = near.pop()
            yield pictures[one][0], False, pictures[one][1], pictures[other][1]
            continue
        if kind == "mark":
            second = marker.put(first, rng.choice(list(KINDS)))
        elif kind == "face":
            first, second = changes.faces(first, rng)
        else:
            second = rng.choice(list(changes.CHANGES.values()))(first, rng)
        if rng.random() < 0.35:
            second = rng.choice(list(EDITS.values()))(second, rng)
        yield source, kind == "mark", first, _encoded(second, rng)


def _near(pictures: Sequence[tuple[str, Image.Image]]) -> list[tuple[int, int]]:
    hashes = [phash(image.convert("L")) for _, image in pictures]
    return [
        (one, other)
        for one in range(len(hashes))
        for other in range(one + 1, len(hashes))
        if distance(hashes[one], hashes[other]) <= RADIUS
    ]


def _encoded(image: Image.Image, rng: random.Random) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=rng.randint(75, 95))
    return Image.open(data).convert("RGB")


def measured(first: Image.Image, second: Image.Image) -> tuple[Traits, Traits] | None:
    """Return the traits of both assumptions, if the pictures visibly differ at all."""
    glance = first_look(small_square(first), small_square(second))
    if not glance.alike:
        return None
    large = closer.detailed_image(first), closer.detailed_image(second)
    both = closer.difference_traits(*large, glance.warp)
    return None if both is None or None in both else (both[0], both[1])  # type: ignore[return-value]


def rows(examples: Sequence[Example]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return traits and truth; of what has no mark, both assumptions are wrong."""
    values, truth = [], []
    for example in examples:
        for traits in example.traits[1:] if example.marked else example.traits:
            values.append(traits)
            truth.append(example.marked)
    return np.array(values, float), np.array(truth)


def fitted(examples: Sequence[Example]) -> Any:
    """Return the trees of scikit-learn."""
    from sklearn.ensemble import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        HistGradientBoostingClassifier,
    )

    rising = [int(name in RISING) for name in Traits._fields]
    model = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_iter=120,
        max_leaf_nodes=8,
        min_samples_leaf=12,
        l2_regularization=1.0,
        monotonic_cst=rising,
        random_state=0,
    )
    values, truth = rows(examples)
    return model.fit(values, truth)


def likely(model: Any, examples: Sequence[Example]) -> NDArray[Any]:
    """Return the probability of a mark on either picture."""
    both = [np.array([e.traits[place] for e in examples], float) for place in (0, 1)]
    found = [model.predict_proba(values)[:, 1] for values in both]
    result: NDArray[Any] = np.maximum(found[0], found[1])
    return result


def held_out(examples: Sequence[Example]) -> NDArray[Any]:
    """Return the probability of each example by a model that has not seen its set."""
    sets = [example.source.split()[0].split("-")[0] for example in examples]
    folds = {name: place % FOLDS for place, name in enumerate(sorted(set(sets)))}
    of = np.array([folds[name] for name in sets])
    result = np.zeros(len(examples))
    for fold in range(FOLDS):
        seen = [e for e, place in zip(examples, of, strict=True) if place != fold]
        mine = [e for e, place in zip(examples, of, strict=True) if place == fold]
        result[of == fold] = likely(fitted(seen), mine)
    return result


def as_json(model: Any) -> dict[str, Any]:
    """Return the trees in the format of ``prep.curation.duplicates.trees``."""

    def node(nodes: Any, place: int) -> Any:
        here = nodes[place]
        if here["is_leaf"]:
            return round(float(here["value"]), 4)
        name, threshold = Traits._fields[here["feature_idx"]], float(here["num_threshold"])
        children = (node(nodes, int(here[side])) for side in ("left", "right"))
        return [name, float(f"{threshold:.5g}"), *children]

    start = float(np.ravel(model._baseline_prediction)[0])
    trees = [node(each[0].nodes, 0) for each in model._predictors]
    return {"start": round(start, 4), "trees": trees}


def main() -> None:
    """Make pairs, print what is recognised, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=1750)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    examples = [
        Example(source, marked, traits)
        for source, marked, first, second in pairs(options.folder, options.pairs, options.seed)
        if (traits := measured(first, second)) is not None
    ]
    evaluate(examples)
    write(fitted(examples))


def evaluate(examples: Sequence[Example]) -> None:
    """Print recall and wrong answers for sets that were held out."""
    truth = np.array([example.marked for example in examples])
    found = held_out(examples)
    print(f"{truth.sum()} marks, {(~truth).sum()} changes of content")
    for least in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        taken = found >= least
        print(f"from {least:.2f}: {taken[truth].mean():.3f} of the marks,"
              f" {taken[~truth].sum()} changes taken for one")  # fmt: skip


def write(model: Any) -> None:
    """Write the model, a tree a line."""
    found = as_json(model)
    trees = ",\n".join(json.dumps(tree) for tree in found["trees"])
    MODEL.write_text(f'{{"start": {found["start"]}, "trees": [\n{trees}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main()
