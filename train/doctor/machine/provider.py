"""Which provider onnxruntime really uses: the demo tagger is loaded and run.

``python -m train.doctor.machine.provider`` prints it as JSON; onnxruntime falls back to the CPU
without a word, and a library that does not fit can end the process.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from prep.errors import UserError


def probe() -> dict[str, Any]:
    """Return the provider that ran a tagger, and why it is not a GPU."""
    from prep.tagging.models.obtain import find
    from prep.tagging.runtime.tagger import Tagger

    try:
        tagger = Tagger(find("demo", Path()))
        tagger.scores(np.zeros((1, tagger.side, tagger.side, 3), np.uint8))
    except UserError as error:
        return {"fault": error.message, "change": error.hint}
    choice = tagger.choice
    return {
        "provider": tagger.provider.removesuffix("ExecutionProvider"),
        "reason": choice.reason,
        "idle": choice.gpu_idle,
        "change": choice.cure,
    }


def main() -> int:
    """Print what is found."""
    sys.stdout.write(json.dumps(probe()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
