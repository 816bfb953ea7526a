"""What the text encoder reads."""

from typing import Literal

from pydantic import Field

from prep.section import Section


class CaptionSettings(Section):
    """What the text encoder reads."""

    shuffle_caption: bool | None = None
    """Shuffle the tags of captions; when absent, the dataset file decides."""
    keep_tokens: int | None = Field(None, ge=0)
    """This many first tags stay in place when shuffling; when absent, the dataset file decides."""
    caption_dropout: float | None = Field(None, ge=0.0, le=1.0)
    """Share of images seen without any caption; 0.05 to 0.1 helps styles. When absent, the dataset
    file decides."""
    tag_dropout: float | None = Field(None, ge=0.0, lt=1.0)
    """Share of tags left out of each caption, kept tokens excepted: the trigger word then works
    on its own as well; 0.1 to 0.5. When absent, the dataset file decides."""
    clip_skip: int = Field(1, ge=1, le=12)
    """Which layer of the text encoder is read, counted from the end: 1, or 2 for anime models."""
    max_token_length: Literal[75, 150, 225] = 75
    """Longest caption, in tokens; longer ones are cut, with a warning."""
