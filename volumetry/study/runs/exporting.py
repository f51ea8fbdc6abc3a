"""Every measured lesion of a batch as DICOM objects, with the numbers of its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from volumetry.errors import MismatchError
from volumetry.export import ExportOptions, read_traced, write_report
from volumetry.files.atomic import make_folder
from volumetry.formats import read_scan
from volumetry.formats.dicom.written.lesions import (
    ExportedLesion,
    SourceImages,
    of_patient,
    source_images,
    tracked_in,
)
from volumetry.formats.dicom.written.pseudonymous import images_under_pseudonym, mark_as_pseudonymous
from volumetry.formats.dicom.written.report import MeasuredLesion
from volumetry.formats.exporting import write_lesions
from volumetry.formats.opening import links_followed
from volumetry.study.cases import Case
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.study.runs.batch import rows_with_cases
from volumetry.study.runs.lesion_files import distinct_names, write_each
from volumetry.study.runs.options import BatchOptions, Progress
from volumetry.tables import CHANGES, Row, read_table

BatchExport = Literal["seg", "sr"]
BATCH_EXPORTS: tuple[BatchExport, ...] = ("seg", "sr")

_LESION = ("site", "patient", "side", "lesion", "reader")


def export_batch(
    folder: Path | str,
    out: Path | str,
    options: BatchOptions,
    formats: Iterable[BatchExport],
    *,
    progress: Progress | None = None,
) -> list[Path]:
    """Write every measured lesion of a finished batch into ``export/``, as SEG, or as SR with its SEG.

    A lesion that was not traced on DICOM images is left out, and so is one that cannot be written; both are
    warnings in the log. Under pseudonyms the objects name patient, dates and UIDs as the tables do, and
    nothing else of their images but geometry and modality. Objects of an earlier export that are not written
    again are removed.

    Returns
    -------
    list of Path
        The files, in the order of the table.
    """
    out, wanted = Path(out), frozenset(formats)
    place = make_folder(out / "export")
    changes = {_end(row, "followup"): row for row in read_table(out / "changes.csv", CHANGES)}
    baselines = {_end(row, "baseline") for row in changes.values()}
    with links_followed(options.follow_links):
        found = list(rows_with_cases(folder, out, options))
        counted = _reads_that_count(row for row, _ in found)
        rows = [(row, case) for row, case in found if row["status"] == "measured"]
        names = distinct_names([_parts(row) for row, _ in rows])
        tracked = {} if options.pseudonymiser else _tracking_uids(Path(folder), rows)

        def write(row: Row, case: Case, name: str) -> Iterator[Path]:
            key = _key(row, "visit")
            counts = (row["read"] or 1) == counted[key]
            facts = _facts(row, changes.get(key) if counts else None, counts and key in baselines)
            uid = tracked.get(_lesion_of(row), "")
            return _write(Path(folder), row, case, place / name, wanted, facts, uid, options)

        lesions = [
            (name, partial(write, row, case, name)) for (row, case), name in zip(rows, names, strict=True)
        ]
        return write_each(lesions, place, what="export", progress=progress)


def _parts(row: Row) -> tuple[str, ...]:
    """What the name of a row's objects is made from."""
    read = "" if (row["read"] or 1) == 1 else f"read-{row['read']}"
    return (*_key(row, "visit"), read)


def _lesion_of(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in ("site", "patient", "side", "lesion"))


def _tracking_uids(folder: Path, rows: Iterable[tuple[Row, Case]]) -> dict[tuple[str, ...], str]:
    """The tracking UIDs that files have from earlier exports, for lesions of which they name one alone.

    Whoever renames a lesion or a patient may give two UIDs to one lesion, or one to two: then neither counts.
    """
    of_files: dict[str, dict[str, str]] = {}
    found: dict[tuple[str, ...], set[str]] = {}
    for row, case in rows:
        if case.trace not in of_files:
            of_files[case.trace] = tracked_in(folder / case.trace)
        uid = of_files[case.trace].get(case.roi)
        if uid and case.roi == row["lesion"]:
            found.setdefault(_lesion_of(row), set()).add(uid)
    single = {lesion: next(iter(uids)) for lesion, uids in found.items() if len(uids) == 1}
    counts = Counter(single.values())
    return {lesion: uid for lesion, uid in single.items() if counts[uid] == 1}


def _reads_that_count(rows: Iterable[Row]) -> dict[tuple[str, ...], int]:
    """The read of every lesion and visit whose volume stands in changes: the first."""
    first: dict[tuple[str, ...], int] = {}
    for row in rows:
        if row["status"] != "not_traced":
            key = _key(row, "visit")
            first[key] = min(first.get(key, row["read"] or 1), row["read"] or 1)
    return first


def _key(row: Row, visit: str) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in (*_LESION, visit))


def _end(change: Row, end: str) -> tuple[str, ...]:
    """The key of a visit of a change, which may be another reader's than that of the other visit."""
    return _key(change | {"reader": change[f"{end}_reader"] or change["reader"]}, f"{end}_visit")


def _facts(row: Row, change: Row | None, is_baseline: bool) -> dict[str, Any]:
    """What the tables say of a lesion beside its volumes."""
    facts: dict[str, Any] = {"visit": row["visit"] or "", "visit_order": row["visit_order"]}
    if change is None:
        return facts | ({"time_point": "baseline"} if is_baseline else {})
    reservations = change["reservations"] or ()
    if isinstance(reservations, str):
        reservations = tuple(filter(None, reservations.split(";")))
    return facts | {
        "time_point": "followup",
        "change_category": change["category"] or "",
        "change_percent": change["change_percent"],
        "comparable": change["comparable"] or "",
        "reservations": tuple(reservations),
    }


def _write(
    folder: Path,
    row: Row,
    case: Case,
    stem: Path,
    formats: frozenset[str],
    facts: dict[str, Any],
    tracked_as: str,
    options: BatchOptions,
) -> Iterator[Path]:
    _check_exportable(case)
    label: int | str | None = case.label if case.label is not None else case.roi or None
    scan = read_scan(folder / case.scan, series_uid=case.series_uid or None)
    images = source_images(folder / case.scan, scan)
    traced = read_traced(folder / case.trace, scan=scan, label=label, threshold=options.threshold)
    chosen = ExportOptions(finding=options.protocol.finding, region=options.protocol.region)
    (found,) = traced.lesions(chosen)
    named = _names(row, found) | {"tracked_as": tracked_as}
    finish = None
    if options.pseudonymiser is not None:
        images, named = _under_pseudonym(images, row, named, options.pseudonymiser)
        finish = partial(mark_as_pseudonymous, dates_moved=options.pseudonymiser.shift_dates)
    lesion = of_patient(replace(found, **named), images)
    segments = stem.with_name(f"{stem.name}.seg.dcm")
    if "sr" not in formats:
        write_lesions(
            [lesion], segments, "seg",
            geometry=traced.geometry, images=images, options=chosen, finish=finish,
        )  # fmt: skip
        yield segments
        return
    measured = MeasuredLesion(
        lesion=lesion,
        segment_number=1,
        volume_thickness_mm3=row["volume_thickness_mm3"],
        volume_spacing_mm3=row["volume_spacing_mm3"],
        max_area_mm2=row["max_area_mm2"],
        method="voxels" if traced.mask is not None else "outlines",
        height_rule=row["height_rule"] or "",
        **facts,
    )
    report = stem.with_name(f"{stem.name}.sr.dcm")
    write_report([measured], report, segments, images, chosen, finish=finish)
    yield segments
    yield report


def _check_exportable(case: Case) -> None:
    if not case.scan:
        raise MismatchError(
            "not-dicom-scan",
            "no image is known that the lesion was traced on, and a DICOM object refers to DICOM images",
            where=case.trace,
            todo="Name the image in the column scan of a manifest.",
        )
    if case.joined:
        raise MismatchError(
            "nothing-to-export",
            "the lesion is a region of several labels, which is measured but not exported",
            where=case.trace,
            values={"labels": ", ".join(map(str, case.joined))},
            todo="Export the labels by their numbers, with volumetry export.",
        )


def _names(row: Row, found: ExportedLesion) -> dict[str, Any]:
    """The names of the tables: a lesion is the same one at every visit, whatever its files call it."""
    return {
        "patient": "\x1e".join(filter(None, (row["site"], row["patient"]))),  # of a UID: it is not written
        "side": row["side"] or found.side,
        "lesion": row["lesion"] or found.lesion,
        "reader": row["reader"] or found.reader,
    }


def _under_pseudonym(
    images: SourceImages, row: Row, named: dict[str, Any], pseudonymiser: Pseudonymiser
) -> tuple[SourceImages, dict[str, Any]]:
    """What an object may say of its images and its lesion: what the tables say.

    A tracking UID of the file is not taken over. It is made from the pseudonym, equal at every visit. The
    hash of the tracing is mixed with the key, since whoever has the tracing could make it, too.
    """
    hidden = images_under_pseudonym(
        images,
        pseudonym=str(row["patient"]),
        study_date=str(row["study_date"] or ""),
        uid=pseudonymiser.uid,
    )
    traced = pseudonymiser.uid(str(row["trace_sha256"] or row["trace"] or ""))
    return hidden, named | {"tracked_as": "", "time": "", "content_sha256": traced}
