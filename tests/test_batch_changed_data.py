"""Changed data through `batch`: over every format that is read, no volume is stale.

Measured, its data changed under an equal header, measured again, broken, mended, untraced.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from phantoms import contour_items, ring, trace_of, write_rtstruct, write_seg

import volumetry as vm
from volumetry.cli import main
from volumetry.formats.recognise import FORMATS, SUFFIXES

GEOMETRY = stack_geometry(n_slices=7, rows=20, columns=24, pixel_spacing_mm=(2.0, 2.0))
SERIES = "2.25.80"
TABLES = ("measurements.csv", "slices.csv", "changes.csv")


def layer(n_rows: int) -> Any:
    """A box of 3 slices, `n_rows` rows and 10 columns; the last slice does not change."""
    voxels = np.zeros((7, 20, 24), dtype=np.uint8)
    voxels[2:5, 4 : 4 + n_rows, 5:15] = 1
    voxels[4, 4:14, 5:15] = 1
    return voxels


def by_itk(path: Path, n_rows: int) -> Path:
    image = SimpleITK.GetImageFromArray(layer(n_rows))
    image.SetSpacing((2.0, 2.0, 4.4))
    SimpleITK.WriteImage(image, path)
    return path


def by_itk_compressed(path: Path, n_rows: int) -> Path:
    image = SimpleITK.GetImageFromArray(layer(n_rows))
    image.SetSpacing((2.0, 2.0, 4.4))
    SimpleITK.WriteImage(image, path, useCompression=True)
    return path


def slice_files(path: Path, n_rows: int) -> list[str]:
    names = [f"s{number}.raw" for number in range(7)]
    for name, voxels in zip(names, layer(n_rows), strict=True):
        (path.parent / name).write_bytes(voxels.tobytes())
    return names


def metaimage_list(path: Path, n_rows: int) -> Path:
    names = "\n".join(slice_files(path, n_rows))
    path.write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 24 20 7\nElementType = MET_UCHAR\n"
        f"ElementSpacing = 2 2 4.4\nElementDataFile = LIST\n{names}\n"
    )
    return path


def nrrd_pattern(path: Path, n_rows: int) -> Path:
    slice_files(path, n_rows)
    path.write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 24 20 7\nspacings: 2 2 4.4\nencoding: raw\n"
        "data file: s%d.raw 0 6 1\n"
    )
    return path


def freesurfer(path: Path, n_rows: int) -> Path:
    voxels = np.ascontiguousarray(layer(n_rows).transpose(2, 1, 0)).astype(np.int32)
    nibabel.MGHImage(voxels, np.diag([-2.0, 2.0, 4.4, 1.0])).to_filename(path)
    return path


def analyze(path: Path, n_rows: int) -> Path:
    voxels = np.ascontiguousarray(layer(n_rows).transpose(2, 1, 0))
    nibabel.AnalyzeImage(voxels, np.diag([-2.0, 2.0, 4.4, 1.0])).to_filename(path)
    return path


def tiff(path: Path, n_rows: int) -> Path:
    tifffile = pytest.importorskip("tifffile")
    said = {"spacing": 4.4, "unit": "mm", "axes": "ZYX"}
    tifffile.imwrite(path, layer(n_rows), imagej=True, resolution=(0.5, 0.5), metadata=said)
    return path


def outlines(n_rows: int) -> vm.Trace:
    tops = [(4, n_rows), (4, n_rows), (4, 10)]
    return trace_of(
        [
            ring(index, np.array([(top, 5), (top, 15), (top + rows, 15), (top + rows, 5)], float))
            for index, (top, rows) in enumerate(tops, start=2)
        ],
        GEOMETRY,
        lesion="lesion",
    )


def native(path: Path, n_rows: int) -> Path:
    vm.write_trace(outlines(n_rows), path)
    return path


def segmentation(path: Path, n_rows: int) -> Path:
    write_series(path.parent / "images", GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES)
    return write_seg(path, GEOMETRY, {"lesion": layer(n_rows)}, series_uid=SERIES)


def structures(path: Path, n_rows: int) -> Path:
    write_series(path.parent / "images", GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES)
    return write_rtstruct(path, {"lesion": contour_items(outlines(n_rows))}, series_uid=SERIES)


Writer = Callable[[Path, int], Path]
WRITERS: dict[str, Writer] = {
    "m_mask.nii": by_itk,
    "m_mask.nii.gz": by_itk,
    "m_mask.hdr": by_itk,
    "m_mask.img": by_itk,
    "analyze_mask.hdr": analyze,
    "m_mask.nrrd": by_itk,
    "zipped_mask.nrrd": by_itk_compressed,
    "m.seg.nrrd": by_itk,
    "m_mask.nhdr": by_itk,
    "zipped_mask.nhdr": by_itk_compressed,
    "m_mask.mha": by_itk,
    "m_mask.mhd": by_itk,
    "zipped_mask.mhd": by_itk_compressed,
    "list_mask.mhd": metaimage_list,
    "pattern_mask.nhdr": nrrd_pattern,
    "m_mask.mgh": freesurfer,
    "m_mask.mgz": freesurfer,
    "m_mask.gipl": by_itk,
    "m_mask.gipl.gz": by_itk,
    "m_mask.vtk": by_itk,
    "m_mask.tif": tiff,
    "L1.trace.json": native,
    "seg.dcm": segmentation,
    "rtstruct.dcm": structures,
}


def is_read(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


READ = [name for name in WRITERS if is_read(name)]


def run(study: Path, out: Path) -> tuple[dict[str, str] | None, int]:
    """The row of the tracing, and the number of cases measured now."""
    main(["batch", str(study), "--out", str(out), "--height", "spacing"])
    with (out / "measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["trace"]]
    assert len(rows) <= 1

    done = json.loads((out / "run.json").read_text(encoding="utf-8"))["n_measured_now"]
    return (rows[0] if rows else None), done


def put(fresh: Path, folder: Path, *, keep_times: bool) -> list[Path]:
    """Copy into a folder the files that differ from those that are there; return them."""
    changed = []
    for file in sorted(path for path in fresh.rglob("*") if path.is_file()):
        there = folder / file.relative_to(fresh)
        if there.read_bytes() == file.read_bytes():
            continue
        times = (there.stat().st_atime_ns, there.stat().st_mtime_ns)
        there.write_bytes(file.read_bytes())
        if keep_times:
            os.utime(there, ns=times)
        changed.append(there)
    return changed


def written(folder: Path, name: str, n_rows: int) -> Path:
    folder.mkdir(parents=True)
    return WRITERS[name](folder / name, n_rows)


@pytest.mark.parametrize("name", READ)
def test_changed_data_is_measured_again(name, tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    path = written(study / "p/v0", name, 10)
    written(tmp_path / "less", name, 6)
    first, done = run(study, out)
    assert first is not None
    assert (first["status"], done) == ("measured", 1)
    assert float(first["volume_mm3"]) == pytest.approx(3 * 100 * 4 * 4.4)
    assert run(study, out) == (first, 0)

    changed = put(tmp_path / "less", study / "p/v0", keep_times=True)
    second, done = run(study, out)
    assert second is not None
    assert (second["status"], done) == ("measured", 1)
    assert float(second["volume_mm3"]) == pytest.approx((2 * 60 + 100) * 4 * 4.4)
    assert second["trace_sha256"] != first["trace_sha256"]

    victim = max(changed, key=lambda file: file.stat().st_size)
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 3])
    broken, _ = run(study, out)
    assert broken is None or (broken["status"], broken["volume_mm3"]) == ("failed", "")
    victim.write_bytes(whole)
    mended, _ = run(study, out)
    assert mended == second

    for file in {path, *changed}:
        file.unlink()
    untraced, _ = run(study, out)
    assert untraced is None


@pytest.mark.parametrize("name", READ)
def test_an_old_ledger_gives_the_tables_of_a_fresh_run(name, tmp_path):
    study = tmp_path / "study"
    written(study / "p/v0", name, 10)
    written(tmp_path / "less", name, 6)
    run(study, tmp_path / "old")
    put(tmp_path / "less", study / "p/v0", keep_times=False)
    run(study, tmp_path / "old")
    run(study, tmp_path / "new")
    assert [(tmp_path / "old" / table).read_bytes() for table in TABLES] == [
        (tmp_path / "new" / table).read_bytes() for table in TABLES
    ]


def test_every_format_is_held_to_it():
    named = {f.name for f in FORMATS for suffix in f.suffixes if any(n.endswith(suffix) for n in READ)}
    assert named == {f.name for f in FORMATS}


def test_a_changed_sidecar_is_measured_again(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    written(study / "p/v0", "m_mask.nii.gz", 10)
    sidecar = study / "p/v0/m_mask.json"
    flags = []
    for thickness in ("4.0", "3.0", None):
        if thickness is None:
            sidecar.unlink()
        else:
            sidecar.write_text(f'{{"SliceThickness": {thickness}}}', encoding="utf-8")
        row, done = run(study, out)
        assert row is not None
        assert done == 1
        flags.append(row["volume_thickness_mm3"])
    assert [float(text or 0) for text in flags] == pytest.approx([4800.0, 3600.0, 0.0])


EDITS = {
    "visits": ('[study]\nvisits = ["late", "early"]\n', ""),
    "threshold": ("[change]\nthreshold_percent = 90\n", ""),
    "site": ('[study]\nsite = "north"\n', ""),
    "dates": ("", "2024-03-01"),
    "patient": ("", ""),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits_of_identity_measure_nothing_anew(edit, tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    for visit, n_rows in (("early", 10), ("late", 6)):
        written(study / visit, "m_mask.nii.gz", n_rows)
    protocol, manifest = tmp_path / "study.toml", tmp_path / "manifest.csv"
    call = ["batch", str(study), "--out", str(out), "--height", "spacing", "--manifest", str(manifest)]
    call += ["--protocol", str(protocol)]
    told = []
    for number in range(2):
        text, day = EDITS[edit] if number else ("", "2024-09-01")
        protocol.write_text(text, encoding="utf-8")
        patient = "Q" if number and edit == "patient" else "P"
        manifest.write_text(
            "patient,visit,study_date,side,lesion,scan,trace\n"
            f"{patient},early,2024-06-01,L,L1,,study/early/m_mask.nii.gz\n"
            f"{patient},late,{day or '2024-09-01'},L,L1,,study/late/m_mask.nii.gz\n",
            encoding="utf-8",
        )
        assert main(call) == 0
        told.append((out / "changes.csv").read_bytes())

    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["n_measured_now"] == 0
    assert told[0] != told[1]
    shutil.rmtree(out)
    assert main(call) == 0
    assert (out / "changes.csv").read_bytes() == told[1]
