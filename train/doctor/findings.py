"""How a rule says what it found."""

from prep.events import Diagnosis


def found(topic: str, evidence: str, cause: str, change: str) -> Diagnosis:
    """Return trouble: figures, what they mean, and the next change."""
    return Diagnosis(topic, "found", evidence, cause, change)


def fine(topic: str, evidence: str) -> Diagnosis:
    """Return that all is well, with the figures that say so."""
    return Diagnosis(topic, "fine", evidence)


def unknown(topic: str, evidence: str, change: str = "") -> Diagnosis:
    """Return that there is not enough to say, and what would give it."""
    return Diagnosis(topic, "unknown", evidence, "", change)


def percent(share: float) -> str:
    """Return a share as text.

    Example:
        >>> percent(0.1234)
        '12.3 %'
    """
    return f"{100 * share:.1f} %"


def gib(size: float) -> str:
    """Return bytes as text."""
    return f"{size / 2**30:.1f} GiB"
