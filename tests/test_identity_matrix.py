"""A matrix of identities: each cell has the right classes or the right code; none is a silent wrong class.

Two patients are written in every form. The lesions of the first double, those of the second halve, and every
tracing has a height of its own, so that a volume says which tracing it is of.
"""

from __future__ import annotations

import csv
import itertools
import os
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from dicom_phantoms import stack_voxels, uid_of, write_series
from phantoms import contour_items, write_rtstruct, write_seg
from study_phantoms import box_contours, box_trace, write_box

from volumetry import Mask, MaskLabel, Provenance, ScanGeometry, ScanSource, write_mask, write_trace
from volumetry.study.runs.batch import run_batch
from volumetry.study.runs.options import BatchOptions
from volumetry.tables import CHANGES, MEASUREMENTS, read_table

FORMS = ("rtstruct", "seg", "flat", "bids", "nested", "manifest", "native")
DATES = ("known", "numbered", "unknown")
LESIONS = ("one", "two sides", "two a side", "two readers", "second read")
IDS = ("sound", "one for all")
CELLS = list(itertools.product(FORMS, DATES, LESIONS, IDS))
EVALUATED = ("increase", "decrease", "stable", "no_change", "resolved", "new")
GEOMETRY = ScanGeometry(
    rows=24,
    columns=24,
    pixel_spacing_mm=(2, 2),
    row_direction=[1, 0, 0],
    column_direction=[0, 0, -1],
    slice_origins_mm=[[-24, i * 4.4, 50] for i in range(8)],
    slice_thickness_mm=4.0,
    frame_of_reference_uid="1.2.3.4",
)
SLICES = range(2, 6)
# Names whose order as texts is the wrong one, where something else says the order.
VISITS = {"known": ("z", "a"), "numbered": ("month2", "month12"), "unknown": ("pre", "post")}
DAYS = ("2020-03-01", "2021-03-01")


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """One tracing: whose it is, and its box."""

    patient: str
    visit: int
    side: str
    lesion: str
    reader: str
    read: int
    height: int

    @property
    def rows(self):
        """In the upper half; the second lesion of a side in the lower."""
        top = 12 if self.lesion.endswith("2") else 1
        return top, top + self.height

    @property
    def columns(self):
        left = 13 if self.side == "L" else 1
        grows = self.patient == "P1"
        return left, left + (5 if grows == (self.visit == 0) else 10)

    @property
    def volume_mm3(self):
        (top, bottom), (left, right) = self.rows, self.columns
        return (bottom - top) * (right - left) * 4.0 * len(SLICES) * 4.0

    @property
    def name(self):
        return f"lesion_{self.lesion}"

    @property
    def layer(self):
        layer = np.zeros((8, 24, 24), np.uint8)
        layer[SLICES.start : SLICES.stop, slice(*self.rows), slice(*self.columns)] = 1
        return layer

    def trace(self, source):
        (top, bottom), (left, right) = self.rows, self.columns
        outlines = box_contours(SLICES, (float(top), float(bottom)), (float(left), float(right)))
        made = box_trace(GEOMETRY, side=self.side, lesion=self.lesion, contours=outlines, source=source)
        return replace(made, provenance=Provenance(reader=self.reader, read=self.read))


def tracings_of(lesions):
    lesion_names = {"two sides": ("L1", "R1"), "two a side": ("L1", "L2")}.get(lesions, ("L1",))
    readings = {"two readers": (("A", 1), ("B", 1)), "second read": (("A", 1), ("A", 2))}
    heights = itertools.count(3)
    for patient in ("P1", "P2"):
        for lesion in lesion_names:
            for reader, read in readings.get(lesions, (("A", 1),)):
                height = next(heights)
                for visit in (0, 1):
                    yield Tracing(
                        patient=patient, visit=visit, side=lesion[0], lesion=lesion, reader=reader, read=read,
                        height=height,
                    )  # fmt: skip


def by_file(tracings):
    """Tracings of one patient, visit, reader and read: what one file holds."""
    files = {}
    for tracing in tracings:
        key = (tracing.patient, tracing.visit, tracing.reader, tracing.read)
        files.setdefault(key, []).append(tracing)
    return files


# -- the forms ----------------------------------------------------------------------------------------------


def write_dicom(root, cell, tracings):
    form, dates, _, ids = cell
    for (patient, visit, reader, read), group in by_file(tracings).items():
        folder = root / patient / VISITS[dates][visit]
        patient_id = "ANON" if ids == "one for all" else patient
        date = DAYS[visit].replace("-", "") if dates == "known" else ""
        series, study = uid_of("s", patient, visit), uid_of("t", patient, visit)

        def change(ds, date=date, study=study, file=f"{patient}{visit}{reader}{read}"):
            ds.StudyDate, ds.StudyInstanceUID, ds.SOPInstanceUID = date, study, uid_of("o", file)

        if not (folder / "scan").exists():
            write_series(
                folder / "scan", GEOMETRY, stack_voxels(GEOMETRY), patient_id=patient_id, study_date=date,
                series_uid=series, study_uid=study,
            )  # fmt: skip
        path = folder / f"{reader}{read}.dcm"
        known = {"series_uid": series, "patient_id": patient_id, "change": change}
        if form == "seg":
            write_seg(path, GEOMETRY, {t.name: t.layer for t in group}, **known)
        else:
            outlines = {t.name: contour_items(t.trace(ScanSource())) for t in group}
            write_rtstruct(path, outlines, frame_of_reference_uid="1.2.3.4", **known)


def label_image(path, group):
    """Several lesions of one side are labels of one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = sum(
        (n * t.layer.astype(np.int16) for n, t in enumerate(group, start=1)), np.zeros((8, 24, 24), np.int16)
    )
    numbers = tuple(MaskLabel(number=n) for n in range(1, len(group) + 1))
    write_mask(Mask(layers=(labels,), geometry=GEOMETRY, labels=numbers), path)
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text('{"SliceThickness": 4.0}')


def write_nested(root, cell, tracings):
    _, dates, lesions, _ = cell
    names = ("2020-03-01", "2021-03-01") if dates == "known" else VISITS[dates]
    for (patient, visit, reader, read), group in by_file(tracings).items():
        folder = root / patient / names[visit]
        write_box(folder / "t1.nii.gz", GEOMETRY)
        mark = f"_{reader}{read}" if lesions in ("two readers", "second read") else ""
        for side in sorted({t.side for t in group}):
            word = {"L": "left", "R": "right"}[side]
            label_image(folder / f"{word}{mark}_mask.nii.gz", [t for t in group if t.side == side])


def write_flat(root, cell, tracings):
    _, dates, _, _ = cell
    names = ("20200301", "20210301") if dates == "known" else VISITS[dates]
    for (patient, visit, reader, read), group in by_file(tracings).items():
        write_box(root / f"{patient}_{names[visit]}_t1.nii.gz", GEOMETRY)
        mark = "" if (reader, read) == ("A", 1) else f"_{reader}{read}"
        for side in sorted({t.side for t in group}):
            word = {"L": "left", "R": "right"}[side]
            path = root / f"{patient}_{names[visit]}_{word}{mark}_mask.nii.gz"
            label_image(path, [t for t in group if t.side == side])


def write_bids(root, cell, tracings):
    _, dates, lesions, _ = cell
    sessions = {"known": ("z", "a"), "numbered": ("2", "12"), "unknown": ("pre", "post")}[dates]
    for t in tracings:
        stem = f"sub-{t.patient}/ses-{sessions[t.visit]}/anat/sub-{t.patient}_ses-{sessions[t.visit]}"
        write_box(root / f"{stem}_T1w.nii.gz", GEOMETRY)
        mark = {"two readers": f"_desc-reader{t.reader}", "second read": f"_run-{t.read}"}.get(lesions, "")
        label_image(root / f"{stem}_label-{t.lesion}{mark}_mask.nii.gz", [t])
        if dates == "known":
            lines = [f"ses-{name}\t{day}\n" for name, day in zip(sessions, DAYS, strict=True)]
            text = "session_id\tacq_time\n" + "".join(lines)
            (root / f"sub-{t.patient}/sub-{t.patient}_sessions.tsv").write_text(text)


def write_manifest(root, cell, tracings):
    _, dates, _, ids = cell
    rows = [("patient", "visit", "study_date", "side", "lesion", "reader", "read", "scan", "trace")]
    for number, t in enumerate(tracings):
        write_box(root / f"scan_{t.patient}.nii.gz", GEOMETRY)
        label_image(root / f"{number}_mask.nii.gz", [t])
        day = DAYS[t.visit] if dates == "known" else ""
        patient = "ANON" if ids == "one for all" else t.patient
        known = (patient, VISITS[dates][t.visit], day, t.side, t.lesion, t.reader, t.read)
        rows.append((*known, f"scan_{t.patient}.nii.gz", f"{number}_mask.nii.gz"))
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_native(root, cell, tracings):
    _, dates, _, ids = cell
    for t in tracings:
        folder = root / t.patient / VISITS[dates][t.visit]
        write_box(folder / "t1.nii.gz", GEOMETRY)
        source = ScanSource(
            patient="ANON" if ids == "one for all" else t.patient,
            study_date=DAYS[t.visit] if dates == "known" else "",
        )
        write_trace(t.trace(source), folder / f"{t.lesion}.{t.reader}{t.read}.trace.json")


WRITERS = {
    "rtstruct": write_dicom,
    "seg": write_dicom,
    "flat": write_flat,
    "bids": write_bids,
    "nested": write_nested,
    "manifest": write_manifest,
    "native": write_native,
}


# -- what is right ------------------------------------------------------------------------------------------


def right_code(cell):
    """The code of a cell that has no class; empty where all its classes are known."""
    form, dates, lesions, ids = cell
    several = lesions in ("two readers", "second read")
    if ids == "one for all" and form in ("rtstruct", "seg"):
        return "patient-unclear"
    if ids == "one for all" and form == "manifest":
        return "ambiguous-lesion"
    tells_apart = {"manifest", "native", "flat"} | ({"bids"} if lesions == "two readers" else set())
    if several and form not in tells_apart:
        return "ambiguous-lesion"
    return "visit-order-unknown" if dates == "unknown" else ""


def true_pairs(cell, tracings):
    """Volumes at both visits of every lesion and reader, of the first read.

    Names of flat files know no reads: two names are two lesions, each followed on its own.
    """
    found = {}
    for t in tracings:
        if t.read == 1 or cell[0] == "flat":
            found.setdefault((t.patient, t.lesion, t.reader, t.read), {})[t.visit] = t.volume_mm3
    return {(volumes[0], volumes[1]) for volumes in found.values()}


def every(cells):
    """All cells where the proof is run whole, else a seeded share that has every form."""
    if os.environ.get("VOLUMETRY_PROVE"):
        return cells
    shuffled = random.Random(7).sample(cells, len(cells))
    return sorted(c for form in FORMS for c in [c for c in shuffled if c[0] == form][:4])


@pytest.mark.prove
@pytest.mark.parametrize("cell", every(CELLS), ids="-".join)
def test_no_cell_is_a_silent_wrong_class(cell, tmp_path):
    tracings = list(tracings_of(cell[2]))
    root = tmp_path / "study"
    root.mkdir()
    WRITERS[cell[0]](root, cell, tracings)
    run_batch(root, tmp_path / "out", BatchOptions(jobs=1))
    measured = read_table(tmp_path / "out/measurements.csv", MEASUREMENTS)
    changes = read_table(tmp_path / "out/changes.csv", CHANGES)
    evaluated = [c for c in changes if c["category"] != "not_evaluable"]
    pairs = {(round(c["baseline_volume_mm3"]), round(c["followup_volume_mm3"])) for c in evaluated}
    right = {(round(one), round(two)) for one, two in true_pairs(cell, tracings)}
    assert pairs <= right, "a class of two tracings that are not of one lesion, or in the wrong order"
    for change in evaluated:
        grows = change["baseline_volume_mm3"] < change["followup_volume_mm3"]
        assert change["category"] == ("increase" if grows else "decrease")
    code = right_code(cell)
    if not code:
        assert pairs == right
        volumes = sorted(round(t.volume_mm3) for t in tracings)
        assert sorted(round(r["volume_mm3"]) for r in measured if r["volume_mm3"]) == volumes
        if cell[2] == "second read" and cell[0] != "flat":
            assert {r["read"] for r in measured if r["volume_mm3"]} == {1, 2}
    else:
        said = {r["code"] for r in measured} | {c["reason"] for c in changes}
        assert not evaluated
        assert code in said
