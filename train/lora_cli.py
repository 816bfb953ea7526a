"""The command line of LoRA files: what they hold, the best one, and new ones made of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prep import events
from prep.cli import console
from prep.cli.arguments import HERE, Json, Options, ProjectPath
from prep.cli.dataset import operate
from prep.cli.examples import examples
from prep.dataset.index import Index
from prep.errors import EXIT_PROBLEMS
from prep.language import _, quantity, translated
from prep.language.wrapping import padded
from prep.project import Project
from prep.system.names import with_home
from train.extra import configure_libraries, require_training
from train.families.base_model import BaseModel
from train.lora.contents import LoraInfo, full_size_of, inspect
from train.merging.options import ExtractOptions, MergeOptions, ResizeOptions
from train.sampling import winner

# ruff: noqa: B008  (frozen models as defaults are what cyclopts reads the options from)


@examples(
    (
        "shikomi lora info my_project/output/lora/my_project.safetensors",
        "Show model family, algorithm, rank, alpha and modules.",
    ),
    (
        "shikomi lora info my_project/output/lora/my_project.safetensors --metadata",
        "Also show the settings of the training that are stored in the file.",
    ),
)
def lora_info(
    file: Path,
    /,
    *,
    metadata: bool = False,
    json: Json = False,
) -> int:
    """Show what a LoRA file holds.

    Args:
        file: LoRA file (.safetensors).
        metadata: Also print all metadata.
    """

    def stream() -> Iterator[events.Event]:
        yield events.Finished(_described(inspect(with_home(file))))

    return console.show(stream(), json=json, summary=lambda s: _info_text(s, metadata=metadata))


@examples(
    (
        "shikomi lora verify my_project/output/lora/my_project.safetensors",
        "Check the file against the model that it was made for, SD 1.5 or SDXL, at full size.",
    ),
    (
        "shikomi lora verify other.safetensors --base my_project/model/my-sd15-model",
        "Check a file against one base model.",
    ),
)
def lora_verify(file: Path, /, *, base: Path | None = None, json: Json = False) -> int:
    """Check that a LoRA fits the base model: names and shapes; the exit code is 1 if not.

    Args:
        file: LoRA file (.safetensors).
        base: Base model to check against, a file or a folder. Default: Stable Diffusion 1.5 or
            SDXL, whichever the file was made for.
    """
    problems = 0

    def stream() -> Iterator[events.Event]:
        nonlocal problems
        model = BaseModel.open(base).module_shapes() if base else full_size_of(with_home(file))
        found = inspect(with_home(file), model)
        problems = len(found.faults)
        yield events.Finished(_described(found))

    code = console.show(stream(), json=json, summary=lambda s: _info_text(s, metadata=False))
    return code or (EXIT_PROBLEMS if problems else 0)


def _described(found: LoraInfo) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "family": found.family,
        "algorithm": found.algorithm,
        "rank": found.ranks[0] if found.ranks else None,
        "ranks": list(found.ranks),
        "alpha": found.alpha,
        "modules": found.modules,
        "unmatched": list(found.unmatched),
        "faults": list(found.faults),
        "metadata": found.metadata,
    }


def _info_text(summary: dict[str, Any], *, metadata: bool) -> str:
    modules = ", ".join(f"{count} {part}" for part, count in summary["modules"].items())
    ranks = ", ".join(map(str, summary["ranks"]))
    facts = [
        (_("family"), summary["family"]),
        (_("algorithm"), summary["algorithm"]),
        (_("rank"), f"{ranks}   {_('alpha')} {summary['alpha']}"),
        (_("modules"), modules),
        (_("unmatched"), len(summary["unmatched"])),
        *(("", name) for name in summary["unmatched"]),
        *((_("fault"), translated(fault)) for fault in summary["faults"]),
    ]
    lines = [summary["file"], *(f"{padded(name, 12)}{value}" for name, value in facts)]
    if metadata:
        lines += [f"{key} = {value}" for key, value in sorted(summary["metadata"].items())]
    return "\n".join(lines)


@examples(
    ("shikomi lora pick my_project", "Show what was picked."),
    (
        "shikomi lora pick my_project --lora my_project:0.8",
        "Remember that output/lora/my_project.safetensors is the best, at strength 0.8.",
    ),
)
def lora_pick(project: ProjectPath = HERE, /, *, lora: str = "", json: Json = False) -> int:
    """Remember which LoRA file, at which strength, is the best; or show it.

    It is written to output/winner.toml, as an edit that can be undone.

    Args:
        lora: LoRA, as NAME:STRENGTH; NAME is a file, or a name in output/lora. Default: show what
            was picked.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        edit = 0
        if lora:
            with Index(opened) as index:
                edit = winner.pick(opened, index, lora).edit
        found = winner.read_winner(opened) or winner.Winner()
        yield events.Finished({**found.model_dump(), "edit": edit})

    return operate(project, start, json=json, rescan=False, summary=_picked_text)


def _picked_text(found: dict[str, Any]) -> str:
    if not found["lora"]:
        return "Nothing was picked yet. Pick with: --lora NAME:STRENGTH"
    line = f"{found['lora']} at {found['strength']:g}"
    return f"{line} (take back with: shikomi undo)" if found["edit"] else line


@examples(
    (
        "shikomi lora merge my_project --lora my_project:0.8 --lora other:0.5",
        "Join two LoRAs into one, which at strength 1 does what both do at these strengths.",
    ),
    (
        "shikomi lora merge my_project --lora my_project --into mix.safetensors",
        "Make a checkpoint that has learned what the LoRA adds.",
    ),
)
def lora_merge(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[MergeOptions] = MergeOptions(),
    json: Json = False,
) -> int:
    """Merge LoRAs into one file, or into a model.

    The sum is exact: its rank is that of all files together, unless --rank asks for less. LoHa,
    LoKr and DoRA have no such rank and need --rank; into a model, everything is merged exactly.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        from train.merging.merge import merge

        yield from merge(opened, options)

    return _make(project, start, json=json)


@examples(
    (
        "shikomi lora resize my_project --lora my_project --rank 1",
        "Write output/lora/my_project-resized.safetensors, of rank 1.",
    ),
    (
        "shikomi lora resize my_project --lora other.safetensors --keep 0.95",
        "Give each module the lowest rank that keeps 95 % of its change.",
    ),
)
def lora_resize(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ResizeOptions] = ResizeOptions(),
    json: Json = False,
) -> int:
    """Give a LoRA another rank: smaller files that do nearly the same.

    LoHa, LoKr and DoRA become plain LoRAs, which every program reads.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        from train.merging.merge import resize

        yield from resize(opened, options)

    return _make(project, start, json=json)


@examples(
    (
        "shikomi lora extract my_project --model output/checkpoints/my.safetensors",
        "Make a LoRA of rank 32 of what full fine-tuning has changed in the base model.",
    ),
    (
        "shikomi lora extract --model mix.safetensors --base xl.safetensors --keep 0.98",
        "Make a LoRA of the difference of two checkpoints, with ranks that suit each module.",
    ),
)
def lora_extract(
    project: ProjectPath = HERE,
    /,
    *,
    options: Options[ExtractOptions] = ExtractOptions(),
    json: Json = False,
) -> int:
    """Make a LoRA of what a model learned: of what distinguishes it from the one before.

    Differences of norms and of the first and last layers have no rank and stay behind.
    """

    def start(opened: Project) -> Iterator[events.Event]:
        from train.merging.extract import extract

        yield from extract(opened, options)

    return _make(project, start, json=json)


def _make(project: Path, start: Any, *, json: bool) -> int:
    """Run what makes a file, and say what came of it."""

    def stream() -> Iterator[events.Event]:
        require_training()
        configure_libraries()
        yield from start(Project.open(project))

    return console.show(stream(), json=json, summary=_made_text)


def _made_text(found: dict[str, Any]) -> str:
    facts = [quantity(found["modules"], "module")]
    facts += [f"rank {found['rank']}"] if found["rank"] else []
    facts += [f"{found['kept']:.1%} of the change"] if found["kept"] < 0.9995 else []
    return f"{found['file']}\n{', '.join(facts)}"
