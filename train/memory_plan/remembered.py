"""Peaks of memory that were calculated before: most runs differ from the last one in other things.

A peak is kept by everything that decides it: the code and the libraries, the configurations of the
base model, sizes, number format, and every setting but those that are known to change nothing.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prep.images.buckets import Size
from prep.system.files import write_text
from prep.system.user_folder import user_folder
from prep.texts import parse_json, read_text
from train.config import RunConfig
from train.families.base_model import BaseModel
from train.memory_plan.peak import MemoryPeak, Place, peak_of
from train.settings.captions import CaptionSettings
from train.settings.objective import ObjectiveSettings
from train.settings.optimizers import OPTIMIZERS
from train.settings.samples import SampleSettings
from train.settings.saving import SaveSettings
from train.settings.validation import ValidationSettings

_REMEMBERED = 200
_LIBRARIES = ("torch", "diffusers", "transformers", "accelerate")

_OF_TEXTS = {"clip_skip", "max_token_length", "chunking"}
WITHOUT_EFFECT = frozenset(
    {
        *(SaveSettings.model_fields | SampleSettings.model_fields),
        *(ValidationSettings.model_fields | ObjectiveSettings.model_fields),
        *(CaptionSettings.model_fields.keys() - _OF_TEXTS),
        *("base", "vae", "prediction", "zero_terminal_snr", "precision"),  # as what they lead to
        *("epochs", "max_steps", "gradient_accumulation", "devices", "seed", "learning_rate"),
        "execution",
        *("scheduler", "scheduler_cycles", "scheduler_power", "scheduler_decay"),
        *("scheduler_minimum", "warmup_steps", "machines", "main_address"),
    }
)
"""Settings that the calculation does not depend on. A test watches which ones it reads."""


def known_peak(
    run: RunConfig, base: BaseModel, place: Place, bucket: Size, sample: Size | None = None
) -> MemoryPeak:
    """Do as ``peak_of``, at once if the same was calculated before."""
    if run.train.optimizer not in OPTIMIZERS:  # somebody's own, which may change at any time
        return peak_of(run, base, place, bucket, sample)
    key, known = key_of(run, base, place, bucket, sample), _known()
    if found := _read(known.get(key)):
        return found
    peak = peak_of(run, base, place, bucket, sample)
    known = {**known, key: asdict(peak)}
    kept = dict(list(known.items())[-_REMEMBERED:])
    with suppress(OSError):  # it is only remembered
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_text(_file(), json.dumps(kept, indent=0))
    return peak


def key_of(
    run: RunConfig, base: BaseModel, place: Place, bucket: Size, sample: Size | None = None
) -> str:
    """Return what a peak is known by; the arguments are those of ``peak_of``."""
    settings = run.train.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    packages = (*_LIBRARIES, OPTIMIZERS[run.train.optimizer].package)
    parts = {
        "code": _code(),
        "libraries": {name: _version(name) for name in packages},
        "family": (run.family, base.family),
        "base": {name: dict(config) for name, config in base.configs.items()},
        "place": (str(place.dtype), place.is_cpu),
        "sizes": (bucket, sample),
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


@cache
def _code() -> str:
    """Return a hash of the trainer's own code: 1 MB, read in some milliseconds."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _known() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = parse_json(read_text(_file()))
        if isinstance(found, dict):
            return found
    return {}


def _read(entry: Any) -> MemoryPeak | None:
    """Return a peak as it was kept; ``None`` where somebody else has written."""
    with suppress(TypeError, ValueError, AttributeError, KeyError):
        peak = MemoryPeak(**entry)
        peak = replace(peak, resident=tuple(peak.resident))
        return peak if peak.total > 0 else None
    return None


def _file() -> Path:
    return user_folder() / "memory-plans.json"
