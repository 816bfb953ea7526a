"""What is written for users is true: commands, options, README's commands, links."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from prep.events import KINDS
from tests.verbs import all_commands
from tui.verbs.table import STAGES

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)[^)]*\)")


def code_blocks(text: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_command_and_option_has_help() -> None:
    found = list(all_commands())
    assert {" ".join(path) for path, _ in found} == {
        verb.name for verbs in STAGES.values() for verb in verbs
    }
    for path, command in found:
        assert command.help, path
        if command.default_command is None:
            continue
        for argument in command.assemble_argument_collection(parse_docstring=True):
            if argument.show:
                assert argument.parameter.help, (*path, argument.name)


def test_the_reference_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert len(module.PAGES) == 5
    for page in module.PAGES:
        assert page.read_text("utf-8") == module.complete(page), "run: python docs/regenerate.py"


def test_the_table_of_events_names_each_verb_and_kind_as_it_is_called() -> None:
    """Every kind is named, too: one that no verb prints would be a mistake in the table."""
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    table = text.partition("## What verbs print")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert {kind for row in rows for kind in re.findall(r"`([a-z_]+)`", row[1])} == {
        kind for kind, event in KINDS.items() if event.__module__.startswith("prep.events")
    } - {"unknown"}
    verbs = {verb.name for verbs in STAGES.values() for verb in verbs}
    named = re.findall(r"[a-z]+", " ".join(row[0] for row in rows if "--" not in row[0]))
    assert set(named) - {"all"} <= {word for verb in verbs for word in verb.split()}


def test_readme_begins_with_the_two_commands() -> None:
    demo, tests = code_blocks((ROOT / "README.md").read_text("utf-8"))[:2]
    assert demo.count("\n") == tests.count("\n") == 1
    assert "'.[train]'" in demo
    assert demo.rstrip().endswith("/shikomi demo")
    assert "'.[test]'" in tests
    assert tests.rstrip().endswith("-m pytest")


def test_every_command_in_the_documents_exists() -> None:
    known = {path[0] for path, _ in all_commands()}
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for block in code_blocks(document.read_text("utf-8")):
            for verb in re.findall(r"(?:^|/|&& )shikomi ([a-z]+)", block, re.MULTILINE):
                assert verb in known, (document.name, verb)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/README.ja.md",
        "docs/topics/first-lora.ja.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/cli.md",
        "docs/topics/from-kohya.md",
        "docs/topics/training.md",
        "docs/topics/training-settings.md",
        "docs/decisions.md",
        "docs/glossary.md",
        "docs/security.md",
    ],
)
def test_links_lead_somewhere(name: str) -> None:
    file = ROOT / name
    for target in LINK.findall(file.read_text("utf-8")):
        if not target.startswith("http"):
            assert (file.parent / target).exists(), target


def test_the_demo_world_is_small() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "sample_data"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    sdxl = [path for path in files if "sample_data/sdxl/" in path.as_posix()]  # not in the wheel
    assert 0 < sum(path.stat().st_size for path in sdxl) < 8_000_000
    assert 0 < sum(path.stat().st_size for path in {*files} - {*sdxl}) < 11_000_000


DOCUMENTS = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks/README.md",
    ROOT / "sample_data/README.md",
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_documents_name_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    named = re.findall(r"`((?:prep|train|tui|tests|benchmarks|docs|sample_data)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_modules_that_docstrings_name_exist() -> None:
    missing = []
    for package in ("prep", "train", "tui", "benchmarks"):
        for file in (ROOT / package).rglob("*.py"):
            names = re.findall(r"``((?:prep|train|tui)(?:\.\w+)+)``", file.read_text("utf-8"))
            missing += [(file.name, name) for name in names if not is_defined(name.split("."))]
    assert missing == []


def is_defined(parts: list[str]) -> bool:
    """Is this a module, or a name in one? Of ``package.module.Class.method`` all is looked at."""
    place = ROOT
    for depth, part in enumerate(parts):
        if (place / part).is_dir():
            place = place / part
            continue
        module = place / f"{part}.py"
        rest = parts[depth + 1 :]
        if not module.exists():
            module, rest = place / "__init__.py", parts[depth:]
        text = module.read_text("utf-8") if module.exists() else ""
        return module.exists() and all(
            re.search(rf"^\s*(?:class |def |async def )?{name}\b", text, re.MULTILINE)
            for name in rest
        )
    return True


def test_the_tests_of_the_threat_model_exist() -> None:
    """Each rule names at least one, and a renamed test takes its line along."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    rules = [line for line in text.splitlines() if line.startswith("| ")][2:]
    named = [re.findall(r"`(test_\w+)`", rule.rpartition(" | ")[2]) for rule in rules]
    assert len(rules) > 20
    assert all(named)
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^(?:async )?def (test_\w+)\(", sources, re.MULTILINE))
    assert {name for names in named for name in names} <= known
