"""Outlines from files, to go on with: traces, RTSTRUCT and masks, checked against the scan in view. No Qt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from volumetry import (
    Provenance,
    Scan,
    Trace,
    VolumetryError,
    check_trace,
    contours_from_mask,
    read_mask,
    read_sections,
    read_trace,
)


def read_outlines(path: Path, scan: Scan, *, reader: str, taken: Collection[str] = ()) -> tuple[Trace, ...]:
    """Read the lesions of a traced file as traces of a scan.

    Parameters
    ----------
    path : Path
        A trace, an RTSTRUCT, or a mask.
    scan : Scan
        The outlines must be of it.
    reader : str
        Who goes on with them; whose they were is in their parent.
    taken : collection of str
        Names that lesions must not have; a number is added then.

    Raises
    ------
    VolumetryError
        The file cannot be read, or belongs to another scan.
    """
    used = set(taken)
    traces = []
    for trace in _traces(path, scan):
        check_trace(trace, scan)
        name, number = trace.lesion or "lesion", 2
        while name in used:
            name, number = f"{trace.lesion}-{number}", number + 1
        used.add(name)
        traces.append(
            replace(
                trace,
                lesion=name,
                source=scan.hashed_source,
                geometry=scan.geometry,
                provenance=Provenance(reader=reader, parent_sha256=trace.sha256),
            )
        )
    return tuple(traces)


def _traces(path: Path, scan: Scan) -> list[Trace]:
    if path.name.endswith(".trace.json"):
        return [read_trace(path)]
    try:
        names = [section.lesion for section in read_sections(path, scan=scan)]
        return [read_trace(path, roi=name or None, scan=scan) for name in names]
    except VolumetryError as error:
        if error.code != "unsupported-format":
            raise
    mask = read_mask(path, scan=scan)
    check_trace(mask, scan)
    return [
        Trace(
            lesion=label.name or f"lesion{label.number}",
            contours=contours_from_mask(mask, label.number),
            geometry=scan.geometry,
        )
        for label in mask.labels
    ]
