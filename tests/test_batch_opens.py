"""How often a file is opened: on a network folder an open takes longer than measuring a small mask."""

import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from phantoms import mask_of
from study_phantoms import write_box

import volumetry as vm
from volumetry.formats.dicom import kept_headers
from volumetry.formats.dicom.kept_headers import headers_noted
from volumetry.study.finding.discovery import discover
from volumetry.study.runs.measuring import Job, Settings, do_job

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


def a_mask_beside_its_series(study, step_mm=4.25):
    geometry = stack_geometry(n_slices=5, rows=8, columns=8, slice_spacing_mm=step_mm)
    images = write_series(study / "p/v0/t1", geometry, stack_voxels(geometry))
    voxels = np.zeros((5, 8, 8), np.uint8)
    voxels[1:4, 2:6, 2:6] = 1
    vm.write_mask(mask_of(voxels, geometry), study / "p/v0/lesion_mask.nii.gz")
    return images


def measured(study, between=lambda: None):
    """The rows of the only case, where something is done after it was found."""
    with headers_noted() as headers:
        (case,) = discover(study)
    between()
    with headers_noted(headers):
        record = do_job(Job(case=case, settings=Settings(root=str(study))))
    return record["rows"]


def test_an_image_is_opened_once_to_find_it_and_once_to_measure_on_it(tmp_path, monkeypatch):
    images = a_mask_beside_its_series(tmp_path)
    monkeypatch.setattr(kept_headers, "SETTLED_SECONDS", 0)
    opened, truly = Counter(), os.open
    monkeypatch.setattr(os, "open", lambda path, *how: opened.update([str(path)]) or truly(path, *how))
    (row,) = measured(tmp_path)
    assert row["status"] == "measured"
    assert row["slice_spacing_mm"] == pytest.approx(4.25)
    assert {opened[str(image)] for image in images} == {2}


@pytest.mark.parametrize("settled", [0, 2])
def test_an_image_that_changes_once_it_was_found_is_measured_as_it_is_now(tmp_path, monkeypatch, settled):
    images = a_mask_beside_its_series(tmp_path)
    monkeypatch.setattr(kept_headers, "SETTLED_SECONDS", settled)

    before = [image.stat() for image in images]

    def write_again():
        a_mask_beside_its_series(tmp_path, step_mm=4.75)
        for image, status in zip(images, before, strict=True):
            os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
            assert image.stat().st_size == status.st_size

    (row,) = measured(tmp_path, between=write_again)
    assert row["slice_spacing_mm"] == pytest.approx(4.75)
