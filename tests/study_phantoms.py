"""Small studies for the tests of discovery, batch and command line: boxes whose volumes are products."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from volumetry import (
    Contour,
    Mask,
    MaskLabel,
    Provenance,
    ScanGeometry,
    ScanSource,
    Trace,
    write_mask,
    write_trace,
)


def coronal(
    n_slices: int = 10,
    spacing_mm: float = 4.4,
    thickness_mm: float | None = 4.0,
    pixel_mm: float = 2.0,
    size: int = 24,
    x_mm: float = 40.0,
) -> ScanGeometry:
    """A coronal stack of square slices; x grows to the patient's left, and the whole lies left of x_mm."""
    return ScanGeometry(
        rows=size,
        columns=size,
        pixel_spacing_mm=(pixel_mm, pixel_mm),
        row_direction=[1, 0, 0],
        column_direction=[0, 0, -1],
        slice_origins_mm=[[x_mm, i * spacing_mm, 50] for i in range(n_slices)],
        slice_thickness_mm=thickness_mm,
    )


def box_mask(
    geometry: ScanGeometry, slices=range(3, 7), rows=(5, 15), columns=(6, 16), number: int = 1
) -> Mask:
    """A mask of one box: 4 slices of 10 x 10 pixels by default."""
    labels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), dtype=np.int16)
    labels[slices.start : slices.stop, rows[0] : rows[1], columns[0] : columns[1]] = number
    return Mask(layers=(labels,), geometry=geometry, labels=(MaskLabel(number=number),))


def write_box(path: Path, geometry: ScanGeometry | None = None, **box) -> None:
    """Write a box as NIfTI, and the slice thickness as its sidecar."""
    geometry = geometry or coronal()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(box_mask(geometry, **box), path)
    if geometry.slice_thickness_mm is not None:
        sidecar = path.with_name(path.name.removesuffix(".nii.gz").removesuffix(".nii") + ".json")
        sidecar.write_text(json.dumps({"SliceThickness": geometry.slice_thickness_mm}), encoding="utf-8")


def box_contours(slices=range(3, 7), rows=(5.0, 15.0), columns=(6.0, 16.0)) -> tuple[Contour, ...]:
    """The outlines of a box."""
    (top, bottom), (left, right) = rows, columns
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return tuple(Contour(slice_index=i, vertices=np.array(corners)) for i in slices)


def box_trace(geometry: ScanGeometry | None = None, *, side: str = "L", lesion: str = "L1", **kind) -> Trace:
    """A trace of one box."""
    return Trace(
        lesion=lesion,
        side=side,
        geometry=geometry or coronal(),
        contours=kind.pop("contours", box_contours()),
        provenance=Provenance(reader=kind.pop("reader", "A")),
        source=kind.pop("source", ScanSource()),
        **kind,
    )


def write_box_trace(path: Path, **kind) -> None:
    """Write a trace of one box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_trace(box_trace(**kind), path)


def small_study(root: Path, n_patients: int = 6, visits=("v0", "v1")) -> Path:
    """A study of NIfTI masks, ``<patient>/<visit>/lesion_mask.nii.gz``, growing a row a visit."""
    for patient in range(n_patients):
        for place, visit in enumerate(visits):
            write_box(
                root / f"p{patient:03}" / visit / "lesion_mask.nii.gz", rows=(5, 12 + (patient + place) % 6)
            )
    return root


def batch_results(root: Path, *options: object) -> tuple[int, list[dict[str, str]], list[dict[str, str]]]:
    """Run the command into a folder beside `root`; return its exit code, the measurements and the changes."""
    from volumetry.cli import main

    out = root.parent / f"{root.name}_out"
    code = main(["--quiet", "batch", str(root), "--out", str(out), "--jobs", "1", *map(str, options)])
    measurements, changes = (rows_of_csv(out / f"{name}.csv") for name in ("measurements", "changes"))
    return code, measurements, changes


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table as texts."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
