import os
import struct
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage

from volumetry.acquisition import Acquisition
from volumetry.errors import ReadError
from volumetry.formats.dicom.file.syntax import DICOMDIR_SOP_CLASS
from volumetry.formats.dicom.headers import DicomHeader
from volumetry.formats.dicom.index import index_folder, read_header
from volumetry.formats.limits import Limits

SHARED = Path(__file__).resolve().parents[2] / "shared"


def image(series: int = 1, instance: int = 1, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"1.2.{series}.{instance}")
    data_set = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
    data_set.SOPClassUID = MRImageStorage
    data_set.SOPInstanceUID = f"1.2.{series}.{instance}"
    data_set.StudyDate = "20240302"
    data_set.AcquisitionTime = "101112.5"
    data_set.Modality = "MR"
    data_set.PatientName = "CANARY^NAME"
    data_set.PatientID = "P1"
    data_set.SliceThickness = "4.0"
    data_set.EchoTime = "11"
    data_set.EchoNumbers = 1
    data_set.SpacingBetweenSlices = "4.4"
    data_set.TriggerTime = "3"
    data_set.ImagerPixelSpacing = [0.7, 0.8]
    data_set.DiffusionBValue = 800.0
    data_set.StudyInstanceUID = "1.2"
    data_set.SeriesInstanceUID = f"1.2.{series}"
    data_set.SeriesNumber = series
    data_set.AcquisitionNumber = 2
    data_set.InstanceNumber = instance
    data_set.ImagePositionPatient = [-110.25, 0.5, 4.4 * instance]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    data_set.FrameOfReferenceUID = "1.2.7"
    data_set.Laterality = "L"
    data_set.TemporalPositionIdentifier = 5
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = 4
    data_set.Columns = 6
    data_set.PixelSpacing = [0.7, 0.8]
    data_set.BitsAllocated = 16
    data_set.BitsStored = 12
    data_set.HighBit = 11
    data_set.PixelRepresentation = 0
    data_set.RescaleIntercept = -1024
    data_set.RescaleSlope = 2
    data_set.LossyImageCompression = "01"
    data_set.WindowCenter, data_set.WindowWidth = [300, 40], [600, 400]
    data_set.EchoPulseSequence, data_set.RepetitionTime = "SPIN", 550
    data_set.PixelData = bytes(48)
    return data_set


def save(data_set: FileDataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data_set.save_as(path, enforce_file_format=True)
    return path


EXPECTED: dict[str, Any] = {
    "sop_class_uid": MRImageStorage,
    "sop_instance_uid": "1.2.1.1",
    "series_instance_uid": "1.2.1",
    "study_instance_uid": "1.2",
    "frame_of_reference_uid": "1.2.7",
    "patient_id": "P1",
    "study_date": "20240302",
    "acquisition_time": "101112.5",
    "modality": "MR",
    "image_type": ("ORIGINAL", "PRIMARY", "M", "MOSAIC"),
    "is_mosaic": True,
    "series_number": 1,
    "acquisition_number": 2,
    "instance_number": 1,
    "temporal_position": 5,
    "echo_number": 1,
    "echo_time_ms": 11.0,
    "trigger_time_ms": 3.0,
    "diffusion_b_value": 800.0,
    "rows": 4,
    "columns": 6,
    "number_of_frames": 1,
    "pixel_spacing_mm": (0.7, 0.8),
    "has_imager_pixel_spacing": True,
    "image_position_mm": (-110.25, 0.5, 4.4),
    "image_orientation": (1, 0, 0, 0, 0, -1),
    "slice_thickness_mm": 4.0,
    "spacing_between_slices_mm": 4.4,
    "samples_per_pixel": 1,
    "photometric_interpretation": "MONOCHROME2",
    "bits_allocated": 16,
    "bits_stored": 12,
    "high_bit": 11,
    "pixel_representation": 0,
    "rescale_slope": 2.0,
    "rescale_intercept": -1024.0,
    "is_lossy": True,
    "laterality": "L",
    "little_endian": True,
    "has_little_endian_pixels": True,
    "shown_window": (300.0, 600.0),
    "echo_pulse_sequence": "SPIN",
    "acquisition": Acquisition(weighting="DWI", repetition_time_ms=550.0, echo_time_ms=11.0),
}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_header_has_what_was_written(tmp_path: Path, syntax: str) -> None:
    header = read_header(save(image(syntax=syntax), tmp_path / "a.dcm"))
    assert {name: getattr(header, name) for name in EXPECTED} == EXPECTED
    assert header.transfer_syntax_uid == syntax
    assert header.file_bytes == (tmp_path / "a.dcm").stat().st_size
    assert header.pixel is not None
    assert header.pixel.offset + header.pixel.length_bytes == header.file_bytes


def test_every_property_is_tested() -> None:
    properties = {name for name, value in vars(DicomHeader).items() if isinstance(value, property)}
    assert EXPECTED.keys() == properties - {"malformed_tags"}


def test_what_is_absent_is_none(tmp_path: Path) -> None:
    data_set = image()
    for name in (
        "PixelSpacing",
        "ImagerPixelSpacing",
        "ImageType",
        "Laterality",
        "SliceThickness",
        "EchoNumbers",
    ):
        delattr(data_set, name)
    data_set.LossyImageCompression = "00"
    header = read_header(save(data_set, tmp_path / "a.dcm"))
    assert header.pixel_spacing_mm is None
    assert not header.has_imager_pixel_spacing
    assert header.image_type == ()
    assert not header.is_mosaic
    assert header.laterality is None
    assert header.slice_thickness_mm is None
    assert header.echo_number is None
    assert not header.is_lossy


def test_headers_hold_no_name(tmp_path: Path) -> None:
    header = read_header(save(image(), tmp_path / "a.dcm"))
    assert b"CANARY" in (tmp_path / "a.dcm").read_bytes()
    assert "CANARY" not in repr(header)


def test_garbage_is_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    path = save(image(), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"-110.25", b"-11o.25").replace(b"0.7\\0.8", b"0.7    "))
    header = read_header(path)
    with pytest.raises(ReadError, match="unreadable") as caught:
        assert header.image_position_mm
    assert caught.value.where == str(path)
    with pytest.raises(ReadError, match="number of values"):
        assert header.pixel_spacing_mm
    assert header.slice_thickness_mm == 4.0


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        content = save(image(syntax=syntax), tmp_path / "a.dcm").read_bytes()
        for end in range(len(content)):
            (tmp_path / "cut.dcm").write_bytes(content[:end])
            with pytest.raises(ReadError) as caught:
                read_header(tmp_path / "cut.dcm")
            assert caught.value.code in ("truncated", "unreadable", "unsupported-format"), end


def test_fewer_pixels_than_the_matrix_are_truncated(tmp_path: Path) -> None:
    data_set = image()
    data_set.NumberOfFrames = 2
    with pytest.raises(ReadError, match="truncated") as caught:
        read_header(save(data_set, tmp_path / "a.dcm"))
    assert caught.value.values == {"needed_bytes": 96, "present_bytes": 48}
    data_set.NumberOfFrames = 1
    data_set.PhotometricInterpretation = "YBR_FULL_422"
    assert read_header(save(data_set, tmp_path / "b.dcm")).pixel is not None
    data_set.PhotometricInterpretation = "MONOCHROME2"
    path = save(data_set, tmp_path / "c.dcm")
    tag = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", 2)
    path.write_bytes(path.read_bytes().replace(tag + b"1 ", tag + b"x "))
    with pytest.raises(ReadError, match="unreadable") as caught:
        read_header(path)
    assert caught.value.where == str(path)


def test_a_file_that_does_not_say_what_it_is_is_unreadable(tmp_path: Path) -> None:
    content = save(image(), tmp_path / "a.dcm").read_bytes()
    whole = struct.pack("<HH2sH", 0x0008, 0x0016, b"UI", 26)
    (tmp_path / "a.dcm").write_bytes(content.replace(whole, struct.pack("<HH2sH", 0x0008, 0x0017, b"UI", 26)))
    with pytest.raises(ReadError, match="SOPClassUID"):
        read_header(tmp_path / "a.dcm")


def dicomdir(path: Path) -> Path:
    save(image(), path)
    content = path.read_bytes()
    path.write_bytes(content.replace(MRImageStorage.encode(), DICOMDIR_SOP_CLASS.encode().ljust(25, b"\0")))
    return path


def test_a_dicomdir_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="unsupported-format") as caught:
        read_header(dicomdir(tmp_path / "DICOMDIR"))
    assert "folder" in caught.value.todo


# -- folders


def test_a_folder_is_indexed_in_sorted_order(tmp_path: Path) -> None:
    for series in (2, 1):
        for instance in (10, 9, 1):
            save(image(series, instance), tmp_path / f"s{series}" / f"{instance:03d}")
    save(image(3, 1), tmp_path / "top.dcm")
    (tmp_path / "s1" / "notes.txt").write_text("no image")
    (tmp_path / "s1" / "empty").touch()
    (tmp_path / "s1" / "empty.dcm").touch()
    (tmp_path / "s2" / "text.dcm").write_text("no image either, in spite of its name")
    dicomdir(tmp_path / "DICOMDIR")
    index = index_folder(tmp_path)
    assert [header.path for header in index.headers] == sorted(header.path for header in index.headers)
    by_uid = index.by_series()
    assert {uid: len(headers) for uid, headers in by_uid.items()} == {"1.2.1": 3, "1.2.2": 3, "1.2.3": 1}
    assert [header.instance_number for header in by_uid["1.2.2"]] == [1, 9, 10]
    heights = [header.image_position_mm[2] for header in by_uid["1.2.1"] if header.image_position_mm]
    assert heights == pytest.approx([4.4, 39.6, 44.0])
    assert [(Path(path).name, error.code) for path, error in index.refusals] == [
        ("empty.dcm", "truncated"),
        ("text.dcm", "unsupported-format"),
    ]
    assert [Path(path).name for path in index.other_files] == ["empty", "notes.txt"]
    assert index.dicomdirs == [str(tmp_path / "DICOMDIR")]
    again = index_folder(tmp_path)
    assert again.headers == index.headers
    assert again.other_files == index.other_files


def test_links_fifos_and_loops_are_passed_by(tmp_path: Path) -> None:
    outside = save(image(9), tmp_path / "outside" / "a.dcm")
    inside = tmp_path / "inside"
    save(image(1), inside / "sub" / "a.dcm")
    (inside / "sub" / "loop").symlink_to(inside)
    (inside / "link.dcm").symlink_to(outside)
    (inside / "linked").symlink_to(outside.parent)
    os.mkfifo(inside / "fifo.dcm")
    index = index_folder(inside)
    assert [header.path for header in index.headers] == [str(inside / "sub" / "a.dcm")]
    assert index.refusals == []
    assert index.other_files == []


def test_what_the_user_names_may_be_a_link(tmp_path: Path) -> None:
    path = save(image(1), tmp_path / "real" / "a.dcm")
    (tmp_path / "folder").symlink_to(path.parent)
    (tmp_path / "file").symlink_to(path)
    assert len(index_folder(tmp_path / "folder").headers) == 1
    assert len(index_folder(tmp_path / "file").headers) == 1
    assert read_header(tmp_path / "file").rows == 4


def test_one_file_may_be_named(tmp_path: Path) -> None:
    path = save(image(1), tmp_path / "a.dcm")
    (tmp_path / "b.txt").write_text("no image")
    assert [header.path for header in index_folder(path).headers] == [str(path)]
    assert index_folder(tmp_path / "b.txt").other_files == [str(tmp_path / "b.txt")]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="not-found"):
        index_folder(tmp_path / "none")


def test_a_folder_that_cannot_be_listed_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(image(1), tmp_path / "open" / "a.dcm")
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def refuse(folder: str) -> Any:
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    index = index_folder(tmp_path)
    assert len(index.headers) == 1
    assert [(path, error.code) for path, error in index.refusals] == [(str(tmp_path / "shut"), "unreadable")]


def test_a_failing_disk_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(image(1), tmp_path / "a.dcm")

    def fail(descriptor: int, count: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    assert [error.code for _, error in index_folder(tmp_path).refusals] == ["unreadable"]
    with pytest.raises(ReadError, match="Input/output error"):
        read_header(path)


def test_limits_are_passed_on(tmp_path: Path) -> None:
    data_set = image(1)
    data_set.ReferencedImageSequence = [FileDataset("", {}, preamble=None)]
    save(data_set, tmp_path / "a.dcm")
    assert len(index_folder(tmp_path).headers) == 1
    index = index_folder(tmp_path, limits=Limits(max_depth=0))
    assert [error.code for _, error in index.refusals] == ["too-deep"]


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the real scans are not beside this repository")
def test_real_scans_are_indexed_without_a_refusal() -> None:
    index = index_folder(SHARED / "data")
    assert len(index.headers) >= 480
    assert [(Path(path).name, error.code) for path, error in index.refusals] == []
    for header in index.headers:
        assert header.series_instance_uid
        if header.pixel is not None:
            assert header.rows
            assert header.bits_stored
    mosaics = [header for header in index.headers if header.is_mosaic]
    assert mosaics
    assert all(header.modality == "MR" for header in mosaics)
