"""Masks: labels on a scan geometry, and their pixels counted slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import GeometryError, TraceError, UsageError
from volumetry.geometry import ScanGeometry
from volumetry.scan import ScanSource
from volumetry.sections import CrossSections
from volumetry.shown import Facts, Shown, picture_of_pixels

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    import nibabel
    import SimpleITK


@dataclass(frozen=True, kw_only=True)
class MaskLabel:
    """One label of a mask: its number, its name, and the layer it lies on.

    Examples
    --------
    >>> mask = vm.read_mask("sample_scans/orientation/axial/axial_mask.nii.gz")
    >>> mask.labels[0].number
    1
    """

    number: int
    name: str = ""
    layer: int = 0


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
    (MaskLabel(number=1, name='', layer=0),)
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


def find_label(labels: Sequence[MaskLabel], wanted: int | str | None, *, declared: bool = False) -> MaskLabel:
    """Return the label of that number or name among `labels`; the only one where `wanted` is None.

    A number that is not among the values of a plain label image (`declared` False) is a label that is
    absent from it.

    Raises
    ------
    TraceError
        ``ambiguous-series``: several labels and none named. ``no-such-label``: no such name, or a number
        that the file does not declare.
    """
    if wanted is None:
        if len(labels) > 1:
            raise TraceError(
                "ambiguous-series",
                "the mask holds several labels and none is named",
                values={"labels": _listed(labels)},
                todo="Name one with --label or --roi.",
            )
        return labels[0] if labels else MaskLabel(number=1)
    found = [label for label in labels if wanted in (label.number, label.name)]
    if not found and isinstance(wanted, str):  # a label without a name is called by its number
        found = [label for label in labels if wanted == str(label.number) and not label.name]
    if len(found) > 1:
        raise TraceError(
            "ambiguous-series",
            "several labels of the mask have that number or name",
            values={"label": wanted, "labels": _listed(found)},
            todo="Name one by what only it has.",
        )
    if found:
        return found[0]
    if isinstance(wanted, str) and wanted.isdecimal() and not labels:
        wanted = int(wanted)
    if isinstance(wanted, int) and wanted and not declared:
        return MaskLabel(number=wanted)
    raise TraceError(
        "no-such-label",
        "the label asked for is not in the mask",
        values={"label": wanted, "labels": _listed(labels)},
        todo="Name one of those.",
    )


def _listed(labels: Sequence[MaskLabel]) -> str:
    return " ".join(f"{label.number}={label.name}" if label.name else str(label.number) for label in labels)


MAX_LABELS = 1024
"""So many different values are an image, not labels."""

_MOST_WAITING = 1 << 14


_Runs = tuple[int, NDArray[np.intp], int, int, int]
"""Slice index; where its rows of pixels enter or leave a label, as offsets in a padded part of the slice; and
width, first row and first column of that part."""


class _Counts:
    """What was counted of one label, an entry a slice; the runs of the latest slices wait to be summed.

    Centroids are offsets in pixels, (n, 2); bounds are offsets in mm, (n, 2, 3).
    """

    def __init__(self) -> None:
        self.slice_indices: list[int] = []
        self.pixels: list[NDArray[np.intp]] = []
        self.centroids: list[NDArray[np.float64]] = []
        self.bounds: list[NDArray[np.float64]] = []
        self.touches_edge = False
        self._waiting: list[_Runs] = []
        self._n_waiting = 0

    def add(self, runs: _Runs, geometry: ScanGeometry) -> None:
        """Take the runs of a slice; sum when so many wait that memory would show it."""
        self._waiting.append(runs)
        self._n_waiting += len(runs[1])
        if self._n_waiting > _MOST_WAITING:
            self.sum(geometry)

    def sum(self, geometry: ScanGeometry) -> None:
        """Sum the runs that wait, those of all slices at once."""
        if not self._waiting:
            return
        n_runs = [len(changes) // 2 for _, changes, *_ in self._waiting]
        corners = np.array([runs[2:] for runs in self._waiting]).repeat(n_runs, axis=0)
        changes = np.concatenate([changes for _, changes, *_ in self._waiting])
        starts, lengths = changes[::2], changes[1::2] - changes[::2]
        rows, first = np.divmod(starts, corners[:, 0])
        rows += corners[:, 1]
        first += corners[:, 2]
        last = first + lengths - 1
        slices = [0, *accumulate(n_runs[:-1])]
        count = np.add.reduceat(lengths, slices)
        centroids = np.empty((len(count), 2))
        centroids[:, 0] = np.add.reduceat(rows * lengths, slices) / count
        centroids[:, 1] = np.add.reduceat((first + last) * lengths, slices) / (2 * count)
        self.slice_indices += [index for index, *_ in self._waiting]
        self.pixels.append(count)
        self.centroids.append(centroids)
        self.bounds.append(_bounds(rows, first, last, slices, geometry.pixel_to_patient_matrix))
        self.touches_edge |= bool(
            rows.min() == 0
            or rows.max() == geometry.rows - 1
            or first.min() == 0
            or last.max() == geometry.columns - 1
        )
        self._waiting, self._n_waiting = [], 0


def _bounds(
    rows: NDArray[np.intp],
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    slices: Sequence[int],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return smallest and largest offset in mm, (n, 2, 3), of the pixels' corners of every slice."""
    along_rows, along_columns = matrix.T
    half = (np.abs(along_rows) + np.abs(along_columns)) / 2
    middle = rows[:, np.newaxis] * along_rows
    begin = middle + first[:, np.newaxis] * along_columns
    end = middle + last[:, np.newaxis] * along_columns
    bounds = np.empty((len(slices), 2, 3))
    # Whether an axis of the patient grows with the columns decides which end of a run lies outside.
    bounds[:, 0] = np.minimum.reduceat(np.minimum(begin, end), slices) - half
    bounds[:, 1] = np.maximum.reduceat(np.maximum(begin, end), slices) + half
    return bounds


class LabelCounter:
    """Counts labels slice by slice, so that no more than one slice need be in memory.

    Parameters
    ----------
    geometry : ScanGeometry
    only : int, optional
        Count this label alone.

    Notes
    -----
    A slice is reduced to the runs of pixels in its rows: a few hundred numbers say everything about areas,
    centroids and bounds, and those of many slices are summed at once.
    """

    def __init__(self, geometry: ScanGeometry, *, only: int | None = None) -> None:
        self.geometry = geometry
        self._only = only
        self._counts: dict[int, _Counts] = {}

    @property
    def found(self) -> tuple[int, ...]:
        """Numbers of the labels met so far, ascending."""
        return tuple(sorted(self._counts))

    def add(self, slice_index: int, pixels: NDArray[Any]) -> None:
        """Count one slice, (rows, columns) of integers; slices may come in any order.

        Raises
        ------
        TraceError
            ``not-labels``: more different values than a label image has.
        """
        crop, corner = _cropped(pixels)
        if not crop.size:
            return
        if self._only is not None:
            self._add_label(self._only, slice_index, _padded(crop, self._only), corner)
            return
        highest = int(crop.max())
        inside = _padded(crop, highest)
        zero_or_one = highest == 1 and crop.dtype.kind == "u"
        if zero_or_one or (highest and np.count_nonzero(inside) == np.count_nonzero(crop)):
            self._add_label(highest, slice_index, inside, corner)
            return
        numbers = _numbers(crop, highest)
        if len(self._counts.keys() | set(numbers)) > MAX_LABELS:
            raise TraceError(
                "not-labels",
                "the mask holds more different values than labels are likely to have",
                values={"values over": MAX_LABELS},
                todo="Name the mask instead of the image, or the one label that is meant: --label.",
            )
        for number in numbers:
            self._add_label(number, slice_index, _padded(crop, number), corner)

    def _add_label(
        self, number: int, slice_index: int, inside: NDArray[np.bool_], corner: tuple[int, int]
    ) -> None:
        flat = inside.ravel()
        changes = (flat[1:] != flat[:-1]).nonzero()[0]
        if changes.size:
            runs = (slice_index, changes, inside.shape[1], *corner)
            self._counts.setdefault(number, _Counts()).add(runs, self.geometry)

    def cross_sections(
        self, label: MaskLabel, *, source: ScanSource | None = None, flags: Iterable[str] = ()
    ) -> CrossSections:
        """Return what was counted of one label; without any pixel it is absent (flag ``empty-mask``)."""
        counts = self._counts.get(label.number)
        if counts is None:
            counts = _Counts()
            counts.pixels.append(np.empty(0, np.intp))
            counts.centroids.append(np.empty((0, 2)))
            counts.bounds.append(np.empty((0, 2, 3)))
            flags = {*flags, "empty-mask"}
        counts.sum(self.geometry)
        indices = np.array(counts.slice_indices, dtype=np.intp)
        pixels, centroids, bounds = (
            _joined(counts.pixels),
            _joined(counts.centroids),
            _joined(counts.bounds),
        )
        if counts.slice_indices != sorted(counts.slice_indices):
            order = np.argsort(indices)
            indices, pixels, centroids, bounds = (
                part[order] for part in (indices, pixels, centroids, bounds)
            )
        origins = self.geometry.slice_origins_mm[indices]
        return CrossSections(
            geometry=self.geometry,
            slice_indices=indices,
            areas_mm2=pixels * self.geometry.pixel_area_mm2,
            centroids_mm=centroids @ self.geometry.pixel_to_patient_matrix.T + origins,
            bounds_mm=bounds + origins[:, np.newaxis],
            touches_edge=counts.touches_edge,
            lesion=label.name,
            label=label.number,
            source=source or ScanSource(),
            flags=tuple(sorted(set(flags))),
        )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _cropped(pixels: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return a part of a slice that holds all its pixels that are not 0, and where it begins.

    Eight bytes are looked at together where the memory allows it; the part may then be some columns wider.
    """
    together, looked_at = 1, pixels
    if pixels.flags.c_contiguous and pixels.shape[1] * pixels.itemsize % 8 == 0:
        together, looked_at = 8 // pixels.itemsize, pixels.view(np.uint64)
    used = (looked_at.ravel() != 0).nonzero()[0]
    if not used.size:
        return pixels[:0], (0, 0)
    width = looked_at.shape[1]
    top, bottom = int(used[0]) // width, int(used[-1]) // width + 1
    columns = np.bitwise_or.reduce(looked_at[top:bottom], axis=0).nonzero()[0]
    left, right = int(columns[0]) * together, (int(columns[-1]) + 1) * together
    return pixels[top:bottom, left:right], (top, left)


def _padded(crop: NDArray[Any], number: int) -> NDArray[np.bool_]:
    """Return where a label is, with a column of background before every row, and a row behind the last."""
    inside = np.zeros((crop.shape[0] + 1, crop.shape[1] + 1), dtype=np.bool_)
    np.equal(crop, number, out=inside[:-1, 1:])
    return inside


def _numbers(crop: NDArray[Any], highest: int) -> list[int]:
    if crop.min() >= 0 and highest < 1 << 16:
        return [int(n) for n in np.bincount(crop.ravel()).nonzero()[0] if n]
    return [int(n) for n in np.unique(crop) if n]
