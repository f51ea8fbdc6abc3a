"""A batch that is ended, killed, or started where it cannot run: what is left, and what is said."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study_phantoms import small_study

from volumetry.cli import main
from volumetry.study.runs.batch import run_batch

TABLES = ("measurements.csv", "slices.csv", "changes.csv")
KILLS = 40 if os.environ.get("VOLUMETRY_PROVE") else 2
SIGNALS = [getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

# Every case takes a moment, so that there is something to interrupt; the mark names the processes of a test.
SLOW = """
import sys, time
from volumetry.study.runs import batch, measuring
do = measuring.do_job
def slow(job):
    time.sleep(0.02)
    return do(job)
batch.do_job = slow
from volumetry.cli import main
sys.exit(main(sys.argv[2:]))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in TABLES]


def alive(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state != "Z" and mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    small_study(folder / "study", 20)
    run_batch(folder / "study", folder / "whole")
    return folder


@linux
@pytest.mark.prove
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("seed", range(KILLS))
def test_ended_at_any_moment_no_worker_lives_on_and_the_next_run_resumes(study, tmp_path, number, seed):
    mark = f"mark-{number.name}-{seed}-{os.getpid()}"
    batch = ["batch", str(study / "study"), "--out", str(tmp_path / "out"), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, mark, *batch], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(random.Random(seed * 7 + number).uniform(0.1, 1.0))
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert b"Traceback" not in told
    deadline = time.monotonic() + 2
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive(mark) == []
    assert main(batch) == 0
    assert tables(tmp_path / "out") == tables(study / "whole")


@linux
def test_a_signal_says_what_is_kept_and_its_number(study, tmp_path):
    batch = ["batch", str(study / "study"), "--out", str(tmp_path / "out"), "--jobs", "2"]
    slower = SLOW.replace("time.sleep(0.02)", "time.sleep(0.5)")  # it is at work when the signal comes
    process = subprocess.Popen(
        [sys.executable, "-c", slower, "told", *batch], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    ledger = tmp_path / "out/ledger.jsonl"
    deadline = time.monotonic() + 120
    while not ledger.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    _, told = process.communicate(timeout=120)
    assert told == b"interrupted; what was done is kept\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_case_that_takes_too_long_is_a_row(study, tmp_path):
    code = SLOW.replace("time.sleep(0.02)", "time.sleep(30 if job.case.patient == 'p003' else 0)")
    batch = ["batch", str(study / "study"), "--out", str(tmp_path / "out"), "--jobs", "2"]
    told = subprocess.run(
        [sys.executable, "-c", code, "slow", *batch, "--case-timeout", "1"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 3
    text = (tmp_path / "out/measurements.csv").read_text(encoding="utf-8")
    assert text.count("timed-out") == 2
    assert text.count("measured") == 38
    assert main(batch) == 0
    assert tables(tmp_path / "out") == tables(study / "whole")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_time_limit_is_a_number_of_seconds(study, tmp_path, capsys, seconds):
    call = ["batch", str(study / "study"), "--out", str(tmp_path / "out"), "--case-timeout", seconds]
    assert main(call) == 2
    assert "--case-timeout" in capsys.readouterr().err


def test_a_script_without_a_guard_is_told_once(study, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "from volumetry.study.runs.batch import run_batch\n"
        "from volumetry.study.runs.options import BatchOptions\n"
        "multiprocessing.set_start_method('spawn', force=True)\n"
        f"run_batch({str(study / 'study')!r}, {str(tmp_path / 'out')!r}, BatchOptions(jobs=2))\n",
        encoding="utf-8",
    )
    told = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 1
    assert told.stderr.count("Traceback") == 1
    assert '__name__ == "__main__"' in told.stderr
    assert "worker-died" not in told.stderr


def test_a_ledger_that_no_batch_has_written_is_left_alone(study, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "ledger.jsonl").write_text(json.dumps({"account": 7}) + "\n", encoding="utf-8")
    before = (out / "ledger.jsonl").read_bytes()
    for extra in ([], ["--fresh"]):
        assert main(["batch", str(study / "study"), "--out", str(out), *extra]) == 4
        assert "no batch has written" in capsys.readouterr().err
    assert (out / "ledger.jsonl").read_bytes() == before


@pytest.mark.parametrize("how", ["symbolic", "hard"])
def test_a_ledger_that_is_a_link_is_left_alone(study, tmp_path, capsys, how):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.write_bytes(b"")
    if how == "hard":
        (out / "ledger.jsonl").hardlink_to(elsewhere)
    else:
        (out / "ledger.jsonl").symlink_to(elsewhere)
    assert main(["batch", str(study / "study"), "--out", str(out)]) == 4
    assert "is a link" in capsys.readouterr().err
    assert elsewhere.read_bytes() == b""


def test_what_a_killed_run_was_writing_is_removed_by_the_next(study, tmp_path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    left = [".measurements.csv.ab1.part", ".run.json.x.part", "figures/.p1_L.png.q.part"]
    for name in (*left, ".note.part", "mine.part"):
        (out / name).write_bytes(b"half")
    assert main(["batch", str(study / "study"), "--out", str(out), "--jobs", "1"]) == 0
    assert not any((out / name).exists() for name in left)
    assert (out / ".note.part").exists()
    assert (out / "mine.part").exists()
