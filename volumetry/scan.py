"""A scan: read-only voxels on their geometry, and what was scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.acquisition import Acquisition
from volumetry.errors import GeometryError
from volumetry.geometry import ScanGeometry
from volumetry.shown import Facts, Shown, picture_of_pixels

if TYPE_CHECKING:
    import nibabel
    import pandas as pd
    import SimpleITK


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
        SHA-256 of the voxel values; empty but in `Scan.hashed_source` and in what was traced on it.
    acquisition : Acquisition
        Weighting, times, field strength, contrast agent and fat suppression, as far as the file says so.

    Examples
    --------
    >>> vm.ScanSource(patient="p01", modality="MR", study_date="2024-03-02").study_date
    '2024-03-02'
    """

    patient: str = ""
    series_uid: str = ""
    modality: str = ""
    study_date: str = ""
    format: str = ""
    laterality: str = ""
    voxels_sha256: str = ""
    acquisition: Acquisition = Acquisition()  # noqa: RUF009 - frozen

    @property
    def document(self) -> dict[str, Any]:
        """The source as a trace file holds it: ``acquisition`` only where something of it is known."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        del values["acquisition"]
        known = self.acquisition.known
        return values | ({"acquisition": known} if known else {})

    @classmethod
    def from_document(cls, values: Mapping[str, Any]) -> ScanSource:
        """Return the source of what `document` gave. Raises KeyError, TypeError, ValueError."""
        texts = {name: str(value) for name, value in values.items() if name != "acquisition"}
        return cls(**texts, acquisition=Acquisition.from_known(values.get("acquisition", {})))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Scan(Shown):
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
    shown_window : (level, width) or None
        In which window the file asks to be shown: WindowCenter and WindowWidth of the middle slice.

    Examples
    --------
    >>> scan = vm.read_scan("sample_scans/study/hip05/2021-06-01/t1_cor")
    >>> scan
    <Scan: modality MR, date 2021-06-01, voxels 12 x 100 x 200, type uint16, pixel_spacing_mm 1.7 1.7,
    slice_spacing_mm 4.4, slice_thickness_mm 4, normal -0.0518 0.9889 0.1392, flags slice-gap>
    """

    voxels: NDArray[Any]
    geometry: ScanGeometry
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    slice_uids: tuple[str, ...] = ()
    shown_window: tuple[float, float] | None = None

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
            # Copied only where another array could still change it; readers give an array of their own.
            voxels = voxels.copy() if voxels.base is not None else voxels.view()
            voxels.flags.writeable = False
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "flags", tuple(sorted(set(self.flags))))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per slice: ``slice_index, position_mm``, thickness, smallest and largest value."""
        flat = self.voxels.reshape(len(self.voxels), -1)
        return self.geometry.to_frame().assign(smallest=flat.min(axis=1), largest=flat.max(axis=1))

    def _facts(self) -> Facts:
        return (
            ("modality", self.source.modality),
            ("date", self.source.study_date),
            ("voxels", " x ".join(str(n) for n in self.voxels.shape)),
            ("type", str(self.voxels.dtype)),
            *self.geometry._facts()[1:],
            ("flags", self.flags),
        )

    def _picture(self) -> str:
        return picture_of_pixels(self.voxels[len(self.voxels) // 2])

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

    def to_nibabel(self) -> nibabel.Nifti1Image:
        """Return the scan as an image of nibabel: (column, row, slice) voxels, a RAS affine in mm.

        Raises
        ------
        GeometryError
            ``inconsistent-series``, ``single-slice``: one affine cannot say where the slices lie.
        """
        from volumetry.bridges import nibabel_image

        return nibabel_image(self.voxels, self.geometry)

    def to_sitk(self) -> SimpleITK.Image:
        """Return the scan as an image of SimpleITK, in LPS and mm.

        Raises
        ------
        GeometryError
            As `to_nibabel`; also ``inconsistent-series`` where the axes are not perpendicular.
        """
        from volumetry.bridges import sitk_image

        return sitk_image(self.voxels, self.geometry)


def scan_from(
    image: object, *, geometry: ScanGeometry | None = None, slice_thickness_mm: float | None = None
) -> Scan:
    """Return an image of nibabel or SimpleITK, or a numpy array with a geometry, as a scan.

    Parameters
    ----------
    image : nibabel image, SimpleITK.Image or (n_slices, rows, columns) array
    geometry : ScanGeometry, optional
        Of an array.
    slice_thickness_mm : float, optional
        Where it is known: these images do not say it.

    Raises
    ------
    GeometryError
        ``not-3d``, ``bad-spacing``, ``header-conflict``, ``affine-conflict``, ``grid-mismatch``.
    UsageError
        ``usage``: the object is nothing of these.

    Examples
    --------
    >>> import numpy as np
    >>> geometry = ScanGeometry(
    ...     rows=3, columns=4, pixel_spacing_mm=(1, 1), row_direction=(1, 0, 0),
    ...     column_direction=(0, 1, 0), slice_origins_mm=[(0, 0, 0), (0, 0, 4)],
    ... )
    >>> scan_from(np.zeros((2, 3, 4)), geometry=geometry).geometry.slice_spacing_mm
    4.0
    """
    from volumetry.bridges import voxels_of

    voxels, grid, flags = voxels_of(image, geometry, slice_thickness_mm)
    copy = np.array(voxels, dtype=voxels.dtype.newbyteorder("="), order="C")
    return Scan(voxels=copy, geometry=grid, source=ScanSource(format="memory"), flags=flags)
