"""The log of an export, and a shard, on a disk that is full."""

import subprocess
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")

_LOG = """
from prep.training_set.write_log import WriteLog
log = WriteLog(folder)
try:
    for number in range(1000):
        log.announce((f"{number}.webp", "r", 1, "h"))
except OSError:
    print("full")
log.close()
print(len(WriteLog(folder).read()) > 9)
"""
_SHARD = """
from types import SimpleNamespace
from prep.errors import UserError
from prep.formats.shards import _Shard
shard = _Shard(folder / "w.tar", 1 << 20)
try:
    shard.add(SimpleNamespace(digest="", key=""), [("a.webp", bytes(5000))])
    shard.complete()
except UserError:
    print("full")
shard.drop()
print(list(folder.iterdir()) == [])
"""


@pytest.mark.parametrize("work", [_LOG, _SHARD], ids=["log", "shard"])
def test_what_is_closed_on_a_full_disk_says_no_more(tmp_path: Path, work: str) -> None:
    head = "import sys\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
    done = subprocess.run(
        [sys.executable, "-B", "-c", head + work, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("full\nTrue\n", "")
