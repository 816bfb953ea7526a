"""Opening ONNX models on the best device there is."""

from pathlib import Path
from typing import Any

from prep.errors import UserError
from prep.tagging.models.contract import first_line
from prep.tagging.runtime import providers


def open_session(model: Path, device: str, threads: int) -> tuple[Any, providers.ProviderChoice]:
    """Open a model on the best provider; falls back to the CPU if a GPU fails at this point.

    Args:
        model: The ONNX file.
        device: A ``providers.Device``.
        threads: Of one run on the CPU.

    Raises:
        UserError: It cannot be loaded, or the device was requested and does not work.
    """
    choice = providers.choose(device)
    cure = choice.cure
    if choice.provider != providers.CPU:
        try:
            session = _open(model, choice.wanted, threads)
        except UserError as error:
            reason = choice.reason or error.message
            if providers.out_of_memory(error):
                cure = "Close other programs that use the GPU's memory."
        else:
            used = session.get_providers()[0]
            if used != providers.CPU:
                return session, providers.ProviderChoice(used, batch=choice.batch)
            reason = choice.reason or f"{choice.provider} did not start"
        choice = providers.ProviderChoice(providers.CPU, reason, gpu_idle=True, cure=cure)
    if device not in ("auto", "cpu"):
        name = "CUDA" if device == "cuda" else device
        hint = f"{choice.cure} Or use: --device cpu" if choice.cure else "Use: --device cpu"
        raise UserError(f"{name} cannot be used: {choice.reason}.", hint)
    return _open(model, [providers.CPU], threads), choice


def _open(model: Path, wanted: list[str], threads: int) -> Any:
    runtime = providers.quiet_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while waiting take cores from those that decode: a third of the time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if "DmlExecutionProvider" in wanted:
        options.enable_mem_pattern = False  # DirectML refuses to start with it
    try:
        # With its own fallback, onnxruntime prints to stdout before it tries the CPU.
        return runtime.InferenceSession(
            str(model),
            options,
            providers=[(name, providers.OPTIONS.get(name, {})) for name in wanted],
            enable_fallback=False,
        )
    except Exception as error:  # onnxruntime has its own exception types, one per status
        line = first_line(error)
        if "external data" in line.casefold():
            raise UserError(
                f"{model} has its weights in a file of their own, which cannot be read: {line}",
                "Put all files of the model into one folder, from the same place.",
            ) from error
        raise UserError(f"{model} cannot be loaded: {line}", _load_hint(model)) from error


def _load_hint(model: Path) -> str:
    with model.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "It is only a Git LFS pointer. Fetch the real file with: git lfs pull"
    return "Download it again, or update onnxruntime: it may be truncated or need a newer version."


def failed(model: Path, provider: str, error: BaseException) -> UserError:
    """Return the error for a run that failed.

    Args:
        model: The ONNX file.
        provider: What ran it, named as in onnxruntime.
        error: What it raised.
    """
    cpu = "" if provider == providers.CPU else " Or use: --device cpu"
    if providers.out_of_memory(error):
        return UserError(
            f"There is too little memory to run {model}.",
            f"Close other programs that use memory, or choose a smaller model.{cpu}",
        )
    return UserError(
        f"{model} failed: {first_line(error)}",
        f"It may be damaged, or need a newer onnxruntime.{cpu}",
    )
