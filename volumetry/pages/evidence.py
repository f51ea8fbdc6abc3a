"""What a lesion's evidence page shows: its visits, with scan, outlines and versions of the trace.

Files are found by the paths of the tables; under pseudonyms by the private map beside the key. Which region
of a file a row measured is known by its areas, slice by slice: a page never shows outlines whose areas are
not those of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any

from volumetry.contours.contour import Contour
from volumetry.contours.slice_contours import slice_area_pixels
from volumetry.errors import ReadError, TraceError, VolumetryError
from volumetry.export import ExportOptions, read_traced
from volumetry.formats import read_scan, recognise
from volumetry.formats.recognise import files_of
from volumetry.formats.trace_json import SUFFIX, read_trace
from volumetry.geometry import ScanGeometry
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.pages.inputs import MeasuredResults, section
from volumetry.scan import Scan
from volumetry.study.pseudonyms import Pseudonymiser, read_key, read_map
from volumetry.trace import Trace
from volumetry.tracing.disk.places import CasePlace

UNIT = ("site", "patient", "side", "lesion")
VISIT = ("site", "patient", "side", "lesion", "visit", "reader", "read")
AREA_TOLERANCE = 1e-6
"""Relative difference of an area, drawn and in the table, that is rounding."""
WITHHELD = "a reason was given; its text is withheld under pseudonyms"


Lines = Sequence[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Version:
    """One saved version of a trace."""

    sha256: str
    reader: str
    time: str
    signed_time: str
    reason: str
    volume_mm3: float | None
    is_measured: bool


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One row of the measurements with what it was measured on.

    Attributes
    ----------
    line : int
        Of ``measurements.csv``.
    row : dict
    slices : sequence of (line, row)
        Of ``slices.csv``.
    scan : Scan or None
    contours : tuple of Contour
    versions : tuple of Version
    missing : str
        Why there is no picture, in a sentence; empty where there is one.
    """

    line: int
    row: Mapping[str, Any]
    slices: Lines = ()
    scan: Scan | None = None
    contours: tuple[Contour, ...] = ()
    versions: tuple[Version, ...] = ()
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class LesionRows:
    """The rows of one lesion.

    Attributes
    ----------
    id : str
        Name of its page, which says nothing about the patient.
    lines : tuple of int
        Of ``measurements.csv``.
    changes : tuple of int
        Lines of ``changes.csv``.
    """

    id: str
    key: tuple[str, ...]
    lines: tuple[int, ...]
    changes: tuple[int, ...] = ()


def lesions_of(measured: MeasuredResults) -> list[LesionRows]:
    """Return every lesion that was traced at some visit, in the order of the table."""

    def key(row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(row.get(name) or "") for name in UNIT)

    changes: dict[tuple[str, ...], list[int]] = {}
    for line, row in measured.changes.lines():
        changes.setdefault(key(row), []).append(line)
    found: dict[tuple[str, ...], list[int]] = {}
    for line, row in measured.measurements.lines():
        if row.get("status") != "not_traced":
            found.setdefault(key(row), []).append(line)
    return [
        LesionRows(id=f"L{number:04d}", key=name, lines=tuple(lines), changes=tuple(changes.get(name, ())))
        for number, (name, lines) in enumerate(found.items(), start=1)
    ]


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the files behind the tables are.

    Attributes
    ----------
    study : Path
    traces : Path or None
        Folder of the traces that lie apart from the scans.
    pseudonymiser : Pseudonymiser or None
    names : mapping
        Path or patient by what stands for it.
    """

    study: Path
    traces: Path | None = None
    pseudonymiser: Pseudonymiser | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def path(self, cell: str | None, *, site: str | None = None, traced: bool = False) -> Path | None:
        """Return the file or folder of a cell of ``scan`` or ``trace``; None where it is not there.

        Sites whose results were merged may lie in folders of their names below the study.
        """
        name = self.names.get(cell or "", "") if self.pseudonymiser is not None else cell or ""
        bases = [self.traces, self.study] if traced else [self.study]
        if not name or "\0" in name or PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            return None  # a table cannot point out of the study
        # A site's own folder first: two sites may have files of one name.
        places = [site, "."] if site and site == PurePath(site).name and site not in (".", "..") else ["."]
        for base in filter(None, bases):
            for place in places:
                if (base / place / name).exists():
                    return base / place / name
        return None


def find_files(study: Path | str, traces: Path | str | None, key_file: Path | str | None) -> Files:
    """Return where the files are.

    Raises
    ------
    ReadError
        ``not-found``: a folder or the key is not there; ``unreadable``: the file is no key.
    """
    for folder, name in ((study, "--study"), (traces, "--traces")):
        if folder is not None and not Path(folder).is_dir():
            raise ReadError("not-found", "there is no such folder", where=folder, todo=f"Check {name}.")
    if key_file is None:
        return Files(study=Path(study), traces=None if traces is None else Path(traces))
    if not Path(key_file).is_file():
        raise ReadError(
            "not-found", "there is no such key file", where=key_file, todo="Name the key of this study."
        )
    return Files(
        study=Path(study),
        traces=None if traces is None else Path(traces),
        pseudonymiser=read_key(key_file),
        names=read_map(key_file),
    )


class EvidenceReader:
    """Reads the visits of lesions; scans that several lesions share are read once.

    Parameters
    ----------
    measured : MeasuredResults
    files : Files or None
        None: no picture, the tables alone.
    """

    def __init__(self, measured: MeasuredResults, files: Files | None) -> None:
        self._measured = measured
        self._files = files
        threshold = measured.run.get("threshold")
        self._threshold = threshold if isinstance(threshold, int | float) else None
        self._scan = lru_cache(maxsize=6)(self._read_scan)
        self._slices = {
            key: list(group)
            for key, group in groupby(sorted(measured.slices.lines(), key=_line_key), key=_line_key)
        }

    def visits(self, lesion: LesionRows) -> Iterator[Visit]:
        """Yield the visits of a lesion in the order of the table."""
        for line in lesion.lines:
            row = dict(self._measured.measurements.rows[line - 2])
            slices = tuple(self._slices.get(_key(row), ()))
            try:
                yield self._visit(line, row, slices)
            except VolumetryError as error:
                yield Visit(line=line, row=row, slices=slices, missing=f"No picture: {error.code}.")

    def _visit(self, line: int, row: Mapping[str, Any], slices: Lines) -> Visit:
        plain = Visit(line=line, row=row, slices=slices)
        if self._files is None:
            return _without(plain, "No picture: the report was made without the study folder.")
        if row["status"] != "measured":
            return _without(plain, "No picture: there is no outline that was measured.")
        trace = self._files.path(row["trace"], site=row["site"], traced=True)
        if trace is None:
            return _without(plain, "No picture: the traced file is not in the study folder.")
        versions = tuple(self._versions(trace, row))
        plain = Visit(line=line, row=row, slices=slices, versions=versions)
        place = self._files.path(row["scan"], site=row["site"])
        if place is None:
            return _without(plain, "No picture: the scan is not in the study folder.")
        if not self._is_unchanged(trace, row):
            return _without(plain, "No picture: the traced file has changed since it was measured.")
        scan = self._scan(place, row["series_uid"])
        contours = self._outlines(trace, scan, row, slices)
        if contours is None:
            return _without(plain, "No picture: no outline of the file has the areas of the table.")
        return Visit(line=line, row=row, slices=slices, scan=scan, contours=contours, versions=versions)

    def _read_scan(self, place: Path, uid: str | None) -> Scan:
        if recognise(place).name != "dicom" or not uid:
            return read_scan(place)
        hidden = self._files.pseudonymiser if self._files is not None else None
        if hidden is None:
            return read_scan(place, series_uid=uid)
        from volumetry.formats.dicom.index import index_folder

        series = index_folder(place).by_series() if place.is_dir() else {}
        for true_uid in series:
            if hidden.uid(true_uid) == uid:
                return read_scan(place, series_uid=true_uid)
        return read_scan(place)

    @staticmethod
    def _is_unchanged(trace: Path, row: Mapping[str, Any]) -> bool:
        files = [f for f in files_of(trace) if not f.name.endswith(".json") or f.name.endswith(SUFFIX)]
        hashes = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        joint = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
        return row["trace_sha256"] in (None, joint)

    def _outlines(
        self, trace: Path, scan: Scan, row: Mapping[str, Any], slices: Lines
    ) -> tuple[Contour, ...] | None:
        """The outlines of the file whose areas are those of the row."""
        areas = {int(cells["slice_index"]): float(cells["area_mm2"]) for _, cells in slices}
        region = row.get("region")
        for label in (None,) if region else (row["lesion"], None):
            try:
                traced = read_traced(trace, scan=scan, label=label, threshold=self._threshold)
            except VolumetryError:
                if label is None:
                    raise
                continue
            fitting = [
                lesion.contours
                for lesion in traced.lesions(ExportOptions())
                if _fit(lesion.contours, traced.geometry, areas) and self._is_region(lesion.lesion, region)
            ]
            if len({_written(contours) for contours in fitting}) > 1:
                raise _unclear(trace)
            if fitting:
                return fitting[0]
        return None

    def _is_region(self, name: str, region: str | None) -> bool:
        """Whether a region of a file is that of a row, by its name or number; tables of 0.1 do not say."""
        hidden = self._files.pseudonymiser if self._files is not None else None
        named = (name, name.removeprefix("label "), hidden.region(name) if hidden else name)
        return not region or region in named

    def _versions(self, path: Path, row: Mapping[str, Any]) -> Iterator[Version]:
        if not path.name.endswith(SUFFIX):
            return
        kept = CasePlace(folder=path.parent).versions / path.name.removesuffix(SUFFIX)
        traces: dict[str, Trace] = {}
        for file in [path, *sorted(kept.glob(f"*{SUFFIX}"))]:
            try:
                trace = read_trace(file)
            except VolumetryError:
                continue
            traces.setdefault(trace.sha256, trace)
        now = next(iter(traces), "")
        for trace in sorted(traces.values(), key=lambda t: (t.provenance.time, t.sha256 == now)):
            yield self._version(trace, row, trace.sha256 == now)

    def _version(self, trace: Trace, row: Mapping[str, Any], is_measured: bool) -> Version:
        said = trace.provenance
        hidden = self._files is not None and self._files.pseudonymiser is not None
        return Version(
            sha256=trace.sha256,
            reader=said.reader,
            time=self._time(said.time),
            signed_time=self._time(said.signed_time),
            reason=WITHHELD if hidden and said.reason else said.reason,
            volume_mm3=_volume(trace, row["height_rule"]),
            is_measured=is_measured,
        )

    def _time(self, text: str) -> str:
        """A time as the tables give dates: under shifted dates only that there is one."""
        shifted = section(self._measured.run, "protocol", "privacy").get("shift_dates")
        hidden = self._files is not None and self._files.pseudonymiser is not None
        return "withheld: dates are shifted" if text and shifted and hidden else text


def _without(visit: Visit, missing: str) -> Visit:
    return Visit(
        line=visit.line, row=visit.row, slices=visit.slices, versions=visit.versions, missing=missing
    )


def _line_key(line: tuple[int, Mapping[str, Any]]) -> tuple[str, ...]:
    return _key(line[1])


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name) or "") for name in VISIT)


def _fit(contours: Sequence[Contour], geometry: ScanGeometry, areas: Mapping[int, float]) -> bool:
    by_slice: dict[int, list[Contour]] = {}
    for contour in contours:
        by_slice.setdefault(contour.slice_index, []).append(contour)
    return set(by_slice) == set(areas) and all(
        abs(slice_area_pixels(own) * geometry.pixel_area_mm2 - areas[index]) <= AREA_TOLERANCE * areas[index]
        for index, own in by_slice.items()
    )


def _written(contours: Sequence[Contour]) -> tuple[tuple[int, bytes], ...]:
    """The outlines as a key: equal for equal ones."""
    return tuple((contour.slice_index, contour.vertices.tobytes()) for contour in contours)


def _unclear(trace: Path) -> TraceError:
    return TraceError(
        "ambiguous-lesion",
        "several regions of the file have the areas of the table",
        where=trace,
        todo="Name the regions in the file as the table does.",
    )


def _volume(trace: Trace, height: str | None) -> float | None:
    try:
        rule = MeasurementRule(height="spacing" if height == "spacing" else "thickness")
        return measure_volume(trace, rule=rule).volume_mm3
    except VolumetryError:
        return None
