"""A tagging run that is killed goes on where it stopped: a real process and a real SIGKILL."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from prep import events
from prep.dataset.index import Index
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from tests.prep.tiny_taggers import make_tagger

ROOT = Path(__file__).resolve().parents[3]
IMAGES, SEEN, STORED = 80, 50, 32
# Goes on to the 50th image, says so, and then waits to be killed.
CHILD = """
import sys
from pathlib import Path
from prep import events
from prep.ops import tag
from prep.project import Project
events.Throttle.ready = lambda _: True
options = tag.TagOptions(model=sys.argv[2], device="cpu", batch=1, threads=1)
for event in tag.run(Project.open(Path(sys.argv[1])), options):
    if isinstance(event, events.Progress) and (event.what, event.done) == ("tag", int(sys.argv[3])):
        print("here", flush=True)
        sys.stdin.read()
"""


def test_a_killed_run_goes_on_where_it_stopped(project: Project, tmp_path: Path) -> None:
    tagger = make_tagger(tmp_path / "tiny")
    for number in range(IMAGES):
        path = project.dataset / "10_mochi" / f"{number:03}.png"
        Image.new("RGB", (12, 12), (255, 3 * number, 0)).save(path)
    list(scan.run(project))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(project.root), str(tagger), str(SEEN)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        child.kill()
    with Index(project) as index:
        assert index.connection.execute("SELECT count(*) FROM scores").fetchone() == (STORED,)
    found = list(tag.run(project, TagOptions(model=str(tagger), device="cpu", threads=1)))
    inferred = {e.total for e in found if isinstance(e, events.Progress) and e.what == "tag"}
    assert inferred == {IMAGES - STORED}
    assert isinstance(found[-1], events.Finished)
    assert found[-1].summary["images"] == found[-1].summary["changed"] == IMAGES
