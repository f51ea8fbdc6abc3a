"""``[identity]``: where the names of sites, patients and visits come from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from volumetry.errors import UsageError
from volumetry.files.documents import setting

_PATIENT = re.compile(r"PatientID|folder:[1-9]")
_SITE = re.compile(r"folder:[1-9]")
_VISIT = re.compile(r"StudyDate|StudyInstanceUID|folder:[1-9]")


@dataclass(frozen=True, kw_only=True)
class IdentitySection:
    """Where the names of patients and visits come from; empty: DICOM's own, checked against the folders."""

    patient: str = setting("`PatientID`, or `folder:N` for the N-th folder below the study folder.", "")
    visit: str = setting("`StudyDate`, `StudyInstanceUID` or `folder:N`.", "")
    site: str = setting("`folder:N`, where the folders of several hospitals lie in one study folder.", "")

    def __post_init__(self) -> None:
        _check("patient", self.patient, _PATIENT, "PatientID or folder:N")
        _check("visit", self.visit, _VISIT, "StudyDate, StudyInstanceUID or folder:N")
        _check("site", self.site, _SITE, "folder:N")


def _check(key: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
    if value and not pattern.fullmatch(value):
        raise UsageError(
            "invalid-protocol",
            f"{key} is {value!r}",
            values={"key": key},
            todo=f"Write {allowed}; folder:1 is the first folder below the study folder.",
        )


def folder_number(rule: str) -> int | None:
    """Return N of ``folder:N``; None for other rules."""
    return int(rule.removeprefix("folder:")) if rule.startswith("folder:") else None
