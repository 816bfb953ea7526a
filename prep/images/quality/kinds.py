"""What each quality measure means for training, and when it is a finding.

Free of image libraries, so that filters can ask what was found without loading them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prep.images.buckets import NOTICEABLE, enlargement
from prep.images.quality.thresholds import Measure

VERSION = 4
"""Version of the measures: raise it when values change, so that all images are measured again."""

Values = Mapping[Measure, float]


@dataclass(frozen=True)
class QualityMeasure:
    """A quality measure: which values are bad, and what a finding means.

    Attributes:
        low: Low values are bad, not high ones.
        meaning: What a finding means, with ``{value}``, ``{percent}``, ``{times}`` and
            ``{bucket}``.
        what_to_do: The usual remedy.
        least: Values below are never a finding, whatever the threshold.
    """

    meaning: str
    what_to_do: str
    low: bool = False
    least: float = 0.0

    def limit(self, threshold: float) -> float:
        """Return the value that findings are beyond, for a threshold that a user has set."""
        return max(threshold, self.least)

    def beyond(self, value: float, threshold: float) -> bool:
        """Return whether the value is worse than its threshold."""
        return value < threshold if self.low else value > self.limit(threshold)

    def severity(self, value: float, threshold: float) -> float:
        """Return how many times worse than the threshold a value is; above 1 is a finding."""
        tiny = 1e-6
        if self.low:
            return max(threshold, tiny) / max(value, tiny)
        return max(value, tiny) / max(self.limit(threshold), tiny)


KINDS: Mapping[Measure, QualityMeasure] = MappingProxyType(
    {
        "blur": QualityMeasure(
            "its sharpest edges are {value:.1f} pixels wide at {bucket}: soft pictures teach"
            " softness",
            "find a sharper version, or exclude it",
        ),
        "blocks": QualityMeasure(
            "JPEG blocks stand out by {value:.1f} levels at {bucket}, and are learned as well",
            "find a better version",
        ),
        "noise": QualityMeasure(
            "grain of {value:.1f} levels at {bucket}, which the LoRA reproduces",
            "clean it, or keep it where grain is the style",
        ),
        "dark": QualityMeasure(
            "95 % of it is darker than level {value:.0f} of 255",
            "brighten a copy, or caption it as dark",
            low=True,
        ),
        "flat": QualityMeasure(
            "its tones span only {value:.0f} of 255 levels: pale, foggy or empty",
            "raise the contrast of a copy, or exclude it",
            low=True,
        ),
        "clipped": QualityMeasure(
            "{percent} of it is clipped to white or black, without any detail",
            "find another exposure",
        ),
        "upscale": QualityMeasure(
            "enlarged {times} to fill {bucket}: its detail is invented",
            "find a larger version, or set no_upscale",
            least=NOTICEABLE,
        ),
        "borders": QualityMeasure(
            "{percent} of it is plain bars or a frame, which the LoRA reproduces",
            "cut them off: shikomi crop --borders",
        ),
        "text": QualityMeasure(
            "lines of text cover {percent} of it, and turn up in samples",
            "crop them off, or caption them",
        ),
        "alpha": QualityMeasure(
            "only {percent} of it is visible; the rest is trained as white",
            "crop it to what can be seen",
            low=True,
        ),
    }
)
"""Quality measures by name, in the order in which findings are listed."""


def explain(kind: Measure, value: float, bucket: tuple[int, int]) -> str:
    """Return what a finding means and what to do about it."""
    size = f"{bucket[0]}x{bucket[1]}"
    found = KINDS[kind]
    times = enlargement(value) or "hardly or not"
    meaning = found.meaning.format(value=value, percent=f"{value:.1%}", times=times, bucket=size)
    return f"{meaning}; {found.what_to_do}"
