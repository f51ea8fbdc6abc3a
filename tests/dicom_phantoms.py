"""Synthetic DICOM files from a geometry and voxels: classic series and Enhanced multi-frame MR.

No real data: every identifier is made up from the arguments, so that two calls write the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from volumetry.geometry import ScanGeometry

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
CLASSIC_SOP_CLASSES = {
    "MR": MR_IMAGE,
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
ENHANCED_SOP_CLASSES = {
    "MR": ENHANCED_MR_IMAGE,
    "CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "PT": "1.2.840.10008.5.1.4.1.1.130",
}
FRAME_OF_REFERENCE_UID = "1.2.826.0.1.3680043.10.1"

Change = Callable[[Dataset, int], None]


def uid_of(*parts: object) -> str:
    """A UID made from the given parts, always the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"2.25.{int(digest[:30], 16)}"


def stack_geometry(
    *,
    n_slices: int = 6,
    rows: int = 32,
    columns: int = 40,
    pixel_spacing_mm: tuple[float, float] = (0.5, 0.8),
    slice_spacing_mm: float = 4.4,
    slice_thickness_mm: float | None = 4.0,
    row_direction: ArrayLike = (1.0, 0.0, 0.0),
    column_direction: ArrayLike = (0.0, 0.0, -1.0),
    origin_mm: ArrayLike = (-10.0, 20.0, 30.0),
    shift_mm: ArrayLike = (0.0, 0.0, 0.0),
) -> ScanGeometry:
    """An even stack, coronal by default; `shift_mm` is a sideways drift from slice to slice."""
    row, column = np.asarray(row_direction, float), np.asarray(column_direction, float)
    step = np.cross(row, column) * slice_spacing_mm + np.asarray(shift_mm, float)
    return ScanGeometry(
        rows=rows,
        columns=columns,
        pixel_spacing_mm=pixel_spacing_mm,
        row_direction=row,
        column_direction=column,
        slice_origins_mm=np.asarray(origin_mm, float) + np.outer(np.arange(n_slices), step),
        slice_thickness_mm=slice_thickness_mm,
        frame_of_reference_uid=FRAME_OF_REFERENCE_UID,
    )


def stack_voxels(geometry: ScanGeometry, dtype: str = "int16", seed: int = 7) -> NDArray[Any]:
    """Smooth voxels with some noise, different in every slice, 0 to 4000 (0 to 250 in bytes)."""
    random = np.random.default_rng(seed)
    shape = (geometry.n_slices, geometry.rows, geometry.columns)
    k, r, c = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    values = 60 * (2 + np.sin(r / 7 + k) + np.cos(c / 9 - k)) + random.integers(0, 10, shape)
    return (values if np.dtype(dtype).itemsize == 1 else values * 16).astype(dtype)


def write_series(
    folder: Path,
    geometry: ScanGeometry,
    voxels: NDArray[np.generic],
    *,
    patient_id: str = "P1",
    study_date: str = "20240302",
    series_uid: str | None = None,
    study_uid: str | None = None,
    modality: str = "MR",
    transfer_syntax: str = ExplicitVRLittleEndian,
    change: Change | None = None,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write a classic series, a file per slice, and return the files in slice order.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    geometry : ScanGeometry
    voxels : (n_slices, rows, columns) array
        8, 16 or 32 bit integers; float32 and float64 become Float and Double Float Pixel Data.
    series_uid, study_uid : str, optional
        Made from patient, date and modality by default.
    transfer_syntax : str, optional
        Native ones, Deflated, RLE, JPEG lossless, JPEG-LS and JPEG 2000.
    change : callable, optional
        Called with every data set and its slice number before it is compressed and written.
    names : sequence of str, optional
        File names; ``IM0000.dcm``, ``IM0001.dcm``... by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study_uid = study_uid or uid_of("study", patient_id, study_date)
    series_uid = series_uid or uid_of("series", patient_id, study_date, modality, str(folder.name))
    sop_class = CLASSIC_SOP_CLASSES[modality]
    paths = []
    for index in range(geometry.n_slices):
        ds = _image(geometry, voxels[index], sop_class, uid_of(series_uid, index), transfer_syntax)
        _identify(ds, patient_id, study_date, study_uid, series_uid, modality)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        ds.InstanceNumber = index + 1
        ds.PixelSpacing = [_ds(x) for x in geometry.pixel_spacing_mm]
        ds.ImageOrientationPatient = _orientation(geometry)
        ds.ImagePositionPatient = [_ds(x) for x in geometry.slice_origins_mm[index]]
        if geometry.slice_thickness_mm is not None:
            ds.SliceThickness = _ds(geometry.slice_thickness_mm)
        if geometry.frame_of_reference_uid:
            ds.FrameOfReferenceUID = geometry.frame_of_reference_uid
        if change is not None:
            change(ds, index)
        path = folder / (names[index] if names else f"IM{index:04d}.dcm")
        save(ds, path, transfer_syntax)
        paths.append(path)
    return paths


def write_enhanced(
    path: Path,
    geometry: ScanGeometry,
    voxels: NDArray[np.generic],
    *,
    patient_id: str = "P1",
    study_date: str = "20240302",
    series_uid: str | None = None,
    study_uid: str | None = None,
    modality: str = "MR",
    transfer_syntax: str = ExplicitVRLittleEndian,
    frame_order: Sequence[int] | None = None,
    shared_orientation: bool = True,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write an Enhanced multi-frame image.

    Parameters
    ----------
    voxels : (n_slices, rows, columns) array, or (n_volumes, n_slices, rows, columns)
        Several volumes are temporal positions of one another.
    frame_order : sequence of int, optional
        Which frame (volume-major) comes at each place of the file.
    shared_orientation : bool, optional
        Whether orientation and pixel measures stand in the shared functional groups.
    change : callable, optional
        Called with the data set before it is compressed and written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    study_uid = study_uid or uid_of("study", patient_id, study_date)
    series_uid = series_uid or uid_of("enhanced", patient_id, study_date, modality, path.name)
    volumes = voxels if voxels.ndim == 4 else voxels[None]
    frames = volumes.reshape(-1, geometry.rows, geometry.columns)
    order = list(range(len(frames)) if frame_order is None else frame_order)
    sop_class = ENHANCED_SOP_CLASSES[modality]
    ds = _image(geometry, frames[order], sop_class, uid_of(series_uid, "image"), transfer_syntax)
    _identify(ds, patient_id, study_date, study_uid, series_uid, modality)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.InstanceNumber = 1
    ds.NumberOfFrames = len(order)
    ds.FrameOfReferenceUID = geometry.frame_of_reference_uid or FRAME_OF_REFERENCE_UID
    fixed = _item(
        PlaneOrientationSequence=[_item(ImageOrientationPatient=_orientation(geometry))],
        PixelMeasuresSequence=[_item(PixelSpacing=[_ds(x) for x in geometry.pixel_spacing_mm])],
    )
    if geometry.slice_thickness_mm is not None:
        fixed.PixelMeasuresSequence[0].SliceThickness = _ds(geometry.slice_thickness_mm)
    ds.SharedFunctionalGroupsSequence = [fixed if shared_orientation else Dataset()]
    per_frame = []
    for frame in order:
        volume, index = divmod(frame, geometry.n_slices)
        group = _item(
            FrameContentSequence=[
                _item(
                    StackID="1",
                    InStackPositionNumber=index + 1,
                    TemporalPositionIndex=volume + 1,
                    DimensionIndexValues=[1, index + 1, volume + 1],
                )
            ],
            PlanePositionSequence=[
                _item(ImagePositionPatient=[_ds(x) for x in geometry.slice_origins_mm[index]])
            ],
        )
        if not shared_orientation:
            group.PlaneOrientationSequence = fixed.PlaneOrientationSequence
            group.PixelMeasuresSequence = fixed.PixelMeasuresSequence
        per_frame.append(group)
    ds.PerFrameFunctionalGroupsSequence = per_frame
    if change is not None:
        change(ds)
    save(ds, path, transfer_syntax)
    return path


def save(ds: Dataset, path: Path, transfer_syntax: str) -> None:
    """Write a data set with uncompressed pixels in the given transfer syntax."""
    syntax = UID(transfer_syntax)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
    ds.file_meta = meta
    if syntax == JPEGLosslessSV1:
        bits = ds.BitsStored
        frames = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
        ds.PixelData = encapsulate([jpeg_lossless_stream(frame, bits) for frame in frames])
        meta.TransferSyntaxUID = syntax
    elif syntax in (JPEG2000Lossless, JPEGLSLossless):
        frames = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
        ds.PixelData = encapsulate([_imagecodecs_stream(frame, syntax) for frame in frames])
        meta.TransferSyntaxUID = syntax
    elif syntax.is_encapsulated:
        # GDCM's encoder ends the whole process at odd sizes.
        plugin = "pydicom" if syntax == RLELossless else ""
        ds.compress(syntax, generate_instance_uid=False, encoding_plugin=plugin)
    ds.save_as(path, enforce_file_format=True)


def _image(
    geometry: ScanGeometry, pixels: NDArray[np.generic], sop_class: str, sop_uid: str, transfer_syntax: str
) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, sop_uid
    ds.Rows, ds.Columns = geometry.rows, geometry.columns
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated = bits
    big_endian = transfer_syntax == ExplicitVRBigEndian
    stored = pixels.dtype.newbyteorder(">" if big_endian else "<")
    data = np.ascontiguousarray(pixels, stored).tobytes()
    if pixels.dtype.kind == "f":
        setattr(ds, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", data)
        return ds
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.add_new(0x7FE00010, "OB" if bits == 8 and transfer_syntax != ImplicitVRLittleEndian else "OW", data)
    if len(data) % 2:
        ds.PixelData = data + b"\0"
    return ds


def _identify(
    ds: Dataset, patient_id: str, study_date: str, study_uid: str, series_uid: str, modality: str
) -> None:
    ds.PatientID, ds.PatientName = patient_id, "Synthetic^Phantom"
    ds.StudyDate, ds.Modality = study_date, modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, series_uid
    ds.SeriesNumber = 1


def _item(**elements: object) -> Dataset:
    ds = Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def _orientation(geometry: ScanGeometry) -> list[str]:
    return [_ds(x) for x in (*geometry.row_direction, *geometry.column_direction)]


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters, as exact as that allows."""
    return next(t for t in (f"{value:.{n}g}" for n in range(17, 5, -1)) if len(t) <= 16)


def _imagecodecs_stream(pixels: NDArray[np.generic], syntax: UID) -> bytes:
    if syntax == JPEG2000Lossless:
        return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"))
    return bytes(imagecodecs.jpegls_encode(pixels.view(f"u{pixels.dtype.itemsize}")))


def jpeg_lossless_stream(pixels: NDArray[np.generic], bits: int = 16) -> bytes:
    """Encode one frame as JPEG lossless, first-order prediction (ISO 10918-1 annex H), codes of 5 bits."""
    values = pixels.astype(int)
    rows, columns = values.shape
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << (bits - 1)
    text = []
    for difference in ((values - predicted + 32768) % 65536 - 32768).ravel().tolist():
        size = abs(difference).bit_length()
        text.append(f"{size:05b}")
        if 0 < size < 16:
            text.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    stream = "".join(text)
    stream += "1" * (-len(stream) % 8)
    data = int(stream, 2).to_bytes(len(stream) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    return b"".join(
        (
            b"\xff\xd8\xff\xc3\x00\x0b"
            + bytes([bits])
            + rows.to_bytes(2, "big")
            + columns.to_bytes(2, "big"),
            b"\x01\x01\x11\x00\xff\xc4" + (2 + len(table)).to_bytes(2, "big") + table,
            b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00" + data + b"\xff\xd9",
        )
    )
