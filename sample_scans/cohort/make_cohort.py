"""Make the tables of the sample cohort: 180 synthetic patients, 270 hips. Nobody in them exists.

The numbers are those of the cohort on which R's answers were computed (``tests/data/oracle``), in the shape
of the tables that ``volumetry batch`` writes; visits of a few patients were given another slice spacing.
``--check`` writes nothing and names what differs.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "tests" / "data" / "oracle" / "cohort_hips.csv"
START = date(2019, 1, 7)
CLINICAL = (
    "patient", "side", "group", "age", "sex", "bmi", "aetiology", "arco", "hhs0", "hhs1", "womac0", "womac1",
    "womac_version", "months", "event", "collapse", "months_to_replacement", "replacement",
)  # fmt: skip


def number(text: str) -> float | None:
    """Return the number of a cell, None for ``NA``."""
    return None if text == "NA" else float(text)


def measurement(hip: dict[str, str], visit: str, reader: str, read: int, cm3: float | None) -> dict[str, Any]:
    """Return a row of measurements; hips without a follow-up volume could not be measured there."""
    patient = int(hip["patient"])
    days = 0 if visit == "baseline" else round(float(hip["fu_months"]) * 30.4375)
    spacing = 5.0 if visit == "follow-up" and patient % 45 == 0 else 4.4
    measured = cm3 is not None
    n_slices = None if cm3 is None else 4 + round(cm3 / 4)
    return {
        "patient": f"C{patient:03}",
        "side": hip["side"],
        "lesion": f"{hip['side']}1",
        "visit": visit,
        "visit_order": int(visit != "baseline"),
        "study_date": (START + timedelta(days=3 * patient + days)).isoformat(),
        "reader": reader,
        "read": read,
        "status": "measured" if measured else "not_measurable",
        "message": "" if measured else "head collapsed or replaced",
        "volume_mm3": cm3 and round(1000 * cm3, 3),
        "volume_cm3": cm3,
        "height_rule": "thickness" if measured else None,
        "volume_thickness_mm3": cm3 and round(1000 * cm3, 3),
        "volume_spacing_mm3": cm3 and round(1000 * cm3 * spacing / 4, 3),
        # That of an ellipsoid cut into so many slices.
        "sampling_error_percent": n_slices and round(120 / (10**0.5 * n_slices**2), 3),
        "n_slices": n_slices,
        "slice_thickness_mm": 4.0,
        "slice_spacing_mm": spacing,
        "gap_mm": round(spacing - 4, 1),
        "pixel_area_mm2": 0.49,
        "modality": "MR",
        "flags": "slice-gap",
    }


def measurements(hips: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return all reads: both readers at both visits, and reader 1 twice at baseline."""
    reads = (
        ("vol0_r1", "baseline", "reader1", 1),
        ("vol0_r1b", "baseline", "reader1", 2),
        ("vol1_r1", "follow-up", "reader1", 1),
        ("vol0_r2", "baseline", "reader2", 1),
        ("vol1_r2", "follow-up", "reader2", 1),
    )
    return [
        measurement(hip, visit, reader, read, number(hip[column]))
        for hip in hips
        for column, visit, reader, read in reads
    ]


def clinical(hip: dict[str, str]) -> dict[str, str]:
    """Return a row of the clinical table; unknown cells are empty."""
    event = hip["event"]
    row = {
        **hip,
        "patient": f"C{int(hip['patient']):03}",
        "group": "denosumab" if hip["group"] == "1" else "control",
        "sex": "M" if hip["male"] == "1" else "F",
        "arco": "I" if hip["arco"] == "1" else "II",
        "womac_version": "LK3.1",
        "months": hip["tha_time"] if event == "2" else hip["collapse_time"],
        "months_to_replacement": hip["tha_time"],
        "replacement": hip["tha"],
    }
    return {name: "" if row[name] == "NA" else row[name] for name in CLINICAL}


def tables() -> dict[str, bytes]:
    """Return the files by name."""
    from volumetry.change import ChangeRule
    from volumetry.study.rows.pairing import changes_of
    from volumetry.tables import CHANGES, MEASUREMENTS, write_table

    with SOURCE.open(encoding="utf-8", newline="") as file:
        hips = list(csv.DictReader(file))
    rows = [dict.fromkeys(MEASUREMENTS.column_names) | row for row in measurements(hips)]
    text = io.StringIO()
    writer = csv.DictWriter(text, CLINICAL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(clinical(hip) for hip in hips)
    files = {"clinical.csv": text.getvalue().encode()}
    with tempfile.TemporaryDirectory() as folder:
        for table, content in ((MEASUREMENTS, rows), (CHANGES, list(changes_of(rows, ChangeRule())))):
            path = Path(folder) / f"{table.name}.csv"
            write_table(path, table, content)
            files[path.name] = path.read_bytes()
    return files


def main() -> int:
    """Write or check the tables; 1 if one differs."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, content in tables().items():
        path = HERE / name
        if path.exists() and path.read_bytes() == content:
            continue
        stale += 1
        sys.stderr.write(f"{'differs' if check else 'written'}: {name}\n")
        if not check:
            path.write_bytes(content)
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
