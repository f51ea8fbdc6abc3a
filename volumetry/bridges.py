"""Between this program's grids and the images of nibabel and SimpleITK, and numpy arrays.

nibabel counts voxels (i, j, k) with the columns first and says in RAS where they lie; SimpleITK's arrays are
(k, j, i), and its images say it in LPS. `Scan` and `Mask` are (slice, row, column) on a `ScanGeometry`. Used
through `Scan.to_nibabel`, `Scan.to_sitk`, `Mask.to_nibabel`, `Mask.to_sitk`, `scan_from` and `mask_from`.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.slice_steps import JITTER

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

Array = NDArray[np.float64]

RAS = np.array([-1.0, -1.0, 1.0])
"""Factors between LPS and RAS."""

_AGREEMENT = 1e-3  # of steps relative to their length, of directions, of the origin in voxels
_SHORTEST_MM, _LONGEST_MM = 1e-3, 1e3
_UNITS_PER_MM = {"mm": 1.0, "meter": 1e-3, "micron": 1e3, "unknown": 1.0}


# -- to others ---------------------------------------------------------------------------------------------


def nibabel_image(voxels: NDArray[Any], geometry: ScanGeometry) -> nibabel.Nifti1Image:
    """Return (slice, row, column) voxels as a nibabel image, in RAS and mm; sform, and qform unless sheared.

    Raises
    ------
    GeometryError
        ``single-slice`` (without thickness), ``inconsistent-series``: one affine cannot say where the
        slices lie.
    """
    nib: Any = import_module("nibabel")
    steps = steps_of(geometry)
    affine = np.eye(4)
    affine[:3, :3] = steps.T * RAS[:, np.newaxis]
    affine[:3, 3] = geometry.slice_origins_mm[0] * RAS
    values = _storable(voxels).transpose(2, 1, 0)
    image = nib.Nifti1Image(values, affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    if _is_rotation(steps / np.linalg.norm(steps, axis=1, keepdims=True)):
        image.set_qform(affine, 1)
    else:
        image.set_qform(None, 0)
    made: nibabel.Nifti1Image = image
    return made


def sitk_image(voxels: NDArray[Any], geometry: ScanGeometry) -> SimpleITK.Image:
    """Return (slice, row, column) voxels as a SimpleITK image, in LPS and mm.

    Raises
    ------
    GeometryError
        As `nibabel_image`; also where the axes are not perpendicular, which SimpleITK's images cannot say.
    """
    itk: Any = import_module("SimpleITK")
    steps = steps_of(geometry)
    lengths = np.linalg.norm(steps, axis=1)
    directions = steps / lengths[:, np.newaxis]
    if not _is_rotation(directions):
        raise GeometryError(
            "inconsistent-series",
            "the axes are not perpendicular, which an image of SimpleITK cannot say",
            values={"sheared": True},
            todo="Use to_nibabel, whose affine can.",
        )
    image = itk.GetImageFromArray(_storable(voxels))
    image.SetSpacing([float(length) for length in lengths])
    image.SetDirection([float(x) for x in directions.T.ravel()])
    image.SetOrigin([float(x) for x in geometry.slice_origins_mm[0]])
    made: SimpleITK.Image = image
    return made


def steps_of(geometry: ScanGeometry) -> Array:
    """Return the LPS offsets in mm, (3, 3), of one column, one row and one slice further: one row each.

    Raises
    ------
    GeometryError
        ``single-slice``, ``inconsistent-series``.
    """
    origins = geometry.slice_origins_mm
    if geometry.n_slices > 1:
        step = (origins[-1] - origins[0]) / (geometry.n_slices - 1)
        away = np.abs(origins - origins[0] - np.arange(len(origins))[:, np.newaxis] * step).max()
        if away > JITTER * float(np.linalg.norm(step)):
            raise GeometryError(
                "inconsistent-series",
                "one step cannot say where the slices lie, which are unevenly spaced or incomplete",
                values={"off_by_mm": float(away), "missing slices": len(geometry.holes)},
                todo="Use the voxels with the geometry, which has a position for every slice.",
            )
    elif geometry.slice_thickness_mm is None:
        raise GeometryError(
            "single-slice",
            "one slice has neither spacing nor thickness",
            values={"slices": 1},
            todo="Give the geometry a slice thickness.",
        )
    else:
        step = geometry.normal * geometry.slice_thickness_mm
    row, column = geometry.pixel_to_patient_matrix.T
    return np.array((column, row, step))


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return values in a type that files and SimpleITK know, in native byte order."""
    kinds = {"b1": np.uint8, "f2": np.float32}
    kind = kinds.get(voxels.dtype.str[1:], voxels.dtype.newbyteorder("="))
    return np.ascontiguousarray(voxels, dtype=kind)


# -- from others -------------------------------------------------------------------------------------------


def voxels_of(
    image: object, geometry: ScanGeometry | None = None, slice_thickness_mm: float | None = None
) -> tuple[NDArray[Any], ScanGeometry, tuple[str, ...]]:
    """Return (slice, row, column) voxels, their geometry and flags, of an image or an array.

    Raises
    ------
    GeometryError
        ``not-3d``, ``bad-spacing``, ``header-conflict``, ``affine-conflict``.
    UsageError
        ``usage``: neither an image of nibabel or SimpleITK nor an array with a geometry.
    """
    module = type(image).__module__.partition(".")[0]
    if geometry is not None:
        if not isinstance(image, np.ndarray):
            raise _usage("a geometry is given with an array; an image has its own", image)
        if slice_thickness_mm is not None:
            geometry = replace(geometry, slice_thickness_mm=slice_thickness_mm)
        return image, geometry, ()
    if module == "SimpleITK":
        return _from_sitk(image, slice_thickness_mm)
    if hasattr(image, "affine") and hasattr(image, "dataobj"):
        return _from_nibabel(image, slice_thickness_mm)
    raise _usage("this is no image of nibabel or SimpleITK, and no array with a geometry", image)


def _usage(what: str, image: object) -> UsageError:
    return UsageError(
        "usage",
        what,
        values={"type": type(image).__name__},
        todo="Give an image, or a numpy array (slice, row, column) and geometry=ScanGeometry(...).",
    )


def _from_sitk(image: Any, thickness_mm: float | None) -> tuple[NDArray[Any], ScanGeometry, tuple[str, ...]]:
    itk: Any = import_module("SimpleITK")
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise _not_3d(image.GetSize())
    directions = np.array(image.GetDirection()).reshape(3, 3).T
    if not _is_rotation(directions):
        raise GeometryError(
            "header-conflict",
            "the direction of the image is no rotation",
            values={"direction": image.GetDirection()},
            todo="Correct it with SetDirection, or write the lengths to its spacing.",
        )
    steps = directions * np.array(image.GetSpacing())[:, np.newaxis]
    return (*_on_geometry(itk.GetArrayFromImage(image), steps, image.GetOrigin(), thickness_mm), ())


def _from_nibabel(
    image: Any, thickness_mm: float | None
) -> tuple[NDArray[Any], ScanGeometry, tuple[str, ...]]:
    if len(image.shape) < 3 or any(n != 1 for n in image.shape[3:]) or image.affine is None:
        raise _not_3d(image.shape)
    flags = _check_nifti(image)
    unit = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    if unit == "unknown":
        flags = (*flags, "units-unknown")
    affine = np.asarray(image.affine, dtype=np.float64)[:3] / _UNITS_PER_MM[unit] * RAS[:, np.newaxis]
    values = np.asanyarray(image.dataobj).reshape(image.shape[:3]).transpose(2, 1, 0)
    return (*_on_geometry(values, affine[:, :3].T, affine[:, 3], thickness_mm), flags)


def _check_nifti(image: Any) -> tuple[str, ...]:
    """Hold sform, qform and voxel sizes of a NIfTI image to each other; return flags."""
    if not hasattr(image, "get_sform"):
        return ()
    sform, qform = image.get_sform(coded=True)[0], image.get_qform(coded=True)[0]
    if sform is None and qform is None:
        return ("orientation-unknown",)
    if sform is None:
        return ()
    sizes = np.array(image.header.get_zooms()[:3], dtype=np.float64)
    other = qform if qform is not None else None
    steps = np.linalg.norm(sform[:3, :3] - (other[:3, :3] if other is not None else 0), axis=0) / sizes
    worst = float(steps.max() if other is not None else np.abs(steps - 1).max())
    if other is not None:
        worst = max(worst, float(np.linalg.norm(sform[:3, 3] - other[:3, 3]) / sizes.min()))
    if not worst <= _AGREEMENT:
        raise GeometryError(
            "affine-conflict" if other is not None else "header-conflict",
            "sform and qform say different things" if other is not None else "sform and pixdim disagree",
            values={"off_by": worst, "pixdim": tuple(sizes.tolist())},
            todo="Set both to the right one with set_sform and set_qform.",
        )
    return ()


def _not_3d(size: tuple[int, ...]) -> GeometryError:
    return GeometryError(
        "not-3d",
        "the image is flat, in colour, or holds more than one volume",
        values={"size": size},
        todo="Extract the one volume that is meant.",
    )


def _on_geometry(
    values: NDArray[Any], steps: Array, origin_mm: Any, thickness_mm: float | None
) -> tuple[NDArray[Any], ScanGeometry]:
    """Return (slice, row, column) voxels with their geometry, slices ascending along the normal."""
    lengths = np.linalg.norm(steps, axis=1)
    volume = float(np.linalg.det(steps))
    if not np.isfinite(steps).all() or not abs(volume) > 1e-6 * float(np.prod(lengths)):
        raise GeometryError(
            "bad-spacing",
            "the axes of the grid do not span a voxel",
            values={"steps_mm": tuple(lengths.tolist())},
            todo="Correct the affine.",
        )
    if lengths.min() < _SHORTEST_MM or lengths.max() > _LONGEST_MM:
        raise GeometryError(
            "header-conflict",
            "a voxel is not 0.001 to 1000 mm long",
            values={"steps_mm": tuple(lengths.tolist())},
            todo="Correct the spacing or its unit.",
        )
    turn = -1 if volume < 0 else 1
    n_slices, rows, columns = values.shape
    origins = np.asarray(origin_mm, dtype=np.float64) + np.arange(n_slices)[:, np.newaxis] * steps[2]
    geometry = ScanGeometry(
        rows=rows,
        columns=columns,
        pixel_spacing_mm=(float(lengths[1]), float(lengths[0])),
        row_direction=steps[0] / lengths[0],
        column_direction=steps[1] / lengths[1],
        slice_origins_mm=origins[::turn],
        slice_thickness_mm=thickness_mm,
    )
    return values[::turn], geometry


def _is_rotation(directions: Array) -> bool:
    """Whether three unit vectors, one a row, are perpendicular."""
    return bool(np.abs(directions @ directions.T - np.eye(3)).max() <= 2 * _AGREEMENT)
