"""The rules of the house, as tests: import direction, file and function sizes, what loads what."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests import conftest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("prep", "train", "tui", "tests", "benchmarks", "sample_data")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

DECLARATIONS = {"prep/dataset/cache_tables.py", "prep/dataset/work_db.py"}
"""The tables of ``cache.db`` and of ``work.db``: who reads these two files has seen them all."""
STORES = {
    "prep/captioner/store.py",
    "prep/curation/duplicates/compared.py",
    "prep/curation/duplicates/hash_kinds.py",
    "prep/curation/duplicates/hash_store.py",
    "prep/curation/duplicates/patches.py",
    "prep/tagging/scores/taggers.py",
}
"""Who speaks SQL outside ``prep/dataset``: stores of what their room computes, and nobody else. All
others ask ``Index``, a module of ``prep/dataset``, or one of these stores."""
_CREATES = re.compile(r"\bCREATE\s+(?!TEMP)(\w+\s+)?(TABLE|INDEX|TRIGGER|VIEW)\b", re.IGNORECASE)
_READS_SCORES = re.compile(r"\b(FROM|JOIN)\s+(scores|score_tops)\b", re.IGNORECASE)

HEAVY = ("torch", "diffusers", "transformers", "accelerate", "onnxruntime")


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if "work" not in path.relative_to(ROOT).parts]


def modules_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level packages that it loaded."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line.partition(".")[0] for line in run.stdout.splitlines()}


def test_no_file_is_too_long() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources()}
    assert lengths
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


@cache
def product() -> list[tuple[str, ast.Module]]:
    """Return name and syntax of all files of the three packages."""
    packages = ("prep/", "train/", "tui/")
    named = [(path.relative_to(ROOT).as_posix(), path) for path in sources()]
    return [
        (name, ast.parse(path.read_text())) for name, path in named if name.startswith(packages)
    ]


def test_tables_are_declared_in_one_place() -> None:
    creating = {
        name
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _CREATES.search(node.value)
    }
    assert creating == DECLARATIONS


def test_sql_stays_in_the_dataset_and_in_the_stores_beside_it() -> None:
    speaking = {
        name
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("execute", "executemany", "executescript")
        and not name.startswith("prep/dataset/")
    }
    assert speaking == STORES


_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_TRANSLATE = {"_", "ngettext", "counted", "translated"}


def translated_at_import(node: ast.AST) -> list[int]:
    """Return the lines of translations that are made when a module is imported."""
    found: list[int] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            continue
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Name)
            and child.func.id in _TRANSLATE
        ):
            found.append(child.lineno)
        found += translated_at_import(child)
    return found


def test_nothing_is_translated_before_the_language_is_known() -> None:
    """``marked`` is for constants: they are translated where they are shown."""
    found = {name: lines for name, tree in product() if (lines := translated_at_import(tree))}
    assert found == {}


def test_the_longest_files_come_first() -> None:
    assert all((ROOT / name).is_file() for name in conftest.LONGEST)


def library_imports(tree: ast.AST) -> set[ast.AST]:
    """Return the imports of diffusers and transformers."""

    def names(node: ast.AST) -> list[str]:
        if isinstance(node, ast.ImportFrom):
            return [node.module or ""]
        return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []

    wanted = ("diffusers", "transformers")
    return {
        node
        for node in ast.walk(tree)
        if any(name.partition(".")[0] in wanted for name in names(node))
    }


def test_libraries_are_imported_without_what_they_do_not_need_here() -> None:
    """The first import of diffusers decides what comes with it, wherever it is."""
    everywhere, lean = set[ast.AST](), set[ast.AST]()
    for _, tree in product():
        everywhere |= library_imports(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.With) and "lean_imports()" in map(
                ast.unparse, (item.context_expr for item in node.items)
            ):
                lean |= library_imports(node)
    assert everywhere
    assert everywhere == lean


def test_scores_are_read_by_one_module() -> None:
    reading = {
        name
        for name, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _READS_SCORES.search(node.value)
    }
    # The cache itself only notes whose scores there are, never what is in them.
    assert reading == {"prep/dataset/values/score_blobs.py", "prep/dataset/cache_db.py"}


def test_imports_point_one_way() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def package_modules(package: str) -> list[str]:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def importing(modules: list[str]) -> str:
    return "\n".join(f"import {name}" for name in modules)


def test_prep_loads_neither_torch_nor_textual_nor_onnxruntime() -> None:
    loaded = modules_after(importing(package_modules("prep")))
    assert loaded.isdisjoint({*HEAVY, "textual"})


def test_the_terminal_application_loads_no_torch() -> None:
    loaded = modules_after(importing(package_modules("tui")))
    assert "textual" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_first_frame_waits_for_no_parser_and_no_events_of_operations() -> None:
    loaded = modules_after("import tui.cli, tui.opening, tui.app, tui.screens.images")
    assert loaded.isdisjoint({"cyclopts", "cv2", "numpy", "prep.events.dataset"})


def test_training_settings_and_commands_load_no_torch() -> None:
    names = ["config", "job.command", "job.start", "job.follow", "cli", "data.dataset"]
    names += ["lora.metadata", "lora.file", "lora.keys", "sampling.prompts", "sampling.options"]
    names += ["optim.schedules", "verdict.recall"]
    loaded = modules_after(importing([f"train.{name}" for name in names]))
    assert loaded.isdisjoint({*HEAVY, "safetensors", "textual"})


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_help_is_light(arguments: str) -> None:
    code = f"import sys; sys.argv = ['shikomi', '{arguments}']\nfrom tui.cli import main\nmain()"
    loaded = modules_after(code)
    assert loaded.isdisjoint({*HEAVY, "textual", "pydantic", "cv2", "PIL"})
