"""A canary in every text tag of a series but PatientID must not sing anywhere."""

import subprocess
import sys
import warnings
from pathlib import Path

import pydicom
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from pydicom.datadict import DicomDictionary, keyword_dict
from study_phantoms import batch_results, box_contours, box_trace, write_box, write_box_trace

from volumetry import ScanSource, write_trace
from volumetry.cli import main

CANARY = "CANARYBIRD"
TEXT_KINDS = {"PN", "LO", "LT", "SH", "ST", "UT", "UC", "AS", "CS", "AE"}
KEPT = {
    "PatientID",
    "SpecificCharacterSet",
    "ImageType",
    "PhotometricInterpretation",
    "LossyImageCompression",
}
PATIENT = "PID4711"


def plant(dataset, _index):
    """Fill every text tag that a series may have, and private ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a canary is no valid age, code or title
        _plant(dataset)


def _plant(dataset):
    for name, tag in keyword_dict.items():
        kind = DicomDictionary[tag][0]
        group = tag >> 16
        if kind in TEXT_KINDS and name not in KEPT and 0x0008 <= group <= 0x0040 and name not in dataset:
            dataset.add_new(tag, kind, CANARY + "^X" if kind == "PN" else CANARY)
    dataset.PatientBirthDate = "19010203"
    dataset.Modality = CANARY
    dataset.StudyDescription = dataset.SeriesDescription = dataset.ProtocolName = CANARY
    block = dataset.private_block(0x0011, CANARY, create=True)
    block.add_new(1, "LO", CANARY)


@pytest.fixture
def study(tmp_path) -> Path:
    geometry = stack_geometry(n_slices=8, rows=32, columns=32)
    voxels = stack_voxels(geometry)
    root = tmp_path / "study"
    for visit, date in (("a", "20200102"), ("b", "20210102")):
        folder = root / PATIENT / visit
        write_series(
            folder / "t1",
            geometry,
            voxels,
            patient_id=PATIENT,
            study_date=date,
            series_uid=f"2.25.{date}",
            change=plant,
        )
        source = ScanSource(patient=PATIENT, series_uid=f"2.25.{date}", study_date="")
        trace = box_trace(geometry, side="", contours=box_contours(range(2, 6)), source=source)
        write_trace(trace, folder / "L1.trace.json")
    untraced = root / PATIENT / "c/t1"
    write_series(untraced, geometry, voxels, patient_id=PATIENT, study_date="20220102", change=plant)
    first = sorted(untraced.iterdir())[0]
    first.write_bytes(first.read_bytes()[:5000])
    return root


def everything(study, out, *options):
    """Run the commands that read the study; return all they wrote, on screen and in files, with the names."""
    heard = b""
    series = study / PATIENT / "a/t1"
    trace = study / PATIENT / "a/L1.trace.json"
    for arguments in (
        ("batch", study, "--out", out, "--figures", "--jobs", "2", *options),
        *(() if options else (("series", study), ("series", study, "--format", "json"))),
        *(() if options else (("figure", trace, "--scan", series, "--out", out / "f.png"),)),
        *(() if options else (("measure", series / "IM0000.dcm"), ("measure", trace, "--scan", study / "x"))),
    ):
        told = subprocess.run(
            [sys.executable, "-m", "volumetry", *map(str, arguments)], capture_output=True, check=False
        )
        assert b"Traceback" not in told.stderr
        heard += told.stdout + told.stderr
    for path in out.rglob("*"):
        heard += str(path.relative_to(out)).encode() + (path.read_bytes() if path.is_file() else b"")
    return heard


def test_the_canary_is_planted(study):
    dataset = pydicom.dcmread(study / PATIENT / "a/t1/IM0000.dcm")
    assert str(dataset).count(CANARY) > 300


def test_the_canary_does_not_sing(study, tmp_path):
    heard = everything(study, tmp_path / "out")
    assert b"measured" in heard
    assert PATIENT.encode() in heard
    assert CANARY.encode() not in heard
    assert b"19010203" not in heard
    assert b"1901-02-03" not in heard


def test_with_pseudonyms_the_patient_does_not_either(study, tmp_path):
    heard = everything(study, tmp_path / "out", "--pseudonyms", tmp_path / "key")
    assert b"measured" in heard
    assert PATIENT.encode() not in heard
    assert CANARY.encode() not in heard


STEMS = {
    "flat": "P1_{v}_Canary_mask.nii.gz",
    "flat with a plain word": "P1_{v}_tumor_Canary_mask.nii.gz",
    "folder of masks": "P1/{v}/masks/Canary.nii.gz",
    "TotalSegmentator": "P1/{v}/segmentations/Canary.nii.gz",
    "BIDS": "sub-1/ses-{v}/anat/sub-1_ses-{v}_label-Canary_mask.nii.gz",
}
IMAGES = {
    "flat": "P1_{v}_t1.nii.gz",
    "flat with a plain word": "P1_{v}_t1.nii.gz",
    "folder of masks": "P1/{v}/t1.nii.gz",
    "TotalSegmentator": "P1/{v}/ct.nii.gz",
    "BIDS": "sub-1/ses-{v}/anat/sub-1_ses-{v}_T1w.nii.gz",
}


def written(out):
    """All that is in the files of a folder, and their names."""
    paths = [path for path in out.rglob("*") if path.is_file()]
    return b"".join(str(path.relative_to(out)).encode() + path.read_bytes() for path in paths)


def named_study(root, layout, word="Canary"):
    for visit, rows in (("v1", 10), ("v2", 5)):
        write_box(root / IMAGES[layout].format(v=visit), rows=(5, 15))
        write_box(root / STEMS[layout].format(v=visit).replace("Canary", word), rows=(5, 5 + rows))


@pytest.mark.parametrize("layout", STEMS)
def test_a_word_of_a_file_name_is_no_lesion_under_pseudonyms(layout, tmp_path, caplog):
    named_study(tmp_path / "study", layout)
    _, _, (clear,) = batch_results(tmp_path / "study")
    assert "Canary" in clear["lesion"]
    (tmp_path / "study_out").rename(tmp_path / "clear")
    _, rows, (change,) = batch_results(tmp_path / "study", "--pseudonyms", tmp_path / "key", "--figures")
    assert b"canary" not in written(tmp_path / "study_out").lower()
    assert {row["lesion"] for row in rows} == {change["lesion"]}
    assert change["category"] == clear["category"] == "decrease"
    assert f"{change['lesion']},{clear['lesion']}" in (tmp_path / "key.map.csv").read_text(encoding="utf-8")
    again = ["batch", tmp_path / "study", "--out", tmp_path / "study_out", "--pseudonyms", tmp_path / "key"]
    assert main(list(map(str, again))) == 0
    assert "in 2 rows may name a person" in caplog.text
    assert "Canary" not in caplog.text


@pytest.mark.parametrize("word", ["L1", "tumor", "kidney_left", "vertebrae_L5", "necrosis_2", "GTV"])
def test_plain_words_of_a_file_name_stay(word, tmp_path):
    named_study(tmp_path / "study", "folder of masks", word)
    _, rows, _ = batch_results(tmp_path / "study", "--pseudonyms", tmp_path / "key")
    assert {row["lesion"] for row in rows} == {word}


def test_visits_and_regions_may_be_called_as_persons(tmp_path):
    """The folder of a visit, a region of a trace and their manifest; the key's map tells what they were."""
    study, visits = tmp_path / "study", ("2024-01-15 Canary", "Canary_2024-07-15")
    for visit, bottom in zip(visits, (15.0, 10.0), strict=True):
        contours = box_contours(rows=(5.0, bottom))
        write_box(study / "P1" / visit / "t1.nii.gz", rows=(5, 15))
        write_box_trace(study / "P1" / visit / "a.trace.json", contours=contours, lesion="Canary 1", side="")
    command = ["manifest", str(study), "--out", str(tmp_path / "manifest.csv")]
    assert main(command) == 0
    key = ("--pseudonyms", tmp_path / "key")
    for options in ((), (*key, "--figures"), (*key, "--manifest", tmp_path / "manifest.csv")):
        _, rows, (change,) = batch_results(study, *options)
        assert change["category"] == "decrease"
        if options:
            assert b"canary" not in written(tmp_path / "study_out").lower()
            told = (tmp_path / "key.map.csv").read_text(encoding="utf-8").splitlines()
            assert {f"{row['visit']},{visit}" for row, visit in zip(rows, visits, strict=True)} <= set(told)
            assert f"{change['lesion']},Canary 1" in told
        else:
            (tmp_path / "study_out").rename(tmp_path / "clear")


def test_a_manifest_names_lesions_as_it_likes(tmp_path):
    named_study(tmp_path / "study", "flat")
    trace, scan = STEMS["flat"], IMAGES["flat"]
    lines = [f"P1,{v},Kleiner Herd,{trace.format(v=v)},{scan.format(v=v)}" for v in ("v1", "v2")]
    (tmp_path / "study/manifest.csv").write_text(
        "\n".join(("patient,visit,lesion,trace,scan", *lines)) + "\n", encoding="utf-8"
    )
    _, rows, _ = batch_results(tmp_path / "study", "--pseudonyms", tmp_path / "key")
    assert {row["lesion"] for row in rows} == {"Kleiner Herd"}
    assert b"Canary" not in written(tmp_path / "study_out")
