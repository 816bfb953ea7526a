"""Do the tests notice faults? Plants small ones into files that decide, and runs the tests.

    python -m benchmarks.mutation [--only NAME ...] [--per-file N] [--seed S]

What is planted stands in ``mutation_operators``, where, and which tests should notice, in
``mutation_targets``, and what no test can notice in ``mutation_explained.toml``. One process
imports all libraries once, and forks for each fault. The child loads the faulty module in place of
the one on disk (``mutation_hook``), which is never written, and runs the tests in process: those
that call the function first, and of these the quick ones.

mutmut 3 leaves out decorated functions and all of decorated classes, which decide most here;
cosmic-ray writes each fault into the file, and starts an interpreter for it.
"""

import argparse
import os
import random
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.mutation_operators import Mutant, mutants
from benchmarks.mutation_runner import ROOT, Runner
from benchmarks.mutation_targets import TARGETS

Key = tuple[str, str, str, str]
"""File, function, the code before, the code after; as the script prints them."""


def _explained() -> frozenset[Key]:
    data = tomllib.loads((ROOT / "benchmarks/mutation_explained.toml").read_text("utf-8"))
    return frozenset(
        (entry["file"], entry["function"], entry["before"], entry["after"])
        for entry in data["explained"]
    )


EXPLAINED = _explained()
_COLUMNS = ("faults", "caught", "hung", "survived", "explained")


@dataclass
class Result:
    """What became of the faults of one file.

    Attributes:
        counts: By column; what hung is counted as caught, too.
        survived: No test noticed, and nobody has explained why.
        remarks: Explanations that are wrong, or of code that is no longer there.
    """

    counts: Counter[str] = field(default_factory=Counter)
    survived: list[Mutant] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Return a line of the table."""
        numbers = "".join(f"{self.counts[column]:11}" for column in _COLUMNS)
        judged = self.counts["faults"] - self.counts["explained"]
        share = f"{self.counts['caught'] / judged:8.0%}" if judged else ""
        return f"{name:37}{numbers}{share}"


def hunt(runner: Runner, target: str, count: int, seed: str) -> Result:
    """Plant a sample of the faults of a file, and run the tests with each."""
    every = mutants((ROOT / target).read_text("utf-8"), str(ROOT / target))
    drawn = random.Random(f"{seed} {target}").sample(range(len(every)), min(count, len(every)))
    result = Result()
    baseline = runner.baseline(target, TARGETS[target])
    runner.check(target, TARGETS[target], baseline)
    for done, number in enumerate(sorted(drawn)):
        mutant = every[number]
        _show(f"{target} {done}/{len(drawn)}")
        outcome = runner.outcome(target, TARGETS[target], baseline, mutant)
        explained = _key(target, mutant) in EXPLAINED
        result.counts["faults"] += 1
        if outcome == "survived" and not explained:
            result.survived.append(mutant)
        elif outcome != "survived" and explained:
            result.remarks.append(f"{target}:{mutant.line} is explained, but a test notices it")
        result.counts["explained" if outcome == "survived" and explained else outcome] += 1
    result.counts["caught"] += result.counts["hung"]
    known = {_key(target, mutant) for mutant in every}
    gone = [key for key in EXPLAINED if key[0] == target and key not in known]
    result.remarks += [f"{target}: an explanation of {key[2]!r} is out of date" for key in gone]
    _show("")
    return result


def _show(progress: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


def _key(target: str, mutant: Mutant) -> Key:
    return target, mutant.function, mutant.before, mutant.after


def main() -> None:
    """Print a row for each file, then what no test noticed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of files")
    parser.add_argument("--per-file", type=int, default=60, help="faults a file at most")
    parser.add_argument("--seed", default="0", help="which ones")
    given = parser.parse_args()
    os.nice(10)
    targets = [name for name in TARGETS if any(part in name for part in given.only)]
    print(f"At most {given.per_file} faults a file, seed {given.seed}\n")
    print(f"{'':37}" + "".join(f"{column:>11}" for column in _COLUMNS) + "   share")
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        runner = Runner(Path(folder))
        results: dict[str, Result] = {}
        total = Result()
        for target in targets:
            results[target] = hunt(runner, target, given.per_file, given.seed)
            total.counts += results[target].counts
            print(results[target].row(target), flush=True)
    print(total.row("all"))
    _print_survivors(results, targets)


def _print_survivors(results: dict[str, Result], targets: Sequence[str]) -> None:
    for target in targets:
        for mutant in results[target].survived:
            print(f"\n{target}:{mutant.line} {mutant.function}")
            print(f"    {mutant.before}\n    {mutant.after}")
    for target in targets:
        for remark in results[target].remarks:
            print(f"\n{remark}")


if __name__ == "__main__":
    main()
