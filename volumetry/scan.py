"""A scan: read-only voxels on their geometry, and what was scanned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError
from volumetry.geometry import ScanGeometry


@dataclass(frozen=True, kw_only=True)
class ScanSource:
    """What was scanned. Never holds a patient's name, birth date or free text.

    Attributes
    ----------
    patient : str
        PatientID or a pseudonym; empty where the file names none.
    series_uid : str
        SeriesInstanceUID; empty for formats without UIDs.
    modality : str
        ``MR``, ``CT``, ``PT``...; empty where unknown.
    study_date : str
        ISO date (``2024-03-02``); empty where unknown.
    format : str
        ``dicom``, ``nifti``, ``nrrd``, ``metaimage``...
    laterality : str
        ``L``, ``R`` or empty: the side the series itself names.
    voxels_sha256 : str
        SHA-256 of the voxel values; empty until somebody asked for it (`Scan.hashed_source`).
    """

    patient: str = ""
    series_uid: str = ""
    modality: str = ""
    study_date: str = ""
    format: str = ""
    laterality: str = ""
    voxels_sha256: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Read-only voxels on their geometry.

    Attributes
    ----------
    voxels : (n_slices, rows, columns) array, read-only
        Stored values with the file's rescale applied.
    geometry : ScanGeometry
    source : ScanSource
    flags : tuple of str
        What is worth knowing about the files (`volumetry.codes.FLAGS`).
    slice_uids : tuple of str
        SOPInstanceUID of every slice; empty for formats without UIDs.
    """

    voxels: NDArray[Any]
    geometry: ScanGeometry
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    slice_uids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels)
        expected = (self.geometry.n_slices, self.geometry.rows, self.geometry.columns)
        if voxels.shape != expected:
            raise GeometryError(
                "grid-mismatch",
                "voxels do not fit their geometry",
                values={"voxels": voxels.shape, "geometry": expected},
                todo="Give both for the same slices.",
            )
        if voxels.flags.writeable:
            # A copy only where somebody else could still write to it: readers hand over their own buffer.
            voxels = voxels.copy() if voxels.base is not None else voxels.view()
            voxels.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "flags", tuple(sorted(set(self.flags))))

    @cached_property
    def voxels_sha256(self) -> str:
        """SHA-256 of shape, type and values of the voxels, little endian, in slice order."""
        import hashlib

        little = np.ascontiguousarray(self.voxels, dtype=self.voxels.dtype.newbyteorder("<"))
        digest = hashlib.sha256(f"{little.shape} {little.dtype.str}\n".encode())
        digest.update(little.data if little.size else b"")
        return digest.hexdigest()

    @property
    def hashed_source(self) -> ScanSource:
        """The source with the hash of these voxels, as a trace keeps it."""
        return replace(self.source, voxels_sha256=self.voxels_sha256)
