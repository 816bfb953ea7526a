"""Which inputs of verbs come first, in which order; the others are behind "More options"."""

from tui.verbs.options import PATH, WHERE, VerbSpec

FIRST: dict[str, tuple[str, ...]] = {
    "edit": ("--remove", "--add", "--prepend", "--replace", "--move", "--dedupe", "--rules"),
    "quality": ("--only", "--all", "--exclude"),
    "dupes": ("--variants", "--crops", "--resolve", "--captions", "--trash"),
    "crop": ("--set", "--aspect", "--subject", "--borders", "--add", "--clear"),
    "shuffle": ("--epochs", "--shuffle", "--keep", "--dropout", "--samples"),
    "tag": ("--model", "--general", "--character", "--write", "--also"),
    "scores thresholds": ("--model", "--general", "--character", "--tags", "--sweep"),
    "scores compare": ("--model", "--also", "--general", "--sort", "--images"),
    "doubt": ("--model", "--reason", "--about", "--yes", "--no", "--accept", "--reject"),
    "caption": ("--url", "--model", "--prompt", "--place", "--write", "--limit"),
    "plan": ("--by", "--balance", "--apply", "--batch-size", "--epochs", "--memory"),
    "check": ("--fix", "--trainer", "--only", "--all"),
    "export": ("--out", "--layout", "--format", "--masks"),
    "sample": ("--prompt", "--lora", "--count", "--seed", "--base"),
    "lora merge": ("--lora", "--into", "--base", "--rank", "--out", "--precision"),
    "lora resize": ("--lora", "--rank", "--keep", "--base", "--out", "--precision"),
    "lora extract": ("--model", "--base", "--rank", "--conv-rank", "--keep", "--out"),
    "grid": ("--prompt", "--lora", "--strengths", "--seed", "--base"),
}
_FEW = 7
"""Inputs that are shown at first where nothing is chosen."""


def first_of(spec: VerbSpec) -> tuple[str, ...]:
    """Return the names of the inputs that are shown at first, in the order in which one thinks.

    What is required is among them, before all others.
    """
    options = [option for option in spec.options if option.name not in (WHERE, PATH)]
    chosen = FIRST.get(spec.verb.name, [option.name for option in options[:_FEW]])
    needed = [option.name for option in options if option.required or option.positional]
    return tuple(dict.fromkeys([*needed, *chosen]))
