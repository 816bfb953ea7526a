"""Samplers of diffusers for models with a diffusion noise schedule."""

from collections.abc import Mapping
from typing import Any

from train.extra import lean_imports
from train.settings.samples import SamplerName


def diffusion_sampler(name: SamplerName, config: Mapping[str, Any]) -> Any:
    """Return a new sampler with the noise schedule and prediction type of a base model.

    Args:
        name: The setting.
        config: The model's ``scheduler_config.json``.
    """
    with lean_imports():
        from diffusers.schedulers import (
            scheduling_ddim,
            scheduling_dpmsolver_multistep,
            scheduling_euler_ancestral_discrete,
            scheduling_euler_discrete,
            scheduling_unipc_multistep,
        )

    solver = scheduling_dpmsolver_multistep.DPMSolverMultistepScheduler
    classes: dict[str, tuple[Any, dict[str, Any]]] = {
        "ddim": (scheduling_ddim.DDIMScheduler, {}),
        "euler": (scheduling_euler_discrete.EulerDiscreteScheduler, {}),
        "euler_a": (scheduling_euler_ancestral_discrete.EulerAncestralDiscreteScheduler, {}),
        "dpmpp_2m": (solver, {}),
        "dpmpp_2m_karras": (solver, {"use_karras_sigmas": True}),
        "unipc": (scheduling_unipc_multistep.UniPCMultistepScheduler, {}),
    }
    kind, extra = classes[name]
    # Sigmas of a beta distribution are no sampler that has a name here, and need SciPy.
    left = {key: value for key, value in config.items() if key != "use_beta_sigmas"}
    plain = {key: value for key, value in left.items() if not key.startswith("_")}
    return kind.from_config({**plain, **extra})
