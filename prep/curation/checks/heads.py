"""Heads that crops or buckets cut off; only where the project has a detector of heads.

A study that trained LoRAs on sets with one fault each found that crops through heads halve the
identity, more than any other fault: hence an error, though no trainer stops at it.
"""

from collections.abc import Iterator

from prep.curation.checks.codes import CheckCode, Problem, error, for_all
from prep.curation.checks.view import DatasetView
from prep.dataset import stored_crops
from prep.tagging.heads import Heads
from prep.training_set.heads import head_cuts

CODES = (
    CheckCode(
        "head-cut",
        "images whose crop or bucket cuts a head off",
        for_all(error("The character is learnt without what it is recognised by.")),
        "Crop them anew, by hand or with: shikomi crop --subject",
    ),
)


def find(view: DatasetView) -> Iterator[Problem]:
    """Yield the images whose heads are cut off; call ``prep.tagging.heads.look`` first."""
    heads = Heads(view.index)
    if not heads.detector:
        return
    rows = [row for _, _, row in view.pictures()]
    found, boxes = heads.of(rows), stored_crops.read(view.index.connection)
    for row in rows:
        crops = boxes.get(row.path, ())
        cuts = head_cuts(view.project, row, found.get(row.path, ()), crops, view.trainer)
        if cuts:
            message = "; ".join(dict.fromkeys(cut.words for cut in cuts))
            yield Problem("head-cut", row.path, message)
