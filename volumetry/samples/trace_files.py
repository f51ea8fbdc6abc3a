"""Tracings as the project's own ``*.trace.json``, version 1, written without the library.

So the sample traces also hold the library to its format: what it reads here was not made by it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from volumetry.samples.bodies import Array
from volumetry.samples.cohort import Lesion
from volumetry.samples.dicom_files import Image, Study, hashed_uid
from volumetry.samples.planes import SlicePlan


def trace_file(
    study: Study,
    plan: SlicePlan,
    voxels: Image,
    lesion: Lesion,
    rings: dict[int, Array],
    *,
    name: str = "",
    reader: str = "A",
) -> bytes:
    """Return the trace of one lesion: a ring (n, 3) in LPS for each slice; no rings say that it is absent."""
    document = {
        "format": "volumetry-trace",
        "version": 1,
        "lesion": name or lesion.name,
        "side": lesion.side,
        "geometry": _geometry(study, plan),
        "source": _source(study, voxels),
        "provenance": {
            "reader": reader,
            "time": f"{study.date}T15:00:00+00:00",
            "tool": "sample scans",
            "protocol": "",
            "read": 1,
            "parent_sha256": "",
            "reason": "",
            "signed_time": "",
        },
        "flags": [],
        "contours": [
            {"slice": k, "hole": False, "vertices": _pixel_ring(plan, k, ring)} for k, ring in rings.items()
        ],
    }
    document["sha256"] = hashlib.sha256(_canonical(document).encode()).hexdigest()
    return (_canonical(document) + "\n").encode()


def _geometry(study: Study, plan: SlicePlan) -> dict[str, Any]:
    return {
        "rows": plan.rows,
        "columns": plan.columns,
        "pixel_spacing_mm": [plan.pixel_mm, plan.pixel_mm],
        "row_direction": (np.round(plan.row_direction, 12) + 0.0).tolist(),
        "column_direction": (np.round(plan.column_direction, 12) + 0.0).tolist(),
        "slice_origins_mm": [plan.position_mm(k).tolist() for k in range(plan.n_slices)],
        "slice_thickness_mm": plan.thickness_mm,
        "frame_of_reference_uid": hashed_uid(f"{study.patient}/{study.date}/frame"),
    }


def _source(study: Study, voxels: Image) -> dict[str, str]:
    stored = np.ascontiguousarray(voxels, dtype="<u2")
    digest = hashlib.sha256(f"{stored.shape} {stored.dtype.str}\n".encode() + stored.tobytes())
    return {
        "patient": study.patient,
        "series_uid": study.series_uid,
        "modality": "MR",
        "study_date": study.date,
        "format": "dicom",
        "laterality": "",
        "voxels_sha256": digest.hexdigest(),
    }


def _pixel_ring(plan: SlicePlan, index: int, ring: Array) -> list[list[float]]:
    """Vertices as (row, column), to the fifth decimal of a pixel."""
    from_origin = ring - plan.position_mm(index)
    pixels = np.stack([from_origin @ plan.column_direction, from_origin @ plan.row_direction], axis=1)
    rounded: list[list[float]] = (np.round(pixels / plan.pixel_mm, 5) + 0.0).tolist()
    return rounded


def _canonical(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
