"""Which base model is trained, and how it is held in memory."""

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from prep.section import Section

FamilyName = Literal["sd15", "sdxl"]
Precision = Literal["auto", "bf16", "fp32", "fp16"]
Execution = Literal["auto", "eager", "graphs", "compile"]
_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*:[1-9][0-9]{0,4}")


class BaseSettings(Section):
    """Which base model is trained, and how it is held in memory."""

    base: str = ""
    """Base model: a .safetensors or .ckpt file, or a folder in the diffusers layout; absolute, from
    the home folder (~), or relative to the project. Or a name on the Hugging Face hub: owner/name,
    or owner/name/file.safetensors; it is downloaded when the first run begins."""
    vae: str = ""
    """VAE to use instead of the base model's own: a file, or a folder of diffusers."""
    prediction: Literal["auto", "epsilon", "v_prediction"] = "auto"
    """What the base model predicts. auto believes its file: the keys v_pred and ztsnr, its
    metadata, or its scheduler; set it for a v-prediction model whose file does not say so."""
    zero_terminal_snr: bool | None = None
    """The base model's noise schedule ends in pure noise; when absent, its file decides."""
    precision: Precision = "auto"
    """Number format of the base model and its activations (the LoRA itself stays in fp32): auto
    takes bf16 where the device computes in it, else fp32."""
    gradient_checkpointing: bool = False
    """Half the memory for a quarter more time."""
    execution: Execution = "auto"
    """How steps are executed. eager: kernel by kernel. graphs: recorded once for each shape of
    batches and replayed, much faster where a card waits for the processor, as it does with small
    batches; the first results are compared with those of eager. Not with gradient_checkpointing,
    module_dropout, noisy_rank_share or method full. compile: the repeated blocks of the UNet are
    compiled one by one, which takes some minutes (16 blocks in SD 1.5, 70 in SDXL, for each shape)
    and pays for large batches and long runs, if at all. auto: graphs where the trial before a run
    sees the card wait, else eager."""
    devices: int = Field(1, ge=1, le=64)
    """Processes, one per GPU; of all machines together."""
    machines: int = Field(1, ge=1, le=64)
    """Machines that train one run together, each with its share of the devices. The project lies at
    the same path on all of them; the start says what to run on the others."""
    main_address: str = Field("", validate_default=True)
    """With several machines: address and port of the one that starts the run, as the others reach
    it, such as 10.0.0.1:29500."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Decides noise, order, captions and first weights: same seed, same run."""

    @field_validator("machines")
    @classmethod
    def _of_equal_size(cls, value: int, info: ValidationInfo) -> int:
        devices = info.data.get("devices", value)
        if devices % value:
            raise ValueError(f"each machine has as many devices: {devices} are not {value} times n")
        return value

    @field_validator("main_address")
    @classmethod
    def _with_a_port(cls, value: str, info: ValidationInfo) -> str:
        several = info.data.get("machines", 1) > 1
        if (value or several) and not _ADDRESS.fullmatch(value):
            raise ValueError("must be the address and port of the first machine: 10.0.0.1:29500")
        return value
