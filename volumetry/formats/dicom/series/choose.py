"""Which stack a folder or file stands for, where one can be meant.

A folder stands for the one stack that it holds; a file, for the stack that it belongs to within its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from volumetry.errors import GeometryError, ReadError, VolumetryError
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import FolderIndex, index_folder, is_apple_double, read_header
from volumetry.formats.dicom.series.find import is_image, stacks_of
from volumetry.formats.dicom.series.stacks import SeriesStack, StackRefusal, is_lost_slice, with_flag
from volumetry.formats.opening import follows_links
from volumetry.geometry import GRID_TOLERANCE, ScanGeometry

_LISTED = 12


def find_stack(path: Path | str, *, series_uid: str | None = None) -> SeriesStack:
    """Find the stack that a folder or file stands for: its geometry and files, no pixels.

    Parameters
    ----------
    path : path
        A folder, read with its sub-folders; or a file, which stands for the stack it belongs to among the
        files of its folder (or for itself, where it is a multi-frame image or a mosaic).
    series_uid : str, optional
        SeriesInstanceUID of the series that is meant; with ``#2`` after it, the second stack of that series,
        as the message of ``ambiguous-series`` numbers them.

    Returns
    -------
    SeriesStack

    Raises
    ------
    ReadError, GeometryError
        ``ambiguous-series`` where several stacks could be meant; else by what is wrong with it.
    """
    headers, of_file = headers_at(path)
    return choose_stack(headers, path, series_uid=series_uid, of_file=of_file)


def find_stack_like(path: Path | str, fits: Callable[[ScanGeometry], bool]) -> SeriesStack | None:
    """Return the stack at a path whose geometry fits; the first of a series whose stacks have one geometry.

    None where no stack fits, or several of different series or places do.
    """
    headers, of_file = headers_at(path)
    found = list(stacks_of(headers))
    if of_file is not None:
        found = [s for s in found if any(h.path == of_file.path for h in s.headers)]
    chosen = one_geometry([s for s in found if isinstance(s, SeriesStack) and fits(s.geometry)])
    return with_flag(sole_stack(chosen, found), "split-series") if chosen is not None else None


def one_geometry(
    stacks: Sequence[SeriesStack | StackRefusal], *, series_uids: Sequence[str] = ()
) -> SeriesStack | StackRefusal | None:
    """Return the first of several stacks of a series with one geometry: any of them gives the same volume.

    Stacks of several series count, too, where all of them are among `series_uids`.
    """
    if not stacks:
        return None
    first = stacks[0]
    for other in stacks[1:]:
        if isinstance(first, StackRefusal) or isinstance(other, StackRefusal):
            return None
        uids = {first.source.series_uid, other.source.series_uid}
        if len(uids) > 1 and not uids <= set(series_uids):
            return None
        if not same_geometry(first.geometry, other.geometry):
            return None
    return first


def same_geometry(one: ScanGeometry, other: ScanGeometry) -> bool:
    """Whether two stacks have the same voxels, and slices of the same thickness, in one coordinate system."""
    frames = {one.frame_of_reference_uid, other.frame_of_reference_uid} - {None}
    return (
        len(frames) < 2
        and one.slice_thickness_mm == other.slice_thickness_mm
        and np.array_equal(one.slice_thicknesses_mm, other.slice_thicknesses_mm)  # type: ignore[arg-type]
        and one.voxel_distance(other) <= GRID_TOLERANCE
    )


def headers_at(path: Path | str) -> tuple[list[DicomHeader], DicomHeader | None]:
    """Return the headers that a folder or file stands for, and that of the file itself.

    Raises
    ------
    ReadError
        What is wrong with a file of the folder; ``unsupported-format`` where there are no images.
    """
    headers, of_file, refusal = readable_headers_at(path)
    if refusal is not None:
        raise refusal
    return headers, of_file


def readable_headers_at(
    path: Path | str,
) -> tuple[list[DicomHeader], DicomHeader | None, VolumetryError | None]:
    """Return what `headers_at` does, and why a file of the folder cannot be read, which could be a slice.

    Raises
    ------
    ReadError
        ``unsupported-format`` where there are no images; what is wrong with a file that was named.
    """
    path = Path(path)
    if path.is_dir():
        index = index_folder(path)
        return index.headers, None, _unread(index, path)
    header = read_header(path)
    if not is_image(header):
        raise ReadError(
            "unsupported-format",
            "this DICOM file is no image",
            where=path,
            values={"sop_class_uid": header.sop_class_uid},
            todo="Name the images, or read it as a mask or trace.",
        )
    return [header, *_siblings(header)], header, None


def _siblings(header: DicomHeader) -> list[DicomHeader]:
    """Return the headers of the other files of a classic series in its folder."""
    if header.number_of_frames > 1 or header.is_mosaic or header.image_position_mm is None:
        return []
    uid, siblings = header.series_instance_uid, []
    for path in sorted(Path(header.path).parent.iterdir()):
        if str(path) == header.path or not path.is_file() or is_apple_double(path.name):
            continue
        if path.is_symlink() and not follows_links():
            continue
        try:
            other = read_header(path)
        except ReadError as error:
            if error.code == "unsupported-format":
                continue
            raise
        if other.series_instance_uid == uid:
            siblings.append(other)
    return siblings


def _unread(index: FolderIndex, path: Path) -> VolumetryError | None:
    """Return why a file of a folder cannot be read; refuse a folder without images."""
    if index.refusals:
        where, error = index.refusals[0]
        return error.at(where)
    if not any(map(_is_image_or_refused, index.headers)):
        raise ReadError(
            "unsupported-format",
            "the folder holds no DICOM images",
            where=path,
            values={
                "DICOM files": len(index.headers),
                "other files": len(index.other_files),
                "DICOMDIR files": len(index.dicomdirs),
            },
            todo="Name the folder of a series.",
        )
    return None


def _is_image_or_refused(header: DicomHeader) -> bool:
    try:
        return is_image(header)
    except VolumetryError:
        return True


def choose_stack(
    headers: Sequence[DicomHeader],
    path: Path | str,
    *,
    series_uid: str | None = None,
    of_file: DicomHeader | None = None,
) -> SeriesStack:
    """Choose the one stack that can be meant; localizers and single images beside it are set aside.

    Parameters
    ----------
    headers : sequence of DicomHeader
    path : path
        For the message.
    series_uid : str, optional
        As in `find_stack`.
    of_file : DicomHeader, optional
        The stack must hold this file.

    Raises
    ------
    GeometryError, ReadError
        As `find_stack`.
    """
    found = list(stacks_of(headers))
    if series_uid is not None:
        found = _of_series(found, series_uid, path)
    others = found
    if of_file is not None:
        found = [s for s in found if any(h.path == of_file.path for h in s.headers)]
    if not found:
        raise ReadError(
            "unsupported-format", "there are no images here", where=path, todo="Name the folder of a series."
        )
    if len(found) == 1:
        return sole_stack(found[0], others)
    stacks = [s for s in found if isinstance(s, SeriesStack)]
    real = [s for s in stacks if s.n_slices > 1 and not s.is_localizer] or stacks
    refusals = [r for r in found if isinstance(r, StackRefusal) and (not real or len(r.headers) > 1)]
    if refusals and (
        not real or {r.source.series_uid for r in refusals} & {s.source.series_uid for s in real}
    ):
        raise max(refusals, key=lambda r: len(r.headers)).error
    if len(real) > 1 or refusals:
        raise _ambiguous([*real, *refusals], found, path)
    return with_flag(sole_stack(real[0], found), "split-series")


def sole_stack(
    stack: SeriesStack | StackRefusal, others: Sequence[SeriesStack | StackRefusal]
) -> SeriesStack:
    """Return the chosen stack, unless a single image beside it is a slice of it.

    Raises
    ------
    VolumetryError
        ``inconsistent-series``; the error of a refusal.
    """
    if isinstance(stack, StackRefusal):
        raise stack.error
    for other in others:
        if isinstance(other, SeriesStack) and other.n_slices == 1 and is_lost_slice(other, stack):
            raise GeometryError(
                "inconsistent-series",
                "one image differs from its neighbours in image type, echo, b-value, patient, kind of "
                "object or frame of reference",
                where=other.headers[0].path,
                values={
                    "position_mm": float(other.geometry.slice_origins_mm[0] @ stack.geometry.normal),
                    **_differences(other.headers[0], stack.headers[0]),
                },
                todo="Remove it if it does not belong there, or export the series again.",
            )
    return stack


_TOLD_APART = {
    "ImageType": "image_type",
    "EchoNumbers": "echo_number",
    "EchoTime_ms": "echo_time_ms",
    "DiffusionBValue": "diffusion_b_value",
    "FrameOfReferenceUID": "frame_of_reference_uid",
    "SOPClassUID": "sop_class_uid",
}
"""What tells stacks of one series apart, and the attribute of a header that holds it."""


def _differences(one: DicomHeader, other: DicomHeader) -> dict[str, str]:
    """Return the values in which two images differ; identities of patients are not repeated in messages."""
    found = {}
    for name, attribute in _TOLD_APART.items():
        mine, theirs = getattr(one, attribute), getattr(other, attribute)
        if mine != theirs:
            found[name] = f"{_told(mine)} beside {_told(theirs)}"
    if one.patient_id != other.patient_id:
        found["PatientID"] = "another"
    return found


def _told(value: object) -> str:
    text = "\\".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
    return text[:70] or "none"


def _of_series(
    found: Sequence[SeriesStack | StackRefusal], series_uid: str, path: Path | str
) -> list[SeriesStack | StackRefusal]:
    uid, _, number = series_uid.partition("#")
    series = [s for s in found if s.source.series_uid == uid]
    if number:
        series = series[int(number) - 1 : int(number)] if number.isdecimal() and int(number) > 0 else []
    if not series:
        raise ReadError(
            "not-found",
            "the series is not there",
            where=path,
            values={"series_uid": series_uid},
            todo="List what is there with `volumetry series`.",
        )
    return series


def _ambiguous(
    meant: Sequence[SeriesStack | StackRefusal], found: Sequence[SeriesStack | StackRefusal], path: Path | str
) -> GeometryError:
    """Return the error that lists what could be meant, in numbers and UIDs alone."""
    listed = {_name(stack, found): stack_facts(stack) for stack in meant[:_LISTED]}
    files = [{header.path for header in stack.headers} for stack in meant]
    apart = all(one != other for k, one in enumerate(files) for other in files[:k])
    in_python = "read_scan(path, series_uid=...) with the name listed here"
    return GeometryError(
        "ambiguous-series",
        f"{len(meant)} stacks could be meant",
        where=path,
        values=listed,
        todo="Name one file of the stack that is meant: with --scan, in a batch in the column scan of a "
        f"manifest; or in Python use {in_python}."
        if apart
        else f"They lie in the same files: in Python use {in_python}.",
    )


def _name(stack: SeriesStack | StackRefusal, found: Sequence[SeriesStack | StackRefusal]) -> str:
    series = [s for s in found if s.source.series_uid == stack.source.series_uid]
    uid = stack.source.series_uid or "series without UID"
    return uid if len(series) == 1 else f"{uid}#{series.index(stack) + 1}"


def stack_facts(stack: SeriesStack | StackRefusal) -> str:
    """Return what a stack is in numbers alone, for messages."""
    modality = stack.source.modality
    if isinstance(stack, StackRefusal):
        return f"{modality} {len(stack.headers)} images, {stack.error.code}"
    geometry = stack.geometry
    rows_mm, columns_mm = geometry.pixel_spacing_mm
    step = "" if geometry.regular_step_mm is None else f", {geometry.regular_step_mm:.4g} mm apart"
    return (
        f"{modality} {geometry.rows} x {geometry.columns} pixels of {rows_mm:.4g} x {columns_mm:.4g} mm, "
        f"{geometry.n_slices} slices{step}"
    )
