"""The cases of a manifest: a table that names every traced lesion, where folder names cannot."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from volumetry.errors import MismatchError, ReadError, UsageError, VolumetryError
from volumetry.formats.dicom.file.values import iso_date
from volumetry.formats.dicom.index import read_header
from volumetry.formats.recognise import RTSTRUCT_CLASS, TRACE_SUFFIX, recognise
from volumetry.formats.side_words import said_side
from volumetry.formats.trace_json import read_trace
from volumetry.study.cases import SIDE_WORDS, Case
from volumetry.study.finding.files import stem_of
from volumetry.study.finding.manifest.claims import check_visit_dates, dates_of_path, without_double_claims
from volumetry.study.finding.manifest.scans import NamedScan, NamedScans
from volumetry.study.finding.manifest.table import ASKED, NEEDS_A_SERIES, check_places, read_manifest
from volumetry.study.identity import side_of_file
from volumetry.tables import Row

_JOINED = re.compile(r"\d+(?:\+\d+)+")


def manifest_cases(path: Path, folder: Path) -> Iterator[Case]:
    """Yield the cases of a manifest, their paths relative to `folder`.

    Raises
    ------
    ReadError, UsageError
        ``invalid-table`` with all faults at once.
    """
    numbered = read_manifest(path)
    check_places(numbered, path)
    owners: dict[int, str] = {}
    lined = list(_lined_cases(numbered, path, folder, owners))
    check_visit_dates(lined, {line for line, row in numbered if row["study_date"]}, path)
    yield from without_double_claims(lined, owners)


def _lined_cases(
    rows: Iterable[tuple[int, Row]], path: Path, folder: Path, owners: dict[int, str]
) -> Iterator[tuple[int, Case]]:
    """Yield the cases of lines; `owners` gets the PatientIDs of their images."""
    scans = NamedScans(folder)
    for line, row in rows:
        text = (row["side"] or "").lower()
        side = SIDE_WORDS.get(text, said_side((text,)).side or None)
        if side is None:
            raise UsageError(
                "invalid-table",
                "a side is neither left nor right",
                where=path,
                values={"line": line, "side": row["side"]},
                todo="Write L or R.",
            )
        if row["read"] is not None and row["read"] < 1:
            raise UsageError(
                "invalid-table",
                "a read is numbered from 1",
                where=path,
                values={"line": line, "read": row["read"]},
                todo="Write 1, 2, ...",
            )
        asked = [name for name in ("patient", "visit") if row[name] == ASKED]
        if asked:
            raise UsageError(
                "invalid-table",
                f"the {asked[0]} is not written yet",
                where=path,
                values={"line": line, asked[0]: ASKED},
                todo=f"Write the {asked[0]} where the manifest has {ASKED}.",
            )
        case, owner = _case(row, side, path.parent, folder, scans)
        if owner:
            owners[line] = owner
        yield line, case


def _case(row: Row, side: str, base: Path, folder: Path, scans: NamedScans) -> tuple[Case, str]:
    """The case of a line, and the PatientID of its images, or of its tracing."""
    code = (row["scan"] or "").removeprefix(f"{ASKED} ")
    is_asked_for = row["scan"] != code and code in NEEDS_A_SERIES
    row = row | {"scan": None} if is_asked_for else row
    paths = {name: _relative(row[name], base, folder) for name in ("scan", "trace")}
    fault = _fault_of_files([name for name in paths.values() if name], folder)
    named = scans.find(paths["scan"]) if fault is None else NamedScan(scan=paths["scan"])
    error = fault or (_not_chosen(code) if is_asked_for else named.error)
    traced = _Traced() if error else _traced(folder, paths["trace"])
    error = error or _other_side(paths["trace"], side, traced.form)
    lesion = row["lesion"] or ""
    is_asked = lesion == ASKED or lesion.startswith(f"{ASKED} ")
    roi = row["roi"] or ""
    joined = _JOINED.fullmatch(roi) if traced.form == "mask" else None
    is_one = len(named.files) == 1 and bool(named.series_uid)
    case = Case(
        series_uid=traced.series_uid or named.series_uid,
        modality=named.modality,
        form=traced.form,
        version=traced.version,
        parent=traced.parent,
        patient=row["patient"],
        site=row["site"] or "",
        study_date=row["study_date"] or named.study_date,
        scan_date=named.study_date or traced.study_date or _date_of_path(paths["scan"] or paths["trace"]),
        visit_order=row["visit_order"],
        read=row["read"],
        visit=row["visit"] or "",
        side=side,
        lesion="" if is_asked else lesion,
        is_lesion_of_manifest=bool(lesion) and not is_asked,
        described=lesion.removeprefix(ASKED).strip() if is_asked else "",
        reader=row["reader"] or "",
        trace=paths["trace"],
        scan=named.files[0] if is_one and not paths["trace"] else named.scan,
        scan_files=() if error else named.files,
        label=row["label"],
        roi="" if joined else roi,
        joined=tuple(sorted({int(number) for number in roi.split("+")})) if joined else (),
        error=error,
    )
    return case, named.patient_id or traced.patient_id


def _fault_of_files(names: Sequence[str], folder: Path) -> VolumetryError | None:
    """The error of a line that names what is not there, or what is neither a file nor a folder."""
    if missing := [name for name in names if not (folder / name).exists()]:
        return ReadError(
            "not-found",
            "the manifest names what is not there",
            where=missing[0],
            todo="Correct the manifest: its paths are relative to the folder that it lies in.",
        )
    if special := [name for name in names if not ((folder / name).is_file() or (folder / name).is_dir())]:
        return ReadError(
            "unsupported-format",
            "the manifest names what is no regular file",
            where=special[0],
            todo="Name a file or a folder.",
        )
    return None


def _not_chosen(code: str) -> VolumetryError:
    return VolumetryError(
        code,
        "the series of the visit is not chosen yet",
        todo="Take the lines of a candidate of the manifest instead of this one.",
    )


def _other_side(trace: str, side: str, form: str) -> VolumetryError | None:
    """The error of a mask whose name says the other side than its line."""
    said = side_of_file(stem_of(PurePosixPath(trace).name)) if form == "mask" and trace else ""
    if not side or not said or side == said:
        return None
    return MismatchError(
        "side-mismatch",
        "the name of the mask says another side than the manifest",
        where=trace,
        values={"name": said, "manifest": side},
        todo="Correct the one that is wrong.",
    )


@dataclass(frozen=True, kw_only=True)
class _Traced:
    """What a traced file says of itself: series, patient, form, own and parent's hash, and date."""

    series_uid: str = ""
    form: str = "mask"
    version: str = ""
    parent: str = ""
    study_date: str = ""
    patient_id: str = ""


def _traced(folder: Path, trace: str) -> _Traced:
    path = folder / trace
    if trace.endswith(TRACE_SUFFIX):
        try:
            read = read_trace(path)
        except VolumetryError:
            return _Traced(form="trace")  # measuring says why
        return _Traced(
            series_uid=read.source.series_uid,
            form="trace",
            version=read.sha256,
            parent=read.provenance.parent_sha256,
            study_date=read.source.study_date,
            patient_id=read.source.patient,
        )
    try:
        if trace and recognise(path).name == "dicom":
            header = read_header(path)
            form = "rtstruct" if header.sop_class_uid == RTSTRUCT_CLASS else "seg"
            return _Traced(
                form=form, study_date=iso_date(header.study_date or ""), patient_id=header.patient_id or ""
            )
    except VolumetryError:
        pass
    return _Traced()


def _date_of_path(path: str) -> str:
    """The one date that the names of a file and its folders say; empty where they say none or several."""
    found = dates_of_path(path)
    return found.pop() if len(found) == 1 else ""


def _relative(text: str | None, base: Path, folder: Path) -> str:
    if not text:
        return ""
    named = base / text
    if "\\" in text and not named.exists():  # written on Windows
        text = text.replace("\\", "/")
        named = base / text
    if not named.exists() and (folder / text).exists():  # moved since it was written beside the scans
        named = folder / text
    return os.path.relpath(named, folder).replace(os.sep, "/")
