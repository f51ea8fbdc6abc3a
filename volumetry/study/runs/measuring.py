"""What a worker does: one case in, the rows of its lesions out; an error is a row too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from volumetry._version import __version__
from volumetry.errors import MismatchError, ReadError, VolumetryError, internal_error
from volumetry.formats import read_regions, read_scan, read_scan_header, recognise
from volumetry.formats.dicom.index import read_header
from volumetry.formats.dicom.kept_headers import KeptHeaders, headers_kept
from volumetry.formats.opening import links_followed
from volumetry.formats.reader import RegionSections
from volumetry.formats.recognise import is_by_library, is_voxel_file
from volumetry.formats.trace_json import read_trace, regions_of
from volumetry.geometry import plane_of
from volumetry.measurement import MeasurementRule, measure_volume
from volumetry.scan_match import check_trace
from volumetry.sections import CrossSections, joined_sections
from volumetry.study.cases import Case
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.runs.inputs import (
    digest_of,
    input_files,
    is_series,
    is_sidecar,
    joint_hash,
    mark_and_hash,
)
from volumetry.study.runs.outcome_rows import detail_cells, outcome_row, slice_rows
from volumetry.tables import Row


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for all cases of a batch.

    Attributes
    ----------
    root : str
        The study folder.
    rule : MeasurementRule
    threshold : float or None
        For probability maps and fractional segmentations.
    pseudonymiser : Pseudonymiser or None
    follow_links : bool
        Follow symbolic links within the folder of a series.
    """

    root: str
    rule: MeasurementRule = field(default_factory=MeasurementRule)
    threshold: float | None = None
    pseudonymiser: Pseudonymiser | None = None
    follow_links: bool = False

    @cached_property
    def key(self) -> str:
        """Hash of everything that decides what is measured in a case, besides its files.

        Who, when and which visit comes first are no part of it: they are joined to the record afterwards.
        """
        secret = "" if self.pseudonymiser is None else self.pseudonymiser.mark
        return digest_of([__version__, asdict(self.rule), self.threshold, secret])


@dataclass(frozen=True, kw_only=True)
class Job:
    """A case to do, with what the ledger remembers of it."""

    case: Case
    settings: Settings
    known_content: str = ""


def case_id(case: Case, settings: Settings) -> str:
    """Return what names a case in the ledger: what is measured of which files, and by which rules."""
    error = "" if case.error is None else str(case.error)
    where: list[Any] = [case.trace, case.scan, case.series_uid, case.label, case.roi, case.side]
    where += [case.besides] if case.besides else []
    where += [{"joined": case.joined}] if case.joined else []
    return digest_of([settings.key, *where, error])


def may_end_a_process(case: Case) -> bool:
    """Return whether a damaged file could end the process that measures a case: it is to cost one case only.

    Of a DICOM series a mask needs the headers alone, and so does an image that nobody traced; no library
    reads these.
    """
    by_headers = is_series(case) and (not case.trace or is_voxel_file(case.trace))
    names = (case.trace, "" if by_headers else case.scan)
    return any(is_by_library(name) for name in names if name)


def do_job(job: Job) -> dict[str, Any]:
    """Measure one case and return its ledger record; raises nothing that a file can cause.

    The record is ``{"case", "content", "stat", "rows", "slices"}``; where the inputs hash to what the ledger
    remembers, ``rows`` is absent and the old ones stand. Its rows know nothing of patient, visit and paths:
    `volumetry.study.rows.joining` adds those.
    """
    with links_followed(job.settings.follow_links), headers_kept() as headers:
        return _done(job, headers)


def _done(job: Job, headers: KeptHeaders) -> dict[str, Any]:
    case, settings = job.case, job.settings
    # The named files are read before their companions are asked for, so that none is opened just to see what
    # it is. Their headers are kept: measuring asks for those of the whole series, listing for one.
    marks, hashes, series = {}, {}, is_series(case)
    for number, name in enumerate(dict.fromkeys(filter(None, (*case.scan_files, case.trace)))):
        marks[name], hashes[name] = mark_and_hash(
            name,
            settings.root,
            is_named=name == case.trace or not series,
            headers=headers if case.trace or not number else None,
        )
    inputs = input_files(case, settings.root, series=series)
    for name in inputs.all:
        if name not in marks:
            marks[name], hashes[name] = mark_and_hash(name, settings.root)
    signature = digest_of([marks[name] for name in inputs.all])
    record: dict[str, Any] = {
        "case": case_id(case, settings),
        "pseudonyms": settings.pseudonymiser is not None,
        "content": digest_of(sorted(hashes.items())),
        "stat": signature,
    }
    if record["content"] == job.known_content:
        return record
    cells = {
        "trace_sha256": joint_hash([hashes[name] for name in inputs.trace if not is_sidecar(name)]),
        "scan_sha256": joint_hash([hashes[name] for name in inputs.scan if name != case.trace]),
    }
    cells |= _scan_cells(case, settings.root)
    found = ((cells | _filled(row), slices) for row, slices in _outcomes(case, settings))
    lines = [(_kept(row, settings), slices) for row, slices in found]
    return record | {"rows": [row for row, _ in lines], "slices": [slices for _, slices in lines]}


def _scan_cells(case: Case, root: str) -> Row:
    """How the named scan was acquired, for tracings that do not know it and scans without a tracing."""
    name = case.scan_files[0] if case.scan_files else ""
    try:
        if case.error is not None or not name:
            return {}
        if is_voxel_file(name):
            if case.trace:
                return {}  # the tracing was read with its scan
            facts = read_scan_header(f"{root}/{name}")
            cells = {"plane": facts.geometry.plane, "modality": facts.source.modality or None}
            return cells | facts.source.acquisition.known
        header = read_header(f"{root}/{name}")
        plane = {} if header.image_orientation is None else {"plane": plane_of(header.image_orientation)}
        return plane | header.acquisition.known
    except VolumetryError:
        return {}  # measuring, or finding, says why


def failed_record(job: Job, error: VolumetryError) -> dict[str, Any]:
    """Return the ledger record of a case that nobody could finish; it is tried again next time."""
    return {
        "case": case_id(job.case, job.settings),
        "pseudonyms": job.settings.pseudonymiser is not None,
        "content": "",
        "stat": "",
        "rows": [_kept(outcome_row(job.case, error=error), job.settings)],
        "slices": [[]],
    }


# -- outcomes -----------------------------------------------------------------------------------------------

Outcome = tuple[Row, list[list[float | int | None]]]


def _outcomes(case: Case, settings: Settings) -> Iterator[Outcome]:
    """Rows and slices of every lesion of a case; at least one row."""
    if case.error is not None:
        yield outcome_row(case, error=case.error), []
        return
    if not case.trace:
        error = _unreadable(case, settings)
        yield (outcome_row(case) if error is None else outcome_row(case, error=error)), []
        return
    try:
        regions = list(_regions(case, settings))
    except VolumetryError as error:
        yield outcome_row(case, error=error.at(case.trace)), []
        return
    except MemoryError:
        yield outcome_row(case, error=_no_memory(case)), []
        return
    except Exception as fault:  # noqa: BLE001 - a fault of ours must not end the batch
        yield outcome_row(case, error=internal_error(fault, case.trace)), []
        return
    for region in regions:
        if region.sections is None:
            assert region.error is not None
            names = {"lesion": region.name, "side": region.side or None}
            yield outcome_row(case, error=region.error.at(case.trace)) | names, []
            continue
        row, slices = _measured(case, region.sections, settings)
        yield row | detail_cells(region.details), slices


def _unreadable(case: Case, settings: Settings) -> VolumetryError | None:
    """Why an image that nobody traced cannot be read either, as far as its header tells."""
    if not is_voxel_file(case.scan):
        return None  # the headers of a series were read when it was found
    try:
        read_scan_header(f"{settings.root}/{case.scan}")
    except ReadError as error:
        return None if error.code == "not-3d" else error
    except VolumetryError:
        return None  # what is amiss with its geometry matters once it is traced
    return None


def _no_memory(case: Case) -> VolumetryError:
    return ReadError(
        "too-large", "there is not enough memory for the file", where=case.trace, todo="Measure it alone."
    )


def _regions(case: Case, settings: Settings) -> Iterator[RegionSections]:
    """Every lesion of the traced file: its name, its side, and its sections or why there are none."""
    path = f"{settings.root}/{case.trace}"
    scan = f"{settings.root}/{case.scan}" if case.scan else None
    label = case.label if case.label is not None else (case.roi or None)
    flags: tuple[str, ...] = ()
    if recognise(path).name == "trace":
        trace = read_trace(path)
        if scan is not None:
            flags = check_trace(trace, read_scan(scan, series_uid=case.series_uid or None))
        found = regions_of(trace, label=label, where=path, **_outline_rules(settings))
    else:
        found = _read(path, label, scan, case, settings)
    if case.joined:
        # Of labels that are not drawn, one stands for all: absent, as a label of its own would be.
        joined = _joined(found, case)
        found = _read(path, case.joined[0], scan, case, settings) if joined is None else (joined,)
    for region in found:
        if case.besides and _is_measured_elsewhere(region, case):
            continue
        try:
            if region.error is not None:
                raise region.error
            assert region.sections is not None
            sections = replace(region.sections, lesion=region.name, side=region.side)
            sections = _sided(replace(sections, flags=(*sections.flags, *flags)), case)
            yield replace(region, sections=sections)
        except VolumetryError as error:
            yield replace(region, side=case.side or region.side, sections=None, error=error)


def _read(
    path: str, label: int | str | None, scan: str | None, case: Case, settings: Settings
) -> tuple[RegionSections, ...]:
    """Read the lesions of a file; of a mask whose grid several series of the folder have, by its series."""
    read = partial(
        read_regions,
        path,
        label=label,
        threshold=settings.threshold,
        **_outline_rules(settings),
    )
    try:
        return read(scan=scan)
    except VolumetryError as error:
        if error.code != "ambiguous-series" or case.form != "mask" or not case.series_uid or scan is None:
            raise
    return read(scan=read_scan_header(scan, series_uid=case.series_uid))


def _outline_rules(settings: Settings) -> dict[str, Any]:
    """What becomes of outlines that cross themselves, or overlap."""
    return {
        "self_intersections": settings.rule.self_intersections,
        "overlapping_outlines": settings.rule.overlapping_outlines,
    }


def _joined(regions: Iterable[RegionSections], case: Case) -> RegionSections | None:
    """The labels of a mask that are one region of their data set, as one lesion; None where none is drawn."""
    sections = [r.sections for r in regions if r.sections is not None and r.sections.label in case.joined]
    if not sections:
        return None
    return RegionSections(
        name=case.lesion, side=case.side, sections=joined_sections(sections, lesion=case.lesion)
    )


def _is_measured_elsewhere(region: RegionSections, case: Case) -> bool:
    """Whether a label has a case of its own; so has an empty mask."""
    is_empty = region.sections is not None and not region.sections.n_slices
    return is_empty or region.name in map(str, case.besides)


def _sided(sections: CrossSections, case: Case) -> CrossSections:
    """The sections with the side that manifest and trace agree on."""
    if case.side and sections.side and case.side != sections.side:
        raise MismatchError(
            "side-mismatch",
            "the trace names another side than the manifest",
            values={"trace": sections.side, "manifest": case.side},
            todo="Correct the one that is wrong.",
        )
    return sections if sections.side or not case.side else replace(sections, side=case.side)


def _measured(case: Case, sections: CrossSections, settings: Settings) -> Outcome:
    names = {"lesion": sections.lesion or None, "side": sections.side or None}
    try:
        volume = measure_volume(sections, rule=settings.rule)
    except VolumetryError as error:
        return outcome_row(case, sections=sections, error=error.at(case.trace)) | names, []
    return outcome_row(case, sections=sections, volume=volume) | names, slice_rows(volume)


def _filled(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None and value != ""}


def _kept(row: Row, settings: Settings) -> Row:
    """A row as the ledger keeps it: without empty cells, and with nothing that a pseudonym stands for."""
    if settings.pseudonymiser is not None:
        row = settings.pseudonymiser.record(row)
    return _filled(row)
