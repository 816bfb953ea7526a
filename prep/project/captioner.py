"""The captioner's table in ``shikomi.toml``."""

from typing import Annotated, Literal

from pydantic import Field

from prep.section import Section

PROMPT = """\
Describe this image in one or two plain sentences, as a caption for training an image model.
Say what can be seen: who or what, clothing, pose, expression, place, light and style.
No introduction, no guesses, no opinion.
These tags are known to be true: {tags}
Call the subject {trigger}."""

DescriptionPlace = Literal["line", "joined", "file"]
Side = Annotated[int, Field(ge=64, le=8192)]
Tokens = Annotated[int, Field(ge=1, le=100_000)]
Temperature = Annotated[float, Field(ge=0.0, le=2.0)]
Concurrency = Annotated[int, Field(ge=1, le=256)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
Retries = Annotated[int, Field(ge=0, le=100)]


class CaptionerSection(Section):
    """The vision model that describes images in sentences, and how it is asked."""

    url: str = "http://127.0.0.1:8080/v1"
    """Base address of an OpenAI-compatible server: llama.cpp http://127.0.0.1:8080/v1, Ollama
    http://127.0.0.1:11434/v1, vLLM http://127.0.0.1:8000/v1."""
    model: str = ""
    """Name of the model on that server; needed when it offers several."""
    prompt: str = PROMPT
    """What the model is asked. {tags}, {trigger}, {concept} and {name} stand for those of the
    image; a line whose placeholders are all empty is left out."""
    system: str = ""
    """A system message before it; none when empty."""
    place: DescriptionPlace = "line"
    """Where descriptions go: line (the second line of the caption file), joined (behind the tags,
    in the same line), or file (a file of its own: .caption beside .txt, or .txt beside
    .caption)."""
    trigger_first: bool = True
    """Put the concept's trigger word before a description that lacks it, in a line or file of its
    own."""
    side: Side = 1024
    """Images are sent with a longer side of at most so many pixels."""
    max_tokens: Tokens = 300
    """A longer answer is cut off after its last whole sentence."""
    temperature: Temperature = 0.2
    """0: always the likeliest word; higher: more varied."""
    concurrency: Concurrency = 2
    """Images that are asked about at the same time."""
    timeout: Seconds = 120.0
    """Seconds without a sign of life after which a request is given up."""
    retries: Retries = 4
    """New attempts after one that failed and may succeed."""
