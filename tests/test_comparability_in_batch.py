"""Comparability through ``volumetry batch``: DICOM visits whose facts differ alone and in twos."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import box_contours, write_box

import volumetry as vm
from volumetry.cli import main
from volumetry.comparability import REFUSED_BY_DEFAULT
from volumetry.tables import CHANGES, Row, read_table

PROVE = os.environ.get("VOLUMETRY_PROVE") == "1"
TILT = math.radians(10)
SPIN_ECHO = {
    "ScanningSequence": "SE", "SequenceVariant": "SK", "ScanOptions": "PFP", "RepetitionTime": 550,
    "EchoTime": 12, "MagneticFieldStrength": 1.5, "ContrastBolusAgent": "NONE",
}  # fmt: skip
T1_BY_INVERSION = {"ScanningSequence": ["SE", "IR"], "InversionTime": 400}

# By name: the geometry and the elements that differ at follow-up, and the codes that says.
FACTS: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "modality": ({}, {"Modality": "CT"}, {"modality-differs"}),
    "thickness": (
        {"slice_thickness_mm": 3.0, "slice_spacing_mm": 3.3}, {}, {"thickness-changed", "spacing-changed"},
    ),
    "gap": ({"slice_spacing_mm": 5.0}, {}, {"spacing-changed", "gap-changed"}),
    "pixel": ({"pixel_spacing_mm": (2.0, 2.2)}, {}, {"pixel-spacing-changed"}),
    "matrix": ({"rows": 28}, {}, {"matrix-changed"}),
    "plane": (
        {"row_direction": (1.0, 0, 0), "column_direction": (0, 1.0, 0)}, {}, {"plane-differs"},
    ),
    "tilt": ({"column_direction": (0, math.sin(TILT), -math.cos(TILT))}, {}, {"plane-tilted"}),
    "coverage": ({"n_slices": 7}, {}, {"coverage-incomplete"}),
    "weighting": ({}, {"RepetitionTime": 2500, "EchoTime": 90}, {
        "weighting-differs", "repetition-time-changed", "echo-time-changed",
    }),
    "repetition": ({}, {"RepetitionTime": 700}, {"repetition-time-changed"}),
    "echo": ({}, {"EchoTime": 20}, {"echo-time-changed"}),
    "field": ({}, {"MagneticFieldStrength": 3.0}, {"field-strength-changed"}),
    "contrast": ({}, {"ContrastBolusAgent": "Gadobutrol"}, {"contrast-differs"}),
    "fat": ({}, {"ScanOptions": "FS"}, {"fat-suppression-differs"}),
    "inversion": ({}, {**T1_BY_INVERSION, "InversionTime": 600}, {"inversion-time-changed"}),
    "unknown": ({}, {"EchoTime": None}, {"acquisition-unknown"}),
}  # fmt: skip
BASE = {
    "n_slices": 9, "rows": 24, "columns": 24, "pixel_spacing_mm": (2.0, 2.0), "slice_spacing_mm": 4.4,
    "slice_thickness_mm": 4.0, "origin_mm": (40.0, 0.0, 50.0),
}  # fmt: skip
# A CT has no times and no weighting of an MR; the two together are no case of their own.
_OF_MR = ("weighting", "repetition", "echo", "field", "fat", "inversion", "unknown")
HIDES = {
    *(frozenset(("modality", name)) for name in _OF_MR),
    *(frozenset(("weighting", name)) for name in ("repetition", "echo", "inversion", "unknown")),
    frozenset(("echo", "unknown")),
    frozenset(("thickness", "gap")),
    frozenset(("plane", "tilt")),
}
TWOS = [pair for pair in itertools.combinations(FACTS, 2) if frozenset(pair) not in HIDES]
CASES = [(name,) for name in FACTS] + (TWOS if PROVE else TWOS[::8])


def visit(folder: Path, patient: str, date: str, geometry: dict[str, Any], elements: dict[str, Any]) -> None:
    """A series of one visit and its outline on four slices, from slice 3 on."""
    shape = stack_geometry(**{**BASE, **geometry})
    modality = elements.get("Modality", "MR")

    def change(dataset: Any, _: int) -> None:
        for name, value in {**SPIN_ECHO, **elements}.items():
            if modality == "CT" and name not in ("Modality", "ContrastBolusAgent"):
                continue
            setattr(dataset, name, value)

    write_series(
        folder / "scan", shape, stack_voxels(shape), patient_id=patient, study_date=date, modality=modality,
        change=change,
    )  # fmt: skip
    scan = vm.read_scan(folder / "scan")
    vm.write_trace(
        vm.Trace(
            lesion="L1", side="L", contours=box_contours(), geometry=scan.geometry, source=scan.source,
            provenance=vm.Provenance(reader="A"),
        ),
        folder / "L1_A.trace.json",
    )  # fmt: skip


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_facts_alone_and_in_twos_through_batch(tmp_path: Path) -> None:
    for number, names in enumerate(CASES):
        geometry: dict[str, Any] = {}
        elements: dict[str, Any] = {}
        for name in names:
            geometry |= FACTS[name][0]
            elements |= FACTS[name][1]
        place = tmp_path / "study" / f"p{number:03}"
        visit(
            place / "2024-01-01",
            f"p{number:03}",
            "20240101",
            {},
            T1_BY_INVERSION if "inversion" in names else {},
        )
        if "inversion" in names:
            elements = {**T1_BY_INVERSION, **elements}
        visit(place / "2024-07-01", f"p{number:03}", "20240701", geometry, elements)
    assert main(["batch", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    changes = {row["patient"]: row for row in read_table(tmp_path / "out/changes.csv", CHANGES)}
    assert len(changes) == len(CASES) >= (40 if PROVE else 25)
    wrong = []
    for number, names in enumerate(CASES):
        row, codes = changes[f"p{number:03}"], set().union(*(FACTS[name][2] for name in names))
        found = set((row["reservations"] or "").split(";")) - {""}
        answer = (
            "no" if codes & REFUSED_BY_DEFAULT
            else "unknown" if codes == {"acquisition-unknown"} else "with_reservations"
        )  # fmt: skip
        # A changed gap is refused by the rule of change itself, under its own name.
        refused = [code for code in row["reservations"].split(";") if code in REFUSED_BY_DEFAULT]
        reason = "gap-ratio-changed" if "gap" in names else (refused or [None])[0]
        is_right = (row["category"] == "not_evaluable", row["reason"]) == (answer == "no", reason)
        if (found, row["comparable"]) != (codes, answer) or not explains(row, names) or not is_right:
            wrong.append((names, sorted(found), row["comparable"], row["explained_percent"]))
    assert wrong == []


def explains(row: Row, names: tuple[str, ...]) -> bool:
    """Whether what a changed gap explains is what arithmetic gives."""
    said = dict(part.split("=") for part in (row["explained_percent"] or "").split(";") if part)
    if "gap" not in names:
        return "gap-changed" not in said
    return math.isclose(float(said["gap-changed"]), 100 * ((4.4 / 4.0) / (5.0 / 4.0) - 1), rel_tol=1e-5)


def test_visits_of_nifti_are_unknown_and_so_is_one_of_two(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for day in ("2024-01-01", "2024-07-01"):
        write_box(study / "both" / day / "lesion_mask.nii.gz")
    visit(study / "one" / "2024-01-01", "one", "20240101", {}, {})
    scan = vm.read_scan(study / "one/2024-01-01/scan")
    mask = np.zeros((9, 24, 24), dtype=np.int16)
    mask[3:7, 5:15, 6:16] = 1
    later = study / "one" / "2024-07-01"
    later.mkdir()
    vm.write_mask(
        vm.Mask(layers=(mask,), geometry=scan.geometry, labels=(vm.MaskLabel(number=1),)),
        later / "lesion_mask.nii.gz",
    )
    (later / "lesion_mask.json").write_text('{"SliceThickness": 4.0}', encoding="utf-8")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "patient,visit,visit_order,side,lesion,reader,scan,trace\n"
        "both,v1,1,L,L1,A,,both/2024-01-01/lesion_mask.nii.gz\n"
        "both,v2,2,L,L1,A,,both/2024-07-01/lesion_mask.nii.gz\n"
        "one,v1,1,L,L1,A,one/2024-01-01/scan,one/2024-01-01/L1_A.trace.json\n"
        "one,v2,2,L,L1,A,,one/2024-07-01/lesion_mask.nii.gz\n",
        encoding="utf-8",
    )
    options = ["--manifest", str(manifest), "--jobs", "1"]
    assert main(["batch", str(study), "--out", str(tmp_path / "out"), *options]) == 0
    rows = {row["patient"]: row for row in read_table(tmp_path / "out/changes.csv", CHANGES)}
    for patient in ("both", "one"):
        assert rows[patient]["change_percent"] is not None
        assert (rows[patient]["comparable"], rows[patient]["reservations"]) == (
            "unknown",
            "acquisition-unknown",
        )
