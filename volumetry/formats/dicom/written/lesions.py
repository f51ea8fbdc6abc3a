"""What a DICOM object says of a lesion beside its pixels: codes, identifiers, the images it lies on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from volumetry.contour import Contour
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
        """Name of the lesion for people, at most 64 characters."""
        return self.lesion[:64] or "lesion"

    @property
    def tracking_uid(self) -> str:
        """UID of the lesion: made from patient, side and name, so that it is the same at every visit."""
        return uid_of("lesion", self.patient, self.side, self.lesion)


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
        One for every slice in slice order, or the one multi-frame image.
    scan : Scan
    """

    datasets: tuple[Dataset, ...]
    scan: Scan = field(repr=False)

    @property
    def is_multiframe(self) -> bool:
        """Whether all slices are frames of one image."""
        return len(self.datasets) == 1 and self.scan.geometry.n_slices > 1

    def reference(self, slice_index: int) -> tuple[str, str, int | None]:
        """Return SOP class UID, SOP instance UID and frame number (None for a single-frame image)."""
        image = self.datasets[0] if self.is_multiframe else self.datasets[slice_index]
        return str(image.SOPClassUID), str(image.SOPInstanceUID), None


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
    wanted = set(scan.slice_uids)
    found = {uid: image for uid, image in _images(Path(path)) if uid in wanted}
    missing = [uid for uid in scan.slice_uids if uid not in found]
    if missing:
        raise ReadError(
            "unreadable",
            "images of the scan were not found again",
            where=path,
            values={"images missing": len(missing)},
            todo="Export from the folder that holds the whole series.",
        )
    in_order = list(dict.fromkeys(scan.slice_uids))
    return SourceImages(datasets=tuple(found[uid] for uid in in_order), scan=scan)


def _images(path: Path) -> Iterable[tuple[str, Dataset]]:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    files: Sequence[Path] = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        try:
            image = dcmread(file, stop_before_pixels=True)
            yield str(image.SOPInstanceUID), image
        except (InvalidDicomError, AttributeError, OSError):
            continue


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
