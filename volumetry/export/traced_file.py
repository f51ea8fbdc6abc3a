"""A traced file with all its lesions: a trace, a structure set or a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from volumetry.contours.contour import Contour
from volumetry.errors import VolumetryError
from volumetry.formats import read_mask, read_scan, read_trace
from volumetry.formats.dicom.written.lesions import ExportedLesion
from volumetry.formats.exporting import (
    ExportOptions,
    lesions_of_mask,
    lesions_of_trace,
    nothing_to_export,
)
from volumetry.formats.recognise import RTSTRUCT_CLASS, recognise
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.scan import Scan
from volumetry.trace import Trace
from volumetry.volume import LesionVolume


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedFile:
    """The lesions of one traced file, on one grid.

    Attributes
    ----------
    path : Path
    traces : tuple of Trace
        Empty where the file is a mask.
    mask : Mask or None
    tracked : mapping of str to str
        Tracking UIDs by lesion that the file has from an earlier export by this program.

    Examples
    --------
    >>> from volumetry.export import read_traced
    >>> traced = read_traced("sample_scans/study/hip01/2021-03-02/rtstruct.dcm")
    >>> [trace.lesion for trace in traced.traces]
    ['lesion_L1', 'lesion_R1']
    """

    path: Path
    traces: tuple[Trace, ...] = ()
    mask: Mask | None = None
    tracked: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined: the lesion is absent."""
        if self.mask is not None:
            layers = self.mask.layers
            return not any((layers[label.layer] == label.number).any() for label in self.mask.labels)
        return not any(trace.contours for trace in self.traces)

    @property
    def geometry(self) -> ScanGeometry:
        """Grid of the lesions."""
        return self.mask.geometry if self.mask is not None else self.traces[0].geometry

    def lesions(self, options: ExportOptions) -> tuple[ExportedLesion, ...]:
        """Return the lesions as they are exported."""
        if self.mask is not None:
            lesions = lesions_of_mask(self.mask, options)
        else:
            lesions = tuple(one for trace in self.traces for one in lesions_of_trace(trace, options))
        return tuple(replace(one, tracked_as=self.tracked.get(one.lesion, "")) for one in lesions)

    def outlines_of(self, *names: str) -> tuple[Contour, ...] | None:
        """Return the outlines of the region that one of the names means; None where that is unclear.

        Parameters
        ----------
        *names : str
            The first one that the file has counts: a name, or the number of a label. Where the file has
            none of them and only one region, that is meant.
        """
        if self.mask is not None:
            from volumetry.masks.outlines import contours_from_mask

            labels = self.mask.labels
            for name in names:
                meant = [label for label in labels if name and name in (label.name, str(label.number))]
                if len(meant) == 1:
                    return tuple(contours_from_mask(self.mask, meant[0].number))
            return tuple(contours_from_mask(self.mask, labels[0].number)) if len(labels) == 1 else None
        for name in names:
            named = [trace for trace in self.traces if name and trace.lesion == name]
            if len(named) == 1:
                return tuple(named[0].contours)
        return tuple(self.traces[0].contours) if len(self.traces) == 1 else None

    def volumes(self, rule: MeasurementRule) -> tuple[LesionVolume, ...]:
        """Measure the lesions, in the order of `lesions`."""
        if self.mask is not None:
            return tuple(
                measure_volume(self.mask, label=label.number, rule=rule) for label in self.mask.labels
            )
        return tuple(measure_volume(trace, rule=rule) for trace in self.traces)


def read_traced(
    path: Path | str,
    *,
    scan: Scan | Path | str | None = None,
    label: int | str | None = None,
    threshold: float | None = None,
) -> TracedFile:
    """Read a traced file whole: all its lesions, or the named one.

    Parameters
    ----------
    path : path
    scan : Scan or path, optional
        What it was traced on.
    label : int or str, optional
    threshold : float, optional
        As in `volumetry.read_mask`.

    Raises
    ------
    VolumetryError
        As `volumetry.read_trace` and `volumetry.read_mask`.

    Examples
    --------
    >>> from volumetry.export import read_traced
    >>> traced = read_traced("sample_scans/study/hip01/2021-03-02/rtstruct.dcm", label="lesion_L1")
    >>> round(traced.volumes(vm.MeasurementRule())[0].volume_cm3, 2)
    5.66
    """
    path = Path(path)
    if recognise(path).name == "trace":
        return TracedFile(path=path, traces=(read_trace(path),))
    dicom = recognise(path).name == "dicom"
    stack = scan if scan is None or isinstance(scan, Scan) else _stack_of(Path(scan), dicom)
    if _is_structure_set(path):
        from volumetry.formats.dicom.traced.rtstruct import read_regions

        traces = []
        for region in read_regions(path, roi=label, scan=stack):
            if region.error is not None:
                raise region.error.at(path)
            if region.trace is not None:
                traces.append(region.trace)
        if not traces:
            raise nothing_to_export(path)
        return TracedFile(path=path, traces=tuple(traces))
    if isinstance(stack, Path):
        stack = read_scan(stack, series_uid=read_mask(path, threshold=threshold).source.series_uid)
    mask = read_mask(path, threshold=threshold, scan=stack)
    if label is not None:
        mask = replace(mask, labels=(mask.label(label),))
    return TracedFile(path=path, mask=mask)


def _stack_of(scan: Path, dicom: bool) -> Scan | Path:
    """Read a scan; where a folder holds several, a traced DICOM file says itself which one it means."""
    try:
        return read_scan(scan)
    except VolumetryError as error:
        if error.code != "ambiguous-series" or not dicom:
            raise
        return scan


def _is_structure_set(path: Path) -> bool:
    if recognise(path).name != "dicom" or path.is_dir():
        return False
    from volumetry.formats.dicom.index import read_header

    return bool(read_header(path).sop_class_uid == RTSTRUCT_CLASS)
