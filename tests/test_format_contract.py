"""The contract of every format, held to one lesion on one oblique scan.

Whatever the file is:

1. Its voxels, labels or outlines lie at the same places in the patient (LPS, mm), in whatever order the
   format counts slices, rows and columns.
2. Masks give exactly the same volume, outlines the same within 1e-4; by `read_sections` as by `read_mask` or
   `read_trace`.
3. What is read cannot be written to.
4. A file that is cut, empty, or something else is refused by a declared code that names the file.
5. Nothing that is read is changed, and nothing appears beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom_phantoms import stack_voxels, write_enhanced, write_series
from phantoms import circle, contour_items, ring, rotation, stack, trace_of, write_rtstruct, write_seg
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

import volumetry as vm
from volumetry.formats.trace_json import encode_trace

TURN = rotation((15, -25, 40))
GEOMETRY = stack(
    9,
    spacing_mm=4.4,
    rows=33,
    columns=37,
    pixel_spacing_mm=(0.75, 0.5),
    directions=(TURN[:, 0], TURN[:, 1]),
    origin_mm=(20.5, -10.25, 30.125),
)
VOXELS = stack_voxels(GEOMETRY)
OUTLINES = tuple(
    ring(index, circle(9 - abs(index - 4) * 1.5, n=40) * (1.0, 1.2) + (15.3, 17.8 + index / 5))
    for index in range(2, 7)
)
TRACE = trace_of(OUTLINES, GEOMETRY, lesion="lesion")
MASK = vm.mask_from_contours({1: OUTLINES}, GEOMETRY)
LAYER = MASK.layers[0].astype(np.uint8)
SERIES = "1.2.826.0.1.3680043.10.80"
SPACING = vm.MeasurementRule(height="spacing")


# -- writers ---------------------------------------------------------------------------------------------


def dicom_series(folder: Path, **values: Any) -> Path:
    write_series(folder / "series", GEOMETRY, VOXELS, series_uid=SERIES, **values)
    return folder / "series"


def enhanced(folder: Path, **values: Any) -> Path:
    return write_enhanced(folder / "enhanced.dcm", GEOMETRY, VOXELS, series_uid=SERIES, **values)


def nifti(folder: Path, voxels: Any, name: str = "a.nii.gz", axes: tuple[int, ...] = (2, 1, 0)) -> Path:
    """Write with the array's axes in another order, and the affine to fit."""
    origin = GEOMETRY.slice_origins_mm
    columns = {
        0: origin[1] - origin[0],
        1: GEOMETRY.pixel_to_patient_matrix[:, 0],
        2: GEOMETRY.pixel_to_patient_matrix[:, 1],
    }
    affine = np.eye(4)
    affine[:3] = np.column_stack([columns[axis] for axis in axes] + [origin[0]])
    affine[:2] *= -1
    image = nibabel.Nifti1Image(np.ascontiguousarray(voxels.transpose(axes)), affine, dtype=voxels.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nibabel.save(image, folder / name)
    return folder / name


def freesurfer(folder: Path, voxels: Any, name: str) -> Path:
    image = nibabel.load(nifti(folder, voxels, "source.nii"))
    nibabel.save(nibabel.MGHImage(np.asarray(image.dataobj), image.affine), folder / name)
    (folder / "source.nii").unlink()
    return folder / name


def simple_itk(folder: Path, voxels: Any, name: str, *, compressed: bool = False) -> Path:
    image = SimpleITK.GetImageFromArray(voxels)
    between_rows, between_columns = GEOMETRY.pixel_spacing_mm
    image.SetSpacing((between_columns, between_rows, 4.4))
    image.SetOrigin(GEOMETRY.slice_origins_mm[0].tolist())
    directions = (GEOMETRY.row_direction, GEOMETRY.column_direction, GEOMETRY.normal)
    image.SetDirection(np.column_stack(directions).ravel().tolist())
    SimpleITK.WriteImage(image, folder / name, useCompression=compressed)
    return folder / name


def segmentation(folder: Path, **values: Any) -> Path:
    return write_seg(folder / "seg" / "seg.dcm", GEOMETRY, {"lesion": LAYER}, series_uid=SERIES, **values)


def structures(folder: Path, scan: Callable[[Path], Path] = dicom_series) -> Path:
    scan(folder / "images")
    return write_rtstruct(folder / "rt" / "rs.dcm", {"lesion": contour_items(TRACE)}, series_uid=SERIES)


def trace_file(folder: Path) -> Path:
    vm.write_trace(TRACE, folder / "L1.trace.json")
    return folder / "L1.trace.json"


def own_nifti(folder: Path) -> Path:
    vm.write_mask(MASK, folder / "own.nii.gz")
    return folder / "own.nii.gz"


SCANS: dict[str, Callable[[Path], Path]] = {
    "DICOM series": dicom_series,
    "DICOM series, implicit": partial(dicom_series, transfer_syntax=ImplicitVRLittleEndian),
    "DICOM series, deflated": partial(dicom_series, transfer_syntax=DeflatedExplicitVRLittleEndian),
    "DICOM series, RLE": partial(dicom_series, transfer_syntax=RLELossless),
    "DICOM series, JPEG-LS": partial(dicom_series, transfer_syntax=JPEGLSLossless),
    "Enhanced": enhanced,
    "Enhanced, shuffled": partial(enhanced, frame_order=[4, 2, 8, 0, 1, 7, 3, 6, 5]),
    "NIfTI": partial(nifti, voxels=VOXELS, name="a.nii"),
    "NIfTI, gzip": partial(nifti, voxels=VOXELS),
    "NIfTI, rows first": partial(nifti, voxels=VOXELS, axes=(1, 2, 0)),
    "NRRD": partial(simple_itk, voxels=VOXELS, name="a.nrrd"),
    "NRRD, detached": partial(simple_itk, voxels=VOXELS, name="a.nhdr"),
    "MetaImage": partial(simple_itk, voxels=VOXELS, name="a.mha"),
    "MetaImage, detached": partial(simple_itk, voxels=VOXELS, name="a.mhd"),
    "NIfTI pair, its header": partial(simple_itk, voxels=VOXELS, name="a.hdr"),
    "NIfTI pair, its image": partial(simple_itk, voxels=VOXELS, name="a.img"),
    "FreeSurfer": partial(freesurfer, voxels=VOXELS.astype(np.float32), name="a.mgh"),
    "FreeSurfer, gzip": partial(freesurfer, voxels=VOXELS.astype(np.float32), name="a.mgz"),
}

MASKS: dict[str, Callable[[Path], Path]] = {
    "NIfTI": partial(nifti, voxels=LAYER, name="m.nii"),
    "NIfTI, gzip": partial(nifti, voxels=LAYER),
    "NIfTI, floats": partial(nifti, voxels=LAYER.astype(np.float32)),
    "NIfTI, rows first": partial(nifti, voxels=LAYER, axes=(1, 2, 0)),
    "NIfTI, our own": own_nifti,
    "NRRD": partial(simple_itk, voxels=LAYER, name="m.nrrd"),
    "NRRD, gzip": partial(simple_itk, voxels=LAYER, name="m.nrrd", compressed=True),
    "MetaImage": partial(simple_itk, voxels=LAYER, name="m.mha"),
    "MetaImage, zlib": partial(simple_itk, voxels=LAYER, name="m.mha", compressed=True),
    "NIfTI pair": partial(simple_itk, voxels=LAYER, name="m.hdr"),
    "FreeSurfer": partial(freesurfer, voxels=LAYER, name="m.mgh"),
    "FreeSurfer, gzip": partial(freesurfer, voxels=LAYER, name="m.mgz"),
    "SEG": segmentation,
    "SEG, every frame": partial(segmentation, keep_empty=True),
    "SEG, label map": partial(segmentation, kind="LABELMAP"),
    "SEG, fractional": partial(segmentation, kind="FRACTIONAL"),
    "SEG, RLE": partial(segmentation, kind="LABELMAP", transfer_syntax=RLELossless),
}

TRACES: dict[str, Callable[[Path], Path]] = {
    "trace.json": trace_file,
    "RTSTRUCT": structures,
    "RTSTRUCT on Enhanced": partial(structures, scan=enhanced),
}


# -- the contract ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snapshot:
    """Every file below a folder, with its bytes and its time of change."""

    files: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, folder: Path) -> Snapshot:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return cls(
            {
                str(path.relative_to(folder)): (
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                    path.stat().st_mtime_ns,
                )
                for path in files
            }
        )


def assert_untouched(folder: Path, before: Snapshot) -> None:
    assert Snapshot.of(folder) == before


def places(geometry: Any, inside: Any) -> Any:
    """LPS positions of voxels, in an order that depends on the positions alone."""
    points = np.concatenate(
        [geometry.pixel_to_patient(i, np.argwhere(inside[i])) for i in range(len(inside))]
    )
    # Ordered by the voxel of the lattice that each is: rounded positions can fall to either side.
    step = GEOMETRY.slice_origins_mm[1] - GEOMETRY.slice_origins_mm[0]
    lattice = np.column_stack((GEOMETRY.pixel_to_patient_matrix, step))
    voxel = np.linalg.solve(lattice, (points - GEOMETRY.slice_origins_mm[0]).T)
    return points[np.lexsort(np.rint(voxel))]


@pytest.mark.parametrize("name", SCANS)
def test_scans(name, tmp_path):
    path = SCANS[name](tmp_path)
    before = Snapshot.of(tmp_path)
    scan = vm.read_scan(path)
    assert_untouched(tmp_path, before)
    assert not scan.voxels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        scan.voxels[0, 0, 0] = 1
    bright = VOXELS > 2500
    assert np.array_equal(np.sort(scan.voxels, axis=None), np.sort(VOXELS, axis=None))
    assert places(scan.geometry, scan.voxels > 2500) == pytest.approx(places(GEOMETRY, bright), abs=1e-3)
    assert scan.geometry.slice_spacing_mm == pytest.approx(4.4, rel=1e-5)
    assert sorted(scan.geometry.pixel_spacing_mm) == pytest.approx([0.5, 0.75], rel=1e-5)


@pytest.mark.parametrize("name", MASKS)
def test_masks(name, tmp_path):
    path = MASKS[name](tmp_path)
    before = Snapshot.of(tmp_path)
    mask = vm.read_mask(path)
    (sections,) = vm.read_sections(path)
    assert_untouched(tmp_path, before)
    assert all(not layer.flags.writeable for layer in mask.layers)
    assert not sections.areas_mm2.flags.writeable
    assert places(mask.geometry, mask.binary()) == pytest.approx(places(GEOMETRY, LAYER == 1), abs=1e-3)
    expected = vm.measure_volume(MASK, rule=SPACING)
    for traced in (mask, sections):
        measured = vm.measure_volume(traced, rule=SPACING)
        pixels = np.rint(measured.areas_mm2 / mask.geometry.pixel_area_mm2).sum()
        assert pixels == LAYER.sum()
        assert measured.volume_mm3 == pytest.approx(expected.volume_mm3, rel=1e-6)
        assert measured.centroid_mm == pytest.approx(expected.centroid_mm, abs=1e-3)
        assert measured.extent_mm == pytest.approx(expected.extent_mm, abs=1e-3)
        assert measured.n_slices == 5


@pytest.mark.parametrize("name", MASKS)
def test_masks_on_their_scan_are_exact(name, tmp_path):
    """On the grid of the scan nothing is rounded: not only the pixels, the volume is the same number."""
    scan = vm.read_scan(dicom_series(tmp_path / "scan"))
    mask = vm.read_mask(MASKS[name](tmp_path), scan=scan)
    expected = vm.measure_volume(replace(MASK, geometry=scan.geometry))
    measured = vm.measure_volume(mask)
    assert np.array_equal(mask.binary(), LAYER == 1)
    assert measured.volume_thickness_mm3 == expected.volume_thickness_mm3
    assert measured.volume_spacing_mm3 == expected.volume_spacing_mm3
    assert measured.flags == ("slice-gap",)


@pytest.mark.parametrize("name", TRACES)
def test_traces(name, tmp_path):
    path = TRACES[name](tmp_path)
    before = Snapshot.of(tmp_path)
    trace = vm.read_trace(path)
    (sections,) = vm.read_sections(path)
    assert_untouched(tmp_path, before)
    assert all(not contour.vertices.flags.writeable for contour in trace.contours)
    expected = vm.measure_volume(TRACE)
    for traced in (trace, sections):
        measured = vm.measure_volume(traced)
        assert measured.volume_thickness_mm3 == pytest.approx(expected.volume_thickness_mm3, rel=1e-4)
        assert measured.volume_spacing_mm3 == pytest.approx(expected.volume_spacing_mm3, rel=1e-4)
        assert measured.centroid_mm == pytest.approx(expected.centroid_mm, abs=1e-3)
        assert (measured.lesion, measured.flags) == ("lesion", ("slice-gap",))


def reader_of(name: str, kind: str) -> Callable[[Path], Any]:
    return {"scan": vm.read_scan, "mask": vm.read_mask, "trace": vm.read_trace}[kind]


ALL = [
    (kind, name) for kind, table in (("scan", SCANS), ("mask", MASKS), ("trace", TRACES)) for name in table
]
WRITERS = {"scan": SCANS, "mask": MASKS, "trace": TRACES}


def refusal(call: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(vm.VolumetryError) as caught:
        call(path)
    assert caught.value.where is not None
    assert caught.value.todo
    return caught.value.code


@pytest.mark.parametrize(("kind", "name"), ALL)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.97])
def test_a_cut_file_is_refused(kind, name, part, tmp_path):
    path = WRITERS[kind][name](tmp_path)
    files = [path] if path.is_file() else sorted(path.iterdir())[3:4]
    beside = [f for f in path.parent.iterdir() if f.suffix in (".raw", ".zraw")] if path.is_file() else []
    victim = (beside or files)[0]
    victim.write_bytes(victim.read_bytes()[: int(victim.stat().st_size * part)])
    before = Snapshot.of(tmp_path)
    assert refusal(reader_of(name, kind), path) in ("truncated", "unreadable")
    assert_untouched(tmp_path, before)


NAMES = [
    "a.nii",
    "a.nii.gz",
    "a.nrrd",
    "a.seg.nrrd",
    "a.nhdr",
    "a.mha",
    "a.mhd",
    "a.hdr",
    "a.img",
    "a.mgh",
    "a.mgz",
    "a.gipl",
    "a.gipl.gz",
    "a.vtk",
    "a.tif",
    "a.dcm",
    "a",
    "a.trace.json",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"", {"truncated"}),
        (b"this is a text, and no image at all. " * 40, {"unsupported-format", "unreadable", "truncated"}),
        (b"\0" * 1000, {"unsupported-format", "unreadable", "truncated"}),
        (b"%PDF-1.7\n" + bytes(range(256)) * 8, {"unsupported-format", "unreadable", "truncated"}),
    ],
)
@pytest.mark.parametrize("call", [vm.read_scan, vm.read_mask, vm.read_trace, vm.read_sections])
def test_something_else_is_refused(name, content, codes, call, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    before = Snapshot.of(tmp_path)
    # Half a pair is recognised by its name alone; the other half would say what it is.
    assert refusal(call, path) in (codes | {"not-found"} if name == "a.img" and content else codes)
    assert_untouched(tmp_path, before)


@pytest.mark.parametrize("call", [vm.read_scan, vm.read_mask, vm.read_trace, vm.read_sections])
def test_what_is_not_there_is_refused(call, tmp_path):
    assert refusal(call, tmp_path / "nothing.nii") == "not-found"


@pytest.mark.parametrize(
    ("call", "write"),
    [
        (vm.read_mask, trace_file),
        (vm.read_scan, trace_file),
        (vm.read_trace, own_nifti),
        (vm.read_trace, segmentation),
        (vm.read_mask, structures),
        (vm.read_scan, structures),
        (vm.read_mask, dicom_series),
    ],
)
def test_the_wrong_kind_of_file_is_refused(call, write, tmp_path):
    assert refusal(call, write(tmp_path)) == "unsupported-format"


def test_a_mask_of_another_grid_is_refused(tmp_path):
    scan = vm.read_scan(dicom_series(tmp_path / "scan"))
    other = replace(scan.geometry, slice_origins_mm=np.add(scan.geometry.slice_origins_mm, (0, 0, 0.002)))
    moved = vm.Scan(voxels=scan.voxels, geometry=other, source=scan.source)
    for name, write in MASKS.items():
        folder = tmp_path / name.replace(", ", "-").replace(" ", "-")
        folder.mkdir()
        with pytest.raises(vm.VolumetryError) as caught:
            vm.read_mask(write(folder), scan=moved)
        assert caught.value.code == "grid-mismatch", name


def test_equal_traces_are_equal_bytes(tmp_path):
    assert encode_trace(vm.read_trace(trace_file(tmp_path))) == encode_trace(TRACE)
