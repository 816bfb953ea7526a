"""What is in a LoRA file, and whether it fits a base model. No torch.

Whatever a file holds is applied, or named as the reason why the file is refused: ``faults`` is
what ``shikomi lora verify`` reports and what drawing with the file raises.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prep.errors import UnreadableError
from prep.texts import parse_json, read_text
from train.lora.algorithms import APPLIED, algorithm_of, describe_unknown, foreign_content
from train.lora.file import SafetensorsHeader, read_header
from train.lora.fitting import Leaves, misfit
from train.lora.key_tables import FULL_SIZE, shapes_of
from train.lora.keys import canonical, is_peft_key
from train.lora.layout import Shape, Shapes

T = TypeVar("T")
_SD2_WIDTH, _SDXL_WIDTH = 1024, 2048
"""Widths of the text states of SD 2 and SDXL; SD 1.5 has 768."""
_TITLES = {"sd15": "Stable Diffusion 1.5", "sd2": "Stable Diffusion 2", "sdxl": "SDXL"}
_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class LoraInfo:
    """What ``shikomi lora info`` reports.

    Attributes:
        family: sd15, sd2, sdxl or unknown.
        algorithm: Names of ``train.lora.algorithms``, joined by + where there are several; locon
            for LoRA with 3x3 convolutions; unknown for modules of none of them.
        ranks: Ranks that occur; the most frequent one first.
        alpha: The first alpha that a tensor names.
        modules: Number of modules, by part: unet, text_encoder…
        unmatched: Modules that the model does not have.
        faults: Why the file cannot be applied to the model, as sentences; only found when it is
            compared with one.
    """

    path: Path
    family: str
    algorithm: str
    ranks: tuple[int, ...]
    alpha: float | None
    modules: dict[str, int]
    unmatched: tuple[str, ...]
    faults: tuple[str, ...]
    metadata: dict[str, str] = field(repr=False)


def inspect(path: Path, model: Shapes | None = None) -> LoraInfo:
    """Look into a LoRA file.

    Args:
        path: The file.
        model: ``BaseModel.module_shapes`` to compare it with; without it, names alone are
            compared, with those of its family at full size.

    Raises:
        UnreadableError: No safetensors file, or nothing of a LoRA in it.
    """
    header = read_header(path)
    modules = by_module({key: header.shape(key) for key in header.tensors})
    algorithm = _algorithm(modules)
    if algorithm in ("", "unknown"):
        content = ", ".join(foreign_content(header.tensors))
        told = f" It holds {content}." if content else ""
        raise UnreadableError(f"{path.name} does not contain a LoRA that shikomi knows.{told}")
    names = sorted(modules)
    family = _family(modules, header.metadata)
    known = FULL_SIZE.get(family, FULL_SIZE["sd15"])() if model is None else model
    return LoraInfo(
        path,
        family,
        algorithm,
        _ranks(modules),
        _alpha(header, path),
        _parts(names),
        tuple(name for name in names if name not in known),
        ()
        if model is None
        else (*faults(modules, model, header.metadata), *_faults_of(path, header)),
        header.metadata,
    )


def full_size_of(path: Path) -> Shapes:
    """Return the modules of the model that a LoRA file was made for, SD 1.5 where it is unclear.

    Raises:
        UnreadableError: No safetensors file.
    """
    header = read_header(path)
    modules = by_module({key: header.shape(key) for key in header.tensors})
    family = _family(modules, header.metadata)
    return shapes_of(FULL_SIZE.get(family, FULL_SIZE["sd15"])())


def _faults_of(path: Path, header: SafetensorsHeader) -> Iterator[str]:
    """Yield why a file cannot be applied to any model."""
    try:
        peft_scale(path, list(header.tensors), header.metadata)
    except UnreadableError as error:
        yield error.message
    if broken := header.not_finite(path):
        yield f"It has weights that are NaN or infinite, for example in {broken[0]}."


def by_module(tensors: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Group what a file holds: name of the module -> leaf -> tensor (or its shape).

    Names of diffusers, PEFT and LyCORIS become kohya's.

    Raises:
        UnreadableError: Two keys are names of one tensor.
    """
    found: dict[str, dict[str, T]] = {}
    for key, (name, leaf) in canonical(tensors).items():
        module = found.setdefault(name, {})
        if leaf in module:
            raise UnreadableError(f"The file holds {name}.{leaf} twice, under different names.")
        module[leaf] = tensors[key]
    return found


def _keys(modules: Mapping[str, Leaves]) -> list[str]:
    return [
        ".".join((name, *filter(None, [leaf]))) for name, found in modules.items() for leaf in found
    ]


def faults(
    modules: Mapping[str, Leaves], model: Mapping[str, Shape], metadata: Mapping[str, str]
) -> list[str]:
    """Return why a file cannot be applied to a model, as sentences; the most telling one first.

    Args:
        modules: From ``by_module``.
        model: The shape of each module that can be changed.
        metadata: Of the file; it may name another family.
    """
    found = [f"The file holds {content}." for content in foreign_content(_keys(modules))]
    strange = [(name, leaves) for name, leaves in modules.items() if name not in model]
    family, wanted = _family(modules, metadata), _family({name: {} for name in model}, {})
    other = family != wanted and family in _TITLES and wanted in _TITLES
    if strange and not found and other:
        found.append(f"It was made for {_TITLES[family]}; the base model is {_TITLES[wanted]}.")
    elif strange and not found:
        name, leaves = sorted(strange)[0]
        found.append(
            f"{len(strange)} of {len(modules)} modules of this LoRA do not exist in the base "
            f"model, for example {name} ({', '.join(sorted(leaves))})."
        )
    if not modules:
        found.append("The file holds no weights.")
    wrong = []
    for name in sorted(modules.keys() & model.keys()):
        algorithm = algorithm_of(modules[name])
        if algorithm is None:
            found.append(f"{name} of this file has {describe_unknown(modules[name])}.")
        elif algorithm not in APPLIED:
            found.append(
                f"{name} of this file uses {algorithm.title}, which shikomi does not apply."
            )
        elif clause := misfit(algorithm, modules[name], model[name]):
            wrong.append(f"{name} has another size in the base model: {clause}.")
    if wrong and family == "sd2":
        wrong.insert(0, f"It was made for {_TITLES[family]}.")
    return [*found, *wrong]


def peft_scale(path: Path, keys: Sequence[str], metadata: Mapping[str, str]) -> "PeftScale | None":
    """Return how PEFT scales a file; ``None`` for a file that scales itself.

    PEFT writes alpha into ``adapter_config.json`` beside the file, diffusers into the metadata.

    Raises:
        UnreadableError: PEFT wrote the file, and its configuration is not there, or says something
            that shikomi does not apply.
    """
    if text := metadata.get("lora_adapter_metadata"):
        return PeftScale.read(text, f"The metadata of {path.name}")
    if not any(is_peft_key(key) for key in keys):
        return None
    config = path.with_name(_CONFIG)
    try:
        return PeftScale.read(read_text(config), str(config))
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"{path.name} was saved by PEFT, which keeps its alpha in {_CONFIG}; that file is not"
            " beside it.",
            f"Copy {_CONFIG} there, too, or save the LoRA in kohya's format.",
        ) from error


@dataclass(frozen=True)
class PeftScale:
    """How PEFT scales its tensors: alpha / rank, or alpha / sqrt(rank).

    Attributes:
        alphas: lora_alpha by prefix of diffusers' names (unet, text_encoder), "" for any.
        ranks: r, likewise; tensors tell it except for LoKr of two whole factors.
        root: The prefixes that divide by the root of the rank (rank-stabilised LoRA).
    """

    alphas: Mapping[str, float]
    ranks: Mapping[str, int]
    root: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str, place: str) -> "PeftScale":
        """Read ``adapter_config.json``, or the same as diffusers puts it into metadata.

        Raises:
            UnreadableError: It is broken, or has settings that are not applied here.
        """
        try:
            values = parse_json(text)
            tables: dict[str, dict[str, Any]] = {}
            for key, value in values.items():
                prefix, dot, name = key.partition(".")
                tables.setdefault(prefix if dot else "", {})[name if dot else key] = value
            chosen = {
                prefix: t for prefix, t in tables.items() if "lora_alpha" in t or "alpha" in t
            }
            alphas = {p: float(t.get("lora_alpha", t.get("alpha", 0))) for p, t in chosen.items()}
            ranks = {p: int(t["r"]) for p, t in chosen.items() if "r" in t}
            root = frozenset(p for p, t in chosen.items() if t.get("use_rslora"))
        except (AttributeError, TypeError, ValueError) as error:
            raise UnreadableError(f"{place} is not a configuration of PEFT.") from error
        special = {
            name
            for table in chosen.values()
            for name in ("alpha_pattern", "layers_pattern", "fan_in_fan_out", "lora_bias")
            if table.get(name)
        }
        if special:
            raise UnreadableError(
                f"{place} sets {', '.join(sorted(special))}, which shikomi does not apply.",
                "Save the LoRA in kohya's format.",
            )
        return cls(alphas, ranks, root)

    def alpha(self, module: str, rank: int) -> float:
        """Return the alpha, as kohya's files have it, of a module of this rank."""
        key = self._key(module)
        alpha = self.alphas.get(key, float(rank))
        return alpha * rank**0.5 if key in self.root else alpha

    def share(self, module: str) -> float:
        """Return alpha / rank of a module whose tensors have no rank."""
        rank = self.ranks.get(self._key(module), 0)
        return self.alpha(module, rank) / rank if rank else 1.0

    def _key(self, module: str) -> str:
        prefix = "unet" if module.startswith("lora_unet_") else "text_encoder"
        return prefix if prefix in self.alphas else ""


def _algorithm(modules: Mapping[str, Leaves]) -> str:
    """Return the algorithm of a file, by the tensors of each module; joined where several occur."""
    known = map(algorithm_of, modules.values())
    found = {"unknown" if algorithm is None else algorithm.name for algorithm in known}
    if found == {"lora"} and any(_is_wide(leaves) for leaves in modules.values()):
        return "locon"
    return "+".join(sorted(found))


def _is_wide(leaves: Leaves) -> bool:
    """Return whether a module is a LoRA of a convolution larger than 1x1."""
    shape = leaves.get("lora_down.weight", ())
    return len(shape) == 4 and shape[2:] != (1, 1)


def _family(modules: Mapping[str, Leaves], metadata: Mapping[str, str]) -> str:
    """Return the family of the model that a file was made for, by names, widths and metadata."""
    version = metadata.get("ss_base_model_version", "")
    names = {family: table().keys() for family, table in FULL_SIZE.items()}
    widths = {_width(name, leaves) for name, leaves in modules.items()}
    if version.startswith("sdxl") or modules.keys() & names["sdxl"] or _SDXL_WIDTH in widths:
        return "sdxl"
    if version.startswith("sd_v2") or metadata.get("ss_v2") == "True" or _SD2_WIDTH in widths:
        return "sd2"
    return "sd15" if modules.keys() & names["sd15"] else "unknown"


def _width(name: str, leaves: Leaves) -> int:
    """Return the width of the text states that a module reads, where its tensors tell."""
    for leaf in ("lora_down.weight", "hada_w1_b", "diff"):
        shape = leaves.get(leaf, ())
        if name.endswith(("attn2_to_k", "attn2_to_v")) and len(shape) > 1:
            return shape[1]
    return 0


def _ranks(modules: Mapping[str, Leaves]) -> tuple[int, ...]:
    downs = (
        leaves.get("lora_down.weight") or leaves.get("hada_w1_b") for leaves in modules.values()
    )
    counts = Counter(shape[0] for shape in downs if shape)
    return tuple(sorted(counts, key=lambda rank: -counts[rank]))


def _alpha(header: SafetensorsHeader, path: Path) -> float | None:
    """Return the alpha of the first module, from its tensor."""
    entries = [e for k, e in header.tensors.items() if k.endswith(".alpha")]
    if not entries:
        return None
    entry = entries[0]
    start, end = entry["data_offsets"]
    with path.open("rb") as file:
        file.seek(header.data_start + start)
        data = file.read(end - start)
    code = {"F16": "<e", "F32": "<f", "F64": "<d", "BF16": "<f"}.get(entry["dtype"])
    if code is None or not data:
        return None
    data = b"\0\0" + data[:2] if entry["dtype"] == "BF16" else data[: struct.calcsize(code)]
    return float(struct.unpack(code, data)[0])


def _parts(names: list[str]) -> dict[str, int]:
    labels = {
        "lora_unet_": "unet",
        "lora_te_": "text_encoder",
        "lora_te1_": "text_encoder",
        "lora_te2_": "text_encoder_2",
    }
    prefixes = (next((p for p in labels if name.startswith(p)), "") for name in names)
    return dict(Counter(labels.get(prefix, "other") for prefix in prefixes))
