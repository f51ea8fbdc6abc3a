"""Lesions of every kind, exported in every format: the same volume at the same place in every program.

``make prove`` takes all of `exported_lesions.LESIONS`; every run takes a part of each kind. With
``VOLUMETRY_PROVE_TABLES=FOLDER`` the whole proof writes its table there.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SHARED
from exported_lesions import (
    LESIONS,
    OF_SHARED,
    Lesion,
    by_dcmqi,
    by_highdicom,
    by_nibabel,
    by_pynrrd,
    by_simpleitk,
    errors_of,
    numbers_of,
    run_dcmqi,
)
from pydicom import dcmread

import volumetry as vm
from volumetry.cli import main
from volumetry.export import EXPORT_NAMES, ExportOptions, export_file, read_traced
from volumetry.measurement import MeasurementRule
from volumetry.study.runs.lesion_files import figure_name

pytest.importorskip("highdicom")

WHOLE = bool(os.environ.get("VOLUMETRY_PROVE"))
PART = ("hip01-2021-03-02-L1", "oblique", "far-parts", "uneven", "enhanced", "nifti")
NAMES = {
    "seg": "x.seg.dcm",
    "rtstruct": "x.rs.dcm",
    "sr": "x.sr.dcm",
    "nifti": "x.nii.gz",
    "nrrd": "x.seg.nrrd",
    "trace": "x.trace.json",
}
BRIDGED = MeasurementRule(skipped_slices="bridge")
NEEDS_EVEN = {"nifti", "nrrd"}
NEEDS_DICOM = {"seg", "rtstruct", "sr"}
UNKNOWN_TO_DCIODVFY = (
    "Error - Unrecognized enumerated value <CLOSEDPLANAR_XOR> for value 1 of attribute"
    " <Contour Geometric Type>"
)
"""Debian's dicom3tools does not know the type that PS3.3, C.8.8.6.3, has for rings with holes; a keyhole,
which is written on request, has no error."""
TABLE: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def printed() -> Iterator[None]:
    yield
    if WHOLE and (place := os.environ.get("VOLUMETRY_PROVE_TABLES")):
        Path(place).mkdir(parents=True, exist_ok=True)
        (Path(place) / "exports.txt").write_text("\n".join([HEAD, *sorted(TABLE)]) + "\n", encoding="utf-8")


HEAD = (
    f"{'lesion':24} {'slices':>6} {'rings':>5} {'volume mm3':>12} {'RTSTRUCT':>8} {'pixels mm3':>12}"
    f" {'masks':>6} {'others':>8} {'mm':>8} {'dciodvfy':>8} {'codes':>5}"
)


@pytest.mark.prove
@pytest.mark.parametrize("lesion", [x for x in LESIONS if WHOLE or x.name in PART], ids=lambda x: x.name)
def test_every_program_reads_the_same_lesion(lesion: Lesion, tmp_path: Path) -> None:
    if lesion.name.startswith(OF_SHARED) and not (SHARED / "data").is_dir():
        pytest.skip("the real scans are not beside this repository (../shared/data)")
    (tmp_path / lesion.name).mkdir()
    images, path = lesion.make(tmp_path / lesion.name)
    trace, scan = vm.read_trace(path), vm.read_scan(images)
    out = {name: tmp_path / file for name, file in NAMES.items()}
    codes = {name: exported(path, out[name], name, images) for name in EXPORT_NAMES}
    assert codes == {name: expected_code(lesion, name) for name in EXPORT_NAMES}
    written = {name for name, code in codes.items() if not code}
    if lesion.refused:
        TABLE.append(
            f"{lesion.name:24} {len(trace.slice_indices):6} {len(trace.contours):5} {lesion.refused}"
        )
        return

    assert vm.read_trace(out["trace"]).sha256 == trace.sha256
    rings = 0.0
    if "rtstruct" in written:
        keyhole = tmp_path / "keyhole.dcm"
        export_file(path, keyhole, "rtstruct", scan=images, options=ExportOptions(holes="keyhole"))
        rings = max(outline_difference(trace, file, scan) for file in (out["rtstruct"], keyhole))
        assert new_errors(images, [keyhole]) == set()
    assert rings < 1e-9
    wanted = pixels_of(trace)
    masks = [name for name in ("seg", "nrrd", "nifti") if name in written]
    for name in masks:
        for grid in (None, images) if name == "seg" else (None,):
            assert (places_of(out[name], scan, grid) == wanted).all(), name
    volume, centre = pixel_volume(trace, wanted)
    apart = [
        (abs(read[0] / volume - 1), float(np.abs(read[1] - centre).max()))
        for read in others(out, written, lesion, trace, tmp_path)
    ]
    assert max(a for a, _ in apart) < 1e-5
    assert max(b for _, b in apart) < 0.01
    new = new_errors(images, [out[name] for name in written & NEEDS_DICOM])
    assert new == set()
    if "sr" in written:
        report_says(out["sr"], trace, tmp_path)
    measured = vm.measure_volume(trace, rule=BRIDGED)
    TABLE.append(
        f"{lesion.name:24} {len(trace.slice_indices):6} {len(trace.contours):5}"
        f" {measured.volume_mm3 or measured.volume_spacing_mm3:12.3f} {rings:8.1e} {volume:12.3f}"
        f" {len(masks):6} {max(a for a, _ in apart):8.1e} {max(b for _, b in apart):8.1e}"
        f" {len(new):8} {' '.join(sorted({c for c in codes.values() if c}))}"
    )


def expected_code(lesion: Lesion, name: str) -> str:
    if name in NEEDS_DICOM and not lesion.dicom:
        return "not-dicom-scan"
    if name in NEEDS_EVEN and not lesion.even:
        return "inconsistent-series"
    return lesion.refused if name != "trace" else ""


def exported(path: Path, out: Path, as_: str, images: Path) -> str:
    """Export; return the code of a refusal."""
    try:
        export_file(path, out, as_, scan=images, rule=BRIDGED)  # type: ignore[arg-type]
    except vm.VolumetryError as error:
        assert not out.exists()
        return error.code
    return ""


def outline_difference(trace: vm.Trace, path: Path, scan: vm.Scan) -> float:
    """The largest relative difference of an area between a trace and the structure set made of it."""
    again = read_traced(path, scan=scan).traces[0]
    first, second = trace.cross_sections(), again.cross_sections()
    assert first.slice_indices.tolist() == second.slice_indices.tolist()
    return float(np.abs(second.areas_mm2 / first.areas_mm2 - 1).max())


def pixels_of(trace: vm.Trace) -> np.ndarray:
    """Pixels whose centres lie inside, as slice, row, column of the scan, in order."""
    mask = vm.mask_from_contours({1: trace.contours}, trace.geometry)
    return np.argwhere(mask.layers[0] == 1)


def places_of(path: Path, scan: vm.Scan, grid: Path | None) -> np.ndarray:
    """Pixels of an exported mask, in the scan's own numbers, whichever lattice the file has."""
    mask = vm.read_mask(path, scan=None if grid is None else vm.read_scan(grid))
    layer = mask.layers[mask.labels[0].layer]
    found = []
    for index in np.unique(np.nonzero(layer)[0]):
        pixels = np.argwhere(layer[index])
        points = mask.geometry.pixel_to_patient(int(index), pixels.astype(float))
        k = scan.geometry.nearest_slice(points[0])[0]
        here = scan.geometry.patient_to_pixel(k, points)
        assert np.abs(here - np.rint(here)).max() < 1e-3
        found += [(k, *p) for p in np.rint(here).astype(int).tolist()]
    return np.array(sorted(found))


def pixel_volume(trace: vm.Trace, pixels: np.ndarray) -> tuple[float, np.ndarray]:
    """Volume by even steps, and LPS centroid, both of the pixels."""
    geometry = trace.geometry
    points = [
        geometry.pixel_to_patient(k, pixels[pixels[:, 0] == k, 1:].astype(float))
        for k in np.unique(pixels[:, 0]).tolist()
    ]
    step = geometry.regular_step_mm or 1.0
    return len(pixels) * geometry.pixel_area_mm2 * step, np.concatenate(points).mean(axis=0)


def others(
    out: dict[str, Path], written: set[str], lesion: Lesion, trace: vm.Trace, folder: Path
) -> Iterator[tuple[float, np.ndarray]]:
    """Volume and centroid by every other program that can read the file."""
    if "seg" in written:
        yield by_highdicom(out["seg"], trace.geometry.regular_step_mm or 1.0)
        if lesion.even:
            yield by_dcmqi(out["seg"], folder / "dcmqi")
    if "nrrd" in written:
        yield by_simpleitk(out["nrrd"])
        yield by_pynrrd(out["nrrd"])
    if "nifti" in written:
        yield by_simpleitk(out["nifti"])
        yield by_nibabel(out["nifti"])


def new_errors(images: Path, files: list[Path]) -> set[str]:
    """What dciodvfy has against exported files and not against the images that they were made of."""
    if shutil.which("dciodvfy") is None:
        return set()
    first = images if images.is_file() else min(p for p in images.rglob("*") if p.is_file())
    return set().union(*(errors_of(p) for p in files)) - errors_of(first) - {UNKNOWN_TO_DCIODVFY}


def report_says(path: Path, trace: vm.Trace, folder: Path) -> None:
    """The report has the numbers of the outlines, also as dcmqi reads it."""
    volume = vm.measure_volume(trace, rule=BRIDGED)
    said = [(name, number) for name, _, number in numbers_of(dcmread(path))]
    wanted = [v for v in (volume.volume_thickness_mm3, volume.volume_spacing_mm3) if v is not None]
    assert [n for name, n in said if name == "Volume"] == pytest.approx(wanted, rel=1e-9)
    assert [n for name, n in said if name == "Area"] == pytest.approx([volume.max_area_mm2], rel=1e-9)
    out = folder / "report.json"
    run_dcmqi("tid1500reader", "--inputDICOM", path, "--outputMetadata", out)
    items = json.loads(out.read_text())["Measurements"][0]["measurementItems"]
    read = [float(item["value"]) for item in items if item["quantity"]["CodeMeaning"] == "Volume"]
    assert read == pytest.approx(wanted, rel=1e-9)


# -- a whole study ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch with exports: the sample study, and in the whole proof every other lesion on DICOM images."""
    folder = tmp_path_factory.mktemp("exports")
    sample = ROOT / "sample_scans/study"
    for patient in sorted(sample.iterdir()) if WHOLE else (sample / "hip03",):
        shutil.copytree(patient, folder / "study" / patient.name)
    for lesion in LESIONS if WHOLE else ():
        elsewhere = lesion.name.startswith(("hip", "coronal", "sagittal"))  # one patient lies in one folder
        if lesion.dicom and not elsewhere and (SHARED / "data").is_dir():
            place = folder / "study" / lesion.name
            place.mkdir()
            lesion.make(place)
    batch(folder, "--export", "seg,sr", "--skipped", "bridge")
    return folder


def batch(folder: Path, *more: str, study: str = "study", out: str = "results") -> None:
    call = ["batch", str(folder / study), "--out", str(folder / out), "--jobs", "1", "--quiet", *more]
    assert main(call) in (0, 3)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stem_of(row: dict[str, str]) -> str:
    read = "" if row["read"] in ("", "1") else f"read-{row['read']}"
    return figure_name(*(row[n] for n in ("patient", "side", "lesion", "reader", "visit")), read)


def evaluations(report: Any) -> Iterator[tuple[str, str]]:
    for item in report.get("ContentSequence", ()):
        if item.ValueType == "CODE":
            yield item.ConceptNameCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodeMeaning
        yield from evaluations(item)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of a Study ID that is too long
def test_reports_of_a_study_say_what_its_tables_say(study: Path) -> None:
    """Both volumes, the largest area, change, class and reservations; one tracking UID a lesion."""
    results = study / "results"
    key = ("patient", "side", "lesion", "reader")
    changes = {(*(r[n] for n in key), r["followup_visit"]): r for r in table(results / "changes.csv")}
    uids: dict[tuple[str, ...], set[str]] = {}
    n_numbers, n_reports, reservations = 0, 0, 0
    for row in table(results / "measurements.csv"):
        path = results / "export" / f"{stem_of(row)}.sr.dcm"
        if row["status"] != "measured" or not path.exists():
            assert row["status"] != "measured" or "nii" in row["scan"], row["message"]
            continue
        report, segments = dcmread(path), dcmread(path.with_name(path.name.replace(".sr.", ".seg.")))
        said = list(numbers_of(report))
        is_first = row["read"] in ("", "1")  # whose volume stands in the table of changes
        change = changes.get((*(row[n] for n in key), row["visit"]), {}) if is_first else {}
        wanted = [
            ("Volume", row["volume_thickness_mm3"]),
            ("Volume", row["volume_spacing_mm3"]),
            ("Area", row["max_area_mm2"]),
            ("Relative change of volume", change.get("change_percent", "")),
        ]
        wanted = [(name, float(value)) for name, value in wanted if value]
        assert [name for name, _, _ in said if name in dict(wanted)] == [name for name, _ in wanted]
        found = [number for name, _, number in said if name in dict(wanted)]
        assert found == pytest.approx([value for _, value in wanted], rel=1e-12)
        codes = list(evaluations(report))
        if change:
            wanted_codes = sorted(words(c) for c in change["reservations"].split(";") if c)
            assert sorted(meaning for name, meaning in codes if name == "reservation") == wanted_codes
            assert dict(codes).get("comparable", "") == words(change["comparable"])
            assert CLASSES.get(change["category"], words(change["category"])) == dict(codes)["change-class"]
            reservations += len(wanted_codes)
        tracking = segments.SegmentSequence[0].TrackingUID
        assert tracking in str(report)
        uids.setdefault(tuple(row[n] for n in ("patient", "side", "lesion")), set()).add(tracking)
        n_numbers, n_reports = n_numbers + len(found), n_reports + 1
    assert {len(found) for found in uids.values()} == {1}
    assert len(set().union(*uids.values())) == len(uids)
    assert n_reports >= (35 if WHOLE else 5)
    said_of_study(
        f"{n_reports} reports, {n_numbers} numbers, {reservations} reservations, {len(uids)} lesions"
    )


REFUSED = next(lesion.name for lesion in LESIONS if lesion.refused)
CLASSES = {
    "increase": "Increase in size",
    "decrease": "Decrease in size",
    "no_change": "No significant changes in the finding",
}


def words(code: str) -> str:
    return code.replace("_", " ").replace("-", " ").capitalize()


def said_of_study(line: str) -> None:
    TABLE.append(f"~ {line}")


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_exports_in_the_study_folder_add_no_lesion_and_no_read(study: Path, tmp_path: Path) -> None:
    """RTSTRUCT, SEG and SR lie beside the traces and scans that they were made of."""
    shutil.copytree(study / "study", tmp_path / "study")
    protocol = tmp_path / "study.toml"
    protocol.write_text('[tracings]\nprefer = ["trace", "rtstruct", "seg"]\n', encoding="utf-8")
    more = ("--protocol", str(protocol), "--skipped", "bridge")
    batch(tmp_path, *more, out="before")
    for row in table(study / "results/measurements.csv"):
        beside = tmp_path / "study" / Path(row["scan"]).parts[0]  # a patient's files lie in one folder
        for path in (study / "results/export").glob(f"{stem_of(row)}.*.dcm"):
            shutil.copy(path, beside / path.name)
    for trace in sorted((tmp_path / "study").rglob("*.trace.json")):
        images = next((trace.with_name(n) for n in ("t1_cor", "images") if trace.with_name(n).is_dir()), None)
        if images is not None and trace.parent.name != REFUSED and vm.read_trace(trace).contours:
            export_file(trace, trace.with_name(f"{trace.name}.rs.dcm"), "rtstruct", scan=images)
    batch(tmp_path, *more, out="after")
    names = ("patient", "side", "lesion", "reader", "visit", "read", "status", "volume_mm3")
    before, after = (
        [tuple(row[n] for n in names) for row in table(tmp_path / out / "measurements.csv")]
        for out in ("before", "after")
    )
    assert after == before
    n_files = len(list((study / "results/export").glob("*.dcm")))
    said_of_study(
        f"{n_files} exports and the RTSTRUCT of every trace in the study: {len(after)} rows as before"
    )
