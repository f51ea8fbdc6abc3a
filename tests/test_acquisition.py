"""How a scan was acquired: from classic and Enhanced DICOM, from BIDS sidecars, into tables and traces."""

import json
from dataclasses import replace

import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_enhanced, write_series
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from study_phantoms import box_trace, write_box

from volumetry.acquisition import Acquisition, Parameters, acquisition_of
from volumetry.formats import read_scan, read_scan_header
from volumetry.formats.trace_json import decode_trace, encode_trace
from volumetry.scan import ScanSource
from volumetry.study.finding.inventory import inventory
from volumetry.study.runs.batch import run_batch
from volumetry.tables import MEASUREMENTS, WEIGHTINGS, read_table


def weighting(tr=None, te=None, ti=None, modality="MR", **more):
    sizes = {"repetition_time_ms": tr, "echo_time_ms": te, "inversion_time_ms": ti}
    return acquisition_of(Parameters(modality=modality, **sizes, **more)).weighting


@pytest.mark.parametrize(
    ("right", "found"),
    [
        ("T1", weighting(550, 12, sequence=("SE",))),
        ("T1", weighting(700, 10)),
        ("T2", weighting(3500, 80, sequence=("SE", "RM"))),
        ("PD", weighting(2500, 25, sequence=("SE",))),
        ("", weighting(2500, 55, sequence=("SE",))),
        ("", weighting(1300, 12, sequence=("SE",))),
        ("STIR", weighting(4000, 40, 160, sequence=("IR",))),
        ("STIR", weighting(5000, 60, 220, sequence=("SE", "IR"))),
        ("FLAIR", weighting(9000, 120, 2500, sequence=("SE", "IR"))),
        ("T1", weighting(2000, 10, 860, sequence=("SE", "IR"))),
        ("T1", weighting(2300, 3, 900, sequence=("GR", "IR"), variant=("SP", "MP"))),
        ("", weighting(4000, 40, sequence=("IR",))),
        ("", weighting(3000, 80, 160, sequence=("SE",))),
        ("T2*", weighting(600, 20, sequence=("GR",), flip_angle_degrees=20)),
        ("T1", weighting(5, 2, sequence=("GR",), variant=("SP",), flip_angle_degrees=12)),
        ("", weighting(5, 2, sequence=("GR",), variant=("SS",))),
        ("", weighting(600, 20, flip_angle_degrees=20)),
        ("DWI", weighting(5000, 70, sequence=("EP", "SE"), b_value=800.0)),
        ("CT", weighting(modality="CT")),
        ("", weighting(550, 12, modality="PT")),
        ("", weighting()),
        ("", weighting(float("nan"), 12)),
        ("", weighting(-550, 12)),
    ],
)
def test_weighting_by_sequence_and_times(right, found):
    assert found == right


@pytest.mark.parametrize(
    ("options", "right"), [(("FS",), "yes"), (("SPAIR",), "yes"), (("PFP",), "no"), ((), ""), (("",), "")]
)
def test_fat_suppression_by_scan_options(options, right):
    assert acquisition_of(Parameters(modality="MR", options=options)).fat_suppression == right


@pytest.mark.parametrize(("agent", "right"), [(None, ""), ("", ""), ("none", "no"), ("Gadovist 7 ml", "yes")])
def test_the_agent_is_looked_at_and_not_kept(agent, right):
    assert acquisition_of(Parameters(modality="MR", agent=agent)).known == (
        {"contrast": right} if right else {}
    )


def edited(folder, **elements):
    for path in folder.rglob("*.dcm"):
        dataset = dcmread(path)
        for name, value in elements.items():
            setattr(dataset, name, value)
        dataset.save_as(path)


STIR = {
    "ScanningSequence": ["SE", "IR"], "SequenceVariant": "SK", "ScanOptions": "FS", "RepetitionTime": 4000,
    "EchoTime": 40, "InversionTime": 160, "MagneticFieldStrength": 15000, "ContrastBolusAgent": "Gd CANARY",
}  # fmt: skip
CELLS = {
    "weighting": "STIR", "repetition_time_ms": 4000.0, "echo_time_ms": 40.0, "inversion_time_ms": 160.0,
    "field_strength_t": 1.5, "contrast": "yes", "fat_suppression": "yes",
}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    geometry = stack_geometry(row_direction=(1, 0, 0), column_direction=(0, 0, -1))
    write_series(tmp_path / "study/P1/2024-01-01/scan", geometry, stack_voxels(geometry))
    edited(tmp_path / "study", **STIR)
    return tmp_path / "study"


def test_from_dicom_into_scan_series_and_table(study, tmp_path):
    assert read_scan(study).source.acquisition.known == CELLS
    (row,) = inventory(study)
    assert {name: row[name] for name in CELLS} == CELLS
    run_batch(study, tmp_path / "out")
    (row,) = read_table(tmp_path / "out/measurements.csv", MEASUREMENTS)
    assert {name: row[name] for name in CELLS} == CELLS
    assert (row["plane"], row["status"]) == ("coronal", "not_traced")
    assert not any(b"CANARY" in p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())


def test_from_an_enhanced_image(tmp_path):
    geometry = stack_geometry(n_slices=4)
    path = write_enhanced(tmp_path / "e.dcm", geometry, stack_voxels(geometry))
    dataset = dcmread(path)
    dataset.EchoPulseSequence, dataset.MagneticFieldStrength = "SPIN", 3.0

    def item(**values):
        made = Dataset()
        for name, value in values.items():
            setattr(made, name, value)
        return Sequence([made])

    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence = item(RepetitionTime=600.0)
    shared.MREchoSequence = item(EffectiveEchoTime=11.0)
    shared.MRModifierSequence = item(InversionRecovery="NO", SpectrallySelectedSuppression="NONE")
    dataset.save_as(path)
    assert read_scan_header(path).source.acquisition == Acquisition(
        weighting="T1", repetition_time_ms=600, echo_time_ms=11, field_strength_t=3, fat_suppression="no"
    )


def test_from_a_sidecar_in_seconds_for_image_and_mask(tmp_path):
    folder = tmp_path / "study/sub-01/ses-1/anat"
    write_box(folder / "sub-01_ses-1_T1w.nii.gz")
    write_box(folder / "sub-01_ses-1_T1w_mask.nii.gz")
    said = {
        "Modality": "MR", "RepetitionTime": 0.55, "EchoTime": 0.012, "MagneticFieldStrength": 3,
        "ScanningSequence": "SE", "ScanOptions": "PFP_FS",
    }  # fmt: skip
    (folder / "sub-01_ses-1_T1w.json").write_text(json.dumps(said), encoding="utf-8")
    run_batch(tmp_path / "study", tmp_path / "out")
    (row,) = read_table(tmp_path / "out/measurements.csv", MEASUREMENTS)
    assert (row["weighting"], row["repetition_time_ms"], row["echo_time_ms"]) == ("T1", 550, 12)
    assert (row["modality"], row["field_strength_t"], row["fat_suppression"]) == ("MR", 3, "yes")


@pytest.mark.parametrize("content", ["[]", "{}", '{"RepetitionTime": "long"}', '{"ScanOptions": 3}', "{"])
def test_a_sidecar_that_says_nothing(tmp_path, content):
    write_box(tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert read_scan_header(tmp_path / "a.nii.gz").source.acquisition == Acquisition()


def test_a_trace_keeps_the_acquisition_and_others_keep_their_bytes():
    source = ScanSource(patient="P1", acquisition=Acquisition(weighting="T1", echo_time_ms=12.0))
    trace = replace(box_trace(), source=source)
    assert decode_trace(encode_trace(trace), where="t").source == source
    assert b"acquisition" not in encode_trace(box_trace())


def test_weightings_are_those_of_the_table():
    assert {"T1", "T2", "T2*", "PD", "STIR", "FLAIR", "DWI", "CT"} == set(WEIGHTINGS)
