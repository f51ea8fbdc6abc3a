"""NIfTI-1 and NIfTI-2: ``.nii``, ``.nii.gz``, and ``.hdr`` with its ``.img``, either of which may be named.

Masks are counted slice by slice as they are inflated. The header is read by
`volumetry.formats.voxels.nifti.header`, the slice thickness from the BIDS sidecar
(`volumetry.formats.voxels.nifti.sidecar`).
"""

from __future__ import annotations

import re
from pathlib import Path

from volumetry.errors import ReadError
from volumetry.formats.voxels.header import VoxelFile
from volumetry.formats.voxels.nifti.header import HEADER_SIZES, header_size, is_nifti_header, parse_header
from volumetry.formats.voxels.nifti.sidecar import sidecar_facts, sidecars
from volumetry.formats.voxels.reader import VoxelReader
from volumetry.formats.voxels.streams import ByteStream, Encoding, GzipStream, open_stream


def read_header(path: Path | str) -> VoxelFile:
    """Read the header, and check the declared size against the file before any memory is taken.

    Raises
    ------
    ReadError, GeometryError
    """
    path = path if isinstance(path, Path) else Path(path)
    half = _PAIR.fullmatch(path.name)
    header_path = path if half is None or half[2].lower() == "hdr" else _beside(path, half[1], "hdr")
    with open_stream(header_path, None, follow_link=header_path == path) as (stream, on_disk_bytes):
        encoding = _encoding(stream)
        content = stream.read(min(HEADER_SIZES))
        size, _ = header_size(content, header_path)
        if size > len(content):
            content += stream.read(size - len(content))
    if half is not None and len(content) == 348 and not is_nifti_header(content):
        return _analyze(content, path, half[1])
    header = parse_header(content, header_path)
    data_path = path
    if not header.in_one_file:
        data_path = _image_of(path, path.name.rpartition(".")[0] if half is None else half[1])
        with open_stream(data_path, None, follow_link=data_path == path) as (stream, on_disk_bytes):
            encoding = _encoding(stream)
    facts = sidecar_facts(path)
    file = VoxelFile(
        path=path,
        format="nifti",
        modality=facts.modality,
        study_date=facts.study_date,
        acquisition=facts.acquisition,
        dtype=header.dtype,
        sizes=header.sizes,
        steps_mm=header.steps_mm,
        origin_mm=header.origin_mm,
        slice_axis=header.slice_axis,
        slice_thickness_mm=facts.slice_thickness_mm,
        data_path=data_path,
        encoding=encoding,
        data_offset=header.vox_offset,
        slope=header.slope,
        intercept=header.intercept,
        flags=header.flags,
    )
    file.check_size(on_disk_bytes)
    return file


def _encoding(stream: ByteStream) -> Encoding:
    """Tell gzip by its bytes: a name ends as people like it."""
    return "gzip" if isinstance(stream, GzipStream) else "raw"


def _analyze(content: bytes, path: Path, stem: str) -> VoxelFile:
    """Return the image of an Analyze 7.5 header."""
    from volumetry.formats.voxels.nifti.analyze import parse_header as parse_analyze

    data_path = _image_of(path, stem)
    with open_stream(data_path, None, follow_link=data_path == path) as (stream, on_disk_bytes):
        encoding = _encoding(stream)
    thickness = sidecar_facts(path).slice_thickness_mm
    file = parse_analyze(content, path, data_path=data_path, encoding=encoding, slice_thickness_mm=thickness)
    file.check_size(on_disk_bytes)
    return file


_PAIR = re.compile(r"(.*)\.(hdr|img)(\.gz)?", re.I | re.S)


def _image_of(path: Path, stem: str) -> Path:
    """Return the ``.img`` of a pair: the named file itself, or the one beside it."""
    half = _PAIR.fullmatch(path.name)
    return path if half is not None and half[2].lower() == "img" else _beside(path, stem, "img")


def _beside(path: Path, stem: str, suffix: str) -> Path:
    for ending in (suffix, f"{suffix}.gz", suffix.upper()):
        other = path.with_name(f"{stem}.{ending}")
        if other.is_file():
            return other
    raise ReadError(
        "not-found",
        f"the .{suffix} that belongs to this file is not beside it",
        where=path,
        todo="Copy both files, the .hdr and the .img, to one folder.",
    )


def companions(path: Path) -> list[Path]:
    """Return the other half of a ``.hdr`` and ``.img`` pair, and the BIDS sidecars."""
    pair = _PAIR.fullmatch(path.name)
    endings = ("hdr", "img", "hdr.gz", "img.gz", "HDR", "IMG")
    others = [] if pair is None else [path.with_name(f"{pair[1]}.{ending}") for ending in endings]
    return [*(other for other in others if other != path), *sidecars(path)]


READER = VoxelReader("nifti", read_header, companions)
