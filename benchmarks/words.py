"""The vocabulary at 200,000 tags: loading, completion at each keystroke, lint, token counts.

    python -m benchmarks.words [TAGS] [CAPTIONS]

Tags are made of syllables, which makes them more alike than real ones: completion has more to sort
and correction more to compare. Times are CPU times of one core.
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeVar

from prep.captions.tokens import clip_tokenizer
from prep.curation.vocabulary import store
from prep.curation.vocabulary.complete import Completer
from prep.curation.vocabulary.nearest import near
from prep.curation.vocabulary.usage import Usage
from prep.curation.vocabulary.words import key_of
from prep.ops.lint import findings
from prep.project.creation import initialise

T = TypeVar("T")
SYLLABLES = (
    "ka ri to mo shi hat bow red blue long hair eye smile cat dog sun ma ne po lu tra den fo gi"
    " ber ti sa ro we ny qu ex za"
)


def tags(count: int) -> list[str]:
    """Return different names of one to three words."""
    rng, parts = random.Random(0), SYLLABLES.split()
    found: dict[str, None] = {}
    while len(found) < count:
        words = ("".join(rng.choices(parts, k=rng.randint(1, 3))) for _ in range(3))
        found["_".join(list(words)[: rng.randint(1, 3)])] = None
    return list(found)


def timed(what: str, action: Callable[[], T]) -> T:
    """Print the CPU time of an action; other work on the machine does not count."""
    start = time.process_time()
    result = action()
    print(f"{what:<46} {1000 * (time.process_time() - start):9.1f} ms")
    return result


def main(tag_count: int = 200_000, caption_count: int = 100_000) -> None:
    """Measure and print."""
    names = tags(tag_count)
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        project = initialise(Path(folder) / "project")
        lines = (
            f'{name},0,{6_000_000 // (n + 1) + 30},"{name[::-1]}"' for n, name in enumerate(names)
        )
        (project.root / "tags.csv").write_text("\n".join(lines), encoding="utf-8")
        project = project.saved({"vocabulary": {"files": ["tags.csv"]}})
        timed(f"first load of {tag_count:,} tags with aliases", lambda: store.load(project))
        words = timed("every later load", lambda: store.load(project))
        size = sum(file.stat().st_size for file in (project.state / "vocabulary").iterdir())
        print(f"{'packed copy':<46} {size / 1e6:9.1f} MB")
        completer = Completer(words, {name.replace("_", " "): 9 for name in names[:5000]})
        times = []
        for name in rng.sample(names, 200):
            for end in range(1, len(name) + 1):
                start = time.process_time()
                completer.complete(name[max(0, end - 8) : end])
                times.append(1000 * (time.process_time() - start))
        print(f"{'completion: median of keystrokes':<46} {median(times):9.1f} ms")
        print(f"{'completion: slowest of ' + str(len(times)):<46} {max(times):9.1f} ms")
        wrong = [name[:2] + name[3:] for name in rng.sample(names, 50) if len(name) > 8]
        start = time.process_time()
        for name in wrong:
            near(words, key_of(name))
        each = 1000 * (time.process_time() - start) / len(wrong)
        print(f"{'nearest tags of a misspelt one':<46} {each:9.1f} ms")
        usage, used = Usage(), [*names[:5000], *wrong]
        for name in used:
            usage.spellings[key_of(name)][name] += 1
        timed(f"lint of {len(used)} different tags", lambda: list(findings(project, usage, words)))
    shown = [name.replace("_", " ") for name in names[:5000]]
    captions = [", ".join(rng.sample(shown, 20)) for _ in range(caption_count)]
    tokenizer = clip_tokenizer()
    timed(f"tokens of {caption_count:,} captions", lambda: [tokenizer.count(c) for c in captions])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'peak memory, making the data included':<46} {peak:9.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
