"""Whether a trace or a mask belongs to a scan: patient, series, grid and pixels."""

from __future__ import annotations

from volumetry.errors import MismatchError
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.trace import Trace


def check_trace(trace: Trace | Mask, scan: Scan) -> tuple[str, ...]:
    """Check that a trace or mask belongs to a scan.

    Parameters
    ----------
    trace : Trace or Mask
    scan : Scan

    Returns
    -------
    tuple of str
        Flags: ``frame-of-reference-differs``.

    Raises
    ------
    MismatchError
        ``patient-mismatch``, ``wrong-series``, ``grid-mismatch`` or ``image-changed``.

    Examples
    --------
    >>> trace = vm.read_trace("sample_scans/study/hip05/2021-06-01/L1.trace.json")
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> vm.check_trace(trace, scan)
    ()
    """
    drawn, here = trace.source, scan.source
    for code, what, one, other in (
        ("patient-mismatch", "the trace belongs to another patient", drawn.patient, here.patient),
        ("wrong-series", "the trace belongs to another series", drawn.series_uid, here.series_uid),
    ):
        if one and other and one != other:
            # Identities of patients are not repeated in messages.
            raise MismatchError(code, what, todo="Open the trace with the scan it was drawn on.")
    distance = trace.geometry.voxel_distance(scan.geometry)
    if distance > GRID_TOLERANCE:
        raise MismatchError(
            "grid-mismatch",
            "the grids of trace and scan differ",
            values={
                "distance_voxels": distance,
                "trace": _grid(trace.geometry),
                "scan": _grid(scan.geometry),
            },
            todo="Resample the mask onto the scan, or open the scan it was drawn on.",
        )
    if drawn.voxels_sha256 and drawn.voxels_sha256 != scan.voxels_sha256:
        raise MismatchError(
            "image-changed",
            "the pixels are not those the trace was drawn on",
            values={"traced": drawn.voxels_sha256[:12], "found": scan.voxels_sha256[:12]},
            todo="Find the original images, or trace again.",
        )
    frames = (trace.geometry.frame_of_reference_uid, scan.geometry.frame_of_reference_uid)
    return ("frame-of-reference-differs",) if all(frames) and frames[0] != frames[1] else ()


def _grid(geometry: ScanGeometry) -> str:
    return f"{geometry.n_slices}x{geometry.rows}x{geometry.columns}"
