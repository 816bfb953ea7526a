"""What the text encoder reads."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from prep.captions.mix import Kind
from prep.section import Section

Chunking = Literal["webui", "sd_scripts"]


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
    caption_mix: dict[Kind, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """How often each part of a caption is shown: tags, sentence, both, or the trigger alone (the
    kept tokens), such as { tags = 0.5, sentence = 0.2, both = 0.2, trigger = 0.1 }. Shares of what
    a caption does not have go to the others. When absent, its first line is shown."""
    clip_skip: int = Field(1, ge=1, le=12)
    """Which layer of the text encoder is read, counted from the end: 1, or 2 for anime models."""
    max_token_length: Literal[75, 150, 225] = 75
    """Longest caption, in tokens; longer ones are cut, with a warning."""
    chunking: Chunking = "webui"
    """How captions of more than 75 tokens reach the text encoder. webui: in chunks, each with a
    begin and an end mark, and none ends within a tag; so do A1111, Forge and ComfyUI with prompts.
    sd_scripts: cut anywhere, with one begin and one end mark overall."""

    @field_validator("caption_mix")
    @classmethod
    def _some_share(cls, value: dict[Kind, float]) -> dict[Kind, float]:
        if value and not sum(value.values()):
            raise ValueError("at least one share must be above 0")
        return value
