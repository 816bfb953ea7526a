"""Stages of preprocessing, as deepghs writes them into ``preprocess.json`` of its timm models.

A stage list says step by step how a picture becomes the model's input. The meaning of each stage is
that of ``imgutils.preprocess`` (dghs-imgutils), which writes these files and is what their authors
run. A stage or a parameter that is not known here is refused by name: guessing would give
plausible but wrong scores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from PIL import ImageColor
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from prep.errors import UserError
from prep.section import Section

Colour = tuple[int, int, int]
Triple = tuple[float, float, float]
Kernel = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
Pixel = Annotated[int, Field(ge=1, le=8192)]


def _pair(value: Any) -> Any:
    """Return one number, alone or in a list, as a pair."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _colour(value: Any) -> Any:
    """Return a colour name, a level of grey, or a list of three or four levels as RGB."""
    if isinstance(value, str):
        try:
            value = ImageColor.getrgb(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a colour") from error
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,) * 3
    if isinstance(value, list | tuple) and len(value) == 4:
        return tuple(value[:3])
    return value


def _channels(value: Any) -> Any:
    """Return one number, alone or in a list, as one per channel."""
    value = _single(value)
    return (value,) * 3 if isinstance(value, int | float) else value


class PadToSize(Section):
    """Scale a picture to fit into a size, keeping its aspect ratio, and pad the rest."""

    type: Literal["pad_to_size"]
    size: Annotated[tuple[Pixel, Pixel], BeforeValidator(_pair)]
    """Width and height."""
    background_color: Annotated[Colour, BeforeValidator(_colour)] = (255, 255, 255)
    interpolation: Kernel = "bilinear"


class Resize(Section):
    """Scale to a height and a width, or the shorter side to one number."""

    type: Literal["resize"]
    size: Annotated[Pixel | tuple[Pixel, Pixel], BeforeValidator(_single)]
    """The shorter side, or height and width."""
    interpolation: Kernel = "bilinear"
    max_size: Pixel | None = None
    """Maximum of the longer side, where ``size`` is the shorter one."""
    antialias: bool | Literal["warn"] | None = True
    """If not, shrinking first drops pixels."""


class CenterCrop(Section):
    """Cut out the middle; a smaller picture is padded with black first."""

    type: Literal["center_crop"]
    size: Annotated[tuple[Pixel, Pixel], BeforeValidator(_pair)]
    """Height and width."""


class ConvertRgb(Section):
    """Convert to RGB; pictures are already RGB, with transparency on white."""

    type: Literal["convert_rgb"] = "convert_rgb"
    force_background: Literal["white"] | None = "white"


class ToTensor(Section):
    """Values from 0 to 1, channels first; ``maybe_to_tensor`` leaves a tensor as it is."""

    type: Literal["to_tensor", "maybe_to_tensor"]


class Rescale(Section):
    """Multiply all values."""

    type: Literal["rescale"] = "rescale"
    rescale_factor: float = Field(1 / 255, gt=0)


class Normalize(Section):
    """Subtract a mean and divide by a standard deviation, for each channel."""

    type: Literal["normalize"] = "normalize"
    mean: Annotated[Triple, BeforeValidator(_channels)]
    std: Annotated[
        tuple[
            Annotated[float, Field(gt=0)],
            Annotated[float, Field(gt=0)],
            Annotated[float, Field(gt=0)],
        ],
        BeforeValidator(_channels),
    ]


PictureStage = Annotated[PadToSize | Resize | CenterCrop, Field(discriminator="type")]
"""A stage that works on a picture."""
ValueStage = ToTensor | Rescale | Normalize
_STAGE: TypeAdapter[PadToSize | Resize | CenterCrop | ConvertRgb | ValueStage] = TypeAdapter(
    Annotated[
        PadToSize | Resize | CenterCrop | ConvertRgb | ToTensor | Rescale | Normalize,
        Field(discriminator="type"),
    ]
)
KNOWN: dict[str, type[Section]] = {
    "pad_to_size": PadToSize,
    "resize": Resize,
    "center_crop": CenterCrop,
    "convert_rgb": ConvertRgb,
    "to_tensor": ToTensor,
    "maybe_to_tensor": ToTensor,
    "rescale": Rescale,
    "normalize": Normalize,
}


@dataclass(frozen=True)
class Pipeline:
    """A stage list, understood.

    Attributes:
        pictures: What happens to the picture, in order.
        divide: Values, 0 to 255, are divided by this first.
        mean: Then this is subtracted, for red, green and blue.
        std: Then values are divided by this.
    """

    pictures: tuple[PadToSize | Resize | CenterCrop, ...]
    divide: float = 255.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)


@dataclass
class _Reading:
    """The state of reading a stage list.

    Attributes:
        refuse: Returns the error for a clause about the current stage.
    """

    refuse: Callable[[str], UserError]
    pictures: list[PadToSize | Resize | CenterCrop] = field(default_factory=list)
    divide: float = 0.0
    normal: Normalize | None = None

    def take(self, stage: object) -> None:
        """Add one stage.

        Raises:
            UserError: It cannot stand behind the stages before it.
        """
        match stage:
            case Resize(size=tuple()) if stage.max_size:
                raise self.refuse("max_size goes only with the size of the shorter side")
            case PadToSize() | Resize() | CenterCrop():
                if self.divide:
                    raise self.refuse("it works on a picture, but stands behind to_tensor")
                self.pictures.append(stage)
            case ConvertRgb():
                if self.divide:
                    raise self.refuse("it works on a picture, but stands behind to_tensor")
            case ToTensor(type="to_tensor") if self.divide:
                raise self.refuse("there are two of it")
            case ToTensor():
                self.divide = self.divide or 255.0
            case Rescale() | Normalize() if not self.divide:
                raise self.refuse("it works on a tensor, but stands before to_tensor")
            case Rescale() if self.normal:
                raise self.refuse("it stands behind normalize")
            case Rescale():
                self.divide /= stage.rescale_factor
            case Normalize() if self.normal:
                raise self.refuse("there are two of it")
            case Normalize():
                self.normal = stage


def understand(stages: Any, file: str) -> Pipeline:
    """Interpret a stage list.

    Args:
        stages: From the JSON file.
        file: Its name, for error messages.

    Raises:
        UserError: A stage or a parameter is unknown, has an impossible value or place, or there is
            no to_tensor.
    """
    if not isinstance(stages, list) or not stages:
        raise UserError(f"{file} has no list of stages.", _fix())
    place = ""

    def refuse(clause: str) -> UserError:
        return UserError(f"{file}, {place}: {clause}.", _fix())

    reading = _Reading(refuse)
    for number, data in enumerate(stages, 1):
        kind = data.get("type") if isinstance(data, dict) else None
        place = f"stage {number}" + (f" ({kind})" if isinstance(kind, str) else "")
        if kind not in KNOWN:
            raise refuse(f"unknown stage {kind!r}; known: {', '.join(KNOWN)}")
        try:
            reading.take(_STAGE.validate_python(data))
        except ValidationError as error:
            raise refuse(_faults(error, kind)) from error
    place = "at the end"
    if not reading.divide:
        raise refuse("there is no to_tensor, which makes the model's input")
    normal = reading.normal or Normalize(mean=(0.0,) * 3, std=(1.0,) * 3)
    return Pipeline(tuple(reading.pictures), reading.divide, normal.mean, normal.std)


def output_size(pictures: tuple[PadToSize | Resize | CenterCrop, ...]) -> tuple[int, int] | None:
    """Return width and height behind the stages; ``None`` if they depend on the picture."""
    last = pictures[-1] if pictures else None
    match last:
        case PadToSize(size=(width, height)):
            return width, height
        case CenterCrop(size=(height, width)) | Resize(size=(int(height), int(width))):
            return width, height
    return None


def _faults(error: ValidationError, kind: str) -> str:
    known = [name for name in KNOWN[kind].model_fields if name != "type"]
    clauses = []
    for fault in error.errors():
        name = next((str(part) for part in fault["loc"] if part in known), "")
        if fault["type"] == "extra_forbidden":
            name = str(fault["loc"][-1])
            clauses.append(f"unknown parameter {name} (known: {', '.join(known) or 'none'})")
        elif fault["type"] == "missing":
            clauses.append(f"parameter {fault['loc'][-1]} is missing")
        else:
            clauses.append(f"{name}: {fault['input']!r} is not supported")
    return "; ".join(dict.fromkeys(clauses))


def _fix() -> str:
    return (
        "This version of shikomi does not know such preprocessing: update it, or describe the model"
        " in tagger.toml beside it (docs/topics/tagging-models.md)."
    )
