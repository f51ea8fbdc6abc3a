import io
import os
import random
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
)

from volumetry.errors import ReadError, VolumetryError
from volumetry.formats.dicom.file import tags
from volumetry.formats.dicom.file.elements import DicomElements, walk_file
from volumetry.formats.dicom.file.selection import ElementSelection
from volumetry.formats.dicom.file.syntax import DICOMDIR_SOP_CLASS
from volumetry.formats.dicom.file.values import SEQUENCES, VALUE_REPRESENTATIONS, decode_text, decode_value
from volumetry.formats.dicom.header_tags import HEADER_SELECTION
from volumetry.formats.limits import Limits

SHARED = Path(__file__).resolve().parents[2] / "shared"
ALL = ElementSelection(
    # PixelPaddingValue is US or SS by PixelRepresentation; only label maps, which are unsigned, ask for it.
    tags=tuple(tag for tag in VALUE_REPRESENTATIONS if tag >> 16 > 2 and tag != 0x00280120),
    sequences=SEQUENCES,
)
ROWS, POSITION, PATIENT_ID, B_VALUE = 0x00280010, 0x00200032, 0x00100020, 0x00189087
SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def meta_of(syntax: str, sop_class: str = MRImageStorage) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID = pydicom.uid.UID(sop_class)
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    return meta


def mr_image(syntax: str = ExplicitVRLittleEndian) -> Dataset:
    data_set = FileDataset(
        "",
        {},
        file_meta=meta_of(syntax),
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    data_set.SOPClassUID = MRImageStorage
    data_set.SOPInstanceUID = "1.2.3.4"
    data_set.StudyDate = "20240302"
    data_set.Modality = "MR"
    data_set.PatientName = "CANARY^NAME"
    data_set.PatientID = "P1"
    data_set.SliceThickness = "4.0"
    data_set.DiffusionBValue = 800.0
    data_set.SeriesInstanceUID = "1.2.3"
    data_set.ImagePositionPatient = [-110.25, 0.5, 1e-3]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = 4
    data_set.Columns = 6
    data_set.PixelSpacing = [0.7, 0.8]
    data_set.BitsAllocated = 16
    data_set.BitsStored = 12
    data_set.HighBit = 11
    data_set.PixelRepresentation = 0
    reference = Dataset()
    reference.ReferencedSOPClassUID = MRImageStorage
    reference.ReferencedSOPInstanceUID = "1.2.3.9"
    data_set.ReferencedImageSequence = Sequence([reference, reference])
    data_set.PixelData = bytes(range(48))
    return data_set


def structure_set() -> Dataset:
    data_set = FileDataset(
        "", {}, file_meta=meta_of(ExplicitVRLittleEndian, RTStructureSetStorage), preamble=b"\0" * 128
    )
    data_set.SOPClassUID = RTStructureSetStorage
    data_set.SOPInstanceUID = "1.2.3.4"
    data_set.PatientID = "P1"
    contours = []
    for k in range(5):
        image = Dataset()
        image.ReferencedSOPInstanceUID = f"1.2.3.{k}"
        contour = Dataset()
        contour.ContourImageSequence = Sequence([image])
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = 3
        contour.ContourData = [0, 0, k, 1, 0, k, 0, 1, k]
        contours.append(contour)
    roi = Dataset()
    roi.ReferencedROINumber = 1
    roi.ContourSequence = Sequence(contours)
    data_set.ROIContourSequence = Sequence([roi])
    return data_set


def as_bytes(data_set: Dataset) -> bytes:
    buffer = io.BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def element(tag: int, representation: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, representation, len(value)) + value


def walk_bytes(folder: Path, content: bytes, selection: ElementSelection = ALL) -> DicomElements:
    path = folder / "a.dcm"
    path.write_bytes(content)
    return walk_file(path, selection)


def refused(folder: Path, content: bytes) -> ReadError:
    path = folder / "a.dcm"
    path.write_bytes(content)
    return refused_file(path)


def refused_file(path: Path) -> ReadError:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ReadError) as caught:
        walk_file(path, ALL)
    # Generous beside the 2 s and 300 MB that are promised, so that a busy machine does not decide.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
    assert caught.value.where == str(path)
    return caught.value


def head(syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Preamble and meta information alone."""
    whole = as_bytes(mr_image(syntax))
    length = int.from_bytes(whole[140:144], "little")
    return whole[: 144 + length]


# -- what is read


@pytest.mark.parametrize("name", SYNTAXES)
def test_values_are_those_that_were_written(tmp_path: Path, name: str) -> None:
    data_set = mr_image(SYNTAXES[name])
    if name == "big":
        data_set.PixelData = bytes(48)
    for _ in range(3):  # again with the headers that were met before
        found = walk_bytes(tmp_path, as_bytes(data_set))
        assert found.transfer_syntax_uid == SYNTAXES[name]
        assert found.value(ROWS) == (4,)
        assert found.value(POSITION) == (-110.25, 0.5, 1e-3)
        assert found.value(PATIENT_ID) == "P1"
        assert found.value(B_VALUE) == (800.0,)
        assert found.value(0x00200013) is None
        assert len(found.sequences[0x00081140]) == 2
        assert found.sequences[0x00081140][1][0x00081155].strip(b"\0") == b"1.2.3.9"
        assert found.pixel is not None
        assert found.pixel.length_bytes == 48
        assert found.trailing_bytes == 0


def test_pixels_lie_where_the_walk_says(tmp_path: Path) -> None:
    content = as_bytes(mr_image())
    pixel = walk_bytes(tmp_path, content).pixel
    assert pixel is not None
    assert content[pixel.offset : pixel.offset + pixel.length_bytes] == bytes(range(48))
    assert pixel.fragments is None


def test_nested_sequences_are_kept_where_asked_for(tmp_path: Path) -> None:
    found = walk_bytes(tmp_path, as_bytes(structure_set()))
    contours = found.sequences[0x30060039][0][0x30060040]
    assert len(contours) == 5
    assert decode_value(0x30060050, contours[4][0x30060050]) == (0, 0, 4, 1, 0, 4, 0, 1, 4)
    assert contours[3][0x30060016][0][0x00081155].strip(b"\0") == b"1.2.3.3"
    assert walk_bytes(tmp_path, as_bytes(structure_set()), ElementSelection(tags=())).sequences == {}


@pytest.mark.parametrize("name", ["implicit", "explicit", "big"])
def test_preamble_and_meta_information_may_be_missing(tmp_path: Path, name: str) -> None:
    data_set = mr_image(SYNTAXES[name])
    content = as_bytes(data_set)[len(head(SYNTAXES[name])) :]
    found = walk_bytes(tmp_path, content)
    assert found.transfer_syntax_uid == SYNTAXES[name]
    assert found.value(POSITION) == (-110.25, 0.5, 1e-3)


def test_encapsulated_pixels_are_passed_item_by_item(tmp_path: Path) -> None:
    path = packaged_file("MR_small_RLE.dcm")
    found = walk_file(path, ALL)
    assert found.pixel is not None
    assert found.pixel.fragments == 2
    assert found.pixel.offset + found.pixel.length_bytes <= found.file_bytes


def test_a_dicomdir_is_named_as_such_and_not_walked(tmp_path: Path) -> None:
    content = head().replace(MRImageStorage.encode(), DICOMDIR_SOP_CLASS.encode().ljust(25, b"\0"))
    assert walk_bytes(tmp_path, content + b"\x04\x00garbage").is_dicomdir
    assert not walk_bytes(tmp_path, as_bytes(mr_image())).is_dicomdir


def test_only_whitelisted_elements_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"\(0010,1001\)"):
        ElementSelection(tags=(0x00101001,))
    with pytest.raises(ValueError, match=r"\(0010,0010\)"):
        ElementSelection(tags=(), sequences=frozenset({0x00100010}))


def packaged_file(name: str) -> Path:
    return Path(str(pydicom.data.get_testdata_file(name, download=False)))


def packaged() -> list[Path]:
    folder = packaged_file("MR_small.dcm").parent
    real = SHARED / "data"
    files = [*folder.rglob("*"), *(real.rglob("*") if real.is_dir() else ())]
    return sorted(file for file in files if file.is_file())


def plain(value: Any, representation: str) -> Any:
    """pydicom's value as `decode_value` gives it."""
    if value is None or value == "" or value == []:
        return None
    if representation in ("UI", "DA", "DT", "TM", "LO", "AS", "PN"):
        return str(value)
    if representation == "CS":
        values = [value] if isinstance(value, str) else value
        return tuple(part.strip() for part in values)
    values = [value] if isinstance(value, int | float) else value
    return tuple(values)


@pytest.mark.filterwarnings("ignore")
def test_real_files_have_the_values_that_pydicom_finds() -> None:
    compared = 0
    for path in packaged():
        try:
            found = walk_file(path, ALL)
        except ReadError:
            continue  # the next test says which
        if found.is_dicomdir:
            continue
        if path.suffix == ".gz":
            continue  # pydicom does not inflate
        data_set = pydicom.dcmread(path, force=True)
        for tag in ALL.tags:
            if path.name == "badVR.dcm" and tag == 0x00280008:
                continue  # NumberOfFrames is "1A"
            due = data_set.get(tag)
            due_value = plain(None if due is None else due.value, VALUE_REPRESENTATIONS[tag])
            assert found.value(tag) == due_value, (path.name, hex(tag))
        pixels = data_set.get(0x7FE00010)
        assert (found.pixel is not None) == (pixels is not None)
        if found.pixel is not None and found.pixel.fragments is None and "dfl" not in path.name:
            with path.open("rb") as file:
                file.seek(found.pixel.offset)
                assert file.read(found.pixel.length_bytes) == pixels.value
        compared += 1
    assert compared >= 100


def test_real_files_that_are_refused_are_these() -> None:
    codes = {}
    for path in packaged():
        with path.open("rb") as file:
            is_dicom = file.read(132)[128:] == b"DICM"
        try:
            walk_file(path, ALL)
        except ReadError as error:
            if is_dicom or error.code != "unsupported-format":
                codes[path.name] = error.code
    assert codes == {
        "SC_rgb_jpeg.dcm": "unreadable",  # says it is JPEG, and is implicit
        "rtplan_truncated.dcm": "truncated",
        "MR_truncated.dcm": "truncated",
    }


# -- what is refused


def test_an_empty_file_is_truncated(tmp_path: Path) -> None:
    assert refused(tmp_path, b"").code == "truncated"


def test_text_is_no_dicom(tmp_path: Path) -> None:
    assert refused(tmp_path, b"This is no image.\n" * 50).code == "unsupported-format"
    assert refused(tmp_path, b"hi").code == "unsupported-format"


def test_names_that_are_no_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refused_file(tmp_path / "none.dcm").code == "not-found"
    assert refused_file(tmp_path / "fifo").code == "unsupported-format"
    assert refused_file(tmp_path).code == "unsupported-format"
    assert refused_file(tmp_path / "a\0b").code == "unreadable"


def test_links_are_followed_only_where_named(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(as_bytes(mr_image()))
    (tmp_path / "link").symlink_to(tmp_path / "a.dcm")
    assert walk_file(tmp_path / "link", ALL).value(ROWS) == (4,)
    with pytest.raises(ReadError, match="unreadable"):
        walk_file(tmp_path / "link", ALL, follow_link=False)


def test_an_element_of_3_gib_in_200_bytes_is_truncated(tmp_path: Path) -> None:
    claim = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 3 * 1024**3)
    error = refused(tmp_path, head()[:-8] + head()[-8:] + claim)
    assert error.code == "truncated"
    assert error.values["needed_bytes"] > 3 * 1024**3


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_cut_file_is_refused_or_cut_between_elements(tmp_path: Path, name: str) -> None:
    data_set = mr_image(SYNTAXES[name])
    content = as_bytes(data_set)
    whole = 0
    for end in range(len(content) - 1):
        path = tmp_path / "cut.dcm"
        path.write_bytes(content[:end])
        try:
            found = walk_file(path, ALL)
        except ReadError as error:
            if error.code not in ("truncated", "unreadable", "unsupported-format"):
                pytest.fail(f"{error} at {end}")
        else:  # what is missing there, `read_header` notices
            assert found.pixel is None
            whole += 1
    assert whole < len(data_set)


def nested(depth: int, *, undefined: bool) -> bytes:
    """Sequences in each other, of defined or undefined lengths."""
    content = b""
    for _ in range(depth):
        if undefined:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + content
            item += struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
            content = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + item
        else:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
            content = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(item)) + item
    return content


@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_nest_to_64_and_no_deeper(tmp_path: Path, undefined: bool) -> None:
    start = head() + element(0x00080016, b"UI", b"1.2.3\0")
    assert walk_bytes(tmp_path, start + nested(64, undefined=undefined)).raw(0x00080016) == b"1.2.3\0"
    for depth in (65, 5000):
        error = refused(tmp_path, start + nested(depth, undefined=undefined))
        assert error.code == "too-deep"
        assert error.values["allowed_depth"] == 64


def deflate(content: bytes, repeats: int, piece: bytes) -> bytes:
    """Deflate content and a piece that follows it many times, which is compressed once."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # A full flush lets go of what came before, so that the same bytes can follow again.
    start = compressor.compress(content) + compressor.flush(zlib.Z_FULL_FLUSH)
    again = compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
    return start + again * repeats + compressor.flush()


@pytest.mark.parametrize("tag", [0x00091001, 0x7FE00010])
def test_a_deflated_bomb_is_too_large(tmp_path: Path, tag: int) -> None:
    mebibyte = bytes(1024**2)
    claim = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"OB", 0, 400 * 1024**2)
    start = head(DeflatedExplicitVRLittleEndian)
    error = refused(tmp_path, start + deflate(claim, 400, mebibyte))
    assert error.code == "too-large"
    no_block = b"\x07" + bytes(range(256)) * 32  # a block of the type that RFC 1951 keeps for errors
    assert refused(tmp_path, start + no_block).code in ("unreadable", "truncated")


def test_deflated_elements_without_end_are_too_large(tmp_path: Path) -> None:
    small = element(0x00091001, b"UL", b"\0\0\0\0") * 87_000
    error = refused(tmp_path, head(DeflatedExplicitVRLittleEndian) + deflate(b"", 300, small))
    assert error.code == "too-large"


def test_a_cut_deflated_file_is_truncated(tmp_path: Path) -> None:
    start = head(DeflatedExplicitVRLittleEndian)
    content = deflate(element(0x00080016, b"UI", b"1.2.3\0"), 1, os.urandom(0))
    assert walk_bytes(tmp_path, start + content).raw(0x00080016) == b"1.2.3\0"
    assert refused(tmp_path, start + content[:-4]).code == "truncated"
    claim = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 100)
    assert refused(tmp_path, start + deflate(claim, 1, bytes(50))).code == "truncated"


def test_more_elements_than_limits_allow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(head() + nested(3, undefined=True))
    with pytest.raises(ReadError, match="too-deep"):
        walk_file(path, ALL, limits=Limits(max_depth=2))
    big = element(0x00100020, b"LO", b"P1")[:4] + struct.pack("<2sHI", b"UT", 0, 2 << 20) + bytes(2 << 20)
    assert refused(tmp_path, head() + big).code == "too-large"


def test_a_file_of_nothing_but_elements_is_too_large(tmp_path: Path) -> None:
    many = [element(0x00090000 + number % 65_000, b"UL", b"") for number in range(60_000)]
    assert refused(tmp_path, head() + b"".join(many)).code == "too-large"
    items = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    items += struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_001
    assert refused(tmp_path, head() + items).code == "too-large"
    assert refused(tmp_path, head() + element(0x00091001, b"UL", b"") * 8_400_000).code == "too-large"


TWICE = element(0x00100020, b"LO", b"P1") + element(0x00100020, b"LO", b"P2")
ITEM_TOO_LONG = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 8) + struct.pack("<HHI", 0xFFFE, 0xE000, 20)
IN_ITEM_TOO_LONG = (
    struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 18)
    + struct.pack("<HHI", 0xFFFE, 0xE000, 10)
    + struct.pack("<HH2sH", 0x0008, 0x1150, b"UI", 20)
)


@pytest.mark.parametrize(
    "content",
    [
        TWICE,
        ITEM_TOO_LONG + bytes(40),
        IN_ITEM_TOO_LONG + bytes(40),
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 8) + element(0x00081150, b"UI", b""),
        element(0x00080016, b"ZZ", b"1.2.3\0"),
        element(0x00280010, b"FL", b"\0\0\0\0"),
        struct.pack("<HH2sHI", 0x0009, 0x1010, b"UT", 0, 0xFFFFFFFF),
        struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF),
        struct.pack("<HHI", 0xFFFE, 0xE000, 0),
        element(0x00080016, b"UI", b"1.2.3\0") + bytes(50) + b"rest",
        struct.pack("<HHI", 0x0009, 0x0016, 6) + b"1.2.3\0",
    ],
    ids=[
        "element-twice",
        "item-beyond-sequence",
        "element-beyond-item",
        "no-item-in-sequence",
        "unknown-representation",
        "other-representation",
        "undefined-length",
        "encapsulated-against-syntax",
        "delimiter-at-top",
        "zeros-amid",
        "implicit-against-syntax",
    ],
)
def test_contradictions_are_unreadable(tmp_path: Path, content: bytes) -> None:
    for _ in range(2):
        assert refused(tmp_path, head() + content).code == "unreadable"


@pytest.mark.parametrize("is_explicit", [True, False])
def test_a_file_that_names_the_other_little_endian_syntax_is_read_as_it_is_written(
    tmp_path: Path, is_explicit: bool
) -> None:
    content = as_bytes(mr_image(ExplicitVRLittleEndian if is_explicit else ImplicitVRLittleEndian))
    right = walk_bytes(tmp_path, content)
    names = (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0")
    stored, said = names if is_explicit else names[::-1]
    wrong = content.replace(element(0x00020010, b"UI", stored), element(0x00020010, b"UI", said), 1)
    shift = len(said) - len(stored)
    length = struct.unpack_from("<I", wrong, 140)[0] + shift
    wrong = wrong[:140] + struct.pack("<I", length) + wrong[144:]
    for _ in range(2):
        found = walk_bytes(tmp_path, wrong)
        assert found.values == right.values
        assert found.transfer_syntax_uid == right.transfer_syntax_uid


@pytest.mark.parametrize(
    ("tag", "representation", "raw", "expected"),
    [
        (0x00280030, b"FD", struct.pack("<2d", 0.7, 0.9), (0.7, 0.9)),
        (0x00280030, b"FL", struct.pack("<2f", 0.5, 0.25), (0.5, 0.25)),
        (0x00280030, b"FD", struct.pack("<2d", float("inf"), 0.9), (float("inf"), 0.9)),
        (0x00180050, b"US", struct.pack("<H", 4), (4.0,)),
        (0x00280010, b"UL", struct.pack("<I", 512), (512,)),
        (0x00280010, b"SL", struct.pack("<i", 512), (512,)),
        (0x00280010, b"IS", b"512 ", (512,)),
        (0x00280008, b"US", struct.pack("<H", 3), (3,)),
        (0x00280010, b"UL", struct.pack("<I", 70_000), None),
        (0x00280010, b"SS", struct.pack("<h", -1), None),
        (0x00280010, b"FD", struct.pack("<d", 512), None),
        (0x00280030, b"FD", struct.pack("<d", 0.7) + b"12", None),
        (0x00280030, b"OB", b"0.7\\0.9 ", None),
        (0x00080016, b"US", struct.pack("<H", 3), None),
    ],
)
def test_a_number_of_another_kind_of_number_is_read_as_the_file_says(
    tmp_path: Path, tag: int, representation: bytes, raw: bytes, expected: tuple[float, ...] | None
) -> None:
    if representation == b"OB":
        stored = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, representation, 0, len(raw)) + raw
    else:
        stored = element(tag, representation, raw)
    for _ in range(2):  # what is remembered of the first says nothing else of the second
        if expected is None:
            assert refused(tmp_path, head() + stored).code == "unreadable"
        else:
            assert walk_bytes(tmp_path, head() + stored).value(tag) == expected


def test_an_element_that_comes_twice_far_apart_is_unreadable(tmp_path: Path) -> None:
    content = as_bytes(mr_image())
    walk_bytes(tmp_path, content)
    walk_bytes(tmp_path, content)  # by now in runs
    start = len(head())
    data_set = content[start:]
    assert refused(tmp_path, content[:start] + data_set[: data_set.index(b"\xe0\x7f")] + data_set).code == (
        "unreadable"
    )


def test_unknown_transfer_syntaxes_are_refused_by_name(tmp_path: Path) -> None:
    for syntax in ("1.2.840.113619.5.3", "1.2.840.10008.1.2.4.94"):
        content = as_bytes(mr_image()).replace(
            element(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0"), element(0x00020010, b"UI", syntax.encode())
        )
        error = refused(tmp_path, content)
        assert error.code == "unsupported-codec"
        assert error.values["transfer_syntax_uid"] == syntax


def test_compressed_pixels_without_end_are_truncated(tmp_path: Path) -> None:
    content = packaged_file("MR_small_RLE.dcm").read_bytes()
    end = content.rindex(b"\xfe\xff\xdd\xe0")
    assert refused(tmp_path, content[:end]).code == "truncated"
    assert refused(tmp_path, content[: end - 100]).code == "truncated"
    assert refused(tmp_path, content[:end] + b"\xfe\xff\x0d\xe0\0\0\0\0").code == "unreadable"


def test_bytes_after_the_pixels_are_counted(tmp_path: Path) -> None:
    content = as_bytes(mr_image())
    assert walk_bytes(tmp_path, content + b"garbage after").trailing_bytes == 13
    padded = content + struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 4) + bytes(4)
    assert walk_bytes(tmp_path, padded).trailing_bytes == 0
    twice = content + content[content.index(b"\xe0\x7f\x10\0") :]
    assert refused(tmp_path, twice).code == "unreadable"


def test_no_error_shows_what_the_file_says_of_the_patient(tmp_path: Path) -> None:
    content = as_bytes(mr_image())
    for end in range(len(head()), len(content) - 1):
        path = tmp_path / "a.dcm"
        path.write_bytes(content[:end])
        try:
            shown = repr(walk_file(path, ALL))
        except ReadError as error:
            shown = str(error)
        assert "CANARY" not in shown


def mutants(content: bytes, count: int, seed: int) -> list[bytes]:
    """Copies with bytes changed, cut out, doubled or set to the extremes of lengths."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(mutant))
            kind = rng.randrange(5)
            if kind == 0:
                mutant[at] = rng.randrange(256)
            elif kind == 1:
                mutant[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0"])
            elif kind == 2:
                del mutant[at : at + rng.randint(1, 40)]
            elif kind == 3:
                mutant[at:at] = mutant[at : at + rng.randint(1, 40)]
            else:
                mutant[at:at] = rng.choice(
                    [b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"SQ\0\0", b"\xe0\x7f\x10\0"]
                )
        made.append(bytes(mutant) or b"\0")
    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["implicit", "explicit", "big", "deflated", "structure-set", "segmentation", "enhanced"]
)
def test_mutants_are_read_or_refused(tmp_path: Path, name: str) -> None:
    if name in SYNTAXES:
        content, count = as_bytes(mr_image(SYNTAXES[name])), 500
    elif name == "structure-set":
        content, count = as_bytes(structure_set()), 2000
    else:
        content, count = as_bytes(functional_groups()), 1000
    path = tmp_path / "mutant.dcm"
    outcomes = {"read": 0, "refused": 0}
    for mutant in mutants(content, count, seed=len(name)):
        path.write_bytes(mutant)
        try:
            found = walk_file(path, ALL)
            for tag in ALL.tags:
                found.value(tag)
            outcomes["read"] += 1
        except VolumetryError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0


def functional_groups() -> Dataset:
    """An Enhanced image's sequences: positions for each frame."""
    data_set = mr_image()
    frames = []
    for k in range(8):
        position = Dataset()
        position.ImagePositionPatient = [0, 0, 4.4 * k]
        frame = Dataset()
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    data_set.PerFrameFunctionalGroupsSequence = Sequence(frames)
    data_set["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    return data_set


# -- decoding


@pytest.mark.parametrize(
    ("tag", "raw", "value"),
    [
        (0x00280030, b"0.7\\0.80 ", (0.7, 0.8)),
        (0x00280030, b" ", None),
        (0x00280030, b"", None),
        (0x00280030, b"1e-3\\ 2", (0.001, 2.0)),
        (0x00200013, b"+12 ", (12,)),
        (0x00200013, b"3.0 ", (3,)),
        (0x00080008, b"ORIGINAL\\PRIMARY \\\\M ", ("ORIGINAL", "PRIMARY", "", "M")),
        (0x0020000E, b"1.2.3\0", "1.2.3"),
        (0x00280010, b"\x00\x02", (512,)),
        (0x00189087, struct.pack("<d", 800.0), (800.0,)),
        (0x00280010, b"", None),
        (0x00100020, b" P1 ", "P1"),
    ],
)
def test_values_decode(tag: int, raw: bytes, value: Any) -> None:
    assert decode_value(tag, raw) == value


def test_byte_order_counts_for_binary_values() -> None:
    assert decode_value(0x00280010, b"\x00\x02", little_endian=False) == (2,)


@pytest.mark.parametrize(
    ("tag", "raw"),
    [
        (0x00280030, b"one\\two"),
        (0x00280030, b"1_0"),
        (0x00200013, b"1.5"),
        (0x00200013, b"nan"),
        (0x00200013, b"1e999"),
        (0x00200013, b"1_0"),
        (0x0020000E, b"1.2\xff3"),
        (0x00280010, b"\0\0\0"),
    ],
)
def test_garbage_is_unreadable_and_not_shown(tag: int, raw: bytes) -> None:
    with pytest.raises(ReadError) as caught:
        decode_value(tag, raw, where="a.dcm")
    assert caught.value.code == "unreadable"
    assert raw.decode("latin-1") not in str(caught.value)


def test_a_name_is_read_to_tell_persons_apart_and_is_no_part_of_a_header() -> None:
    """PatientName is compared by `volumetry.formats.dicom.person`; other names are not decoded at all."""
    named = {tag for tag, kind in VALUE_REPRESENTATIONS.items() if kind == "PN"}
    assert named == {tags.PatientName}
    assert not named & set(HEADER_SELECTION.tags)
    for other in (0x00101001, 0x00080090, 0x00081070):  # OtherPatientNames, physician, operator
        with pytest.raises(KeyError):
            decode_value(other, b"CANARY^NAME")


def test_texts_follow_their_character_set() -> None:
    assert decode_text("Zoë".encode("latin-1"), b"ISO_IR 100") == "Zoë"
    assert decode_text("Zoë".encode(), b"ISO_IR 192") == "Zoë"
    assert decode_text(b"Zo\xeb", b"no such set") == "Zo\\xeb"
    assert decode_text(b"\x1b$B;3ED\x1b(B", b"\\ISO 2022 IR 87") == "山田"


def test_tags_have_the_names_of_the_data_dictionary() -> None:
    from pydicom.datadict import tag_for_keyword

    from volumetry.formats.dicom.file import tags

    named = {name: value for name, value in vars(tags).items() if isinstance(value, int)}
    assert len(named) > 90
    assert {name: tag_for_keyword(name) for name in named} == named


def test_no_tag_is_written_as_a_number() -> None:
    """Who reads the program reads keywords: numbers of tags stand in `tags` alone."""
    import re

    import volumetry.formats.dicom as room

    found = [
        f"{file.name}: {text}"
        for file in Path(room.__file__).parent.rglob("*.py")
        if file.name != "tags.py"
        for text in re.findall(r"\b0x[0-9A-Fa-f]{8}\b", file.read_text(encoding="utf-8"))
        if text != "0xFFFFFFFF"  # the length of an element that a delimiter ends
    ]
    assert found == []


@pytest.mark.parametrize("lengths", ["the same", "other"])
def test_a_plain_file_is_walked_at_once_as_it_is_element_by_element(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lengths: str
) -> None:
    """Files of one series, then damaged ones among them: the short way and the long way agree."""
    from dicom_phantoms import stack_geometry, stack_voxels, write_series

    from volumetry.formats.dicom.file import elements
    from volumetry.formats.dicom.file.plain_file import PlainFiles
    from volumetry.formats.dicom.header_tags import HEADER_SELECTION

    def change(ds, index):
        if lengths == "other":
            ds.EchoTime, ds.SliceLocation = "1" * (1 + index), f"{index * 9.5:g}"

    geometry = stack_geometry(n_slices=8, rows=4, columns=4)
    paths = write_series(tmp_path, geometry, stack_voxels(geometry), change=change)
    met = PlainFiles(HEADER_SELECTION, elements._META)

    def answer(content: bytes, plain: PlainFiles | None) -> object:
        file = tmp_path / "one.dcm"
        file.write_bytes(content)
        monkeypatch.setattr(elements, "_plain_files", lambda _: plain or NeverPlain())
        try:
            found = elements.walk_file(file, HEADER_SELECTION)
        except VolumetryError as error:
            return error.code, error.what, dict(error.values)
        return found.transfer_syntax_uid, found.media_storage_sop_class_uid, found.values, found.pixel

    class NeverPlain:
        def walk(self, head: bytes, file_bytes: int) -> None:
            return None

    at_once = 0
    for _ in range(3):
        for path in paths:
            at_once += met.walk(path.read_bytes(), path.stat().st_size) is not None
            answer(path.read_bytes(), met)
    assert at_once > 8  # the first of each kind is learned from
    for number, path in enumerate(paths):
        for mutant in [path.read_bytes(), *mutants(path.read_bytes(), 150, seed=number)]:
            assert answer(mutant, met) == answer(mutant, None)
