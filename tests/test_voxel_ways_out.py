"""Every message of the voxel formats names a way out: it is taken here, and the file measured rightly."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
from test_voxel_kinds import META, NRRD, meta, nrrd
from voxel_phantoms import VOXEL_MM3, affine, lesion, nifti_bytes, patched, write

import volumetry as vm
from volumetry.cli import main

ONE = (lesion() == 1).astype(np.uint8)
RIGHT = pytest.approx(62 * VOXEL_MM3, rel=1e-4)


def image(voxels: Any, matrix: Any = None) -> Any:
    kind: Any = nib.Nifti1Image
    made = kind(voxels, affine() if matrix is None else matrix, dtype=voxels.dtype)
    made.header.set_xyzt_units("mm")
    return made


def stored(path: Path, voxels: Any, matrix: Any = None) -> Path:
    image(voxels, matrix).to_filename(path)
    return path


def volume(path: Path, **options: Any) -> float:
    (sections,) = vm.read_sections(path, **options)
    found = vm.measure_volume(sections, rule=vm.MeasurementRule(height="spacing")).volume_mm3
    assert found is not None
    return found


def refusal(path: Path, code: str, advice: str, **options: Any) -> None:
    with pytest.raises(vm.VolumetryError) as caught:
        volume(path, **options)
    assert caught.value.code == code
    assert advice in caught.value.todo
    assert str(path.parent) in str(caught.value)


def test_one_volume_of_several_is_extracted(tmp_path: Path) -> None:
    series = image(np.stack([ONE, ONE], axis=-1))
    series.to_filename(tmp_path / "a.nii")
    refusal(tmp_path / "a.nii", "not-3d", "Extract the one volume")
    series.slicer[..., 0].to_filename(tmp_path / "b.nii")
    assert volume(tmp_path / "b.nii") == RIGHT


def test_a_flat_image_is_exported_as_a_volume(tmp_path: Path) -> None:
    flat = ONE[:, :, 3]
    refusal(stored(tmp_path / "a.nii", flat), "not-3d", "Export it as a volume")
    (sections,) = vm.read_sections(stored(tmp_path / "b.nii", flat[..., np.newaxis]))
    assert sections.areas_mm2.sum() == pytest.approx(int(flat.sum()) * 0.7 * 0.9, rel=1e-6)


def test_colours_are_exported_as_numbers(tmp_path: Path) -> None:
    colours = np.zeros(ONE.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    refusal(stored(tmp_path / "a.nii", colours), "not-3d", "one number a voxel")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 10, 12, 3), np.uint8), photometric="rgb")
    refusal(tmp_path / "a.tif", "not-3d", "one number a voxel")
    refusal(
        meta(tmp_path / "a.mha", bytes(3240), ElementNumberOfChannels="3"), "not-3d", "one number a voxel"
    )
    assert volume(stored(tmp_path / "b.nii", ONE)) == RIGHT


@pytest.mark.parametrize("qform_code", [0, 1])
def test_what_is_right_is_written_to_sform_qform_and_pixdim(tmp_path: Path, qform_code: int) -> None:
    content = patched(patched(nifti_bytes(ONE), 252, "<h", qform_code), 80, "<3f", 0.7, 0.9, 3.0)
    code = "affine-conflict" if qform_code else "header-conflict"
    refusal(write(tmp_path / "a.nii", content), code, "write it to both")
    made: Any = nib.Nifti1Image.from_bytes(content)
    made.set_qform(affine(), 1)
    made.set_sform(affine(), 1)
    made.to_filename(tmp_path / "b.nii")
    assert volume(tmp_path / "b.nii") == RIGHT


def test_lengths_go_to_the_spacing_and_unit_vectors_to_the_matrix(tmp_path: Path) -> None:
    data = ONE.tobytes(order="F")
    wrong = meta(tmp_path / "a.mha", data, ElementSpacing="1 1 1", TransformMatrix="0.7 0 0 0 0.9 0 0 0 3.3")
    refusal(
        wrong, "header-conflict", "Write the lengths to ElementSpacing and unit vectors to TransformMatrix"
    )
    assert volume(meta(tmp_path / "b.mha", data)) == RIGHT


def test_the_unit_is_corrected(tmp_path: Path) -> None:
    content = nifti_bytes(ONE, units="micron")
    refusal(write(tmp_path / "a.nii", content), "header-conflict", "Correct the spacing or its unit")
    assert volume(write(tmp_path / "b.nii", patched(content, 123, "<B", 2))) == RIGHT


@pytest.mark.parametrize(
    ("wrong", "code", "advice", "right"),
    [
        ({"encoding": "zrl"}, "unsupported-codec", "encoding gzip", {}),
        ({"line_skip": "-1"}, "unsupported-format", "Write header and data to one file", {}),
        ({"type": "block"}, "unsupported-format", "integers or floats", {}),
        ({"type": "short"}, "unreadable", "export the file again", {}),
        (
            {"kinds": "domain domain"},
            "header-conflict",
            "Correct the header",
            {"kinds": "domain domain domain"},
        ),
        ({"spacings": "1 1 1"}, "header-conflict", "Delete the field spacings", {}),
    ],
)
def test_nrrd_is_written_as_the_message_says(
    tmp_path: Path, wrong: dict[str, str], code: str, advice: str, right: dict[str, str]
) -> None:
    data = ONE.tobytes(order="F")
    refusal(nrrd(tmp_path / "a.nrrd", data, **wrong), code, advice)
    assert volume(nrrd(tmp_path / "b.nrrd", data, **right)) == RIGHT


def test_a_newer_nrrd_is_written_in_an_older_version(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", ONE.tobytes(order="F"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NRRD0005", b"NRRD0006"))
    refusal(path, "newer-format", "NRRD0005")
    path.write_bytes(content)
    assert volume(path) == RIGHT


def test_segments_get_values_of_their_own(tmp_path: Path) -> None:
    def segments(*values: int) -> dict[str, str]:
        keys = {}
        for n, value in enumerate(values):
            keys |= {f"Segment{n}_Name:": f"s{n}", f"Segment{n}_LabelValue:": str(value)}
        return keys

    def path(*values: int) -> Path:
        lines = [f"{name}: {value}" for name, value in NRRD.items()]
        lines += [f"{name}={value}" for name, value in segments(*values).items()]
        made = tmp_path / "a.seg.nrrd"
        made.write_bytes(("NRRD0005\n" + "\n".join(lines) + "\n\n").encode() + lesion().tobytes(order="F"))
        return made

    refusal(path(1, 1), "header-conflict", "a value of its own")
    refusal(path(1, 0), "header-conflict", "a value of its own")
    assert volume(path(1, 2), label="s0") == RIGHT


def test_what_is_not_finite_becomes_0_and_probabilities_get_a_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holes = np.where(ONE, 1, np.nan).astype(np.float32)
    refusal(stored(tmp_path / "a.nii", holes), "non-finite", "0 where there is no lesion")
    assert volume(stored(tmp_path / "b.nii", np.nan_to_num(holes))) == RIGHT
    likely = stored(tmp_path / "c.nii", (ONE * 0.7).astype(np.float32))
    refusal(likely, "not-labels", "--threshold")
    assert main(["measure", str(likely), "--threshold", "0.5", "--format", "csv"]) == 0
    assert f"{62 * VOXEL_MM3:.3f}," in capsys.readouterr().out


def test_both_halves_of_a_pair_in_one_folder(tmp_path: Path) -> None:
    kind: Any = nib.Nifti1Pair
    (tmp_path / "x").mkdir()
    kind(ONE, affine()).to_filename(tmp_path / "x" / "a.img")
    (tmp_path / "a.hdr").write_bytes((tmp_path / "x" / "a.hdr").read_bytes())
    refusal(tmp_path / "a.hdr", "not-found", "Copy both files")
    (tmp_path / "a.img").write_bytes((tmp_path / "x" / "a.img").read_bytes())
    assert volume(tmp_path / "a.hdr") == RIGHT


def test_a_mask_between_the_voxels_is_resampled_onto_its_scan_or_measured_without(tmp_path: Path) -> None:
    scan = stored(tmp_path / "scan.nii", ONE.astype(np.int16) * 100)
    matrix = affine()
    matrix[0, 3] += 0.35
    mask = stored(tmp_path / "mask.nii", ONE, matrix)
    refusal(mask, "grid-mismatch", "Resample the mask onto the scan", scan=scan)
    assert volume(mask) == RIGHT
    itk: Any = SimpleITK
    found = itk.Resample(itk.ReadImage(mask), itk.ReadImage(scan), itk.Transform(), itk.sitkNearestNeighbor)
    itk.WriteImage(found, tmp_path / "on.nii")
    assert volume(tmp_path / "on.nii", scan=scan) == RIGHT
    matrix = affine()
    matrix[0, 3] += 0.7 * 6
    beyond = stored(tmp_path / "beyond.nii", ONE, matrix)
    refusal(beyond, "grid-mismatch", "measure the mask alone", scan=scan)
    assert volume(beyond) == RIGHT


@pytest.mark.parametrize(
    ("write_it", "code", "advice"),
    [
        (lambda p: stored(p / "a.nii", ONE.astype(np.complex64)), "unsupported-format", "integers or floats"),
        (lambda p: itk_tiff(p / "a.tif"), "bad-spacing", "Export it as NIfTI or NRRD"),
        (lambda p: mgh(p / "a.mgh", good=0), "bad-spacing", "export it as NIfTI"),
        (lambda p: vtk_surface(p / "a.vtk"), "unsupported-format", "a label image: NIfTI"),
        (
            lambda p: meta(p / "a.mha", b"", ElementType="MET_STRING"),
            "unsupported-format",
            "integers or floats",
        ),
    ],
)
def test_it_is_exported_as_nifti_or_as_numbers(
    tmp_path: Path, write_it: Callable[[Path], Path], code: str, advice: str
) -> None:
    refusal(write_it(tmp_path), code, advice)
    assert volume(stored(tmp_path / "out.nii.gz", ONE)) == RIGHT


def itk_tiff(path: Path) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ONE.T), path)
    return path


def mgh(path: Path, *, good: int) -> Path:
    kind: Any = nib.MGHImage
    kind(ONE, affine()).to_filename(path)
    path.write_bytes(path.read_bytes()[:28] + struct.pack(">h", good) + path.read_bytes()[30:])
    return path


def vtk_surface(path: Path) -> Path:
    path.write_bytes(b"# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 1 float\n0 0 0\n")
    return path


def test_metaimage_with_a_spacing_for_every_axis(tmp_path: Path) -> None:
    data = ONE.tobytes(order="F")
    refusal(meta(tmp_path / "a.mha", data, ElementSpacing="0.7 0.9"), "bad-spacing", "for every axis")
    assert volume(meta(tmp_path / "b.mha", data)) == RIGHT
    assert META["ElementSpacing"] == "0.7 0.9 3.3"
