"""The headers of DICOM images, fast: of one file, or of every file below a folder.

Raw values are kept and decoded when they are asked for; a folder of thousands of files is indexed at the
speed of opening them.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Literal, cast

from volumetry.acquisition import Acquisition, Parameters, acquisition_of
from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.classes import DICOM_SUFFIXES
from volumetry.formats.dicom.file.elements import walk_open_file
from volumetry.formats.dicom.file.syntax import EXPLICIT_BIG_ENDIAN
from volumetry.formats.dicom.file.values import MODALITIES, Value, decode_value
from volumetry.formats.dicom.file.walk import ElementSelection, PixelElement
from volumetry.formats.limits import DEFAULT_LIMITS, Limits
from volumetry.formats.opening import follows_links, is_program_folder, open_regular, tell_files, truncated

_IMAGE_TAGS = (
    *(0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080020, 0x00080032, 0x00080060, 0x00100020),
    *(0x00180010, 0x00180020, 0x00180021, 0x00180022, 0x00180050, 0x00180080, 0x00180081, 0x00180082),
    *(0x00180086, 0x00180087, 0x00180088, 0x00181060, 0x00181164, 0x00181314, 0x00189008, 0x00189087),
    *(0x0020000D, 0x0020000E, 0x00200011, 0x00200012, 0x00200013, 0x00200032, 0x00200037, 0x00200052),
    *(0x00200060, 0x00200062, 0x00200100),
    *(0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280101),
    *(0x00280102, 0x00280103, 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00282110),
)
OPTIONAL_TAGS = (
    *(0x00080008, 0x00080020, 0x00080032, 0x00080060, 0x00180020, 0x00180021, 0x00180022, 0x00180050),
    *(0x00180080, 0x00180081, 0x00180082, 0x00180086, 0x00180087, 0x00180088, 0x00181060, 0x00181314),
    *(0x00189008, 0x00189087, 0x00200011, 0x00200012, 0x00200013, 0x00200060, 0x00200062, 0x00200100),
    *(0x00281052, 0x00281053, 0x00282110),
)
"""Elements that no volume needs: a malformed value counts as absent, and is flagged ``malformed-tag``."""

HEADER_SELECTION = ElementSelection(tags=_IMAGE_TAGS)
"""The elements of a `DicomHeader`."""

_SLOTS = HEADER_SELECTION.slots
_CHARACTER_SET, _SOP_CLASS = _SLOTS[0x00080005], _SLOTS[0x00080016]
_ROWS = _SLOTS[0x00280010]
_MATRIX = itemgetter(*(_SLOTS[tag] for tag in (0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008)))
_PHOTOMETRIC = _SLOTS[0x00280004]
# Storage classes of images, below 1.2.840.10008.5.1.4.1.1: such a file without pixels was cut.
_IMAGE_CLASSES = re.compile(
    r"1\.2\.840\.10008\.5\.1\.4\.1\.1\."
    r"(1|1\.1|1\.1\.1|2|2\.[12]|3\.1|4|4\.[134]|6\.[12]|7|7\.[1-4]|12\.[12]|12\.[12]\.1|13\.1\.[123]|20|30"
    r"|66\.[47]|128|128\.1|130|481\.[12])"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomHeader:
    """What stacking and tracing need to know of one DICOM file.

    Every property decodes its element when it is asked for: None where the element is absent or empty,
    `ReadError` ``unreadable`` where its value is no value of its kind. Lengths are in millimetres, times in
    milliseconds. Nothing else of the file is kept: no name, birth date or free text of a patient.

    Parameters
    ----------
    path : str
        The file.
    file_bytes : int
        Its size.
    transfer_syntax_uid : str
        How elements and pixels are written.
    pixel : PixelElement or None
        Where the pixels lie; None where the file holds no image.
    trailing_bytes : int
        Bytes after the end of the contents.
    raw_values : tuple of (bytes or None)
        In the order of ``HEADER_SELECTION.tags``.
    """

    path: str
    file_bytes: int
    transfer_syntax_uid: str
    pixel: PixelElement | None
    trailing_bytes: int
    raw_values: tuple[bytes | None, ...]

    @property
    def little_endian(self) -> bool:
        """Byte order of binary values and of native pixels."""
        return self.transfer_syntax_uid != EXPLICIT_BIG_ENDIAN

    @property
    def sop_class_uid(self) -> str | None:
        """What kind of object this is."""
        return self._text(0x00080016)

    @property
    def sop_instance_uid(self) -> str | None:
        """The object itself."""
        return self._text(0x00080018)

    @property
    def series_instance_uid(self) -> str | None:
        """The series it belongs to."""
        return self._text(0x0020000E)

    @property
    def study_instance_uid(self) -> str | None:
        """The study it belongs to."""
        return self._text(0x0020000D)

    @property
    def frame_of_reference_uid(self) -> str | None:
        """The coordinate system of its positions."""
        return self._text(0x00200052)

    @property
    def patient_id(self) -> str | None:
        """PatientID, decoded by the character set of the file."""
        return self._text(0x00100020)

    @property
    def study_date(self) -> str | None:
        """``YYYYMMDD``, as stored."""
        return self._text(0x00080020)

    @property
    def acquisition_time(self) -> str | None:
        """``HHMMSS.FFFFFF``, as stored."""
        return self._text(0x00080032)

    @property
    def modality(self) -> str | None:
        """``MR``, ``CT``, ``SEG``, ``RTSTRUCT``, ...; None where it is none of `MODALITIES`."""
        found = self._code(0x00080060)
        return found if found in MODALITIES else None

    @property
    def image_type(self) -> tuple[str, ...]:
        """The values of ImageType; empty where absent."""
        return cast("tuple[str, ...] | None", self._value(0x00080008)) or ()

    @property
    def is_mosaic(self) -> bool:
        """Whether the slices of a volume lie side by side in one image (Siemens)."""
        return "MOSAIC" in self.image_type

    @property
    def series_number(self) -> int | None:
        """SeriesNumber."""
        return self._integer(0x00200011)

    @property
    def acquisition_number(self) -> int | None:
        """AcquisitionNumber."""
        return self._integer(0x00200012)

    @property
    def instance_number(self) -> int | None:
        """InstanceNumber; says nothing of where the slice lies."""
        return self._integer(0x00200013)

    @property
    def temporal_position(self) -> int | None:
        """TemporalPositionIdentifier."""
        return self._integer(0x00200100)

    @property
    def echo_number(self) -> int | None:
        """EchoNumbers."""
        return self._integer(0x00180086)

    @property
    def echo_time_ms(self) -> float | None:
        """EchoTime."""
        return self._number(0x00180081)

    @property
    def echo_pulse_sequence(self) -> str | None:
        """``SPIN``, ``GRADIENT`` or ``BOTH``, of Enhanced images."""
        return self._code(0x00189008)

    @property
    def acquisition(self) -> Acquisition:
        """How the image was acquired; of a multi-frame image, as far as its top level says so."""
        agent = self._raw(0x00180010)
        return acquisition_of(
            Parameters(
                modality=self.modality or "",
                repetition_time_ms=self._number(0x00180080),
                echo_time_ms=self.echo_time_ms,
                inversion_time_ms=self._number(0x00180082),
                field_strength_t=self._number(0x00180087),
                flip_angle_degrees=self._number(0x00181314),
                b_value=self.diffusion_b_value,
                sequence=self._codes(0x00180020),
                variant=self._codes(0x00180021),
                options=self._codes(0x00180022),
                image_type=self.image_type,
                # Free text: whether there is any is looked at, and nothing of it is kept.
                agent=None if agent is None else agent.decode("ascii", errors="replace"),
            )
        )

    @property
    def trigger_time_ms(self) -> float | None:
        """TriggerTime."""
        return self._number(0x00181060)

    @property
    def diffusion_b_value(self) -> float | None:
        """DiffusionBValue, in s/mm2."""
        return self._number(0x00189087)

    @property
    def rows(self) -> int | None:
        """Number of rows."""
        return self._integer(0x00280010)

    @property
    def columns(self) -> int | None:
        """Number of columns."""
        return self._integer(0x00280011)

    @property
    def number_of_frames(self) -> int:
        """Number of frames, 1 where the file does not say."""
        frames = self._integer(0x00280008)
        return 1 if frames is None else frames

    @property
    def pixel_spacing_mm(self) -> tuple[float, ...] | None:
        """Distance between rows, distance between columns."""
        return self._numbers(0x00280030, 2)

    @property
    def has_imager_pixel_spacing(self) -> bool:
        """Whether ImagerPixelSpacing is there, which is no substitute for PixelSpacing."""
        return bool(self._raw(0x00181164))

    @property
    def image_position_mm(self) -> tuple[float, ...] | None:
        """Centre of the first pixel, in LPS."""
        return self._numbers(0x00200032, 3)

    @property
    def image_orientation(self) -> tuple[float, ...] | None:
        """Direction along a row, then along a column, in LPS."""
        return self._numbers(0x00200037, 6)

    @property
    def slice_thickness_mm(self) -> float | None:
        """SliceThickness."""
        return self._number(0x00180050)

    @property
    def spacing_between_slices_mm(self) -> float | None:
        """SpacingBetweenSlices as the file has it, which may be the gap, or negative."""
        return self._number(0x00180088)

    @property
    def samples_per_pixel(self) -> int | None:
        """1, or 3 for colour."""
        return self._integer(0x00280002)

    @property
    def photometric_interpretation(self) -> str | None:
        """``MONOCHROME2``, ..."""
        return self._code(0x00280004)

    @property
    def bits_allocated(self) -> int | None:
        """Bits a pixel takes."""
        return self._integer(0x00280100)

    @property
    def bits_stored(self) -> int | None:
        """Bits of a pixel that count."""
        return self._integer(0x00280101)

    @property
    def high_bit(self) -> int | None:
        """Number of the highest bit that counts."""
        return self._integer(0x00280102)

    @property
    def pixel_representation(self) -> int | None:
        """0 for unsigned pixels, 1 for signed."""
        return self._integer(0x00280103)

    @property
    def rescale_slope(self) -> float | None:
        """RescaleSlope; NaN where it is no number, which only those who read pixels mind."""
        return self._rescale(0x00281053)

    @property
    def rescale_intercept(self) -> float | None:
        """RescaleIntercept, as `rescale_slope`."""
        return self._rescale(0x00281052)

    @property
    def shown_window(self) -> tuple[float, float] | None:
        """WindowCenter and WindowWidth, the first where there are several; None where they say nothing."""
        try:
            level, width = self._number(0x00281050), self._number(0x00281051)
        except ReadError:
            return None
        if level is None or width is None or not math.isfinite(level) or not 0 < width < math.inf:
            return None
        return level, width

    def _rescale(self, tag: int) -> float | None:
        number = self._number(tag)
        return math.nan if number is None and (self._raw(tag) or b"").strip(b" \0") else number

    @property
    def is_lossy(self) -> bool:
        """Whether the pixels were ever compressed with loss."""
        return self._code(0x00282110) == "01"

    @property
    def laterality(self) -> str | None:
        """ImageLaterality or, without it, Laterality: ``L``, ``R``, ``B`` or ``U``."""
        return self._code(0x00200062) or self._code(0x00200060)

    def _raw(self, tag: int) -> bytes | None:
        return self.raw_values[_SLOTS[tag]]

    @property
    def malformed_tags(self) -> tuple[str, ...]:
        """Elements that no volume needs and whose value is none of their kind, as ``(gggg,eeee)``."""
        return tuple(f"({t >> 16:04X},{t & 0xFFFF:04X})" for t in OPTIONAL_TAGS if self.is_malformed(t))

    def is_malformed(self, tag: int) -> bool:
        """Return whether the value of an element is none of its kind."""
        try:
            self._strict_value(tag)
        except ReadError:
            return True
        return False

    def _value(self, tag: int) -> Value | None:
        try:
            return self._strict_value(tag)
        except ReadError:
            if tag in OPTIONAL_TAGS:
                return None  # `malformed_tags` names it
            raise

    def _strict_value(self, tag: int) -> Value | None:
        raw = self.raw_values[_SLOTS[tag]]
        if raw is None:
            return None
        return decode_value(
            tag,
            raw,
            little_endian=self.little_endian,
            character_set=self.raw_values[_CHARACTER_SET] or b"",
            where=self.path,
        )

    def _text(self, tag: int) -> str | None:
        return cast("str | None", self._value(tag))

    def _code(self, tag: int) -> str | None:
        codes = self._value(tag)
        return codes[0] if isinstance(codes, tuple) and isinstance(codes[0], str) else None

    def _codes(self, tag: int) -> tuple[str, ...]:
        return cast("tuple[str, ...] | None", self._value(tag)) or ()

    def _integer(self, tag: int) -> int | None:
        numbers = cast("tuple[int, ...] | None", self._value(tag))
        return None if numbers is None else numbers[0]

    def _number(self, tag: int) -> float | None:
        numbers = cast("tuple[float, ...] | None", self._value(tag))
        return None if numbers is None else numbers[0]

    def _numbers(self, tag: int, count: int) -> tuple[float, ...] | None:
        numbers = cast("tuple[float, ...] | None", self._value(tag))
        if numbers is not None and len(numbers) != count:
            raise ReadError(
                "unreadable",
                "an element has another number of values than the data dictionary",
                where=self.path,
                values={"tag": f"({tag >> 16:04X},{tag & 0xFFFF:04X})", "found": len(numbers), "due": count},
                todo="Export the file again.",
            )
        return numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderIndex:
    """What lies below a folder, each list in the order of sorted paths.

    Parameters
    ----------
    headers : list of DicomHeader
        The DICOM files.
    refusals : list of (str, VolumetryError)
        Files that should be DICOM and cannot be read, and folders that cannot be listed, each with its error.
    other_files : list of str
        Regular files that are not DICOM.
    dicomdirs : list of str
        DICOMDIR files; what they list was not followed.
    """

    headers: list[DicomHeader]
    refusals: list[tuple[str, VolumetryError]]
    other_files: list[str]
    dicomdirs: list[str]

    def by_series(self) -> dict[str, list[DicomHeader]]:
        """Return the headers grouped by SeriesInstanceUID, ``""`` where absent."""
        series: dict[str, list[DicomHeader]] = {}
        for header in self.headers:
            series.setdefault(header.series_instance_uid or "", []).append(header)
        return series


def read_header(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> DicomHeader:
    """Read the header of one DICOM file.

    Parameters
    ----------
    path : path or str
        The file; may be a symbolic link.
    limits : Limits, optional
        Sizes and depth to hold it to.

    Returns
    -------
    DicomHeader
        Its header, once the file is known to hold all it declares.

    Raises
    ------
    ReadError
        As `volumetry.formats.dicom.file.elements.walk_file`; also ``truncated`` where an image has no
        pixels or fewer than its matrix needs, and ``unsupported-format`` for a DICOMDIR.
    """
    descriptor, file_bytes = open_regular(path)
    try:
        header = _read(descriptor, file_bytes, os.fspath(path), {}, limits)
    except OSError as error:
        raise _not_listed(os.fspath(path), error) from None
    finally:
        os.close(descriptor)
    if header is None:
        raise ReadError(
            "unsupported-format",
            "a DICOMDIR is a list of files, and is not followed",
            where=path,
            todo="Name the folder that holds the files.",
        )
    return header


def index_folder(
    path: Path | str, *, limits: Limits = DEFAULT_LIMITS, never_dicom: tuple[str, ...] = ()
) -> FolderIndex:
    """Read the headers of all DICOM files below a folder.

    FIFOs, devices and the folders of programs below it are passed by, symbolic links too unless
    `volumetry.formats.opening.links_followed`; no folder is entered twice. A file without
    the mark of DICOM is another file, unless its suffix says ``.dcm``, ``.dicom`` or ``.ima``.

    Parameters
    ----------
    path : path or str
        A folder (may be a symbolic link), or one file.
    limits : Limits, optional
        Sizes and depth to hold each file to.
    never_dicom : tuple of str, optional
        Suffixes, in lower case, of files that are another file without being opened.

    Returns
    -------
    FolderIndex
        Headers, refusals and other files.

    Raises
    ------
    ReadError
        ``not-found`` where there is nothing at `path`.
    """
    index = FolderIndex(headers=[], refusals=[], other_files=[], dicomdirs=[])
    root = os.fspath(path)
    if not os.path.lexists(root):
        raise ReadError("not-found", "there is no such file or folder", where=root, todo="Check the path.")
    if not Path(root).is_dir():
        _add_files([(root, True)], index, limits)
        return index
    for files in _folders(root, index.refusals):
        if never_dicom:
            index.other_files.extend(file for file in files if file.lower().endswith(never_dicom))
            files = [file for file in files if not file.lower().endswith(never_dicom)]
        _add_files(((file, follows_links()) for file in files), index, limits)
        tell_files(len(index.headers) + len(index.refusals) + len(index.other_files))
    for entries in (index.refusals, index.other_files, index.dicomdirs):
        entries.sort(key=lambda entry: entry if isinstance(entry, str) else entry[0])
    index.headers.sort(key=lambda header: header.path)
    return index


def _folders(root: str, refusals: list[tuple[str, VolumetryError]]) -> Iterator[list[str]]:
    """Yield the regular files of every folder, without recursion; links only where they are followed."""
    follow = follows_links()
    waiting = [root]
    seen: set[tuple[int, int]] = set()
    while waiting:
        folder = waiting.pop()
        try:
            status = Path(folder).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            files = []
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=follow):
                        files.append(entry.path)
                    elif entry.is_dir(follow_symlinks=follow) and not is_program_folder(entry.name):
                        waiting.append(entry.path)
        except OSError as error:
            refusals.append((folder, _not_listed(folder, error)))
            continue
        files.sort()
        yield files


def _add_files(files: Iterable[tuple[str, bool]], index: FolderIndex, limits: Limits) -> None:
    """Sort files into the lists of `index`. Values that files share are kept once."""
    shared: dict[bytes | None, bytes | None] = {}
    for path, is_named in files:
        try:
            descriptor, file_bytes = open_regular(path, follow_link=is_named)
            try:
                header = _read(descriptor, file_bytes, path, shared, limits)
            finally:
                os.close(descriptor)
            if header is None:
                index.dicomdirs.append(path)
            else:
                index.headers.append(header)
        except ReadError as error:
            if _is_other(path, error):
                index.other_files.append(path)
            else:
                index.refusals.append((path, error))
        except OSError as error:
            index.refusals.append((path, _not_listed(path, error)))


def _is_other(path: str, error: ReadError) -> bool:
    """Return whether a refused file never claimed to be DICOM."""
    if is_apple_double(os.path.basename(path)):  # noqa: PTH119 - faster, and the path is a text
        return True
    if path.lower().endswith(DICOM_SUFFIXES):
        return False
    return error.code == "unsupported-format" or error.values.get("present_bytes") == 0


def is_apple_double(name: str) -> bool:
    """Return whether a file is what macOS keeps beside another one on foreign disks: ``._name``."""
    return name.startswith("._")


def _not_listed(path: str, error: OSError) -> ReadError:
    return ReadError(
        "unreadable",
        f"reading failed: {error.strerror}",
        where=path,
        todo="Check its permissions and the disk.",
    )


def _read(
    descriptor: int, file_bytes: int, path: str, shared: dict[bytes | None, bytes | None], limits: Limits
) -> DicomHeader | None:
    """Return the header of an open file, None for a DICOMDIR; values that are in `shared` are taken there."""
    syntax, _, walk = walk_open_file(descriptor, file_bytes, path, HEADER_SELECTION, limits)
    if walk is None:
        return None
    header = DicomHeader(
        path=path,
        file_bytes=file_bytes,
        transfer_syntax_uid=syntax,
        pixel=walk.pixel,
        trailing_bytes=walk.trailing_bytes,
        raw_values=tuple(map(shared.setdefault, walk.values, walk.values)),
    )
    if header.raw_values[_SOP_CLASS] is None:
        raise _without_class(header)
    _check_pixels(header)
    return header


def _without_class(header: DicomHeader) -> ReadError:
    if not any(header.raw_values):
        return truncated("the file ends before its data set", header.path, 1, 0)
    return ReadError(
        "unreadable",
        "SOPClassUID is missing, so the file does not say what it is",
        where=header.path,
        todo="Export the file again.",
    )


def _check_pixels(header: DicomHeader) -> None:
    """Refuse an image with fewer pixels than its matrix needs; cut between elements, it reads as whole."""
    values, pixel = header.raw_values, header.pixel
    if pixel is None:
        is_image = (
            values[_ROWS] is not None or _IMAGE_CLASSES.fullmatch(header.sop_class_uid or "") is not None
        )
        if is_image:
            raise truncated("the image has no pixels", header.path, 1, 0)
        return
    if pixel.fragments is not None or (values[_PHOTOMETRIC] or b"").startswith(b"YBR"):
        return
    try:
        needed = _needed_bytes(_MATRIX(values), header.little_endian)
    except ReadError as error:
        raise error.at(header.path) from None
    if needed > pixel.length_bytes:
        raise truncated("the image has fewer pixels than its matrix", header.path, needed, pixel.length_bytes)


@lru_cache(maxsize=256)
def _needed_bytes(matrix: tuple[bytes | None, ...], little_endian: bool) -> int:
    """Return the bytes of native pixels; the files of a series share their matrix."""
    *sizes, frames = matrix
    order: Literal["little", "big"] = "little" if little_endian else "big"
    needed_bits = 1
    for size in sizes:
        needed_bits *= int.from_bytes(size or b"\1", order)
    if frames is not None:
        number = cast("tuple[int, ...] | None", decode_value(0x00280008, frames))
        needed_bits *= 1 if number is None else max(1, number[0])
    return (needed_bits + 7) // 8
