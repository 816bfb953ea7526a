"""The table of crops in ``shikomi.toml``."""

from pydantic import Field

from prep.section import Section


class CropSection(Section):
    """What crops must spare."""

    head_detector: str = ""
    """A detector of heads: crops that cut a head off are then errors, and are never proposed. A
    folder with a model.onnx (YOLO or RT-DETR), a known name such as head_detect_v1.6_s, a folder of
    a repository on the Hugging Face hub, or demo. Nothing is downloaded but by `shikomi heads`."""
    head_threshold: float | None = Field(None, ge=0.1, lt=1.0)
    """Minimum score of a head; by default the one that the detector recommends."""
