"""Scans, masks and cross-sections from the header of a voxel file: what all voxel formats share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volumetry.errors import MismatchError, TraceError, VolumetryError
from volumetry.formats.scan_header import ScanHeader
from volumetry.formats.voxels.grid_alignment import GridAlignment, align_grids
from volumetry.formats.voxels.header import VoxelFile
from volumetry.formats.voxels.labels import LabelRule, scaled
from volumetry.formats.voxels.streams import ByteStream, goes_on
from volumetry.formats.voxels.voxel_stream import JoinedStream, open_voxels, voxels_cut_short
from volumetry.geometry import ScanGeometry
from volumetry.masks.label_counter import LabelCounter
from volumetry.masks.labels import MaskLabel, find_label
from volumetry.masks.mask import Mask
from volumetry.scan import Scan
from volumetry.sections import CrossSections

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def scan_header_of(file: VoxelFile) -> ScanHeader:
    """Return geometry, source and flags without reading a voxel. Raises ``bad-spacing``."""
    return ScanHeader(geometry=file.geometry, source=file.source, flags=(*file.flags, *file.shear_flags))


def scan_of(file: VoxelFile) -> Scan:
    """Read the voxels of a scan, with their rescale applied.

    Raises
    ------
    ReadError, GeometryError
    """
    reading = VoxelReading(file)
    voxels = scaled(reading.volume()[..., 0], file.slope, file.intercept)
    largest = abs(file.slope) * 2.0 ** (8 * file.dtype.itemsize) + abs(file.intercept)
    if voxels.dtype == np.float64 and file.dtype.itemsize < 4 and largest < _LARGEST_FLOAT32:
        voxels = voxels.astype(np.float32)
    return Scan(
        voxels=np.ascontiguousarray(voxels[:: -1 if file.is_reversed else 1]),
        geometry=file.geometry,
        source=file.source,
        flags=(*file.flags, *file.shear_flags, *reading.flags),
    )


def mask_of(file: VoxelFile, *, threshold: float | None, scan: ScanHeader | None) -> Mask:
    """Read a mask, in the order of the slices and pixels of its scan where one is named.

    Raises
    ------
    ReadError, GeometryError, TraceError, MismatchError
    """
    placed = _Placed(file, scan)
    file = placed.file
    with _naming(file.path):
        rule = _rule_of(file, threshold)
        shape = (file.geometry.n_slices, file.geometry.rows, file.geometry.columns)
        found: list[set[int]] = [set() for _ in range(file.n_layers)]
        reading = VoxelReading(file)
        layers = [np.zeros(shape, dtype=rule.label_dtype(file.dtype)) for _ in range(file.n_layers)]
        for index, layer, stored in reading.slices(keep_empty=not rule.keeps_zero):
            labels = rule.labels(stored)
            layers[layer][index] = labels
            found[layer].update(np.unique(labels).tolist())
        aligned = tuple(placed.alignment.aligned(layer) for layer in layers)
    return Mask(
        layers=aligned,
        geometry=placed.geometry,
        labels=file.labels or tuple(MaskLabel(number=n) for n in sorted(found[0]) if n),
        source=placed.facts.source if placed.facts else file.source,
        flags=placed.flags((*reading.flags, *_unlisted(file.labels, found))),
        declared=bool(file.labels),
    )


def sections_of(
    file: VoxelFile,
    *,
    label: int | str | None,
    threshold: float | None,
    scan: ScanHeader | None,
) -> tuple[CrossSections, ...]:
    """Count the labels of a mask slice by slice, as they are decoded.

    No more than one slice is in memory, unless the file's slices are not stored one after the other.

    Raises
    ------
    ReadError, GeometryError, TraceError, MismatchError
    """
    placed = _Placed(file, scan)
    file = placed.file
    with _naming(file.path):
        wanted = find_label(file.labels, label, declared=True) if file.labels and label is not None else None
        only = wanted.number if wanted else label if isinstance(label, int) else None
        counters = [LabelCounter(placed.counted_on, only=only) for _ in range(file.n_layers)]
        rule = _rule_of(file, threshold)
        reading = VoxelReading(file)
        for index, layer, stored in reading.slices(keep_empty=not rule.keeps_zero):
            if wanted is None or wanted.layer == layer:
                counters[layer].add(*placed.slice_to_count(index, rule.labels(stored)))
        if not file.labels:
            counters[0].refuse_image()
        labels = (wanted,) if wanted else _labels_met(file.labels, counters[0].found, label)
    unlisted = _unlisted(file.labels, [counter.found for counter in counters]) if only is None else ()
    flags = placed.flags((*reading.flags, *unlisted))
    return tuple(
        placed.sections(counters[one.layer].cross_sections(one, source=file.source, flags=flags))
        for one in labels
    )


def _rule_of(file: VoxelFile, threshold: float | None) -> LabelRule:
    """Return how the values of a file become labels: a threshold is for values that are no labels.

    Whether they are is known once all are read, so that a file is read twice where a threshold is given.

    Raises
    ------
    TraceError
        ``no-such-label``: the file holds labels, and none reaches the threshold.
    """
    plain = LabelRule(slope=file.slope, intercept=file.intercept)
    if threshold is None:
        return plain
    largest = 0
    try:
        for _, _, stored in VoxelReading(file).slices(keep_empty=not plain.keeps_zero):
            largest = max(largest, int(plain.labels(stored).max(initial=0)))
    except TraceError as error:
        if error.code != "not-labels":
            raise
        return replace(plain, threshold=threshold)
    if largest and threshold > largest:
        raise TraceError(
            "no-such-label",
            "the mask holds labels, and none of them reaches the threshold",
            values={"largest label": largest, "threshold": threshold},
            todo="Leave --threshold out for masks of labels. A change in percent is classed by "
            "threshold_percent in [change] of the protocol.",
        )
    return plain if threshold <= 1 or not largest else replace(plain, threshold=threshold)


def _labels_met(
    declared: tuple[MaskLabel, ...], found: tuple[int, ...], wanted: int | str | None
) -> tuple[MaskLabel, ...]:
    """Return the labels to answer with: those declared or met; an absent one where there is none."""
    labels = declared or tuple(MaskLabel(number=n) for n in found if n)
    return labels if labels and wanted is None else (find_label(labels, wanted),)


def _unlisted(declared: tuple[MaskLabel, ...], found: Sequence[Iterable[int]]) -> tuple[str, ...]:
    """Return ``unlisted-label`` where a layer holds a value that the file's list of labels does not name."""
    if not declared:
        return ()
    listed = {(label.layer, label.number) for label in declared}
    met = {(layer, number) for layer, numbers in enumerate(found) for number in numbers if number}
    return ("unlisted-label",) if met - listed else ()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in errors about its labels."""
    try:
        yield
    except VolumetryError as error:
        raise error.at(path) from None


class _Placed:
    """A mask file on the grid of its scan, or on its own."""

    def __init__(self, file: VoxelFile, scan: ScanHeader | None) -> None:
        self.facts = scan
        self.alignment = GridAlignment()
        self.file = file
        if self.facts is not None:
            self.file = file.sliced_like(self.facts.geometry)
            try:
                self.alignment = align_grids(
                    self.file.geometry, self.facts.geometry, where=file.path, allow_part=True
                )
            except MismatchError as error:
                if "orientation-unknown" not in file.flags:
                    raise
                raise _says_no_orientation(file, error) from None

    @property
    def geometry(self) -> ScanGeometry:
        """The scan's, with the mask's own thickness where it states one; without a scan the mask's."""
        own = self.file.geometry
        if self.facts is None:
            return own
        if own.slice_thickness_mm is None:
            return self.facts.geometry
        return replace(self.facts.geometry, slice_thickness_mm=own.slice_thickness_mm)

    @property
    def counted_on(self) -> ScanGeometry:
        """The geometry on which labels are counted: the mask's own; the scan's for a cut or padded mask."""
        return self.geometry if self.alignment.is_part else self.file.geometry

    def slice_to_count(self, index: int, labels: NDArray[Any]) -> tuple[int, NDArray[Any]]:
        """Return a slice of the mask as the slice of `counted_on` that it is."""
        if not self.alignment.is_part:
            return index, labels
        return self.alignment.aligned_slice(index, labels, self.file.geometry.n_slices)

    def flags(self, more: tuple[str, ...]) -> tuple[str, ...]:
        """Without a scan the file's own; with one, its unit and its axes are the scan's."""
        flags = {*self.file.flags, *more}
        if self.facts is None:
            return tuple(sorted({*flags, *self.file.shear_flags}))
        return tuple(sorted(flags - {"units-unknown"} | set(self.facts.flags)))

    def sections(self, own: CrossSections) -> CrossSections:
        """Return cross-sections counted on the file's grid as those of the scan's."""
        if self.facts is None:
            return own
        if self.alignment.is_part:
            return replace(own, source=self.facts.source)
        geometry = self.geometry
        turn = -1 if self.alignment.reversed_slices else 1
        indices = own.slice_indices[::turn]
        pixels = np.rint(own.areas_mm2[::turn] / own.geometry.pixel_area_mm2)
        return replace(
            own,
            geometry=geometry,
            slice_indices=geometry.n_slices - 1 - indices if turn < 0 else indices,
            areas_mm2=pixels * geometry.pixel_area_mm2,
            centroids_mm=own.centroids_mm[::turn],
            bounds_mm=own.bounds_mm[::turn],
            source=self.facts.source,
        )


def _says_no_orientation(file: VoxelFile, error: MismatchError) -> MismatchError:
    return MismatchError(
        "grid-mismatch",
        "the file does not say how its voxels lie in the patient; taken as they are they do not fit the scan",
        where=error.where,
        values={"format": file.format, **error.values},
        todo="Export the mask as NIfTI (.nii.gz) or NRRD, or measure it without a scan.",
    )


_STRETCH_BYTES = 3 << 18  # with its blank it stays in the processor's second cache


class VoxelReading:
    """One pass over the voxels of a file.

    Attributes
    ----------
    flags : tuple of str
        What was found on the way: ``trailing-data``.
    """

    def __init__(self, file: VoxelFile) -> None:
        self._file = file
        self.flags: tuple[str, ...] = ()

    def slices(self, *, keep_empty: bool = False) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield slice index, layer and stored pixels (rows, columns) of every slice that is not all zero.

        The index is that of the geometry, ascending along the normal. `keep_empty` yields all slices.
        """
        file = self._file
        numbered: Iterator[tuple[int, int, NDArray[Any]]]
        if file.slice_axis != 2:
            volume = self.volume()
            numbered = (
                (i, layer, volume[i, ..., layer])
                for i in range(len(volume))
                for layer in range(file.n_layers)
            )
        else:
            numbered = self._stored_slices(keep_empty)
        last = file.sizes[file.slice_axis] - 1
        for index, layer, pixels in numbered:
            yield (last - index if file.is_reversed else index), layer, pixels

    def volume(self) -> NDArray[Any]:
        """Return all stored values, (slices, rows, columns, layers), in the file's own order of slices."""
        file = self._file
        shape = (*file.sizes[::-1], file.n_layers)
        order = (0, 1, 2, 3)
        if not file.layers_fastest:
            shape, order = (file.n_layers, *file.sizes[::-1]), (1, 2, 3, 0)
        with open_voxels(file) as stream:
            data = stream.read(file.n_bytes)
            if len(data) < file.n_bytes:
                raise voxels_cut_short(file, len(data))
            values = np.frombuffer(data, dtype=file.dtype)
            self._end(stream)
        return np.moveaxis(values.reshape(shape).transpose(order), 2 - file.slice_axis, 0)

    def _stored_slices(self, keep_empty: bool) -> Iterator[tuple[int, int, NDArray[Any]]]:
        file = self._file
        columns, rows, n_slices = file.sizes
        together = file.n_layers if file.layers_fastest else 1
        count = columns * rows * together * file.dtype.itemsize
        n_stored = n_slices * file.n_layers // together
        blank = bytes(count)
        n_ahead = max(_STRETCH_BYTES // count, 1)
        number, is_blank = 0, True
        with open_voxels(file) as stream:
            while number < n_stored:
                # Most slices of most masks hold nothing. Memory is compared faster than counted, and a
                # stretch of slices faster than one after the other.
                n_read = min(n_ahead, n_stored - number) if is_blank and not keep_empty else 1
                data = stream.read(count) if keep_empty else stream.read_unless(blank, n_read)
                is_blank = data is None
                if data is not None:
                    if len(data) < n_read * count:
                        raise voxels_cut_short(file, number * count + len(data))
                    pixels = np.frombuffer(data, dtype=file.dtype).reshape(n_read, rows, columns, together)
                    for i in range(n_read):
                        for layer in range(together):
                            slice_number = number + i
                            yield (
                                slice_number % n_slices,
                                slice_number // n_slices + layer,
                                pixels[i, ..., layer],
                            )
                number += n_read
            self._end(stream)

    def _end(self, stream: ByteStream) -> None:
        is_longer = goes_on(stream) or (isinstance(stream, JoinedStream) and stream.has_padding)
        if is_longer and not self._file.has_footer:
            self.flags = ("trailing-data",)
