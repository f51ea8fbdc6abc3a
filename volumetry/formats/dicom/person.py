"""Whether images can be of one person: birth date and sex, compared in memory and written nowhere."""

from __future__ import annotations

import secrets
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import walk_file
from volumetry.formats.dicom.file.selection import ElementSelection

_SELECTION = ElementSelection(tags=(tags.PatientBirthDate, tags.PatientSex))
_SALT = secrets.token_bytes(16)
_NO_DATES = {"", "0", "00000000", "00010101", "19000101", "18000101", "99999999"}


def person_marks(path: Path | str) -> tuple[int, int]:
    """Return what stands for PatientBirthDate and PatientSex of a file that passed the guarded walk.

    Two files with different marks, neither of them 0, are not of one person. A mark is of this process alone:
    it is a salted hash, from which nothing can be read.

    Returns
    -------
    (int, int)
        0 where the file does not say it, or an anonymiser has put something in its place.
    """
    try:
        elements = walk_file(path, _SELECTION)
    except (ReadError, OSError):
        return 0, 0  # nothing is said by a file that cannot be read
    raw = (elements.raw(tag) or b"" for tag in _SELECTION.tags)
    born, sex = (value.decode("ascii", "replace").strip(" \0") for value in raw)
    is_day = born not in _NO_DATES and born.isdecimal() and not born.endswith("0101")
    return _mark(born) if is_day else 0, _mark(sex) if sex in ("F", "M") else 0


def _mark(text: str) -> int:
    return hash((_SALT, text)) or 1
