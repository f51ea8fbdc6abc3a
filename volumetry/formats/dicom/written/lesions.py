"""What a DICOM object says of a lesion beside its pixels: codes, identifiers, the images it lies on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from volumetry.contours.contour import Contour
from volumetry.errors import MismatchError, ReadError, UsageError
from volumetry.scan import Scan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CodeTriple = tuple[str, str, str]
"""Code value, coding scheme, code meaning."""

LEFT: CodeTriple = ("7771000", "SCT", "Left")
RIGHT: CodeTriple = ("24028007", "SCT", "Right")
SIDES: Mapping[str, CodeTriple] = MappingProxyType({"L": LEFT, "R": RIGHT})

ABNORMAL_STRUCTURE: CodeTriple = ("49755003", "SCT", "Morphologically Abnormal Structure")

FINDINGS: Mapping[str, CodeTriple] = MappingProxyType(
    {
        "lesion": ("52988006", "SCT", "Lesion"),
        "necrosis": ("6574001", "SCT", "Necrosis"),
        "neoplasm": ("108369006", "SCT", "Neoplasm"),
        "hematoma": ("35566002", "SCT", "Hematoma"),
        "edema": ("79654002", "SCT", "Edema"),
        "cyst": ("367643001", "SCT", "Cyst"),
    }
)
"""What a lesion may be called: property types of DICOM's context groups (PS3.16, CID 7151 and 7159)."""

REGIONS: Mapping[str, CodeTriple] = MappingProxyType(
    {
        "femoral head": ("2812003", "SCT", "Femoral head"),
        "femur": ("71341001", "SCT", "Femur"),
        "hip joint": ("24136001", "SCT", "Hip joint"),
        "hip": ("29836001", "SCT", "Hip"),
        "lung": ("39607008", "SCT", "Lung"),
        "l1 vertebra": ("66794005", "SCT", "L1 vertebra"),
        "l2 vertebra": ("14293000", "SCT", "L2 vertebra"),
        "l3 vertebra": ("36470004", "SCT", "L3 vertebra"),
        "l4 vertebra": ("11994002", "SCT", "L4 vertebra"),
        "l5 vertebra": ("49668003", "SCT", "L5 vertebra"),
    }
)
"""Regions with a code (PS3.16, CID 4 and others). A region that is not here is left out, never invented."""

Algorithm = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportedLesion:
    """A lesion as a DICOM object describes it.

    Attributes
    ----------
    lesion : str
        Name of the lesion within the patient: ``L1``.
    side : str
        ``L``, ``R`` or empty.
    contours : tuple of Contour
        On the slices of the scan.
    patient : str
        PatientID or its pseudonym; with the lesion's name it makes the tracking identifiers, which are the
        same at every visit and in every export.
    finding : str
        A key of `FINDINGS`.
    region : str
        A key of `REGIONS`, or any other text, for which no code is written.
    algorithm : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
    reader : str
        Who traced it; empty where it is not known.
    time : str
        When, ISO 8601 with zone; empty where it is not known.
    content_sha256 : str
        Hash of the trace or mask: equal contents make equal instance UIDs.
    tracked_as : str
        Tracking UID that an earlier export has given the lesion; empty where there is none.
    """

    lesion: str
    contours: tuple[Contour, ...]
    side: str = ""
    patient: str = ""
    finding: str = "lesion"
    region: str = ""
    algorithm: Algorithm = "MANUAL"
    reader: str = ""
    time: str = ""
    content_sha256: str = ""
    tracked_as: str = ""

    def __post_init__(self) -> None:
        if self.finding not in FINDINGS:
            raise UsageError(
                "usage",
                "there is no code for this finding",
                values={"finding": self.finding},
                todo=f"Choose one of {', '.join(FINDINGS)}.",
            )

    @property
    def tracking_identifier(self) -> str:
        """Name of the lesion for people, as an element of 64 characters holds it."""
        return text_of(self.lesion) or "lesion"

    @property
    def tracking_uid(self) -> str:
        """UID of the lesion: the file's own, else made from patient, side and name: equal at every visit."""
        return self.tracked_as or uid_of("lesion", self.patient, self.side, self.lesion)


def tracked_in(path: Path) -> dict[str, str]:
    """Return the tracking UIDs by lesion of a DICOM file that this program wrote; else nothing.

    Another program's UID may be a new one at every visit; ours is the same wherever the lesion is.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    if path.is_dir():
        return {}
    try:
        written = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return {}
    if written.get("ManufacturerModelName") != "volumetry":
        return {}
    regions = written.get("StructureSetROISequence") or written.get("SegmentSequence") or ()
    return {
        str(one.get("ROIName") or one.get("SegmentLabel")): str(one.TrackingUID)
        for one in regions
        if "TrackingUID" in one
    }


def text_of(text: str, limit: int = 64) -> str:
    """Return a text as an element of so many characters holds it; different texts stay different.

    A backslash would part two values, and control characters are not allowed; both are replaced.
    """
    clean = "".join("/" if c == "\\" else c if c.isprintable() else " " for c in text).strip()
    return clean if len(clean) <= limit else f"{clean[: limit - 7]}-{uid_of(text)[-6:]}"


def person_name(reader: str) -> str:
    """Return a reader as a person name; initials alone get the caret that ends a family name."""
    plain = text_of(reader).replace("=", "-")
    return plain if "^" in plain else f"{plain[:63]}^"


def key_of(lesions: Sequence[ExportedLesion], images: SourceImages) -> list[str]:
    """Return what tells an exported object from every other: its images, its lesions and their contents."""
    series = str(images.datasets[0].get("SeriesInstanceUID", ""))
    said = (
        (one.content_sha256, one.tracking_uid, one.lesion, one.finding, one.region, one.side, one.algorithm)
        for one in lesions
    )
    readers = {one.reader for one in lesions} - {""}
    return [series, *(part for parts in said for part in parts), *sorted(readers)]


def of_patient(lesion: ExportedLesion, images: SourceImages) -> ExportedLesion:
    """Return a lesion with the patient of its images, where its own file names none.

    Images without a PatientID give their study instead: lesions of different people never share a UID.
    """
    image = images.datasets[0]
    patient = lesion.patient or str(image.get("PatientID") or image.get("StudyInstanceUID") or "")
    return replace(lesion, patient=patient)


def uid_of(*parts: str) -> str:
    """Return a UID made from text: the same text, the same UID (PS3.5, B.2: 2.25 and a 128-bit number)."""
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogateescape")).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceImages:
    """The DICOM images of a scan, without their pixels.

    Attributes
    ----------
    datasets : tuple of pydicom Dataset
        In the order in which the slices need them first: one for every slice, or multi-frame images.
    scan : Scan
        Its `slice_uids` name the image of every slice, and the frame as ``UID#n``.
    """

    datasets: tuple[Dataset, ...]
    scan: Scan = field(repr=False)

    @property
    def is_multiframe(self) -> bool:
        """Whether slices are frames of an image."""
        return any("#" in uid for uid in self.scan.slice_uids)

    def reference(self, slice_index: int) -> tuple[str, str, int | None]:
        """Return SOP class UID, SOP instance UID and frame number (None for a single-frame image)."""
        uid, _, frame = self.scan.slice_uids[slice_index].partition("#")
        image = next(image for image in self.datasets if image.SOPInstanceUID == uid)
        # The tiles of a mosaic are slices of one image, and no frames of it.
        number = int(frame) if frame and "NumberOfFrames" in image else None
        return str(image.SOPClassUID), uid, number


def source_images(path: Path | str, scan: Scan) -> SourceImages:
    """Find the images of a scan below a folder, in slice order.

    Parameters
    ----------
    path : path
        The DICOM folder or file that `scan` was read from.
    scan : Scan

    Raises
    ------
    MismatchError
        ``not-dicom-scan``: the scan is no DICOM series; a DICOM object refers to DICOM images.
    ReadError
        ``unreadable``: an image of the scan is no longer there.
    """
    if not scan.slice_uids or not all(scan.slice_uids):
        raise MismatchError(
            "not-dicom-scan",
            "the scan is not a DICOM series, and a DICOM object refers to DICOM images",
            where=path,
            values={"format": scan.source.format},
            todo="Export as nrrd or nifti, or name the DICOM series with --scan.",
        )
    wanted = list(dict.fromkeys(uid.partition("#")[0] for uid in scan.slice_uids))
    found = {uid: image for uid, image in _images(Path(path)) if uid in wanted}
    missing = [uid for uid in wanted if uid not in found]
    if missing:
        raise ReadError(
            "unreadable",
            "images of the scan were not found again",
            where=path,
            values={"images missing": len(missing)},
            todo="Export from the folder that holds the whole series.",
        )
    return SourceImages(datasets=tuple(found[uid] for uid in wanted), scan=scan)


def _images(path: Path) -> Iterable[tuple[str, Dataset]]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    files: Sequence[Path] = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        try:
            image = dcmread(file, stop_before_pixels=True)
            yield str(image.SOPInstanceUID), _made_whole(image)
        except (InvalidDicomError, AttributeError, OSError):
            continue


_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Elements of patient and study of type 2: a DICOM object has them, empty where nothing is known."""


def _made_whole(image: Dataset) -> Dataset:
    """Give an image what every object that refers to it copies.

    Elements that anonymisation has taken away, or whose value is not of their kind (a date that is no date),
    are empty. Images without a frame of reference share one within their series, made from its UID.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name in _MAY_BE_EMPTY:
            if not _usable(image, name):
                setattr(image, name, "")
        if not _usable(image, "SpecificCharacterSet"):
            image.SpecificCharacterSet = "ISO_IR 192"
        elif not isinstance(image.get("SpecificCharacterSet", ""), str):
            named = [str(text) or "ISO 2022 IR 6" for text in image.SpecificCharacterSet]
            image.SpecificCharacterSet = named
        if not image.get("FrameOfReferenceUID"):
            image.FrameOfReferenceUID = uid_of("frame", str(image.get("SeriesInstanceUID", "")))
    return image


def _usable(image: Dataset, name: str) -> bool:
    """Whether an element is there, with a value that may be copied."""
    from pydicom.charset import python_encoding
    from pydicom.valuerep import DA, TM

    try:
        value = image[name].value
        if name.endswith("Date"):
            DA(value)
        elif name.endswith("Time"):
            TM(value)
        elif name == "PatientSex":
            return str(value or "") in ("", "M", "F", "O")
        elif name == "SpecificCharacterSet":
            named = [value] if isinstance(value, str) else list(value or [])
            return all(text in python_encoding for text in named)
    except KeyError:
        return name == "SpecificCharacterSet"
    except (ValueError, TypeError):
        return False
    return True


@contextmanager
def values_of_the_source() -> Iterator[None]:
    """Within it, libraries do not warn of values that are copied as the source images have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def code(triple: CodeTriple) -> Any:
    """Return a code as highdicom takes it."""
    from pydicom.sr.coding import Code

    return Code(*triple)
