"""Events: how operations report to front ends, as dataclasses or as JSON lines.

Operations yield them, jobs append them to ``events.jsonl``, ``--json`` prints them, the terminal
application draws them. Each line is a JSON object with ``v`` (format version), ``t`` (Unix time,
seconds), ``kind`` and the fields of the dataclass. Readers ignore kinds they do not know.

The events of single operations are imported when one of them is first asked for: they are many, and
the first frame of the application shows none.
"""

from typing import TYPE_CHECKING, Any

from prep.events.base import VERSION as VERSION
from prep.events.base import Event as Event
from prep.events.base import Failed as Failed
from prep.events.base import Finished as Finished
from prep.events.base import Progress as Progress
from prep.events.base import Skipped as Skipped
from prep.events.base import Stage as Stage
from prep.events.base import Started as Started
from prep.events.base import Throttle as Throttle
from prep.events.base import Unknown as Unknown
from prep.events.base import Warned as Warned
from prep.events.base import Written as Written
from prep.events.base import all_kinds, of_operations
from prep.events.base import from_json as from_json
from prep.events.base import tick as tick
from prep.events.base import to_json as to_json

if TYPE_CHECKING:
    from prep.events.base import KINDS as KINDS
    from prep.events.dataset import Advice as Advice
    from prep.events.dataset import Bucket as Bucket
    from prep.events.dataset import Change as Change
    from prep.events.dataset import Concept as Concept
    from prep.events.dataset import Crop as Crop
    from prep.events.dataset import Exposure as Exposure
    from prep.events.dataset import Finding as Finding
    from prep.events.dataset import Group as Group
    from prep.events.dataset import Heads as Heads
    from prep.events.dataset import HistoryEntry as HistoryEntry
    from prep.events.dataset import Image as Image
    from prep.events.dataset import Match as Match
    from prep.events.dataset import Proposal as Proposal
    from prep.events.dataset import Quality as Quality
    from prep.events.dataset import Seen as Seen
    from prep.events.dataset import TagCount as TagCount
    from prep.events.dataset import Tags as Tags
    from prep.events.dataset import Trait as Trait
    from prep.events.dataset import Waiting as Waiting
    from prep.events.jobs import ComparedRun as ComparedRun
    from prep.events.jobs import ComparedSetting as ComparedSetting
    from prep.events.jobs import ComparedStep as ComparedStep
    from prep.events.jobs import Diagnosis as Diagnosis
    from prep.events.jobs import ImageLoss as ImageLoss
    from prep.events.jobs import JobState as JobState
    from prep.events.jobs import Metric as Metric
    from prep.events.jobs import Probed as Probed
    from prep.events.jobs import Sample as Sample
    from prep.events.jobs import Saved as Saved
    from prep.events.jobs import Score as Score
    from prep.events.jobs import Validation as Validation
    from prep.events.outside import Allowed as Allowed
    from prep.events.outside import Differs as Differs
    from prep.events.outside import Imported as Imported
    from prep.events.outside import Serving as Serving
    from prep.events.outside import TagDiffers as TagDiffers
    from prep.events.outside import Visits as Visits
    from prep.events.scores import Agreement as Agreement
    from prep.events.scores import Doubt as Doubt
    from prep.events.scores import Downloading as Downloading
    from prep.events.scores import ImageAgreement as ImageAgreement
    from prep.events.scores import KnownDetector as KnownDetector
    from prep.events.scores import KnownTagger as KnownTagger
    from prep.events.scores import StoredScores as StoredScores
    from prep.events.scores import Sweep as Sweep
    from prep.events.scores import TagShift as TagShift
    from prep.events.words import Completion as Completion
    from prep.events.words import Described as Described
    from prep.events.words import Encoded as Encoded
    from prep.events.words import Lint as Lint
    from prep.events.words import TagPlace as TagPlace
    from prep.events.words import TokenCount as TokenCount
else:

    def __getattr__(name: str) -> Any:
        """Import the events of single operations until one has this name (PEP 562)."""
        if name == "KINDS":
            return all_kinds()
        for module in of_operations():
            if name in vars(module):
                globals()[name] = found = vars(module)[name]
                return found
        raise AttributeError(name)
