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
    """The vision model that describes images in sentences, and its prompt."""

    url: str = "http://127.0.0.1:8080/v1"
    """Base address of an OpenAI-compatible server: llama.cpp http://127.0.0.1:8080/v1, Ollama
    http://127.0.0.1:11434/v1, vLLM http://127.0.0.1:8000/v1."""
    model: str = ""
    """Name of the model on that server; needed if it offers several."""
    prompt: str = PROMPT
    """The prompt. {tags}, {trigger}, {concept} and {name} are replaced with those of the
    image; a line whose placeholders are all empty is left out."""
    system: str = ""
    """A system message before it; none if empty."""
    place: DescriptionPlace = "line"
    """Where descriptions go: line (the second line of the caption file), joined (behind the tags,
    in the same line), or file (a separate file: .caption beside .txt, or .txt beside
    .caption)."""
    trigger_first: bool = True
    """Put the concept's trigger word before a description that lacks it, in a separate line or
    file."""
    side: Side = 1024
    """Maximum of pixels of the longer side of images that are sent."""
    max_tokens: Tokens = 300
    """Maximum of tokens in an answer; longer ones are cut after the last whole sentence."""
    temperature: Temperature = 0.2
    """0: always the most likely token; higher: more varied."""
    concurrency: Concurrency = 2
    """Number of parallel requests."""
    timeout: Seconds = 120.0
    """Seconds without any data after which a request is abandoned."""
    retries: Retries = 4
    """Retries after a failure that may be temporary."""
