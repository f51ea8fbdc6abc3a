"""From a case and its record in the ledger to rows: who, when and where are joined to what was measured.

The ledger knows bytes and numbers only. So patient, visit, date, reader and the order of visits can be
corrected without measuring anything again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from volumetry._version import __version__
from volumetry.errors import composed
from volumetry.formats.dicom.file.values import MODALITIES
from volumetry.study.cases import Case
from volumetry.study.identity import composed_text, date_of_table
from volumetry.study.pseudonyms import Pseudonymiser
from volumetry.tables import Row


def joined_rows(
    case: Case, record: Mapping[str, Any], pseudonymiser: Pseudonymiser | None = None
) -> Iterator[Row]:
    """Yield the rows of a case: what its record holds, with who, when and where.

    Parameters
    ----------
    case : Case
    record : mapping
        What `volumetry.study.runs.measuring.do_job` returned, under the same `pseudonymiser`.
    pseudonymiser : Pseudonymiser, optional

    Yields
    ------
    dict
        Cells of `volumetry.tables.MEASUREMENTS`, but for those that need the other rows (``visit_order``...).
        Bytes of file names that are no UTF-8 are written as `printable` does.
    """
    for kept in record["rows"]:
        row: Row = {"volumetry_version": __version__, **kept}
        if pseudonymiser is not None:
            row = pseudonymiser.restored(row)
        about = row.pop("about", None)
        row |= _identity(case, row) | {"region": row.get("lesion")}
        if pseudonymiser is not None:
            row = pseudonymiser.row(row, case)
        if about is not None:
            row["message"] = composed(
                row["message"], _place(row, about["where"]), about["values"], about["todo"]
            )
        yield {name: printable(value) for name, value in row.items()}


def _identity(case: Case, row: Row) -> Row:
    """What the folder, the manifest and the headers say; what the traced file says where they do not."""
    modality = case.modality if case.modality in MODALITIES else None
    return {
        "patient": case.patient,
        "side": row.get("side") or case.side or None,
        "lesion": composed_text(case.lesion or row.get("lesion") or "") or None,
        "visit": case.visit or None,
        "study_date": date_of_table(case.study_date or row.get("study_date") or "") or None,
        "reader": case.reader or None,
        "modality": modality or row.get("modality"),
        "series_uid": case.series_uid or row.get("series_uid"),
        "scan": case.scan or None,
        "trace": case.shown_trace or case.trace or None,
    }


def _place(row: Row, where: str) -> str:
    kind, _, name = where.partition(":")
    return name or str(row.get(kind) or "")


def shown_patient(patient: str, pseudonymiser: Pseudonymiser | None = None) -> str:
    """Return what the tables call a patient."""
    name = patient if pseudonymiser is None else pseudonymiser.pseudonym(patient)
    return str(printable(name))


def printable(value: Any) -> Any:
    """Return a text with every byte that is no UTF-8 as a backslash, ``x`` and two digits; else as it is."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
