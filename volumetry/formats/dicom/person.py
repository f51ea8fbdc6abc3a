"""Whether images can be of one person: birth date and sex, compared in memory and written nowhere."""

from __future__ import annotations

import secrets
import warnings
from pathlib import Path

from volumetry.formats.dicom.file.gzipped import open_stream

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
    from pydicom import dcmread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_stream(path) as stream:
                names = ["PatientBirthDate", "PatientSex"]
                said = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=names)
            born, sex = (str(said.get(name) or "").strip() for name in names)
    except Exception:  # noqa: BLE001 - pydicom raises anything at corrupt input; nothing is said then
        return 0, 0
    is_day = born not in _NO_DATES and born.isdecimal() and not born.endswith("0101")
    return _mark(born) if is_day else 0, _mark(sex) if sex in ("F", "M") else 0


def _mark(text: str) -> int:
    return hash((_SALT, text)) or 1
