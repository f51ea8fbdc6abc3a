"""A batch of small masks on a folder where every open takes time, as on a network share: two workers, one.

    python benchmarks/bench_slow_folder.py [--masks 1000] [--open-ms 10] [--rounds 3]

Every open of a file of the study waits before it goes on: an audit hook of Python, which workers inherit that
are forked. Prints the opens a mask, and the ratio of the medians of two workers' time to that of one.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from bench_batch import make_mask_study

_RUN = """
import json, sys, time
study, out, jobs, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
count = 0
def slow(event, arguments):
    global count
    if event == "open" and isinstance(arguments[0], (str, bytes)) and str(arguments[0]).startswith(study):
        count += 1
        time.sleep(seconds)
sys.addaudithook(slow)
from volumetry.cli import main
begin = time.perf_counter()
code = main(["--quiet", "batch", study, "--out", out, "--jobs", jobs])
print(json.dumps({"s": time.perf_counter() - begin, "opens here": count, "code": code}))
"""


def run(study: Path, out: Path, jobs: int, seconds: float) -> dict[str, float]:
    call = [sys.executable, "-c", _RUN, study, out, jobs, seconds]
    told = subprocess.run([*map(str, call)], capture_output=True, text=True, check=True)
    counts = json.loads((out / "run.json").read_bytes())["counts"]
    return dict(json.loads(told.stdout.splitlines()[-1])) | {"measured": counts["measured"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--open-ms", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {chosen.rounds} rounds, medians")
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "study"
        make_mask_study(study, chosen.masks)
        times: dict[int, list[float]] = {1: [], 2: []}
        for number in range(chosen.rounds):
            for jobs in (1, 2) if number % 2 else (2, 1):
                done = run(study, Path(name) / f"out{number}{jobs}", jobs, chosen.open_ms / 1000)
                assert (done["code"], done["measured"]) == (0, chosen.masks), done
                times[jobs].append(done["s"])
                if jobs == 1 and number == 0:
                    print(f"opens a mask: {done['opens here'] / chosen.masks:.2f}")
        one, two = statistics.median(times[1]), statistics.median(times[2])
        print(
            f"{chosen.masks} masks, {chosen.open_ms:g} ms an open: 1 worker {one:.1f} s, "
            f"2 workers {two:.1f} s, ratio {two / one:.2f}"
        )


if __name__ == "__main__":
    main()
