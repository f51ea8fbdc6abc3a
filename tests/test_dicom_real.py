"""Real scans of five makers: positions and pixels as in the NIfTI files their publishers made of them."""

from __future__ import annotations

import gzip
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from conftest import SHARED, needs_shared
from numpy.typing import NDArray

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.series.volume import read_scan
from volumetry.geometry import ScanGeometry
from volumetry.masks.labels import MaskLabel

DATA = SHARED / "data"
ENHANCED = DATA / "dcm_qa_enh"
MOSAICS = DATA / "dcm_qa_orientation"
Edit = Callable[[bytes], bytes]


def positions_ras_mm(geometry: ScanGeometry) -> NDArray[np.float64]:
    """World position (RAS) of every voxel of the corners of every slice, (n_slices, 4, 3)."""
    corners = [(r, c) for r in (0, geometry.rows - 1) for c in (0, geometry.columns - 1)]
    lps = [geometry.pixel_to_patient(i, corners) for i in range(geometry.n_slices)]
    return np.asarray(lps) * (-1, -1, 1)


def assert_as_nifti(
    scan: vm.Scan, path: Path, volume: int = 0, *, factor: float = 1.0, tolerance: float = 1e-3
) -> None:
    """Every voxel of the scan lies at a voxel of the NIfTI file, and has its value, up to `factor`."""
    import nibabel

    image = nibabel.load(path)
    assert isinstance(image, nibabel.Nifti1Image)
    values = np.asarray(image.dataobj)
    values = values[..., volume] if values.ndim == 4 else values
    to_voxel = np.linalg.inv(image.affine)
    geometry = scan.geometry
    ijk = positions_ras_mm(geometry) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    smallest_mm = min(np.linalg.norm(image.affine[:3, :3], axis=0))
    assert np.abs(ijk - np.rint(ijk)).max() * smallest_mm < 2e-3
    assert ijk.min() > -0.01
    assert values.size == scan.voxels.size
    r, c = np.meshgrid(np.arange(geometry.rows), np.arange(geometry.columns), indexing="ij")
    for index in range(geometry.n_slices):
        points = geometry.pixel_to_patient(index, np.stack((r.ravel(), c.ravel()), axis=1)) * (-1, -1, 1)
        i, j, k = np.rint(points @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int).T
        expected = values[i, j, k].reshape(r.shape) * factor
        np.testing.assert_allclose(scan.voxels[index], expected, rtol=1e-5, atol=tolerance)


@needs_shared
@pytest.mark.parametrize(
    ("folder", "reference"),
    [
        ("ge/anatomical/001", "ge/anatomical/001_ground_truth.nii.gz"),
        ("generic/anatomical/001", "generic/anatomical/001_ground_truth.nii.gz"),
        ("generic/anatomical/002_non_isotropic", "generic/anatomical/002_non_isotropic_ground_truth.nii.gz"),
        ("generic/compressed_jpeg/001", "generic/compressed_jpeg/001_ground_truth.nii.gz"),
        ("generic/compressed_jpegls/001", "generic/compressed_jpegls/001_ground_truth.nii.gz"),
        ("generic/compressed_rle/001", "generic/compressed_rle/001_ground_truth.nii.gz"),
        ("hitachi/anatomical/001", "hitachi/anatomical/001_ground_truth.nii.gz"),
        ("hyperfine/anatomical/001", "hyperfine/anatomical/001_ground_truth.nii.gz"),
        ("philips/anatomical/001", "philips/anatomical/001_ground_truth.nii.gz"),
        ("philips_enhanced/anatomical/001", "philips_enhanced/anatomical/001_ground_truth.nii.gz"),
        ("siemens_multiframe/anatomical/001", "siemens_multiframe/anatomical/001_ground_truth.nii.gz"),
    ],
)
def test_series_of_six_makers(folder: str, reference: str) -> None:
    scan = vm.read_scan(DATA / "dicom2nifti" / folder)
    assert_as_nifti(scan, DATA / "dicom2nifti" / reference)
    assert scan.flags == ()


@needs_shared
@pytest.mark.parametrize("copy", ["rle", "jpegls", "jpeg", "j2k"])
def test_compressed_copies_are_identical(copy: str) -> None:
    scan = read_scan(DATA / "dicom2nifti/generic" / f"compressed_{copy}" / "001")
    first = read_scan(DATA / "dicom2nifti/generic/compressed_rle/001")
    assert scan.voxels.dtype == np.uint16
    assert np.array_equal(scan.voxels, first.voxels)
    assert scan.geometry == first.geometry
    assert_as_nifti(scan, DATA / "dicom2nifti/generic/compressed_rle/001_ground_truth.nii.gz")


@needs_shared
def test_spacing_is_5_mm_beside_a_thickness_of_3_mm() -> None:
    folder = DATA / "dcm_qa_nih/In/20180918GE/mr_0004"
    with pytest.raises(VolumetryError, match=r"10 stacks .* 15 slices, 5 mm apart") as caught:
        read_scan(folder)
    assert caught.value.code == "ambiguous-series"
    files = sorted(folder.iterdir())
    for volume in (0, 9):
        scan = read_scan(files[volume * 15 + 7])
        assert scan.geometry.slice_spacing_mm == pytest.approx(5.0, abs=1e-4)
        assert scan.geometry.slice_thickness_mm == 3.0
        assert scan.flags == ("slice-gap", "split-series")
        assert_as_nifti(scan, DATA / "dcm_qa_nih/Ref/DCM2NIIX_regression_test_4.nii", volume)


@needs_shared
def test_enhanced_siemens() -> None:
    for volume, path in enumerate(sorted((ENHANCED / "In/Siemens/XA10").iterdir())):
        scan = read_scan(path)
        assert_as_nifti(scan, ENHANCED / "Ref/Siemens_REST1_w_SMS_PF7-8_6.nii", volume)
        assert scan.flags == ()


@needs_shared
def test_enhanced_philips_holds_an_image_and_a_field_map() -> None:
    (path,) = (ENHANCED / "In/Philips").iterdir()
    with pytest.raises(VolumetryError) as caught:
        read_scan(path)
    assert caught.value.code == "ambiguous-series"
    names = list(caught.value.values)
    # The reference applies Philips' private scale as well, which is a factor throughout.
    image = read_scan(path, series_uid=names[0])
    assert_as_nifti(image, ENHANCED / "Ref/Philips_WIP_B0_NS_801_e1.nii", factor=1 / 92481.1)
    field_map = read_scan(path, series_uid=names[1])
    # -500 to 500 Hz in 4096 steps, which the reference rounds.
    assert_as_nifti(field_map, ENHANCED / "Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz.nii", tolerance=0.01)


@needs_shared
@pytest.mark.parametrize(
    ("folder", "reference"),
    [
        ("ax/axdesc36", "ax_desc_36sl_10.nii"),
        ("cor/corasc36", "cor_asc_36sl_13.nii"),
        ("cor/cordesc35", "cor_desc_35sl_17.nii"),
    ],
)
def test_mosaics_are_unfolded_to_their_true_positions(folder: str, reference: str) -> None:
    for volume, path in enumerate(sorted((MOSAICS / "In/Orientation" / folder).iterdir())):
        scan = read_scan(path)
        assert_as_nifti(scan, MOSAICS / "Ref" / reference, volume)
        assert scan.flags == ("slice-gap",)
    with pytest.raises(VolumetryError, match="2 stacks"):
        read_scan(MOSAICS / "In/Orientation" / folder)


CSA_IMAGE, CSA_SERIES, CSA_COUNT = (0x0029, 0x1010), (0x0029, 0x1020), (0x0019, 0x100A)


def stripped(path: Path, folder: Path, *lost: tuple[int, int], series: Edit | None = None) -> Path:
    """A mosaic without some of its private elements, or with another protocol."""
    ds = pydicom.dcmread(path)
    for tag in lost:
        del ds[tag]
    if series is not None:
        ds[CSA_SERIES].value = series(ds[CSA_SERIES].value)
    folder.mkdir(exist_ok=True)
    ds.save_as(folder / "m.dcm")
    return folder / "m.dcm"


@needs_shared
@pytest.mark.parametrize("folder", ["ax/axdesc36", "cor/corasc36", "cor/cordesc35"])
def test_a_mosaic_without_image_header_is_placed_by_its_protocol(folder: str, tmp_path: Path) -> None:
    path = min((MOSAICS / "In/Orientation" / folder).iterdir())
    whole = read_scan(path)
    for number, lost in enumerate([(CSA_IMAGE,), (CSA_IMAGE, CSA_COUNT)]):
        file = stripped(path, tmp_path / str(number), *lost)
        if number:
            packed = file.with_suffix(".dcm.gz")
            packed.write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
            file = packed
        scan = read_scan(file)
        assert np.array_equal(scan.voxels, whole.voxels)
        assert np.allclose(scan.geometry.slice_origins_mm, whole.geometry.slice_origins_mm, atol=1e-3)
        assert scan.flags == whole.flags


@needs_shared
def test_the_first_tile_says_at_which_end_of_the_protocol_it_lies(tmp_path: Path) -> None:
    path = min((MOSAICS / "In/Orientation/cor/corasc36").iterdir())

    def backwards(raw: bytes) -> bytes:
        return re.sub(rb"asSlice\[(\d+)\]", lambda m: b"asSlice[%d]" % (35 - int(m[1])), raw)

    scan, whole = read_scan(stripped(path, tmp_path, CSA_IMAGE, series=backwards)), read_scan(path)
    assert np.array_equal(scan.voxels, whole.voxels)
    assert np.allclose(scan.geometry.slice_origins_mm, whole.geometry.slice_origins_mm, atol=1e-3)


@needs_shared
@pytest.mark.parametrize(
    ("lost", "series", "what"),
    [
        ((CSA_IMAGE, CSA_SERIES), None, "neither a CSA image header nor the slices of its protocol"),
        ((CSA_IMAGE,), lambda raw: raw.replace(b"### ASCCONV BEGIN", b"### ASCCONV START"), "neither"),
        ((CSA_IMAGE,), lambda raw: raw.replace(b".lSize", b".lSiz_"), "neither"),
        ((CSA_IMAGE,), lambda raw: re.sub(rb"(lSize\s*= )36", rb"\g<1>30", raw), "another number of slices"),
        ((CSA_IMAGE,), lambda raw: raw.replace(b"sPosition.dCor", b"sPosition.dXxx"), "protocol"),
    ],
)
def test_a_mosaic_whose_slices_are_not_known_is_refused(
    lost: tuple[tuple[int, int], ...], series: Edit | None, what: str, tmp_path: Path
) -> None:
    path = min((MOSAICS / "In/Orientation/cor/corasc36").iterdir())
    with pytest.raises(VolumetryError, match=what) as caught:
        read_scan(stripped(path, tmp_path, *lost, series=series))
    assert caught.value.code == "unsupported-format"


@needs_shared
def test_one_mosaic_in_seven_transfer_syntaxes() -> None:
    first = read_scan(DATA / "dcm_qa_ts/In/1.dcm")
    for number in range(1, 10):
        scan = read_scan(DATA / f"dcm_qa_ts/In/{number}.dcm")
        assert scan.voxels.dtype == first.voxels.dtype
        assert np.array_equal(scan.voxels, first.voxels)
        assert scan.geometry == first.geometry
        assert_as_nifti(scan, DATA / f"dcm_qa_ts/Ref/{number}.nii")


@needs_shared
def test_what_other_readers_fail_at_is_refused_or_flagged() -> None:
    failing = DATA / "dicom2nifti/failing"
    tilted = read_scan(failing / "gantrytilting/001")
    assert tilted.flags == ("sheared-stack",)
    assert tilted.geometry.slice_spacing_mm == pytest.approx(5 * np.cos(np.radians(14)), rel=1e-5)
    with pytest.raises(VolumetryError) as caught:
        read_scan(failing / "notavolume/001")
    assert caught.value.code == "duplicate-position"
    assert read_scan(failing / "slicecount/001").flags == ("few-slices",)
    holed = read_scan(failing / "sliceincrement/001")
    assert holed.flags == ("missing-slice-outside",)
    assert holed.geometry.holes == (2,)
    mask = vm.Mask(
        layers=(np.ones(holed.voxels.shape, np.uint8),),
        geometry=holed.geometry,
        labels=(MaskLabel(number=1),),
    )
    with pytest.raises(VolumetryError) as caught:
        vm.measure_volume(mask)
    assert caught.value.code == "missing-slice"


@needs_shared
def test_colour_is_refused() -> None:
    with pytest.raises(VolumetryError) as caught:
        read_scan(DATA / "dicom2nifti/generic/rgb/001")
    assert caught.value.code == "not-3d"


@needs_shared
@pytest.mark.parametrize("case", ["STS_002", "STS_008", "STS_012"])
def test_tumour_series_have_the_spacing_of_their_publishers(case: str) -> None:
    scan = read_scan(DATA / "sts/dicom" / case)
    assert scan.geometry.slice_spacing_mm == pytest.approx(3.27, abs=1e-3)
    assert scan.flags == ()


def test_every_file_of_pydicom_is_a_scan_or_an_error_with_a_code(tmp_path: Path) -> None:
    paths = sorted((Path(pydicom.data.__file__).parent / "test_files").rglob("*.dcm"))
    codes = []
    for path in paths:
        copy = tmp_path / "one.dcm"  # alone in its folder: a file stands for its series there
        copy.write_bytes(path.read_bytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                codes.append(read_scan(copy).source.format)
        except VolumetryError as error:
            codes.append(error.code)
    assert len(codes) == len(paths) > 50
    assert {"dicom", "unsupported-format", "not-3d"} <= set(codes)
