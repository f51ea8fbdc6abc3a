"""Masks: labels on a scan geometry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, TraceError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.masks.label_counter import MAX_LABELS, LabelCounter
from volumetry.masks.labels import MaskLabel, find_label
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections
from volumetry.shown import Facts, Shown, picture_of_pixels

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    import nibabel
    import SimpleITK


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Mask(Shown):
    """Labels on a scan geometry.

    Attributes
    ----------
    layers : tuple of (n_slices, rows, columns) integer arrays, read-only
        Label images; more than one only where labels overlap (a segment lies wholly on one layer).
    geometry : ScanGeometry
    labels : tuple of MaskLabel
        Labels the file declares; for a plain label image the values found in it.
    source : ScanSource
    flags : tuple of str
    declared : bool
        Whether the file itself lists its labels: then asking for another is an error, not an absence.

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> mask.labels
    (MaskLabel(number=1, name='', layer=0, side=''),)
    >>> len(mask.cross_sections().areas_mm2)
    4
    """

    layers: tuple[NDArray[Any], ...]
    geometry: ScanGeometry
    labels: tuple[MaskLabel, ...]
    source: ScanSource = field(default_factory=ScanSource)
    flags: tuple[str, ...] = ()
    declared: bool = False

    def __post_init__(self) -> None:
        expected = (self.geometry.n_slices, self.geometry.rows, self.geometry.columns)
        layers = []
        for layer in self.layers:
            array = np.asarray(layer)
            if array.shape != expected or not np.issubdtype(array.dtype, np.integer):
                raise GeometryError(
                    "grid-mismatch",
                    "labels do not fit their geometry, or are no integers",
                    values={"labels": (*array.shape, array.dtype), "geometry": expected},
                    todo="Give integer labels on the grid of the geometry.",
                )
            if array.flags.writeable:
                array = array.copy() if array.base is not None else array.view()
                array.flags.writeable = False
            layers.append(array)
        object.__setattr__(self, "layers", tuple(layers))
        object.__setattr__(self, "flags", tuple(sorted(set(self.flags))))

    def label(self, wanted: int | str | None = None) -> MaskLabel:
        """Return the label of that number or name; the only one where none is named.

        Raises
        ------
        TraceError
            ``ambiguous-series``: several labels and none named. ``no-such-label``.
        """
        return find_label(self.labels, wanted, declared=self.declared)

    def binary(self, label: int | str | None = None) -> NDArray[np.bool_]:
        """Return where a label is, as a (n_slices, rows, columns) array."""
        found = self.label(label)
        return np.asarray(self.layers[found.layer] == found.number)

    def to_frame(self) -> pd.DataFrame:
        """Return a row per label: ``label, name, layer, n_pixels, n_slices``."""
        import pandas as pd

        rows = []
        for label in self.labels:
            inside = self.layers[label.layer] == label.number
            n_slices = int(inside.any(axis=(1, 2)).sum())
            rows.append((label.number, label.name, label.layer, int(inside.sum()), n_slices))
        return pd.DataFrame(rows, columns=["label", "name", "layer", "n_pixels", "n_slices"])

    def _facts(self) -> Facts:
        names = tuple(
            f"{label.number}={label.name}" if label.name else label.number for label in self.labels[:12]
        )
        return (("labels", names), *self.geometry._facts(), ("flags", self.flags))

    def _picture(self) -> str:
        layer = self.layers[0]
        return picture_of_pixels(layer[int((layer > 0).sum(axis=(1, 2)).argmax())] > 0) if len(layer) else ""

    def cross_sections(self, label: int | str | None = None) -> CrossSections:
        """Count the pixels of one label, slice by slice."""
        found = self.label(label)
        counter = LabelCounter(self.geometry, only=found.number)
        for index, pixels in enumerate(self.layers[found.layer]):
            counter.add(index, pixels)
        return counter.cross_sections(found, source=self.source, flags=self.flags)

    def to_nibabel(self, label: int | str | None = None) -> nibabel.Nifti1Image:
        """Return the labels as an image of nibabel; those of one `label` as 0 and 1.

        Raises
        ------
        UsageError
            ``usage``: labels overlap, and none is named.
        GeometryError
            As `volumetry.Scan.to_nibabel`.
        """
        from volumetry.bridges import nibabel_image

        return nibabel_image(self._one_layer(label), self.geometry)

    def to_sitk(self, label: int | str | None = None) -> SimpleITK.Image:
        """Return the labels as an image of SimpleITK; those of one `label` as 0 and 1.

        Raises
        ------
        UsageError, GeometryError
            As `to_nibabel`; also ``inconsistent-series`` where the axes are not perpendicular.
        """
        from volumetry.bridges import sitk_image

        return sitk_image(self._one_layer(label), self.geometry)

    def _one_layer(self, label: int | str | None) -> NDArray[Any]:
        if label is not None:
            return self.binary(label).astype(np.uint8)
        if len(self.layers) != 1:
            raise UsageError(
                "usage",
                "labels that overlap do not fit into one image",
                values={"layers": len(self.layers)},
                todo="Name one label.",
            )
        return self.layers[0]


def mask_from(
    image: object, *, geometry: ScanGeometry | None = None, slice_thickness_mm: float | None = None
) -> Mask:
    """Return an image of nibabel or SimpleITK, or a numpy array with a geometry, as a mask.

    Parameters
    ----------
    image : nibabel image, SimpleITK.Image or (n_slices, rows, columns) array
        Of labels: integers, booleans, or floats within 1e-3 of an integer.
    geometry : ScanGeometry, optional
        Of an array.
    slice_thickness_mm : float, optional
        Where it is known: these images do not say it.

    Raises
    ------
    TraceError
        ``not-labels``, ``non-finite``.
    GeometryError, UsageError
        As `volumetry.scan_from`.

    Examples
    --------
    >>> grid = vm.ScanGeometry(
    ...     rows=24,
    ...     columns=32,
    ...     pixel_spacing_mm=(0.5, 0.5),
    ...     row_direction=(1, 0, 0),
    ...     column_direction=(0, 1, 0),
    ...     slice_origins_mm=[(0, 0, 4.4 * k) for k in range(5)],
    ...     slice_thickness_mm=4.0,
    ... )
    >>> voxels = np.zeros((5, 24, 32), np.uint8)
    >>> voxels[1:4, 5:15, 5:15] = 1
    >>> mask = vm.mask_from(voxels, geometry=grid)
    >>> vm.measure_volume(mask).volume_mm3
    300.0
    """
    from volumetry.bridges import voxels_of

    voxels, grid, flags = voxels_of(image, geometry, slice_thickness_mm)
    labels = _as_labels(voxels)
    numbers = [int(n) for n in np.unique(labels) if n]
    if len(numbers) > MAX_LABELS:
        raise TraceError(
            "not-labels",
            "the array holds more different values than labels are likely to have",
            values={"values": len(numbers), "allowed": MAX_LABELS},
            todo="Give the mask instead of the image.",
        )
    return Mask(
        layers=(labels,),
        geometry=grid,
        labels=tuple(MaskLabel(number=n) for n in numbers),
        source=ScanSource(format="memory"),
        flags=flags,
    )


def _as_labels(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy as integers.  Raises ``not-labels``, ``non-finite``."""
    if values.dtype.kind == "b":
        return np.array(values, dtype=np.uint8, order="C")
    if values.dtype.kind in "iu":
        return np.array(values, dtype=values.dtype.newbyteorder("="), order="C")
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        raise TraceError(
            "non-finite",
            "the array holds NaN, infinity, or no numbers",
            values={"dtype": values.dtype.name},
            todo="Give 0 where there is no lesion.",
        )
    nearest = np.rint(values)
    worst = float(np.abs(values - nearest).max(initial=0.0))
    if worst > 1e-3 or float(np.abs(nearest).max(initial=0.0)) > 2**31 - 1:
        raise TraceError(
            "not-labels",
            "the array holds values that are no labels",
            values={"furthest from an integer": worst},
            todo="Compare it with a threshold first: image >= 0.5.",
        )
    return np.array(nearest, dtype=np.int32, order="C")
