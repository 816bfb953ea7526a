"""The optimiser, its learning rates and their schedule.

Source: ``get_optimizer`` and ``get_scheduler_fix`` of ``library/train_util.py``.
"""

from typing import Any

from train.kohya.book import Book
from train.settings.optimizers import OPTIMIZERS, kind_of

_BNB, _ADAPT = "bitsandbytes.optim.", "dadaptation."
_NAMES = {
    "adamw": "adamw",
    "adamw8bit": "adamw8bit",
    "lion": "lion",
    "lion8bit": "lion8bit",
    "adafactor": "adafactor",
    "prodigy": "prodigy",
    "adamwschedulefree": "schedulefree",
    "pagedadamw8bit": f"{_BNB}PagedAdamW8bit",
    "pagedadamw": f"{_BNB}PagedAdamW",
    "pagedadamw32bit": f"{_BNB}PagedAdamW32bit",
    "pagedlion8bit": f"{_BNB}PagedLion8bit",
    "sgdnesterov": "torch.optim.SGD",
    "sgdnesterov8bit": f"{_BNB}SGD8bit",
    "dadaptation": f"{_ADAPT}experimental.DAdaptAdamPreprint",
    "dadaptadampreprint": f"{_ADAPT}experimental.DAdaptAdamPreprint",
    "dadaptadam": f"{_ADAPT}DAdaptAdam",
    "dadaptadagrad": f"{_ADAPT}DAdaptAdaGrad",
    "dadaptadan": f"{_ADAPT}DAdaptAdan",
    "dadaptadanip": f"{_ADAPT}experimental.DAdaptAdanIP",
    "dadaptlion": f"{_ADAPT}DAdaptLion",
    "dadaptsgd": f"{_ADAPT}DAdaptSGD",
    "radamschedulefree": "schedulefree.RAdamScheduleFree",
    "sgdschedulefree": "schedulefree.SGDScheduleFree",
}
_DECAYS = ("adamw", "adamw8bit", f"{_BNB}PagedAdamW8bit", f"{_BNB}PagedAdamW")
_DECAY = dict.fromkeys((*_DECAYS, f"{_BNB}PagedAdamW32bit"), 0.01)
"""Weight decay of their classes; that of the others is 0."""
_OWN: dict[str, dict[str, Any]] = {
    "prodigy": {"betas": (0.9, 0.999), "safeguard_warmup": False},
    "adafactor": {"scale_parameter": True, "relative_step": True},
    "torch.optim.SGD": {"momentum": 0.9, "nesterov": True},
    f"{_BNB}SGD8bit": {"momentum": 0.9, "nesterov": True},
}
"""What sd-scripts and the classes do without arguments, where shikomi does something else."""
_SCHEDULERS = {
    "constant": "constant",
    "constant_with_warmup": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine_with_restarts": "cosine_with_restarts",
    "polynomial": "polynomial",
    "cosine_with_min_lr": "cosine",
    "warmup_stable_decay": "wsd",
}
_CLASSES = {
    "CosineAnnealingLR": "cosine",
    "CosineAnnealingWarmRestarts": "cosine_with_restarts",
    "LinearLR": "linear",
    "PolynomialLR": "polynomial",
    "ConstantLR": "constant",
    "RexAnnealingWarmRestarts": "rex",
}
_LIST = "optimizer_args."


def translate_optimizer(book: Book) -> None:
    """Set optimiser, arguments, learning rates and schedule."""
    _rates(book)
    name = _optimizer(book)
    _arguments(book, name)
    _scheduler(book, name)


def _rates(book: Book) -> None:
    """Set the rates; sd-scripts gives the first one of text_encoder_lr to both text encoders."""
    main = book.get("learning_rate", 2e-6)
    texts = book.get("text_encoder_lr", [main]) or [main]
    unet = book.get("unet_lr", main)
    if unet == 0:  # it would be trained without moving
        book.setting("train_unet", False, "unet_lr")
        unet = texts[0] or main
    book.setting("learning_rate", unet, "unet_lr" if "unet_lr" in book.values else "learning_rate")
    if book.settings["train_text_encoder"]:
        note = ""
        if len(texts) > 1 and texts[1] != texts[0]:
            note = "sd-scripts uses only the first one for these models, too"
        origin = "text_encoder_lr" if "text_encoder_lr" in book.values else "learning_rate"
        book.setting("text_encoder_learning_rate", texts[0], origin, note=note)
    else:
        book.say("text_encoder_lr", "harmless", "the text encoders are not trained")


def _optimizer(book: Book) -> str:
    written = str(book.get("optimizer_type", "AdamW"))
    origin = "optimizer_type"
    for flag, meant in (("use_8bit_adam", "AdamW8bit"), ("use_lion_optimizer", "Lion")):
        if book.get(flag):
            written, origin = meant, flag
    found = _NAMES.get(written.lower())
    if found is None:
        found = written if "." in written else f"torch.optim.{written}"
    book.setting("optimizer", found, origin)
    return found


def _arguments(book: Book, optimizer: str) -> None:
    """Set the arguments: settings where there is one of that name, else ``optimizer_args``."""
    names = [name for name in book.values if name.startswith(_LIST)]
    given = {name.removeprefix(_LIST): book.values[name] for name in names}
    decay = given.get("weight_decay", _DECAY.get(optimizer, 0.0))
    book.setting("weight_decay", decay, f"{_LIST}weight_decay")
    shared = kind_of(optimizer).shared if optimizer in OPTIMIZERS else ()
    own = _OWN.get(optimizer, {})
    rest = {name: value for name, value in own.items() if name not in shared}
    for name in own.keys() & set(shared) - given.keys():
        book.setting(name, own[name])
    if given.get("warmup_init") is True:
        rest["relative_step"] = True
    for name, value in given.items():
        if name in shared and name != "weight_decay":
            book.setting(name, value, _LIST + name)
        elif name != "weight_decay":
            rest[name] = value
    book.setting("optimizer_args", rest)
    book.defaults.pop("optimizer_args", None)
    for name in given:
        if name in rest:
            book.say(_LIST + name, "maps", f"optimizer_args.{name} = {rest[name]}")
    if optimizer == "adafactor" and rest["relative_step"]:
        for name in ("learning_rate", "unet_lr", "text_encoder_lr"):
            book.say(name, "harmless", "adafactor finds the rate itself with relative_step")


def _scheduler(book: Book, optimizer: str) -> None:
    if "schedulefree" in optimizer.lower():
        book.setting("scheduler", "constant")
        book.setting("warmup_steps", 0)
        return
    if "lr_scheduler_type" in book.values:
        _scheduler_class(book)
        return
    written = str(book.get("lr_scheduler", "constant"))
    own = written.partition(":")[0] == "adafactor"
    name = "constant" if own else _SCHEDULERS.get(written)
    if name is None:
        book.say("lr_scheduler", "refused", f"is not among {', '.join(_SCHEDULERS)}")
        return
    book.setting("scheduler", name, "lr_scheduler")
    warmup = book.get("lr_warmup_steps", 0)
    if warmup and (own or written == "constant"):
        warmup = 0
        note = f"{written} has no warm-up, and sd-scripts refuses it: constant_with_warmup has"
        book.setting("warmup_steps", 0, "lr_warmup_steps", note=note)
    else:
        book.setting("warmup_steps", warmup, "lr_warmup_steps")
    if name == "cosine_with_restarts":
        cycles = book.get("lr_scheduler_num_cycles", 1)
        book.setting("scheduler_cycles", cycles, "lr_scheduler_num_cycles")
    elif name == "polynomial":
        book.setting("scheduler_power", book.get("lr_scheduler_power", 1.0), "lr_scheduler_power")
    elif name == "wsd":
        _decay(book)
    if written in ("cosine_with_min_lr", "warmup_stable_decay"):
        low = book.get("lr_scheduler_min_lr_ratio", 0.0)
        book.setting("scheduler_minimum", low, "lr_scheduler_min_lr_ratio")


def _decay(book: Book) -> None:
    """Set the share of the run in which wsd falls."""
    steps, total = book.get("lr_decay_steps", 0), book.get("max_train_steps")
    if 0 < steps < 1:
        book.setting("scheduler_decay", steps, "lr_decay_steps")
    elif total and "max_train_epochs" not in book.values and 0 < steps <= total:
        book.setting("scheduler_decay", steps / total, "lr_decay_steps")
    else:
        why = "set scheduler_decay, the last share of the run: its number of steps is not known yet"
        book.say("lr_decay_steps", "differs", why)


def _scheduler_class(book: Book) -> None:
    """Set a schedule that is a class of torch: the nearest one, over the whole run."""
    written = str(book.get("lr_scheduler_type"))
    name = _CLASSES.get(written.rpartition(".")[2])
    if name is None:
        book.say("lr_scheduler_type", "refused", "is a class without a counterpart here")
        return
    note = "moves once over the whole run, whatever the arguments of the class"
    book.setting("scheduler", name, "lr_scheduler_type", note=note)
    book.setting("warmup_steps", 0)
    book.say("lr_scheduler", "harmless", "lr_scheduler_type takes its place")
    for argument, value in book.values.items():
        if argument.startswith("lr_scheduler_args."):
            book.say(argument, "differs", "the schedule is that of the whole run")
        rate = book.settings["learning_rate"]  # 0 is refused later
        if argument == "lr_scheduler_args.eta_min" and isinstance(value, int | float) and rate:
            share = min(1.0, max(0.0, value / rate))
            book.setting("scheduler_minimum", share)
            book.say(argument, "maps", f"scheduler_minimum = {share:g}")
