"""One tracing, and one scan, that several lines of a manifest name: of whom it is, the lines do not say."""

import csv

import pytest
from study_phantoms import write_box

from volumetry.cli import main

HEAD = ("patient", "visit", "study_date", "side", "lesion", "reader", "read", "scan", "trace", "label", "roi")


@pytest.fixture
def study(tmp_path):
    """Two patients with two visits each; and a file that holds two lesions."""
    for patient, size in (("P1", 10), ("P2", 7)):
        for year in (2020, 2021):
            write_box(tmp_path / f"study/{patient}/{year}.nii.gz")
            rows = (5, 5 + size - 2 * (year - 2020))
            write_box(tmp_path / f"study/{patient}/{year}_mask.nii.gz", rows=rows)
    return tmp_path / "study"


def line(patient, year, **cells):
    """The line of a visit as it should be, with what is told otherwise."""
    row = {
        "patient": patient,
        "visit": f"v{year}",
        "study_date": f"{year}-01-01",
        "scan": f"{patient}/{year}.nii.gz",
        "trace": f"{patient}/{year}_mask.nii.gz",
    }
    return row | cells


def batch(study, lines, *more):
    """Run a batch by these lines; return measurements and changes."""
    manifest, out = study.parent / "m.csv", study.parent / "out"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEAD)
        writer.writeheader()
        writer.writerows({name: row.get(name, "") for name in HEAD} for row in lines)
    manifest.rename(study / "m.csv")
    main(["--quiet", "batch", str(study), "--out", str(out), "--manifest", str(study / "m.csv"), *more])
    tables = []
    for name in ("measurements", "changes"):
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return tables


def codes(rows):
    return [(row["patient"], row["visit"], row["code"]) for row in rows]


def test_a_tracing_of_two_patients_is_of_neither(study):
    filled_down = line("P2", 2020, trace="P1/2020_mask.nii.gz", scan="P1/2020.nii.gz")
    rows, changes = batch(study, [line("P1", 2020), line("P1", 2021), filled_down, line("P2", 2021)])
    assert codes(rows) == [
        ("P1", "v2020", "ambiguous-lesion"),
        ("P1", "v2021", ""),
        ("P2", "v2020", "ambiguous-lesion"),
        ("P2", "v2021", ""),
    ]
    assert {row["volume_mm3"] for row in rows if row["code"]} == {""}
    assert all("lines 2 and 4" in row["message"] for row in rows if row["code"])
    assert {(c["category"], c["reason"]) for c in changes} == {("not_evaluable", "ambiguous-lesion")}


def test_a_series_of_two_patients_is_of_neither(study):
    from dicom_phantoms import stack_geometry, stack_voxels, write_series

    geometry = stack_geometry()
    names = [f"{i}.dcm" for i in range(geometry.n_slices)]
    write_series(study / "images", geometry, stack_voxels(geometry), names=names, patient_id="P1")
    rows, changes = batch(study, [line("P1", 2020, scan="images"), line("P2", 2020, scan="images")])
    assert codes(rows) == [("P1", "v2020", "patient-unclear"), ("P2", "v2020", "patient-unclear")]
    assert all("lines 2 and 3" in row["message"] for row in rows)
    assert changes == []


def test_an_atlas_may_be_the_scan_of_several_patients(study):
    """A voxel file names no patient, and the volume is that of each one's own tracing."""
    rows, _ = batch(study, [line("P1", 2020), line("P2", 2020, scan="P1/2020.nii.gz")])
    assert [row["code"] for row in rows] == ["", ""]
    assert rows[0]["volume_mm3"] != rows[1]["volume_mm3"]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [("side", "L", "R"), ("lesion", "A", "B"), ("reader", "A", "B"), ("read", "1", "2"), ("side", "L", "")],
)
def test_one_tracing_is_of_one_lesion_side_reader_and_read(study, column, first, second):
    lines = [line("P1", year, **{column: value}) for year in (2020, 2021) for value in (first, second)]
    rows, changes = batch(study, lines, "--height", "spacing")
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    assert {row["status"] for row in rows} == {"not_measurable"}
    assert all(f"one tracing for several {column}s" in row["message"] for row in rows)
    assert {change["category"] for change in changes} <= {"not_evaluable"}


def test_a_line_that_is_there_twice(study):
    years = (2020, 2020, 2021)
    rows, changes = batch(study, [line("P1", year, side="L") for year in years], "--height", "spacing")
    assert [row["code"] for row in rows] == ["ambiguous-lesion"] * 2 + [""]
    assert "lines of the manifest are equal" in rows[0]["message"]
    assert [(c["lesion"], c["reason"]) for c in changes] == [("1", "ambiguous-lesion")]


def test_several_lesions_of_a_file_and_readers_of_a_scan_are_right(study):
    import nibabel
    import numpy as np

    for year in (2020, 2021):
        path = study / f"P1/{year}_mask.nii.gz"
        image = nibabel.load(path)
        voxels = np.asanyarray(image.dataobj).copy()
        voxels[:2, :2, :4] = 2
        nibabel.save(nibabel.Nifti1Image(voxels, image.affine, image.header), path)
        write_box(study / f"P1/{year}_b.nii.gz", rows=(5, 12))
    lines = []
    for year in (2020, 2021):
        lines += [line("P1", year, lesion="A", reader="X", label="1")]
        lines += [line("P1", year, lesion="B", reader="X", label="2")]
        lines += [line("P1", year, lesion="A", reader="Y", trace=f"P1/{year}_b.nii.gz")]
    rows, changes = batch(study, lines)
    assert {(row["status"], row["code"]) for row in rows} == {("measured", "")}
    classes = [(c["lesion"], c["reader"], c["category"]) for c in changes]
    assert classes == [("A", "X", "decrease"), ("A", "Y", "no_change"), ("B", "X", "no_change")]
    # one label by its number and by its name is one label
    twice = [line("P1", 2020, lesion="A", label="2"), line("P1", 2020, lesion="B", roi="2")]
    rows, _ = batch(study, twice)
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}
    # and a line that names all of the file counts label 2 again
    rows, _ = batch(study, [line("P1", 2020), line("P1", 2020, lesion="B", label="2")])
    assert {row["code"] for row in rows} == {"ambiguous-lesion"}


def test_a_folder_of_several_series_may_hold_several_patients(tmp_path):
    from dicom_phantoms import stack_geometry, stack_voxels, write_series

    study = tmp_path / "study"
    geometry = stack_geometry()
    for patient in ("P1", "P2"):
        names = [f"{patient}-{i}.dcm" for i in range(geometry.n_slices)]
        uid = f"2.25.{patient[1]}"
        write_series(
            study / "all", geometry, stack_voxels(geometry), patient_id=patient, series_uid=uid, names=names
        )
    lines = [{"patient": p, "visit": "v1", "scan": "all"} for p in ("P1", "P2")]
    rows, _ = batch(study, lines)
    assert codes(rows) == [("P1", "v1", ""), ("P2", "v1", "")]
    lines = [{"patient": p, "visit": "v1", "scan": "all/P1-0.dcm"} for p in ("P1", "P2")]
    rows, _ = batch(study, lines)
    assert codes(rows) == [("P1", "v1", "patient-unclear"), ("P2", "v1", "patient-unclear")]


def test_lines_are_named_under_pseudonyms_too(study):
    filled_down = line("P2", 2020, trace="P1/2020_mask.nii.gz", scan="P1/2020.nii.gz")
    rows, _ = batch(study, [line("P1", 2020), filled_down], "--pseudonyms", str(study.parent / "key"))
    assert all("(lines 2 and 3)" in row["message"] for row in rows)
    assert "P1/" not in str(rows)
