"""Cases, hashes and rows in little memory hold what was put into them."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_phantoms import write_box

from volumetry.errors import VolumetryError
from volumetry.study.case_table import CaseTable, column_of
from volumetry.study.cases import Case
from volumetry.study.hash_index import HashIndex, NameSet
from volumetry.study.identity import natural

TEXT = st.text(alphabet="ab1", max_size=3)
ERROR = VolumetryError("patient-unclear", "nothing says so", todo="Say so.")
CASES = st.builds(
    Case,
    patient=TEXT,
    visit=TEXT,
    trace=TEXT,
    scan_files=st.lists(TEXT, max_size=2).map(tuple),
    label=st.one_of(st.none(), st.integers(0, 2)),
    error=st.sampled_from([None, ERROR]),
)


@given(st.lists(CASES, max_size=12))
def test_a_table_gives_back_its_cases_and_sorts_as_they_do(cases):
    table = CaseTable(cases)
    assert list(table) == cases
    assert table[1:3] == tuple(cases[1:3])
    assert list(column_of(table, "trace")) == [case.trace for case in cases]
    table.sort()
    assert list(table) == sorted(cases, key=lambda case: case.identity)


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-9, 9)), max_size=300))
def test_numbers_by_hash_are_those_of_a_dict(pairs):
    index, known = HashIndex(), {}
    for key, value in pairs:
        index[key], known[key] = value, value
    known_but_zero = {key: value for key, value in known.items() if key not in (0, 1)}
    assert all(index.get(key) == value for key, value in known_but_zero.items())
    assert list(index.values()) == sorted(index.get(key) for key in {key or 1 for key in known})
    assert len(index) == len({key or 1 for key in known})
    assert all((key in index) == (key in known) for key in range(2, 50))


def test_names_are_remembered():
    names, chosen = NameSet(), random.Random(7)
    added = {str(chosen.random()) for _ in range(1000)}
    for name in added:
        names.add(name)
    assert all(name in names for name in added)
    assert not any(str(chosen.random()) in names for _ in range(1000))


@given(st.lists(st.text(alphabet="ab019 _é", max_size=6), max_size=8))
def test_names_with_numbers_sort_by_number(names):
    def parts(text):
        found, rest = [], text
        while rest:
            digits = rest[0] in "0123456789"
            end = next((i for i, c in enumerate(rest) if (c in "0123456789") != digits), len(rest))
            found.append((0, int(rest[:end]), "") if digits else (1, 0, rest[:end]))
            rest = rest[end:]
        return found

    assert [parts(name) for name in sorted(names, key=natural)] == sorted(map(parts, names))


MEMORY = """
import re, sys
from volumetry.cli import main
main(["batch", sys.argv[1], "--out", sys.argv[2], "--jobs", "1"])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.prove
@pytest.mark.skipif(
    not os.environ.get("VOLUMETRY_PROVE") or sys.platform != "linux",
    reason="part of make prove: 55,000 masks, and the high-water mark is read from /proc",
)
def test_the_memory_of_a_batch_hardly_grows_with_its_masks(tmp_path):
    """The names of many masks and where their results lie are kept, and nothing else of them."""
    base, peaks_kb = tmp_path / "study", []
    write_box(base / "p0/v0/mask.nii.gz")
    content = (base / "p0/v0/mask.nii.gz").read_bytes()
    for first, last in ((1, 5_000), (5_000, 50_000)):
        for number in range(first, last):
            place = base / f"p{number}/v0"
            place.mkdir(parents=True)
            (place / "mask.nii.gz").write_bytes(content)
        call = [sys.executable, "-c", MEMORY, str(base), str(tmp_path / "out")]
        told = subprocess.run(call, capture_output=True, text=True, check=True).stdout
        peaks_kb.append(int(told.split()[-1]))
    assert peaks_kb[1] - peaks_kb[0] < 20_000, peaks_kb
