"""The plan while somebody edits it: counted again in milliseconds, also for 100,000 images.

The same numbers as ``make_plan``, without an object for each image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.dataset.training_parts import Ints, TrainingParts
from prep.images.buckets import Buckets, Size
from prep.project import Concept, Project
from prep.training_set.plan import ConceptPlan, Plan, StepSettings, counted
from prep.training_set.plan.balance import balanced
from prep.training_set.plan.split import exposures


@dataclass(frozen=True, eq=False)
class LivePlan:
    """What does not change while repeats and settings are edited.

    Attributes:
        parts: The training images.
        bucket_of: Place in ``buckets`` of each.
        buckets: The buckets in use.
        held: Which are held out of training.
    """

    parts: TrainingParts
    bucket_of: Ints
    buckets: tuple[Size, ...]
    held: NDArray[np.bool_]

    @classmethod
    def of(
        cls, buckets: Buckets, parts: TrainingParts, held: Sequence[bool] | None = None
    ) -> "LivePlan":
        """Place the training images into their buckets.

        Args:
            buckets: The buckets.
            parts: The training images.
            held: Which are held out, one for each; none by default.
        """
        names = [buckets.fit(size).bucket for size in parts.sizes]
        in_use = tuple(sorted(set(names)))
        place_of = {name: place for place, name in enumerate(in_use)}
        of_size = np.array([place_of[name] for name in names], np.int64)
        out = np.zeros(len(parts), bool) if held is None else np.asarray(held, bool)
        return cls(parts, of_size[parts.size_of], in_use, out)

    def plan(self, project: Project, settings: StepSettings, processes: int) -> Plan:
        """Count exposures and steps with the repeats of a project, which need not be saved."""
        concepts = [project.concept(folder) for folder in self.parts.folders]
        shown = self._exposures(concepts)
        counts = np.bincount(self.bucket_of, shown, minlength=len(self.buckets))
        exposed = {
            name: int(count) for name, count in zip(self.buckets, counts.tolist(), strict=True)
        }
        return counted(self._concepts(concepts, shown), exposed, settings, processes)

    def even(self, project: Project) -> dict[str, int]:
        """Return the repeats with which concepts are shown about equally often, by folder."""
        images, repeats, folders = [], [], []
        for place, folder in enumerate(self.parts.folders):
            concept = project.concept(folder)
            count = int(np.sum((self.parts.folder_of == place) & ~self.held))
            if count and not concept.settings.regularization:
                images.append(count)
                repeats.append(concept.repeats)
                folders.append(folder)
        return dict(zip(folders, balanced(images, repeats), strict=True))

    def images(self, folder: str) -> list[int]:
        """Return the ids of the images of a concept folder."""
        if folder not in self.parts.folders:
            return []
        place = self.parts.folders.index(folder)
        found: list[int] = np.unique(self.parts.ids[self.parts.folder_of == place]).tolist()
        return found

    def _exposures(self, concepts: Sequence[Concept]) -> Ints:
        """Return the exposures of each training image per epoch."""
        repeats = np.array([concept.repeats for concept in concepts], np.int64)
        regular = np.array([concept.settings.regularization for concept in concepts], bool)
        folder_of = self.parts.folder_of
        shown = repeats[folder_of] if len(self.parts) else np.zeros(0, np.int64)
        if regular.any():
            # They are matched to the others image by image, in order.
            matched = exposures(shown.tolist(), regular[folder_of].tolist())
            shown = np.array(matched, np.int64)
        return np.where(self.held, 0, shown)

    def _concepts(self, concepts: Sequence[Concept], shown: Ints) -> tuple[ConceptPlan, ...]:
        count, folder_of = len(concepts), self.parts.folder_of
        images = np.bincount(folder_of, minlength=count).tolist()
        held = np.bincount(folder_of, self.held, minlength=count).tolist()
        exposed = np.bincount(folder_of, shown, minlength=count).tolist()
        found = [
            ConceptPlan(
                concept.name,
                images[place],
                concept.repeats,
                int(exposed[place]) if concept.settings.regularization else None,
                int(held[place]),
                concept.folder,
            )
            for place, concept in enumerate(concepts)
        ]
        return tuple(sorted(found, key=lambda each: (each.name, each.folder)))
