"""The BIDS sidecar of a NIfTI file: the only place where slice thickness and acquisition can be."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from volumetry.acquisition import Acquisition, Parameters, acquisition_of, codes
from volumetry.errors import ReadError
from volumetry.formats.side_words import SaidSide, said_side
from volumetry.formats.voxels.streams import open_stream

_MAX_BYTES = 1 << 20
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII)
_IMAGE_SUFFIX = re.compile(r"\.(nii|hdr|img)(\.gz)?$", re.I)
_MASK_SUFFIX = re.compile(r"[_-](mask|dseg|label|labels|seg)$", re.I)

_BIDS_WEIGHTING = re.compile(r"^sub-.*_(T1w|T2w|PDw|T2starw|FLAIR|dwi)[._]")
_WEIGHTINGS = {"T1w": "T1", "T2w": "T2", "PDw": "PD", "T2starw": "T2*", "FLAIR": "FLAIR", "dwi": "DWI"}
_ACQUISITION_KEYS = {
    "Modality",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "MagneticFieldStrength",
    "ScanningSequence",
    "ScanOptions",
    "ContrastBolusIngredient",
}


def sidecars(path: Path) -> list[Path]:
    """Return where the BIDS sidecar of a NIfTI file can be.

    ``X.json`` for ``X.nii.gz``; for ``X_mask.nii.gz`` also ``X.json``, the sidecar of the image.
    """
    stem = _IMAGE_SUFFIX.sub("", path.name)
    stems = dict.fromkeys((stem, _MASK_SUFFIX.sub("", stem)))
    return [path.with_name(f"{stem}.json") for stem in stems if stem]


@dataclass(frozen=True, kw_only=True)
class SidecarFacts:
    """What the sidecar of an image says.

    Attributes
    ----------
    slice_thickness_mm : float or None
    modality : str
    study_date : str
        ISO day on which the image was made; empty where no sidecar says it.
    acquisition : Acquisition
    """

    slice_thickness_mm: float | None = None
    modality: str = ""
    study_date: str = ""
    acquisition: Acquisition = Acquisition()  # noqa: RUF009 - frozen


_NO_FACTS = SidecarFacts()


def sidecar_facts(path: Path) -> SidecarFacts:
    """Return what the JSON file beside an image says, or the one beside the image of a mask.

    ``X.json`` for ``X.nii.gz``; for ``X_mask.nii.gz`` also ``X.json``. BIDS writes times in seconds. A BIDS
    name says the weighting where the times do not: ``sub-01_T1w.nii.gz``.
    """
    documents = [document for sidecar in sidecars(path) if (document := _document(sidecar))]
    if not documents and not path.name.startswith("sub-"):
        return _NO_FACTS
    thicknesses = (_number(document, "SliceThickness") for document in documents)
    said = next((d for d in documents if set(d) & _ACQUISITION_KEYS), {})
    modality = str(said.get("Modality") or "").upper()
    acquisition = acquisition_of(_parameters(said, modality)) if said else Acquisition()
    if not acquisition.weighting and (named := _BIDS_WEIGHTING.search(path.name)) is not None:
        acquisition = replace(acquisition, weighting=_WEIGHTINGS[named[1]])
    return SidecarFacts(
        slice_thickness_mm=next((value for value in thicknesses if value is not None), None),
        modality=modality if modality in ("MR", "CT", "PT") else "",
        study_date=next(filter(None, map(_day, documents)), ""),
        acquisition=acquisition,
    )


def _day(document: dict[str, Any]) -> str:
    """The ISO day of a sidecar of dcm2niix; empty without one, and for the days that anonymisers write."""
    for name in ("StudyDate", "AcquisitionDateTime", "AcquisitionDate"):
        matched = _DAY.match(str(document.get(name) or ""))
        with suppress(ValueError):
            day = date(*map(int, matched.groups())) if matched is not None else date.min
            if 1900 < day.year < 2300:
                return day.isoformat()
    return ""


def sidecar_description(path: Path) -> str:
    """Return the SeriesDescription of a sidecar, to be matched against a pattern; it is written nowhere."""
    documents = (_document(sidecar) for sidecar in sidecars(path))
    return next((str(d["SeriesDescription"]) for d in documents if d.get("SeriesDescription")), "")


def sidecar_person(path: Path) -> tuple[str, str, str, str]:
    """Return PatientID, birth date, sex and body part of a sidecar, to be compared; written nowhere."""
    documents = [_document(sidecar) for sidecar in sidecars(path)]
    said = (
        next((str(d[name]) for d in documents if d.get(name)), "")
        for name in ("PatientID", "PatientBirthDate", "PatientSex", "BodyPartExamined")
    )
    number, born, sex, part = said
    return number, born, sex, part


def sidecar_side(path: Path) -> SaidSide:
    """Return what the descriptions of a sidecar say of the side of its image; they are written nowhere."""
    documents = [_document(sidecar) for sidecar in sidecars(path)]
    series, protocol, study, part = (
        next((str(d[name]) for d in documents if d.get(name)), "")
        for name in ("SeriesDescription", "ProtocolName", "StudyDescription", "BodyPartExamined")
    )
    return said_side((series, protocol), (study, part))


def _parameters(document: dict[str, Any], modality: str) -> Parameters:
    def milliseconds(key: str) -> float | None:
        seconds = _number(document, key)
        return None if seconds is None else round(seconds * 1000, 6)

    agent = document.get("ContrastBolusIngredient", document.get("ContrastBolusAgent"))
    return Parameters(
        modality=modality,
        repetition_time_ms=milliseconds("RepetitionTime"),
        echo_time_ms=milliseconds("EchoTime"),
        inversion_time_ms=milliseconds("InversionTime"),
        field_strength_t=_number(document, "MagneticFieldStrength"),
        flip_angle_degrees=_number(document, "FlipAngle"),
        sequence=codes(document.get("ScanningSequence")),
        variant=codes(document.get("SequenceVariant")),
        options=codes(document.get("ScanOptions")),
        image_type=codes(document.get("ImageType")),
        agent=None if agent is None else str(agent),
    )


def _document(sidecar: Path) -> dict[str, Any]:
    """Return what a sidecar says; empty where there is none. It is opened once while it stays as it is."""
    try:
        found = sidecar.stat()
    except OSError:
        return {}
    # The time of the last change of the file's record cannot be set back, as that of its contents can.
    state = (found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size)
    return _read(str(sidecar), state) if S_ISREG(found.st_mode) else {}


@lru_cache(maxsize=64)
def _read(name: str, _state: tuple[int, ...]) -> dict[str, Any]:
    import json

    sidecar, document = Path(name), None
    # A file of that name that is no sidecar says nothing.
    with suppress(ReadError, ValueError, RecursionError), open_stream(sidecar) as (stream, size_bytes):
        if size_bytes <= _MAX_BYTES:
            document = json.loads(stream.read(size_bytes))
    return document if isinstance(document, dict) else {}


def _number(document: dict[str, Any], key: str) -> float | None:
    value = document.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else None
