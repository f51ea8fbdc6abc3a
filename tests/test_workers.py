import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from worker_functions import square

from volumetry.errors import WorkerError
from volumetry.study.cases import Case
from volumetry.study.runs.measuring import may_end_a_process
from volumetry.study.runs.workers import chunk_size, run_in_executor, run_in_processes


def outcomes(cases, jobs=2):
    return dict(run_in_processes(square, cases, jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_case_has_its_result(jobs):
    assert outcomes(range(37), jobs) == {n: n * n for n in range(37)}


def test_no_cases():
    assert outcomes([]) == {}


@pytest.mark.parametrize("bad", [(-1,), (-1, -2, -3), tuple(range(-9, 0))])
def test_only_the_case_that_kills_its_process_is_lost(bad):
    cases = [*range(40), *bad, *range(40, 60)]
    done = outcomes(cases)
    assert {n for n, result in done.items() if isinstance(result, WorkerError)} == set(bad)
    assert {n: r for n, r in done.items() if n >= 0} == {n: n * n for n in range(60)}
    assert {result.code for n, result in done.items() if n < 0} == {"worker-died"}


def test_beside_other_threads_processes_are_started_afresh():
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert outcomes(range(5)) == {n: n * n for n in range(5)}
    finally:
        wait.set()
        thread.join()


def test_stopping_early_leaves_no_process_behind():
    code = (
        "import sys, time; from volumetry.study.runs.workers import run_in_processes\n"
        "results = run_in_processes(time.sleep, [0.01] + [60] * 20, jobs=2)\n"
        "print(next(results)); results.close(); print('closed')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert told.stdout.split() == ["(0.01,", "None)", "closed"]


def test_an_executor_of_the_callers():
    with ThreadPoolExecutor(2) as executor:
        assert dict(run_in_executor(square, range(9), executor)) == {n: n * n for n in range(9)}


def test_an_executor_that_loses_a_worker():
    class KilledWorker(Exception):  # noqa: N818 - the name that dask.distributed gives it
        pass

    def lose(number):
        raise KilledWorker if number == 3 else ValueError

    with ThreadPoolExecutor(1) as executor:
        assert [r.code for _, r in run_in_executor(lose, [3], executor)] == ["worker-died"]
        with pytest.raises(ValueError, match=r"^$"):
            list(run_in_executor(lose, [4], executor))


def test_chunks_share_the_cases_evenly():
    assert chunk_size(3, 8) == 1
    assert chunk_size(10_000, 2) == 16


SERIES = ("p1/t1/1.dcm", "p1/t1/2.dcm")


@pytest.mark.parametrize(
    ("trace", "scan", "files", "may_end"),
    [
        ("p1/hip_mask.nii.gz", "p1/t1", SERIES, False),  # by headers alone
        ("", "p1/t1", SERIES, False),
        ("p1/hip_mask.nii.gz", "p1/t1.nii.gz", ("p1/t1.nii.gz",), False),
        ("p1/hip_mask.nii.gz", "p1/t1.dcm", ("p1/t1.dcm",), True),
        ("p1/hip_mask.nii.gz", "p1/t1.tif", ("p1/t1.tif",), True),
        ("p1/hip_mask.tif", "p1/t1", SERIES, True),
        ("p1/seg.dcm", "p1/t1", SERIES, True),
        ("p1/L1.trace.json", "p1/t1", SERIES, True),  # the pixels that were traced are compared
    ],
)
def test_a_case_is_measured_apart_where_a_library_reads_its_bytes(trace, scan, files, may_end):
    case = Case(patient="p1", visit="", trace=trace, scan=scan, scan_files=files)
    assert may_end_a_process(case) == may_end
