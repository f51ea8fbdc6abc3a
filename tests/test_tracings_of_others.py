"""Tracings of other programs in a folder of their own: objects by UIDs, masks by paths, all are counted."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from study_phantoms import write_box, write_box_trace
from test_identity_matrix import GEOMETRY, Tracing, write_dicom

from volumetry.cli import main


def batch(archive: Path, traces: Path | None, out: Path, *more: str):
    """Run a batch; return exit code, measurements, changes and what run.json says."""
    apart = [] if traces is None else ["--traces", str(traces)]
    code = main(["batch", str(archive), *apart, "--out", str(out), "--jobs", "1", *more])
    tables = []
    for name in ("measurements", "changes"):
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return code, *tables, json.loads((out / "run.json").read_text(encoding="utf-8"))


def dicom_archive(root: Path, form: str) -> Path:
    """An archive of two visits, each with one object drawn on it."""
    tracings = [
        Tracing(patient="P1", visit=visit, side="L", lesion="L1", reader="A", read=1, height=4)
        for visit in (0, 1)
    ]
    root.mkdir(parents=True)
    write_dicom(root, (form, "known", "one", "sound"), tracings)
    return root


def objects_of(archive: Path) -> list[Path]:
    from pydicom import dcmread

    return [
        path
        for path in sorted(archive.rglob("*"))
        if path.is_file()
        and dcmread(path, stop_before_pixels=True, force=True).Modality in ("RTSTRUCT", "SEG")
    ]


def move_objects(archive: Path, traces: Path) -> None:
    traces.mkdir(exist_ok=True)
    for number, path in enumerate(objects_of(archive)):
        shutil.move(path, traces / f"{number}.dcm")


def without_trace(rows):
    return [{name: value for name, value in row.items() if name != "trace"} for row in rows]


@pytest.mark.parametrize("form", ["rtstruct", "seg"])
@pytest.mark.parametrize("place", ["flat", "mirrored", "renamed"])
def test_objects_are_tied_by_their_uids_wherever_they_lie(tmp_path, capsys, form, place):
    archive, traces = dicom_archive(tmp_path / "archive", form), tmp_path / "elsewhere/tracings"
    code, rows, changes, _ = batch(archive, None, tmp_path / "together")
    assert code == 0
    assert [change["category"] for change in changes] == ["increase"]
    for number, path in enumerate(objects_of(archive)):
        inside = path.relative_to(archive)
        name = {"flat": f"{number}.dcm", "mirrored": inside, "renamed": f"x/{1 - number}/y/{inside.name}"}[
            place
        ]
        (traces / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, traces / name)
    (traces / "notes.txt").write_text("by hand")
    capsys.readouterr()
    code, apart, changes_apart, run = batch(archive, traces, tmp_path / "apart")
    assert code == 0
    assert without_trace(apart) == without_trace(rows)
    assert changes_apart == changes
    assert run["files_apart"] == {"tracings": 2, "others": 1}
    assert "files of --traces: 2 tracings; besides 1 others" in capsys.readouterr().out
    assert not any(row["trace"].startswith(("/", "..")) for row in apart)


def test_objects_whose_series_are_not_there_are_rows(tmp_path):
    archive, traces = dicom_archive(tmp_path / "archive", "rtstruct"), tmp_path / "tracings"
    move_objects(archive, traces)
    shutil.rmtree(archive / "P1" / "a")  # the second visit
    _, rows, changes, run = batch(archive, traces, tmp_path / "out")
    assert sorted((row["patient"], row["visit"], row["trace"]) for row in rows) == [
        ("P1", "2020-03-01", "1.dcm"),
        ("P1", "2021-03-01", "0.dcm"),
    ]
    assert run["without_image"] == {"0.dcm": "no image that it refers to is there"}
    assert {change["category"] for change in changes} == {"not_evaluable"}
    assert run["files_apart"] == {"tracings": 2}


def test_one_id_for_all_is_not_believed_for_objects_kept_apart(tmp_path):
    archive, traces = tmp_path / "archive", tmp_path / "tracings"
    archive.mkdir()
    tracings = [
        Tracing(patient=patient, visit=0, side="L", lesion="L1", reader="A", read=1, height=4)
        for patient in ("P1", "P2")
    ]
    write_dicom(archive, ("seg", "known", "one", "one for all"), tracings)
    move_objects(archive, traces)
    _, rows, _, _ = batch(archive, traces, tmp_path / "out")
    assert [row["code"] for row in rows] == ["patient-unclear"] * 2


MASKS = ("t1_mask", "lesion_mask", "left_mask", "t1")


@pytest.mark.parametrize("mask", MASKS)
def test_masks_are_tied_by_the_mirrored_path(tmp_path, mask):
    archive, traces = tmp_path / "archive", tmp_path / "tracings"
    together = tmp_path / "study"
    for patient in ("P1", "P2"):
        for visit, rows in (("2020-01-01", (5, 15)), ("2021-01-01", (5, 10))):
            for root in (archive, together):
                write_box(root / patient / visit / "t1.nii.gz", rows=(5, 23), columns=(2, 20))
            write_box(traces / patient / visit / f"{mask}.nii.gz", rows=rows)
            name = "t1_mask" if mask == "t1" else mask
            write_box(together / patient / visit / f"{name}.nii.gz", rows=rows)
    code, rows, changes, run = batch(archive, traces, tmp_path / "out")
    assert code == 0
    _, expected, right, _ = batch(together, None, tmp_path / "out2")
    assert without_trace(rows) == without_trace(expected)
    assert changes == right
    assert [change["category"] for change in changes] == ["decrease"] * 2
    assert {row["scan"] for row in rows} == {
        f"{p}/{v}/t1.nii.gz" for p in ("P1", "P2") for v in ("2020-01-01", "2021-01-01")
    }
    assert {row["trace"] for row in rows} == {
        f"{p}/{v}/{mask}.nii.gz" for p in ("P1", "P2") for v in ("2020-01-01", "2021-01-01")
    }
    assert run["files_apart"]["tracings"] == 4


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("imagesTr/{0}_0000", "labelsTr/{0}"),
        ("images/{0}", "masks/{0}"),
        ("{0}/ct", "{0}/segmentations/liver"),
        ("{0}_t1", "{0}_mask"),
    ],
)
def test_layouts_of_other_programs_laid_over_the_archive(tmp_path, image, mask):
    archive, traces = tmp_path / "archive", tmp_path / "tracings"
    for case, rows in (("P1_20200101", (5, 15)), ("P1_20210101", (5, 10))):
        write_box(archive / f"{image.format(case)}.nii.gz", rows=(5, 23))
        write_box(traces / f"{mask.format(case)}.nii.gz", rows=rows)
    _, rows, _, _ = batch(archive, traces, tmp_path / "out")
    assert [(row["status"], row["scan"] != "") for row in rows] == [("measured", True)] * 2


@pytest.mark.parametrize("place", ["P1/{0}", "P1/{0}/scan"])
def test_masks_of_dicom_series_by_the_mirrored_path(tmp_path, place):
    archive, traces = dicom_archive(tmp_path / "archive", "rtstruct"), tmp_path / "tracings"
    for path in objects_of(archive):
        path.unlink()
    for visit, rows in (("z", (5, 15)), ("a", (5, 10))):
        write_box(traces / place.format(visit) / "lesion_mask.nii.gz", geometry=GEOMETRY, rows=rows)
    _, rows, changes, _ = batch(archive, traces, tmp_path / "out")
    assert [(row["patient"], row["visit"], row["status"]) for row in rows] == [
        ("P1", "2020-03-01", "measured"),
        ("P1", "2021-03-01", "measured"),
    ]
    assert [(change["category"], change["days"]) for change in changes] == [("decrease", "365")]


def test_what_is_no_tracing_is_counted_and_not_measured(tmp_path, capsys):
    archive, traces = tmp_path / "archive", tmp_path / "tracings"
    write_box(archive / "P1/v1/t1.nii.gz")
    write_box(traces / "P1/v1/t1_mask.nii.gz")
    shutil.copy(archive / "P1/v1/t1.nii.gz", traces / "P1/v1/t1.nii.gz")  # a copy of the image
    write_box(traces / "P1/v1/reconstruction.nii.gz")
    write_box(traces / ".versions/P1/v1/t1_mask.nii.gz")
    _, rows, _, run = batch(archive, traces, tmp_path / "out")
    assert [row["trace"] for row in rows] == ["P1/v1/t1_mask.nii.gz"]
    counts = run["files_apart"]
    assert counts["tracings"] == 1
    assert sum(counts.values()) == sum(path.is_file() for path in traces.rglob("*"))
    assert "unused volumes" in counts


def test_masks_beside_native_traces_are_a_second_tracing(tmp_path):
    archive, traces = tmp_path / "archive", tmp_path / "tracings"
    write_box(archive / "P1/v1/t1.nii.gz")
    write_box(traces / "P1/v1/lesion_mask.nii.gz")
    write_box_trace(traces / "P1/v1/L.trace.json", side="", lesion="1", reader="")
    _, rows, _, _ = batch(archive, traces, tmp_path / "out")
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}


def test_a_manifest_lists_the_scans_whose_tracings_count(tmp_path):
    archive, traces = dicom_archive(tmp_path / "archive", "rtstruct"), tmp_path / "tracings"
    move_objects(archive, traces)
    manifest = tmp_path / "m.csv"
    assert main(["--quiet", "manifest", str(archive), "--out", str(manifest)]) == 0
    lines = manifest.read_text(encoding="utf-8").splitlines()
    first = [line.replace("P1,", "someone,", 1) for line in lines[:2]]
    manifest.write_text("\n".join(first) + "\n", encoding="utf-8")
    _, rows, _, run = batch(archive, traces, tmp_path / "out", "--manifest", str(manifest))
    assert [(row["patient"], row["status"]) for row in rows] == [("someone", "measured")]
    assert run["files_apart"] == {"tracings": 1, "others": 1}


def test_the_manifest_of_an_archive_with_its_tracings_apart(tmp_path):
    archive, traces = dicom_archive(tmp_path / "archive", "seg"), tmp_path / "tracings"
    move_objects(archive, traces)
    manifest = tmp_path / "m.csv"
    arguments = ["--quiet", "manifest", str(archive), "--out", str(manifest), "--traces", str(traces)]
    assert main(arguments) == 0
    _, rows, changes, _ = batch(archive, traces, tmp_path / "one")
    _, again, same, _ = batch(archive, None, tmp_path / "two", "--manifest", str(manifest))
    assert without_trace(rows) == without_trace(again)
    assert changes == same
    assert [change["category"] for change in changes] == ["increase"]


# -- a folder more above the archive's -----------------------------------------------------------------------


def masks_of_readers(tmp_path, *places):
    for visit in ("v1", "v2"):
        write_box(tmp_path / f"archive/P1/{visit}/t1.nii.gz", GEOMETRY)
    for rows, place in zip((10, 5, 8, 4), places, strict=False):
        write_box(tmp_path / f"traces/{place}/t1_mask.nii.gz", GEOMETRY, rows=(5, 5 + rows))
    _, rows, changes, _ = batch(tmp_path / "archive", tmp_path / "traces", tmp_path / "out")
    found = [(row["patient"], row["visit"], row["reader"], row["code"] or row["status"]) for row in rows]
    return sorted(found), [(row["reader"], row["category"], row["reason"]) for row in changes]


def test_a_folder_for_each_reader_lies_above_those_of_the_archive(tmp_path):
    rows, changes = masks_of_readers(tmp_path, "readerA/P1/v1", "readerA/P1/v2", "readerB/P1/v1")
    measured = [("v1", "A"), ("v1", "B"), ("v2", "A")]
    assert rows == [("P1", visit, reader, "measured") for visit, reader in measured]
    assert changes == [("A", "decrease", ""), ("B", "not_evaluable", "followup-not-traced")]


def test_folders_that_may_be_readers_are_not_compared(tmp_path):
    rows, changes = masks_of_readers(tmp_path, "AB/P1/v1", "CD/P1/v2")
    assert rows == [("P1", visit, "", "ambiguous-lesion") for visit in ("v1", "v2")]
    assert [change[1:] for change in changes] == [("not_evaluable", "ambiguous-lesion")]


def test_one_folder_above_all_says_nothing(tmp_path):
    rows, changes = masks_of_readers(tmp_path, "final/P1/v1", "final/P1/v2")
    assert rows == [("P1", visit, "", "measured") for visit in ("v1", "v2")]
    assert [change[1] for change in changes] == ["decrease"]
