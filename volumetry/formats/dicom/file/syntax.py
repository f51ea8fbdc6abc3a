"""How the elements of a DICOM file are written, and whether a file is one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from volumetry.errors import ReadError
from volumetry.formats.dicom.file import tags
from volumetry.formats.opening import truncated

DICOMDIR_SOP_CLASS = "1.2.840.10008.1.3.10"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
GE_IMPLICIT = "1.2.840.113619.5.2"
"""Private, of old GE workstations: implicit little endian, but for the pixels, which are big endian."""
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"

PIXEL_DATA = tags.PixelData
PIXEL_TAGS = frozenset({tags.FloatPixelData, tags.DoubleFloatPixelData, PIXEL_DATA})

SHORT_LENGTH = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # 16 bit length
)
LONG_LENGTH = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # 32 bit length after a gap
KNOWN_REPRESENTATIONS = SHORT_LENGTH | LONG_LENGTH


class Encoding(NamedTuple):
    """How headers of elements are written."""

    number: int
    explicit: bool
    little_endian: bool
    header: struct.Struct
    length: struct.Struct


EXPLICIT = Encoding(0, True, True, struct.Struct("<HH2sH"), struct.Struct("<I"))
BIG = Encoding(1, True, False, struct.Struct(">HH2sH"), struct.Struct(">I"))
IMPLICIT = Encoding(2, False, True, struct.Struct("<HHI"), struct.Struct("<I"))


def first_element(head: bytes, file_bytes: int, path: Path | str) -> int:
    """Return where the elements begin, or raise where this is not DICOM."""
    if head[128:132] == b"DICM":
        return 132
    if not file_bytes:
        raise truncated("the file is empty", path, 132, 0)
    if file_bytes < 132 and not any(head):
        raise truncated("the file ends within its preamble", path, 132, file_bytes)
    if _is_element(head, file_bytes):
        return 0
    raise not_dicom(head, path)


_ARRAY = "Load it in Python and give it with its geometry: volumetry.scan_from or mask_from; then write_mask."
_PICTURE = "A picture has no voxel size. Name the DICOM, NIfTI or NRRD file that it was made from."
_SURFACE = "Export the segmentation as a label image: NIfTI (.nii.gz) or NRRD (.nrrd)."
_PACKED = "Unpack it first, and name the file or folder in it."
_TABLE = "Name the image or tracing itself. Cases are listed in a manifest: volumetry batch --manifest."
_EXPORT = "Export the image as DICOM, NIfTI (.nii.gz) or NRRD (.nrrd)."

_BY_BYTES = (
    (b"\x93NUMPY", "an array of numpy, which has no voxel size", _ARRAY),
    (b"\x89PNG", "a PNG picture", _PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", _PICTURE),
    (b"GIF8", "a GIF picture", _PICTURE),
    (b"BM", "a BMP picture", _PICTURE),
    (b"%PDF", "a PDF document", _PICTURE),
    (b"BZh", "a bzip2'ed file", _PACKED),
    (b"\xfd7zXZ\0", "an xz'ed file", _PACKED),
    (b"\x28\xb5\x2f\xfd", "a file packed with zstd", _PACKED),
    (b"PK\3\4", "a ZIP archive, or a file in one (.npz, .xlsx, .docx)", _PACKED),
    (b"\x1f\x8b", "a file compressed with gzip, whose content its name does not tell", _PACKED),
    (b"7z\xbc\xaf", "a 7-Zip archive", _PACKED),
    (b"Rar!", "a RAR archive", _PACKED),
    (b"\x89HDF", "an HDF5 file (.h5, .mat of version 7.3, MINC 2)", _EXPORT),
    (b"CDF", "a NetCDF file (MINC 1)", _EXPORT),
    (b"MATLAB", "a MATLAB file", _EXPORT),
    (b"solid", "a surface (STL)", _SURFACE),
    (b"ply", "a surface (PLY)", _SURFACE),
    (b"<?xml", "an XML file", _EXPORT),
    (b"<", "an XML or HTML file", _EXPORT),
    (b"!INTERFILE", "an Interfile header", _EXPORT),
    (b"ENVI", "an ENVI header", _EXPORT),
)
_BY_SUFFIX = {
    ".stl": ("a surface (STL)", _SURFACE),
    ".obj": ("a surface (OBJ)", _SURFACE),
    ".vtp": ("a surface (VTP)", _SURFACE),
    ".csv": ("a table", _TABLE),
    ".tsv": ("a table", _TABLE),
    ".xls": ("a table", _TABLE),
    ".txt": ("a text", _TABLE),
    ".json": ("a JSON file, and no trace of this program (.trace.json)", _TABLE),
    ".toml": ("a TOML file", _TABLE),
    ".raw": ("bare voxels, whose size no header tells", "Name the header beside it (.mhd, .nhdr)."),
    ".zraw": ("bare voxels, whose size no header tells", "Name the header beside it (.mhd, .nhdr)."),
    ".rec": ("bare voxels of Philips, beside their .PAR", _EXPORT),
    ".par": ("a PAR header of Philips", _EXPORT),
    ".mnc": ("a MINC file", _EXPORT),
    ".brik": ("an AFNI file", _EXPORT),
    ".head": ("an AFNI header", _EXPORT),
    ".nrrd": ("no NRRD file, whose first bytes are NRRD", _EXPORT),
}


def not_dicom(head: bytes, path: Path | str) -> ReadError:
    """Return the error for a file of no format that is read: what it is, as far as bytes and name tell."""
    by_bytes = next(
        ((what, todo) for magic, what, todo in _BY_BYTES if head.lstrip().startswith(magic)), None
    )
    what, todo = by_bytes or _BY_SUFFIX.get(Path(path).suffix.lower(), ("", ""))
    return ReadError(
        "unsupported-format",
        f"this is {what}" if what else "this is not a DICOM file, nor of another format that is read",
        where=path,
        todo=todo
        or "Name a DICOM, NIfTI, NRRD or MetaImage file; all that is read: docs/reference/formats.md.",
    )


def _is_element(head: bytes, file_bytes: int) -> bool:
    """Return whether bytes without preamble plausibly begin with an element of group 0002 or 0008."""
    if len(head) < 8:
        return False
    if head[4:6] in KNOWN_REPRESENTATIONS:
        if head[:2] == b"\0\x08":
            return head[2] == 0
        return head[:2] in (b"\x02\0", b"\x08\0") and head[3] == 0
    group, element, length = IMPLICIT.header.unpack_from(head)
    return bool(group == 0x0008 and element < 0x0100 and length <= min(1024, file_bytes - 8))


def encoding_of(declared: str, first: bytes, remaining_bytes: int, path: Path | str) -> tuple[str, Encoding]:
    """Return the transfer syntax and how its elements are written.

    Where a file says explicit and its first element is implicit little endian, or the reverse, the element
    counts: there is one way to read it (old archives and anonymisers write such files).
    """
    if remaining_bytes <= 0:
        raise truncated("the file ends after its meta information", path, 8, 0)
    if declared == DEFLATED_LITTLE_ENDIAN:
        return declared, EXPLICIT
    if not declared:
        declared = _sniffed(first)
    explicit = first[4:6] in KNOWN_REPRESENTATIONS
    if declared in (IMPLICIT_LITTLE_ENDIAN, GE_IMPLICIT):
        if explicit and declared == IMPLICIT_LITTLE_ENDIAN and first[:2] == b"\x08\0":
            return EXPLICIT_LITTLE_ENDIAN, EXPLICIT
        if explicit:
            raise _contradiction(path)
        return declared, IMPLICIT
    if declared == EXPLICIT_BIG_ENDIAN:
        return declared, BIG
    if declared == EXPLICIT_LITTLE_ENDIAN or is_encapsulated(declared):
        if declared == EXPLICIT_LITTLE_ENDIAN and not explicit and _is_element(first, remaining_bytes):
            return IMPLICIT_LITTLE_ENDIAN, IMPLICIT
        if len(first) == 8 and not explicit:
            raise _contradiction(path)
        return declared, EXPLICIT
    raise ReadError(
        "unsupported-codec",
        "the transfer syntax is not known here",
        where=path,
        values={"transfer_syntax_uid": declared[:64]},
        todo="Convert the file to Explicit VR Little Endian.",
    )


def _sniffed(first: bytes) -> str:
    if first[4:6] not in KNOWN_REPRESENTATIONS:
        return IMPLICIT_LITTLE_ENDIAN
    return EXPLICIT_BIG_ENDIAN if first[:2] == b"\0\x08" else EXPLICIT_LITTLE_ENDIAN


def _contradiction(path: Path | str) -> ReadError:
    return ReadError(
        "unreadable",
        "the elements are not written as the transfer syntax says",
        where=path,
        todo="Export the file again.",
    )


def is_encapsulated(syntax: str) -> bool:
    """Return whether pixels of this transfer syntax are encapsulated: JPEG and its kin, RLE, MPEG."""
    return syntax in _ENCAPSULATED or (
        syntax.startswith("1.2.840.10008.1.2.4.") and syntax not in _BY_REFERENCE
    )


# JPIP: the pixels are on a server.
_BY_REFERENCE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))
_ENCAPSULATED = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"})
