"""How often a file is opened: on a network folder an open takes longer than measuring a small mask."""

import json
import subprocess
import sys

from study_phantoms import write_box

# Every open of Python and of `os` is an audit event.
COUNTING = """
import collections, json, sys
counts = collections.Counter()
def count(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        counts[str(arguments[0])] += 1
sys.addaudithook(count)
from volumetry.cli import main
main(sys.argv[2:])
json.dump(counts, open(sys.argv[1], "w"))
"""


def opens(tmp_path, name):
    told = tmp_path / f"{name}.json"
    call = ["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    subprocess.run([sys.executable, "-c", COUNTING, str(told), *call], check=True, capture_output=True)
    study = f"{tmp_path / 'study'}/"
    counts = json.loads(told.read_text())
    return {path.removeprefix(study): n for path, n in counts.items() if path.startswith(study)}


def test_a_mask_is_opened_three_times_and_once_to_see_that_it_is_unchanged(tmp_path):
    for patient in ("p", "q"):
        write_box(tmp_path / f"study/{patient}/v0/lesion_mask.nii.gz")
    write_box(tmp_path / "study/q/v0/lesion.nii.gz")
    first = opens(tmp_path, "first")
    assert len(first) == 6
    assert max(first.values()) <= 3
    assert set(opens(tmp_path, "second").values()) == {1}
