"""Advice on validation: enough images to train on, and enough to measure with."""

from collections.abc import Iterator

from prep.curation.advice.basics import FEWEST
from prep.events import Advice
from prep.language import english
from prep.training_set.plan import ConceptPlan, Plan

_TELLING = 4
"""Number of held-out images below which the validation loss says little about the run."""
_HINT = "Lower validation_fraction in [train], or add images."


def validation(plan: Plan) -> Iterator[Advice]:
    """Yield warnings about the images that a plan holds out; nothing if there are none."""
    concepts = [concept for concept in plan.concepts if concept.matched is None]
    held = sum(concept.held_out for concept in concepts)
    if not held:
        return
    if held < _TELLING:
        message = english(
            "Only {count} image is held out: a validation loss of so few says little.",
            "Only {count} images are held out: a validation loss of so few says little.",
            held,
        )
        yield _warning("", message, f"Hold out {_TELLING} at least, or none.")
    for concept in concepts:
        yield from _left(concept)
        if not concept.held_out:
            message = f"No image of {concept.name} is held out: the validation does not cover it."
            yield _warning(concept.folder, message, "Another seed in [train] selects other images.")


def _left(concept: ConceptPlan) -> Iterator[Advice]:
    left = concept.images - concept.held_out
    if left == 0:
        message = f"All images of {concept.name} are held out: it is not trained at all."
        yield _warning(concept.folder, message, _HINT)
    elif left < FEWEST <= concept.images:
        message = f"{concept.name} keeps {left} of {concept.images} images for training."
        yield _warning(concept.folder, message, _HINT)


def _warning(folder: str, message: str, hint: str) -> Advice:
    return Advice("warning", "validation", folder, message, hint)
