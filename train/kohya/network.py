"""The adapter: module, algorithm, ranks and what else its arguments say.

Source: ``networks/lora.py`` of sd-scripts and ``lycoris/kohya.py`` of LyCORIS 4.1.
"""

from train.kohya.blocks import block_settings
from train.kohya.book import Book
from train.kohya.report import Outcome

_MODULES = {
    "networks.lora": "lora",
    "networks.loha": "loha",
    "networks.lokr": "lokr",
    "lycoris.kohya": "",
    "lycoris.locon_kohya": "",
}
_ALGORITHMS = {"lora": "lora", "locon": "lora", "loha": "loha", "lokr": "lokr"}
_LARGEST = 1024
_TARGETS = "full also trains embeddings and the first and last layers, which are left alone here"
_ARGUMENT = "network_args."


def translate_network(book: Book, family: str) -> None:
    """Set the adapter's settings.

    Args:
        book: Of the translation.
        family: Of the project: sd15 or sdxl.
    """
    module = str(book.get("network_module", "networks.lora"))
    algorithm = _MODULES.get(module)
    of_lycoris = algorithm == ""
    if of_lycoris:
        algorithm = _ALGORITHMS.get(str(_given(book, "algo", "lora")).lower())
        if algorithm is None:
            book.say(f"{_ARGUMENT}algo", "refused", "is not among lora, loha, lokr and dora")
    elif algorithm is None:
        book.say("network_module", "refused", f"is not among {', '.join(_MODULES)}")
    if str(book.get("lora_type", "lora")).lower() not in ("lora", "standard"):
        book.say("lora_type", "refused", "is not lora")
    algorithm = _decomposed(book, algorithm or "lora")
    book.setting("network", algorithm, f"{_ARGUMENT}algo", "network_module")
    _ranks(book, algorithm, of_lycoris=of_lycoris)
    if of_lycoris:
        _preset(book)
    _drops(book, algorithm, of_lycoris=of_lycoris)
    _parts(book)
    _plus(book, algorithm)
    _tucker(book, algorithm)
    for name, value in block_settings(book, family).items():
        book.setting(name, value, *(f"{_ARGUMENT}{part}_lr_weight" for part in _SIDES))


_SIDES = ("down", "mid", "up")


def _given(book: Book, name: str, otherwise: object = None) -> object:
    return book.get(f"{_ARGUMENT}{name}", otherwise)


def _decomposed(book: Book, algorithm: str) -> str:
    """Return the algorithm, dora for a LoRA whose weights are decomposed."""
    name = f"{_ARGUMENT}dora_wd"
    if not book.get(name):
        book.say(name, "harmless", "it is off")
    elif algorithm != "lora":
        book.say(name, "refused", f"is for LoRA only here, not for {algorithm}")
    else:
        algorithm = "dora"
        book.setting("network", algorithm, name)
        of_outputs = book.get(f"{_ARGUMENT}wd_on_output", True)
        book.setting("dora_axis", "output" if of_outputs else "input", f"{_ARGUMENT}wd_on_output")
    return algorithm


def _ranks(book: Book, algorithm: str, *, of_lycoris: bool) -> None:
    rank, alpha = book.get("network_dim", 4), book.get("network_alpha", 1.0)
    conv = f"{_ARGUMENT}conv_dim", f"{_ARGUMENT}conv_alpha"
    conv_rank = book.get(conv[0], rank if of_lycoris else 0)
    conv_alpha = book.get(conv[1], alpha if of_lycoris else 1.0)
    _rank(book, "rank", rank, "network_dim", algorithm)
    # An alpha of 0 means the rank, in all of them.
    book.setting("alpha", float(alpha or min(rank, _LARGEST)), "network_alpha")
    if _given(book, "preset", "full") in ("attn-mlp", "attn-only") and of_lycoris:
        conv_rank = 0
    _rank(book, "conv_rank", conv_rank, conv[0], algorithm)
    if conv_rank:
        book.setting("conv_alpha", float(conv_alpha or min(conv_rank, _LARGEST)), conv[1])
    if algorithm == "lokr":
        book.setting("lokr_factor", _given(book, "factor", -1), f"{_ARGUMENT}factor")
    if _given(book, "rs_lora"):
        book.setting("rank_stabilised", True, f"{_ARGUMENT}rs_lora")
    if algorithm == "lokr" and _given(book, "decompose_both"):
        whole = rank > _LARGEST
        why = "the first factor is always trained whole"
        outcome: Outcome = "harmless" if whole else "differs"
        book.say(f"{_ARGUMENT}decompose_both", outcome, why)
    if _given(book, "full_matrix"):
        book.say(f"{_ARGUMENT}full_matrix", "differs", "set rank = 1024 to train whole factors")


def _rank(book: Book, setting: str, rank: int, origin: str, algorithm: str) -> None:
    if rank <= _LARGEST:
        book.setting(setting, rank, origin)
    elif algorithm == "lokr":
        # LyCORIS' users write 100000 for factors that are trained whole.
        note = "" if rank >= 10_000 else f"{_LARGEST} is the largest"
        book.setting(setting, _LARGEST, origin, note=note)
    else:
        book.say(origin, "refused", f"is above {_LARGEST}, the largest rank")


def _preset(book: Book) -> None:
    name = f"{_ARGUMENT}preset"
    preset = book.get(name, "full")
    if preset == "full":
        book.say(name, "differs", _TARGETS)
    elif preset == "attn-mlp":
        book.say(name, "maps", "attention and feed-forward layers, as here without conv_rank")
    elif preset == "attn-only":
        note = "the layers around the attention are trained, too"
        book.setting("train_feed_forward", False, name, note=note)
    else:
        book.say(name, "refused", "is not among full, attn-mlp and attn-only")
    if _given(book, "train_norm"):
        book.say(f"{_ARGUMENT}train_norm", "differs", "normalisation layers are left alone here")


def _drops(book: Book, algorithm: str, *, of_lycoris: bool) -> None:
    """Set the dropouts; LoHa and LoKr have only that of modules here."""
    for setting, names in (
        ("dropout", ("network_dropout", f"{_ARGUMENT}dropout")),
        ("rank_dropout", (f"{_ARGUMENT}rank_dropout",)),
    ):
        value = next((book.get(name) for name in names if book.get(name)), 0.0)
        if algorithm not in ("loha", "lokr"):
            book.setting(setting, value, *names)
        for name in names if algorithm in ("loha", "lokr") else ():
            text = f"is not applied to {algorithm}; module_dropout is"
            book.say(name, "differs" if book.get(name) else "harmless", text)
    name = f"{_ARGUMENT}module_dropout"
    book.setting("module_dropout", book.get(name, 0.0), name)
    if not of_lycoris or not _given(book, "rank_dropout"):
        book.say(f"{_ARGUMENT}rank_dropout_scale", "harmless", "acts with rank_dropout only")


def _parts(book: Book) -> None:
    """Set which parts are trained: both, unless one is named. sd-scripts trains text encoders."""
    unet, text = "network_train_unet_only", "network_train_text_encoder_only"
    book.setting("train_text_encoder", not book.get(unet, False), unet)
    book.setting("train_unet", not book.get(text, False), text)
    weights = book.get("network_weights")
    if weights is not None:
        file = book.source.place(weights)
        if file.is_file():
            book.setting("start_from", str(file), "network_weights")
            if book.get("dim_from_weights"):
                why = "its rank must be that of rank here: see shikomi lora info"
                book.say("dim_from_weights", "differs", why)
        else:
            why = "there is no such file here: the LoRA starts afresh; set start_from"
            book.say("network_weights", "differs", why)


def _plus(book: Book, algorithm: str) -> None:
    every = f"{_ARGUMENT}loraplus_lr_ratio"
    unet, text = (f"{_ARGUMENT}loraplus_{part}_lr_ratio" for part in ("unet", "text_encoder"))
    ratio = book.get(unet) or book.get(every) or 0
    other = book.get(text) or book.get(every) or 0
    if not ratio and not other:
        for name in (every, unet, text):
            book.say(name, "harmless", "it is off")
    elif algorithm in ("loha", "lokr"):
        for name in (every, unet, text):
            book.say(name, "differs", f"LoRA+ is not for {algorithm} here")
    else:
        trained = book.settings["train_text_encoder"]
        note = "one ratio for all parts" if trained and ratio != other else ""
        book.setting("lora_plus_ratio", ratio or other, every, unet, text, note=note)


def _tucker(book: Book, algorithm: str) -> None:
    """Deal with Tucker's decomposition of convolutions, which is not trained here."""
    conv_rank = book.settings.get("conv_rank", 0)
    whole = algorithm == "lokr" and conv_rank >= _LARGEST
    for part in ("use_tucker", "use_cp", "use_conv_cp"):
        name = f"{_ARGUMENT}{part}"
        if not book.get(name):
            book.say(name, "harmless", "it is off")
        elif not conv_rank or whole:
            book.say(name, "harmless", "there is nothing to decompose at these ranks")
        else:
            why = "convolutions are trained as plain matrices, which hold more and take more room"
            book.say(name, "differs", why)
