"""Pseudonyms: a keyed hash in the place of the patient, and case ids in the place of paths.

A pseudonym stands for whole cells and whole paths only: no part of a date, a side or a number is ever
replaced. Names of visits and lesions come from folders, files and what somebody typed, and may name a person:
those of plain words (`volumetry.study.plain_words`) stay, a case id stands for the others. Who is meant by
which pseudonym, and what by which case id, is written into a private map beside the key.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from volumetry.errors import ReadError
from volumetry.files.atomic import atomic_output, named_output_errors
from volumetry.study.cases import Case
from volumetry.study.identity import composed_text, visit_without_patient
from volumetry.study.plain_words import is_plain_name, is_plain_visit, unplain_words

KEY_BYTES = 32
MAP_SUFFIX = ".map.csv"
MAX_SHIFT_DAYS = 365
_LONG = 4
"""Letters from which on a lesion that is called like its patient is renamed; ``1`` is a number."""
_DATE = re.compile(r"(\d{4})([-_. ]?)(\d{2})\2(\d{2})")
_DAY_INSIDE = re.compile(r"(?<!\d)(?:19|20)\d\d([-_. ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_MAY_BE_DAY = re.compile(
    r"\d{1,4}[-_./ ]\d{1,2}[-_./ ]\d{1,4}|\d{6,}|(?:19|20)\d\d[-_./ ]?\d\d(?!\d)"
    r"|(?<!\d)\d\d[-_./ ](?:19|20)\d\d"
    r"|(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*[-_. ]*\d{2,4}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?\d{1,12}(\.\d+)?(e[-+]?\d+)?")
_UNITS = frozenset(("x", "mm", "mm2", "mm3", "s", "deg", "%", "L", "R"))
_NAMING = frozenset(
    ("patient-mismatch", "patient-unclear", "visit-unclear", "wrong-series", "ambiguous-lesion")
)
"""Codes whose values name patients, series or files, which may look like numbers."""
_COUNTS = frozenset(("studies", "patients"))
"""Values of these codes that say how many there are."""
_SEALED = "sealed:"
"""How the name of a region begins in the ledger; the key alone opens it."""
_LINES = "lines"
"""The value that names lines of a table, as ``2, 5 and 7``."""


@dataclass(frozen=True, kw_only=True)
class Pseudonymiser:
    """Gives every patient the same pseudonym wherever the same key is used.

    Attributes
    ----------
    key : bytes
        Secret; whoever has it can tell whether a pseudonym belongs to a given PatientID.
    shift_dates : bool
        Move all dates of a patient by one number of days, 1 to 365, back.
    """

    key: bytes
    shift_dates: bool = False

    @property
    def mark(self) -> str:
        """What tells one key, and one way to use it, from another without giving it away."""
        return self._hex("mark", f"{self.shift_dates}, {_SEALED}")

    def pseudonym(self, patient: str) -> str:
        """Return the pseudonym of a patient: ``P`` and 12 hexadecimal digits of HMAC-SHA-256."""
        return "P" + hmac.new(self.key, _bytes(patient), hashlib.sha256).hexdigest()[:12]

    def case_id(self, path: str) -> str:
        """Return what stands for the path of a scan or a tracing: ``F`` and 12 hexadecimal digits."""
        return "F" + self._hex("path", path)[:12]

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another, under the root of UUIDs."""
        return f"2.25.{int(self._hex('uid', uid)[:30], 16)}"

    def shifted(self, text: str, patient: str) -> str:
        """Return a date (``yyyy-mm-dd``, ``yyyymmdd``) moved by the days of a patient; other text as is."""
        return self._moved(text, -self._days(patient)) if self.shift_dates else text

    def visit(self, name: str, patient: str) -> str:
        """Return the name of a visit with the dates in it moved, or what stands for it.

        A case id stands for what may be another date, where dates are moved, and for a name that is not of
        plain words alone: a folder of a visit may be called as a person is.
        """
        return self._dated(name, patient) if is_plain_visit(name) else self.case_id(name)

    def _dated(self, name: str, patient: str) -> str:
        """A name with the dates in it moved, where they are to be; what may be another date has a case id."""
        if not self.shift_dates:
            return name
        days = -self._days(patient)
        rest = _DAY_INSIDE.sub("", name)
        return (
            self.case_id(name)
            if _MAY_BE_DAY.search(rest)
            else _DAY_INSIDE.sub(lambda found: self._moved(found[0], days), name)
        )

    def visit_of(self, name: str, patient: str) -> str:
        """Return what stands for a visit, with the pseudonym for the patient's own name before it."""
        rest = visit_without_patient(name, patient)
        if rest == name or not rest[0].isalpha():  # 2024-01-15 of the patient 2024 is a day
            return self.visit(name, patient)
        return f"{self.pseudonym(patient)}_{self.visit(rest, patient)}"

    def visit_of_all(self, name: str) -> str:
        """Return the name of a visit of any patient; a case id stands for what may be a date or a person."""
        may_be = self.shift_dates and (_DAY_INSIDE.search(name) or _MAY_BE_DAY.search(name))
        return self.case_id(name) if may_be or not is_plain_visit(name) else name

    def row(self, row: dict[str, Any], case: Case) -> dict[str, Any]:
        """Return a row of a table with what stands for the patient, the paths and the series."""
        patient = case.patient
        row = row | {"patient": self.pseudonym(patient)}
        for name in ("scan", "trace"):
            row[name] = self.case_id(row[name]) if row.get(name) else None
        if case.series_uid:
            row["series_uid"] = self.uid(case.series_uid)
        if row.get("region") and row["region"] != row.get("lesion"):
            row["region"] = self.region(row["region"])
        if row.get("lesion"):
            lesion = self.lesion(row["lesion"], case, str(row.get("region") or ""))
            if lesion != row["lesion"] and row.get("region") == row["lesion"]:
                row["region"] = self.region(row["lesion"])
            row["lesion"] = lesion
        if row.get("reader"):
            row["reader"] = self.reader(row["reader"], patient)
        if row.get("study_date"):
            row["study_date"] = self.shifted(row["study_date"], patient)
        if row.get("visit"):
            visit = str(row["visit"])
            row["visit"] = self.uid(visit) if visit == case.study_uid else self.visit_of(visit, patient)
        return row

    def lesion(self, name: str, case: Case, region: str = "") -> str:
        """Return the name of a lesion, or what stands for it where it may say who the patient is, or when.

        A name is shown where it is made of plain words alone, or where a manifest names the lesion so and its
        other words stand in no path of the case and not in the name of its region. Where dates are shifted,
        those in the name are, too.
        """
        if name == case.patient and len(name) >= _LONG:
            return self.pseudonym(name)
        return (
            self.case_id(name) if may_name_a_person(name, case, region) else self._dated(name, case.patient)
        )

    def reader(self, name: str, patient: str) -> str:
        """Return the name of a reader, or what stands for it where it holds the patient's, or a true date."""
        is_patient = len(patient) >= _LONG and patient.casefold() in name.casefold()
        is_dated = self.shift_dates and _DAY_INSIDE.search(name)
        return self.case_id(name) if is_patient or is_dated else name

    def region(self, name: str) -> str:
        """Return what stands for the name of a region that is not of plain words.

        Whoever renames a lesion may do so because its name says who the patient is.
        """
        is_shown = is_plain_name(name) and not (self.shift_dates and _MAY_BE_DAY.search(name))
        return name if is_shown else self.case_id(name)

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row as the ledger may keep it: UIDs, dates, names of files and texts of values hidden."""
        row = dict(row)
        if row.get("series_uid"):
            row["series_uid"] = self.uid(row["series_uid"])
        if self.shift_dates and row.get("study_date"):
            row["study_date"] = self._moved(row["study_date"], -self._days(""))
        if row.get("lesion"):
            row["lesion"] = self._sealed(row["lesion"])
        if "about" in row:
            row["about"] = self._hidden(row["about"], row.get("code") in _NAMING)
        return row

    def restored(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the ledger with its date and the name of its region as they were."""
        if row.get("lesion"):
            row = row | {"lesion": self.opened(row["lesion"])}
        if self.shift_dates and row.get("study_date"):
            return row | {"study_date": self._moved(row["study_date"], self._days(""))}
        return row

    def opened(self, sealed: str) -> str:
        """Return the name of a region as it was before `record` sealed it."""
        if not sealed.startswith(_SEALED):
            return sealed
        mark, _, text = sealed.removeprefix(_SEALED).partition(".")
        return self._mixed(bytes.fromhex(text), mark).decode(errors="surrogateescape")

    def _sealed(self, name: str) -> str:
        """A name in a form that the key alone opens: the ledger has to give it back, to find its region."""
        if name.isascii() and name.isdigit() and len(name) < _LONG:
            return name  # the number of a label
        mark = self._hex("seal", name)[:32]
        return f"{_SEALED}{mark}.{self._mixed(_bytes(name), mark).hex()}"

    def _mixed(self, content: bytes, mark: str) -> bytes:
        """The bytes, each combined with one that key and mark decide; once more gives them back."""
        blocks = range(1 + len(content) // KEY_BYTES)
        stream = b"".join(bytes.fromhex(self._hex("stream", f"{mark} {n}")) for n in blocks)
        return bytes(a ^ b for a, b in zip(content, stream, strict=False))

    def _hidden(self, about: dict[str, Any], naming: bool) -> dict[str, Any]:
        kind, colon, name = about["where"].partition(":")
        where = f"{kind}:{self.case_id(name)}" if colon else kind
        values = {
            key: value if _is_shown(key, value, naming=naming) else self.case_id(value)
            for key, value in about["values"].items()
        }
        return about | {"where": where, "values": values}

    def _days(self, patient: str) -> int:
        return 1 + int(self._hex("days", patient)[:8], 16) % MAX_SHIFT_DAYS

    def _moved(self, text: str, days: int) -> str:
        matched = _DATE.fullmatch(text)
        if matched is None:
            return text
        try:
            moved = date(int(matched[1]), int(matched[3]), int(matched[4])) + timedelta(days=days)
        except (ValueError, OverflowError):
            return text
        return moved.strftime(f"%Y{matched[2]}%m{matched[2]}%d")

    def _hex(self, kind: str, text: str) -> str:
        return hmac.new(self.key, _bytes(f"{kind}\0{text}"), hashlib.sha256).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def may_name_a_person(name: str, case: Case, region: str = "") -> bool:
    """Whether the name of a lesion has a word or number in it that may be a person's.

    Of a name that a manifest gives, a word that stands in a path of the case or in the name of its region: a
    manifest made from the folder repeats these.
    """
    words = unplain_words(name)
    if not words or not case.is_lesion_of_manifest:
        return bool(words)
    paths = composed_text(
        "/".join((case.patient, case.scan, case.shown_trace or case.trace, region))
    ).casefold()
    return any(word in paths for word in words)


def _is_shown(key: str, value: str, *, naming: bool) -> bool:
    """Whether a value of an error says nothing of who the patient is."""
    if key == _LINES:
        return True
    return _is_plain(value) and (not naming or key in _COUNTS)


def _is_plain(value: str) -> bool:
    """Whether a value of an error is numbers with units, which do not say who the patient is."""
    return all(_NUMBER.fullmatch(word.strip(",")) or word in _UNITS for word in value.split())


def read_key(path: Path | str, *, shift_dates: bool = False) -> Pseudonymiser:
    """Read the key file; make it, with a random key, where it does not exist.

    Raises
    ------
    ReadError
        ``unreadable``: the file does not hold a key.
    OutputError
        The file cannot be made.
    """
    path = Path(path)
    if not path.exists():
        _write_private(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) < KEY_BYTES:
        raise ReadError(
            "unreadable",
            "the file holds no key",
            where=path,
            values={"bytes needed": KEY_BYTES},
            todo="Name the key file of this study, or one that does not exist yet.",
        )
    return Pseudonymiser(key=key, shift_dates=shift_dates)


def write_map(
    key_file: Path | str,
    pseudonymiser: Pseudonymiser,
    cases: Iterable[Case],
    names: Mapping[str, str] | None = None,
) -> Path:
    """Write who is meant by every pseudonym and case id into ``KEYFILE.map.csv``, for its owner only.

    `names` are those of lesions, visits and readers by what stands for them. What an earlier run wrote there
    is kept.
    """
    path = Path(f"{key_file}{MAP_SUFFIX}")
    known = read_map(key_file) | dict(names or {})
    for case in cases:
        known[pseudonymiser.pseudonym(case.patient)] = case.patient
        paths = filter(None, (case.scan, case.shown_trace or case.trace))
        known |= {pseudonymiser.case_id(path): path for path in paths}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "stands_for"))
    writer.writerows(sorted(known.items()))
    _write_private(path, _bytes(text.getvalue()))
    return path


def read_map(key_file: Path | str) -> dict[str, str]:
    """Return what every pseudonym and case id stands for; empty where no map lies beside the key."""
    path = Path(f"{key_file}{MAP_SUFFIX}")
    with (
        suppress(FileNotFoundError),
        path.open(encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        return {line[0]: line[1] for line in list(csv.reader(file))[1:] if len(line) == 2}
    return {}


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    if not path.exists():
        with named_output_errors(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    with atomic_output(path) as file:
        file.write(content)
