"""Traced lesions in every format that others read: chosen by name or by the suffix of the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from volumetry.errors import MismatchError, TraceError, UsageError
from volumetry.formats.dicom.written.lesions import (
    Algorithm,
    ExportedLesion,
    SourceImages,
    values_of_the_source,
)
from volumetry.geometry import ScanGeometry
from volumetry.masks.mask import Mask
from volumetry.masks.outlines import contours_from_mask, mask_from_contours
from volumetry.scan import ScanSource
from volumetry.trace import Trace

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ExportFormat = Literal["trace", "nifti", "nrrd", "seg", "rtstruct", "sr"]
"""Formats that are written; a structured report (``sr``) also needs the measurements."""

_SUFFIXES: tuple[tuple[str, ExportFormat], ...] = (
    (".trace.json", "trace"),
    (".nii", "nifti"),
    (".nii.gz", "nifti"),
    (".nrrd", "nrrd"),
)
_SUFFIX_OF = {"nifti": ".nii.gz", "nrrd": ".seg.nrrd"}
"""Formats that readers know by the suffix alone."""
_TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
OF_DICOM: frozenset[str] = frozenset({"seg", "rtstruct"})


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How lesions are written.

    Attributes
    ----------
    finding : str
        What the lesion is, for its code: ``lesion``, ``necrosis``, ``neoplasm``...
    region : str
        Where it is, for its code: ``femoral head``...; a text without a code is left out.
    holes : {"xor", "keyhole"}
        How an RTSTRUCT writes holes.
    empty_frames : bool
        Whether a SEG has a frame for every slice.
    algorithm : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
    lesion : str
        Name for a lesion that is written alone; empty: the name that its file has.

    Examples
    --------
    >>> from volumetry.export import ExportOptions
    >>> options = ExportOptions(finding="necrosis", region="femoral head", holes="keyhole")
    >>> options.finding
    'necrosis'
    """

    finding: str = "lesion"
    region: str = ""
    holes: Literal["xor", "keyhole"] = "xor"
    empty_frames: bool = False
    algorithm: Algorithm = "MANUAL"
    lesion: str = ""


def format_of(path: Path | str, as_: str | None) -> ExportFormat:
    """Return the format that a path or a name asks for.

    Raises
    ------
    UsageError
        ``usage``: neither says a format, or they contradict each other.
    """
    name = str(path).lower()
    by_suffix = next((known for suffix, known in _SUFFIXES if name.endswith(suffix)), None)
    for known in get_args(ExportFormat):
        if as_ == known:
            if by_suffix != known and (by_suffix is not None or known in _SUFFIX_OF):
                raise UsageError(
                    "usage",
                    "the name of the file and the format that was asked for do not agree",
                    where=path,
                    values={"asked for": as_},
                    todo=f"Name the file like L1{_SUFFIX_OF.get(known, '.dcm')}, or leave the format out.",
                )
            checked: ExportFormat = known
            return checked
    if as_ is None and by_suffix is not None:
        return by_suffix
    raise UsageError(
        "usage",
        "the format to write is not known",
        where=path,
        values={} if as_ is None else {"asked for": as_},
        todo=f"Choose one of {', '.join(get_args(ExportFormat))}; .dcm files need the format by name.",
    )


def lesions_of_trace(trace: Trace, options: ExportOptions) -> tuple[ExportedLesion, ...]:
    """Return the lesion of a trace as it is exported."""
    return (
        ExportedLesion(
            lesion=options.lesion or trace.lesion,
            side=trace.side,
            contours=trace.contours,
            patient=trace.source.patient,
            finding=options.finding,
            region=options.region,
            algorithm=options.algorithm,
            reader=trace.provenance.reader,
            time=trace.provenance.signed_time or trace.provenance.time,
            content_sha256=trace.sha256,
        ),
    )


def lesions_of_mask(mask: Mask, options: ExportOptions) -> tuple[ExportedLesion, ...]:
    """Return the labels of a mask as they are exported: outlines along the edges of the pixels."""
    from volumetry.formats.lesion_names import side_of_name

    found = []
    for label in mask.labels:
        contours = contours_from_mask(mask, label.number)
        digest = hashlib.sha256(repr([(c.slice_index, c.vertices.tolist()) for c in contours]).encode())
        name = (options.lesion if len(mask.labels) == 1 else "") or label.name or f"label {label.number}"
        found.append(
            ExportedLesion(
                lesion=name,
                side=label.side or side_of_name(name),
                contours=contours,
                patient=mask.source.patient,
                finding=options.finding,
                region=options.region,
                algorithm=options.algorithm,
                content_sha256=digest.hexdigest(),
            )
        )
    return tuple(found)


def mask_of_lesions(
    lesions: Sequence[ExportedLesion], geometry: ScanGeometry, source: ScanSource | None = None
) -> Mask:
    """Return a mask with a named label for every lesion."""
    mask = mask_from_contours(
        {number: lesion.contours for number, lesion in enumerate(lesions, start=1)}, geometry, source=source
    )
    named = dict(enumerate(lesions, start=1))
    labels = tuple(
        replace(label, name=named[label.number].lesion, side=named[label.number].side)
        if label.number in named
        else label
        for label in mask.labels
    )
    return replace(mask, labels=labels, declared=True)


def write_lesions(
    lesions: Sequence[ExportedLesion],
    path: Path | str,
    as_: ExportFormat,
    *,
    geometry: ScanGeometry,
    images: SourceImages | None = None,
    options: ExportOptions | None = None,
    finish: Callable[[Dataset], None] | None = None,
) -> Dataset | None:
    """Write lesions on one scan to one file, atomically; return the DICOM object where it is one.

    `finish` is given the object before it is written.

    Raises
    ------
    MismatchError
        ``not-dicom-scan``: a DICOM object without DICOM images.
    TraceError
        ``nothing-to-export``.
    GeometryError
        ``inconsistent-series``: the format cannot say where the slices lie.
    """
    options = options or ExportOptions()
    if not any(lesion.contours for lesion in lesions) and as_ != "rtstruct":
        raise nothing_to_export(path)
    if as_ in ("nifti", "nrrd"):
        write_voxels(mask_of_lesions(lesions, geometry), path, as_)
        return None
    written = _dicom_object(lesions, as_, images, options, path)
    if finish is not None:
        finish(written)
    save_dicom(written, path)
    return written


def write_voxels(mask: Mask, path: Path | str, as_: str) -> None:
    """Write a mask as NIfTI or ``.seg.nrrd``, with its own label numbers.

    Raises
    ------
    GeometryError
        ``inconsistent-series``: the format cannot say where the slices lie.
    """
    if as_ == "nifti":
        from volumetry.formats.voxels.nifti.writer import write_mask
    else:
        from volumetry.formats.voxels.nrrd.writer import write_mask
    write_mask(mask, path)


def only_its_labels(mask: Mask) -> Mask:
    """Return a mask without the voxels of labels that it does not list, and without layers that hold none."""
    import numpy as np

    numbers: dict[int, list[int]] = {}
    for label in mask.labels:
        numbers.setdefault(label.layer, []).append(label.number)
    kept = sorted(numbers)
    layers = tuple(
        np.where(np.isin(mask.layers[i], numbers[i]), mask.layers[i], mask.layers[i].dtype.type(0))
        for i in kept
    )
    labels = tuple(replace(label, layer=kept.index(label.layer)) for label in mask.labels)
    return replace(mask, layers=layers, labels=labels) if layers else mask


def nothing_to_export(path: Path | str) -> TraceError:
    """Return the error of a lesion without an outline, for formats that cannot hold one."""
    return TraceError(
        "nothing-to-export",
        "the tracing has no outline",
        where=path,
        todo="Export as trace or rtstruct, which can hold an absent lesion.",
    )


def without_images(path: Path | str) -> MismatchError:
    """Return the error of a DICOM object that was asked for without DICOM images."""
    return MismatchError(
        "not-dicom-scan",
        "a DICOM object needs the DICOM images that the lesion was traced on",
        where=path,
        todo="Name their folder with --scan, or export as nrrd or nifti.",
    )


def _dicom_object(
    lesions: Sequence[ExportedLesion],
    as_: str,
    images: SourceImages | None,
    options: ExportOptions,
    path: Path | str,
) -> Dataset:
    if images is None:
        raise without_images(path)
    with values_of_the_source():
        if as_ == "seg":
            from volumetry.formats.dicom.written.segmentation import segmentation

            return segmentation(lesions, images, empty_frames=options.empty_frames)
        from volumetry.formats.dicom.written.structure_set import structure_set

        return structure_set(lesions, images, holes=options.holes)


def save_dicom(written: Dataset, path: Path | str) -> None:
    """Write a DICOM object atomically: the same lesion on the same images always gives the same bytes."""
    from io import BytesIO

    from volumetry.files.atomic import write_atomically

    _settle_times(written)
    _settle_characters(written)
    buffer = BytesIO()
    with values_of_the_source():
        written.save_as(buffer, enforce_file_format=True)
    write_atomically(path, buffer.getvalue())


def _settle_characters(written: Dataset) -> None:
    """Write an object in UTF-8 where the character set of its images does not hold all of its texts."""
    from pydicom.charset import python_encoding

    named = written.get("SpecificCharacterSet") or "ISO_IR 6"
    names = [named] if isinstance(named, str) else list(named)
    encodings = [python_encoding.get(str(name), "ascii") for name in names]
    encodings = ["ascii" if encoding == "iso8859" else encoding for encoding in encodings]
    texts = [str(e.value) for e in written.iterall() if e.VR in _TEXTS and not str(e.value).isascii()]
    if all(any(_holds(encoding, text) for encoding in encodings) for text in texts):
        return
    for element in written.iterall():
        if element.VR == "PN":
            element.value = str(element.value)
    written.SpecificCharacterSet = "ISO_IR 192"


def _holds(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _settle_times(written: Dataset) -> None:
    """Take what depends on the moment of writing out of an object: its UID says that it is the same one.

    The content is dated as the study that it describes, where that has a date; optional times are left out.
    """
    from volumetry.formats.dicom.written.lesions import uid_of

    date = str(written.get("StudyDate") or "")
    if date and "ContentDate" in written:
        written.ContentDate = date
        written.ContentTime = str(written.get("StudyTime") or "") or "000000"
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        if name in written:
            delattr(written, name)
    for contribution in written.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in contribution:
            del contribution.ContributionDateTime
    organization = uid_of("dimensions", str(written.SOPInstanceUID))
    for element in written.iterall():
        if element.keyword == "DimensionOrganizationUID":
            element.value = organization


def float32_offset_mm(geometry: ScanGeometry) -> float:
    """Return how far a NIfTI file misplaces the corners of a grid: its affine has 24 binary digits."""
    import numpy as np

    between_rows, between_columns = geometry.pixel_spacing_mm
    step = geometry.slice_spacing_mm or 0.0
    axes = (
        np.asarray(geometry.row_direction) * between_columns * (geometry.columns - 1),
        np.asarray(geometry.column_direction) * between_rows * (geometry.rows - 1),
        np.asarray(geometry.normal) * step * (geometry.n_slices - 1),
    )
    origin = np.asarray(geometry.slice_origins_mm[0])
    return float(sum(np.abs(v).max() for v in (origin, *axes))) * 2.0**-24
