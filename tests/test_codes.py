"""Every code and every flag, from synthetic input whose volume is known.

`ERRORS` and `FLAGGED` hold a builder each; a code that only a study, the command line or the tracer can
produce is tested by another file, which names it.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_phantoms import stack_voxels, write_series
from phantoms import (
    SQUARE,
    contour_item,
    contour_items,
    mask_of,
    ring,
    squares,
    stack,
    trace_of,
    without_slices,
    write_rtstruct,
    write_seg,
)
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless
from voxel_phantoms import nifti_bytes

import volumetry as vm
from volumetry.change import REASONS
from volumetry.codes import ERROR_CODES, FLAGS
from volumetry.formats.trace_json import encode_trace

SERIES = "1.2.826.0.1.3680043.10.79"
SPACING = vm.MeasurementRule(height="spacing")
CLEAN = stack(8)
SLICES = range(2, 6)
"""Four slices of 100 mm2, 4 mm thick and 4 mm apart: 1600 mm3."""


def layer(value: Any = 1, dtype: Any = np.uint8) -> Any:
    voxels = np.zeros((8, 24, 32), dtype)
    voxels[2:6, 4:14, 4:14] = value
    return voxels


def images(folder: Path, geometry: Any = CLEAN, **values: Any) -> Path:
    values.setdefault("series_uid", SERIES)
    write_series(folder, geometry, stack_voxels(geometry), **values)
    return folder


def everywhere(**elements: Any) -> Any:
    """A change that sets elements of every image; None deletes them."""

    def change(ds: Dataset, _index: int) -> None:
        for name, value in elements.items():
            delattr(ds, name) if value is None else setattr(ds, name, value)

    return change


def at(index: int, **elements: Any) -> Any:
    def change(ds: Dataset, here: int) -> None:
        if here == index:
            everywhere(**elements)(ds, here)

    return change


def structures(folder: Path, contours: Any = None, geometry: Any = CLEAN, **values: Any) -> Path:
    contours = contour_items(trace_of(squares(SLICES), geometry)) if contours is None else contours
    values.setdefault("series_uid", SERIES)
    return write_rtstruct(folder / "structures" / "rs.dcm", {"lesion": contours}, **values)


def drawn(
    folder: Path, geometry: Any = CLEAN, contours: Any = None, *, change: Any = None, **values: Any
) -> Any:
    """A series with a structure set beside it, measured."""
    images(folder / "images", geometry, change=change)
    return vm.measure_volume(vm.read_trace(structures(folder, contours, geometry, **values)))


def nifti(
    folder: Path, voxels: Any = None, *, sform: Any = None, units: str = "mm", name: str = "m.nii.gz"
) -> Path:
    """A mask of 400 voxels of 4 mm3."""
    affine = np.diag([1.0, 1.0, 4.0, 1.0])
    data = layer() if voxels is None else voxels
    image = nibabel.Nifti1Image(data.T, affine, dtype=data.dtype)
    image.header.set_xyzt_units(units)
    image.set_qform(affine, 1)
    image.set_sform(affine if sform is None else sform, 1)
    nibabel.save(image, folder / name)
    return folder / name


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def nested(folder: Path, depth: int) -> Path:
    ds = inner = Dataset()
    for _ in range(depth):
        item = Dataset()
        inner.ReferencedStudySequence = [item]
        inner = item

    def change(image: Dataset, _index: int) -> None:
        image.ReferencedStudySequence = ds.ReferencedStudySequence

    return images(folder, stack(1), change=change)


def two_series(folder: Path) -> Path:
    images(folder / "a", series_uid=SERIES)
    images(folder / "b", series_uid=f"{SERIES}.2")
    return folder


def checked(folder: Path, value: int = 0) -> Any:
    scan = vm.read_scan(images(folder))
    trace = trace_of(squares(SLICES), CLEAN, source=scan.hashed_source)
    return vm.check_trace(
        trace, vm.Scan(voxels=scan.voxels + value, geometry=scan.geometry, source=scan.source)
    )


def rotated_copy(folder: Path) -> Path:
    def change(ds: Dataset, index: int) -> None:
        ds.PixelSpacing = [1, 1 + index / 10]

    return images(folder, change=change)


def cut(path: Path) -> Path:
    return written(path, path.read_bytes()[:-200])


# -- errors ----------------------------------------------------------------------------------------------

ERRORS: Mapping[str, Callable[[Path], Any]] = {
    "missing-slice": lambda folder: vm.measure_volume(
        trace_of(squares(range(2, 6)), without_slices(stack(9), [4]))
    ),
    "duplicate-position": lambda folder: vm.read_scan(
        images(folder, change=at(3, ImagePositionPatient=CLEAN.slice_origins_mm[2].tolist()))
    ),
    "single-slice": lambda folder: vm.measure_volume(trace_of(squares([0]), stack(1)), rule=SPACING),
    "no-pixel-spacing": lambda folder: vm.read_scan(
        images(folder, change=everywhere(PixelSpacing=None, ImagerPixelSpacing=[1, 1]))
    ),
    "bad-spacing": lambda folder: vm.read_scan(images(folder, change=everywhere(PixelSpacing=[0, 0]))),
    "inconsistent-series": lambda folder: vm.read_scan(rotated_copy(folder)),
    "ambiguous-series": lambda folder: vm.read_scan(two_series(folder)),
    "affine-conflict": lambda folder: vm.read_mask(nifti(folder, sform=np.diag([1.0, 1.0, 4.1, 1.0]))),
    "not-3d": lambda folder: vm.read_mask(nifti(folder, np.stack([layer(), layer()]))),
    "non-finite": lambda folder: vm.read_mask(nifti(folder, layer(np.nan, np.float32))),
    "not-labels": lambda folder: vm.read_mask(nifti(folder, layer(0.4, np.float32))),
    "grid-mismatch": lambda folder: vm.read_mask(nifti(folder), scan=vm.read_scan(images(folder / "images"))),
    "contour-off-plane": lambda folder: drawn(
        folder, contours=[contour_item(np.add(CLEAN.pixel_to_patient(2, SQUARE), (0, 0, 1.5)))]
    ),
    "self-intersection": lambda folder: vm.measure_volume(
        trace_of([ring(2, [(4, 4), (9, 9), (9, 4), (4, 9)])])
    ),
    "invalid-contour": lambda folder: vm.Contour(slice_index=1, vertices=[(0, 0), (1, 1)]),
    "ambiguous-overlap": lambda folder: vm.measure_volume(trace_of([ring(2), ring(2)])),
    "untraced-slice": lambda folder: vm.measure_volume(trace_of(squares([1, 3]))),
    "patient-mismatch": lambda folder: drawn(folder, patient_id="P2"),
    "wrong-series": lambda folder: vm.read_trace(
        structures(folder, series_uid="1.2.3"), scan=images(folder / "images")
    ),
    "image-changed": lambda folder: checked(folder, 1),
    "side-mismatch": lambda folder: vm.measure_volume(trace_of(squares(SLICES), CLEAN, side="R")),
    "truncated": lambda folder: vm.read_mask(cut(nifti(folder, name="m.nii"))),
    "unreadable": lambda folder: vm.read_trace(
        written(folder / "L1.trace.json", encode_trace(trace_of([])).replace(b"L1", b"L2"))
    ),
    "unsupported-format": lambda folder: vm.read_scan(written(folder / "a.dcm", b"a text " * 100)),
    "unsupported-codec": lambda folder: vm.read_mask(compressed_bits(folder)),
    "too-large": lambda folder: vm.read_mask(
        written(
            folder / "m.nii",
            b"".join((nifti_bytes()[:40], struct.pack("<8h", 3, *[32767] * 7), nifti_bytes()[56:])),
        )
    ),
    "too-deep": lambda folder: vm.read_scan(nested(folder, 80)),
    "newer-format": lambda folder: vm.read_trace(
        written(
            folder / "L1.trace.json", encode_trace(trace_of([])).replace(b'"version":1}', b'"version":9}')
        )
    ),
    "no-such-label": lambda folder: vm.read_trace(
        structures(folder), roi="other", scan=images(folder / "images")
    ),
    "not-found": lambda folder: vm.read_scan(folder / "nothing"),
    "usage": lambda folder: vm.write_trace(trace_of([]), folder / "L1.txt"),
    "read-only": lambda folder: vm.write_trace(trace_of([]), folder / "nothing" / "L1.trace.json"),
}


def named_elsewhere(code: str) -> bool:
    """Whether another test file names a code: what only a study, the command line or the tracer produces."""
    root = Path(__file__).parents[1]
    files = [*root.glob("tests/test_*.py"), *root.glob("plugins/*/**/test_*.py")]
    return any(f'"{code}"' in file.read_text() for file in files if file.name != "test_codes.py")


def compressed_bits(folder: Path) -> Path:
    """Single bits under a compression that does not know them."""
    path = write_seg(
        folder / "a" / "b" / "seg.dcm",
        CLEAN,
        {"lesion": layer()},
        kind="LABELMAP",
        transfer_syntax=RLELossless,
    )
    content = path.read_bytes()
    for tag in (0x0100, 0x0101):
        header = struct.pack("<HH2sH", 0x0028, tag, b"US", 2)
        content = content.replace(header + b"\x08\0", header + b"\x01\0")
    return written(path, content)


@pytest.mark.parametrize("code", ERRORS)
def test_the_error(code, tmp_path):
    with pytest.raises(vm.VolumetryError) as caught:
        ERRORS[code](tmp_path)
    assert caught.value.code == code
    assert caught.value.todo.endswith(".")
    assert str(caught.value).startswith(f"{code}: ")


@pytest.mark.parametrize("code", sorted(ERROR_CODES.keys() - ERRORS.keys()))
def test_the_error_is_produced_elsewhere(code):
    assert named_elsewhere(code)


def test_no_error_is_produced_that_is_not_declared():
    assert ERRORS.keys() <= ERROR_CODES.keys()


# -- flags -----------------------------------------------------------------------------------------------

Measured = tuple[Any, float]
"""A measured volume, and the volume in mm3 that it should be."""


def of(trace: Any, volume_mm3: float = 1600.0, **rule: Any) -> Measured:
    return vm.measure_volume(trace, rule=vm.MeasurementRule(**rule)), volume_mm3


def duplicated(folder: Path) -> Measured:
    images(folder / "images")
    (folder / "images" / "copy.dcm").write_bytes((folder / "images" / "IM0003.dcm").read_bytes())
    return vm.measure_volume(vm.read_trace(structures(folder))), 1600.0


def with_localizer(folder: Path) -> Measured:
    geometry = stack(8, directions=((0, 1, 0), (0, 0, -1)))
    images(folder / "images")
    images(
        folder / "images" / "scout",
        geometry,
        change=everywhere(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    return vm.measure_volume(vm.read_trace(structures(folder))), 1600.0


def trailing(folder: Path) -> Measured:
    path = nifti(folder)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more" * 40))
    return of(vm.read_mask(path))


FLAGGED: Mapping[str, Callable[[Path], Measured]] = {
    "slice-gap": lambda folder: of(
        trace_of(squares(SLICES), stack(8, spacing_mm=4.4)), 1760, height="spacing"
    ),
    "slices-overlap": lambda folder: of(
        trace_of(squares(SLICES), stack(8, spacing_mm=2.0)), 800, height="spacing"
    ),
    "thickness-unknown": lambda folder: of(trace_of(squares(SLICES), stack(8, thickness_mm=None))),
    "spacing-tag-disagrees": lambda folder: (
        drawn(folder, change=everywhere(SpacingBetweenSlices=0.4)),
        1600,
    ),
    "nonuniform-spacing": lambda folder: of(
        trace_of(squares(SLICES), stack(positions_mm=[0, 4, 8, 13, 16, 20, 24, 28])), 1600, height="spacing"
    ),
    "sheared-stack": lambda folder: of(trace_of(squares(SLICES), stack(8, shift_mm=(0, 1, 0)))),
    "sheared-grid": lambda folder: of(
        trace_of(squares(SLICES), stack(8, directions=((1, 0, 0), (0.6, 0.8, 0)))), 1280
    ),
    "missing-slice-outside": lambda folder: of(trace_of(squares(range(1, 5)), without_slices(stack(9), [7]))),
    "duplicate-file": duplicated,
    "split-series": with_localizer,
    "contour-snapped": lambda folder: (
        drawn(
            folder,
            contours=[contour_item(np.add(CLEAN.pixel_to_patient(i, SQUARE), (0, 0, 0.2))) for i in SLICES],
        ),
        1600,
    ),
    "contour-degenerate": lambda folder: (
        drawn(
            folder,
            contours=[
                *contour_items(trace_of(squares(SLICES), CLEAN)),
                contour_item(CLEAN.pixel_to_patient(3, SQUARE[:2])),
            ],
        ),
        1600,
    ),
    "empty-mask": lambda folder: of(mask_of(layer(0), CLEAN), 0),
    "touches-edge": lambda folder: of(trace_of(squares(range(4)), CLEAN)),
    "few-slices": lambda folder: of(trace_of(squares(range(2, 5)), CLEAN), 1200),
    "skipped-slices": lambda folder: of(trace_of(squares([1, 2, 4, 5]), CLEAN), skipped_slices="absent"),
    "interpolated": lambda folder: of(
        trace_of(squares(range(2, 6)), without_slices(stack(9), [4])), 2000, interpolate_missing=True
    ),
    "frame-of-reference-differs": lambda folder: (drawn(folder, frame_of_reference_uid="1.2.3"), 1600),
    "lossy": lambda folder: (drawn(folder, change=everywhere(LossyImageCompression="01")), 1600),
    "units-unknown": lambda folder: of(vm.read_mask(nifti(folder, units="unknown"))),
    "trailing-data": trailing,
}

AS_EVER = {
    "empty-mask": {"thickness-unknown"},
    "units-unknown": {"thickness-unknown"},
    "trailing-data": {"thickness-unknown"},
}
"""What else is worth knowing of those: a plain NIfTI knows no thickness."""


@pytest.mark.parametrize("flag", FLAGGED)
def test_the_flag_and_no_other(flag, tmp_path):
    measured, volume_mm3 = FLAGGED[flag](tmp_path)
    assert flag in measured.flags
    assert set(measured.flags) - {flag} <= AS_EVER.get(flag, set())
    assert measured.volume_mm3 == pytest.approx(volume_mm3, rel=1e-6)


@pytest.mark.parametrize("flag", sorted(FLAGS.keys() - FLAGGED.keys() - {"protocol-changed"}))
def test_the_flag_is_produced_elsewhere(flag):
    assert named_elsewhere(flag)


def test_another_protocol_is_flagged_in_the_change():
    thick = vm.measure_volume(trace_of(squares(SLICES), stack(8, spacing_mm=5.0, thickness_mm=5.0)))
    thin = vm.measure_volume(trace_of(squares(SLICES), CLEAN))
    assert vm.classify_change(thick, thin).flags == ("protocol-changed",)
    assert vm.classify_change(thin, thin).flags == ()


@pytest.mark.parametrize(
    "clean",
    [
        lambda folder: vm.measure_volume(trace_of(squares(SLICES), CLEAN)),
        lambda folder: vm.measure_volume(mask_of(layer(), CLEAN)),
        lambda folder: drawn(folder),
        lambda folder: drawn(folder, change=everywhere(SpacingBetweenSlices=4.0)),
        lambda folder: vm.measure_volume(
            vm.read_mask(
                write_seg(folder / "seg" / "seg.dcm", CLEAN, {"lesion": layer()}, series_uid=SERIES),
                scan=images(folder / "images", transfer_syntax=JPEGLSLossless),
            )
        ),
    ],
)
def test_a_clean_case_raises_no_flag(clean, tmp_path):
    measured = clean(tmp_path)
    assert measured.flags == ()
    assert measured.volume_mm3 == pytest.approx(1600, rel=1e-6)


def test_every_reason_of_a_change_is_explained():
    assert all(text and not text.endswith(".") for text in REASONS.values())
    for codes in (ERROR_CODES, FLAGS):
        assert all(name == name.lower() and " " not in name and text for name, text in codes.items())


def test_an_undeclared_code_is_a_fault():
    with pytest.raises(KeyError):
        vm.VolumetryError("no-such-code", "nothing")


def test_errors_survive_the_way_between_processes():
    import pickle

    error = vm.VolumetryError(
        "bad-spacing", "it is 0", where="a\x1b.dcm", values={"spacing_mm": 0.0}, todo="Mend it."
    )
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "bad-spacing: it is 0, a?.dcm (spacing_mm 0). Mend it."
    assert again.at("elsewhere").where == "a\x1b.dcm"
    assert vm.VolumetryError("bad-spacing", "it is 0").at("b.dcm").where == "b.dcm"
