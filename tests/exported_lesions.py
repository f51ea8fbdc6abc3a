"""Lesions of every kind with the DICOM images they lie on, and other programs that read what is exported."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from conftest import ROOT, SHARED
from dicom_phantoms import stack_geometry, write_enhanced, write_series
from numpy.typing import NDArray
from phantoms import circle, rotation
from pydicom.uid import JPEG2000Lossless

import volumetry as vm
from volumetry.export import read_traced
from volumetry.geometry import ScanGeometry

STUDY = ROOT / "sample_scans/study"
ORIENTATION = ROOT / "sample_scans/orientation"

Make = Callable[[Path], tuple[Path, Path]]
"""Makes or copies a lesion into a folder: the folder or file of its images, and its trace."""


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion of the proof; `even` where one step tells all slices, `dicom` where the images are DICOM.

    `refused` is the code of outlines that enclose no one area, which are exported as a trace only.
    """

    name: str
    make: Make
    even: bool = True
    dicom: bool = True
    refused: str = ""


def sample(visit: str, roi: str | None, *, images: str = "t1_cor", traced: str = "rtstruct.dcm") -> Make:
    """A lesion of the sample study or of a public data set, copied, as a trace."""
    return copied(STUDY / visit, images, traced, roi)


def copied(folder: Path, images: str, traced: str, roi: str | None) -> Make:
    def make(out: Path) -> tuple[Path, Path]:
        shutil.copytree(folder / images, out / "images", ignore=shutil.ignore_patterns("RS*"))
        found = read_traced(folder / traced, scan=folder / images, label=roi)
        if found.traces:
            trace = found.traces[0]
        else:
            assert found.mask is not None
            label = found.mask.label(roi) if roi is not None else found.mask.labels[0]
            trace = vm.Trace(
                lesion=label.name or "L1",
                contours=vm.contours_from_mask(found.mask, label.number),
                geometry=found.mask.geometry,
                source=found.mask.source,
            )
        vm.write_trace(trace, out / "L1.trace.json")
        return out / "images", out / "L1.trace.json"

    return make


def nodule(number: int, reader: int) -> Make:
    """A lung nodule with its holes, on images made for its grid."""

    def make(out: Path) -> tuple[Path, Path]:
        nodules = json.loads((SHARED / "data/lidc/lidc_25_nodules_4_readers.json").read_text())
        one = nodules[number]
        rings = one["readers"][reader - 1]["contours"]
        first = min(c["z"] for c in rings) - one["slice_spacing"]
        n = round((max(c["z"] for c in rings) - first) / one["slice_spacing"]) + 2
        geometry = stack_geometry(
            n_slices=n,
            rows=512,
            columns=512,
            pixel_spacing_mm=(one["pixel_spacing"],) * 2,
            slice_spacing_mm=one["slice_spacing"],
            slice_thickness_mm=one["slice_thickness"],
            column_direction=(0, 1, 0),
            origin_mm=(-180.5, -170.25, first),
        )
        contours = [
            vm.Contour(
                slice_index=round((c["z"] - first) / one["slice_spacing"]),
                vertices=c["rowcol"],
                is_hole=not c["inclusion"],
            )
            for c in rings
            if len({tuple(p) for p in c["rowcol"]}) >= 3
        ]
        return drawn(out, geometry, contours, modality="CT")

    return make


def drawn(
    out: Path,
    geometry: ScanGeometry,
    contours: list[vm.Contour],
    *,
    modality: str = "MR",
    lesion: str = "L1",
    write: Callable[..., Any] = write_series,
    **more: Any,
) -> tuple[Path, Path]:
    """Outlines on images of a grid."""
    voxels = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), np.int16)
    place = out / ("images.dcm" if write is write_enhanced else "images")
    write(place, geometry, voxels, modality=modality, patient_id=out.name, **more)
    scan = vm.read_scan(place)
    first = np.asarray(scan.geometry.slice_origins_mm[0]) @ geometry.normal
    order = np.argsort(np.asarray(geometry.slice_origins_mm) @ geometry.normal)
    if abs(first - np.min(np.asarray(geometry.slice_origins_mm) @ geometry.normal)) > 1e-6:
        order = order[::-1]
    place_of = {int(k): i for i, k in enumerate(order)}
    moved = tuple(replace(c, slice_index=place_of[c.slice_index]) for c in contours)
    trace = vm.Trace(lesion=lesion, contours=moved, geometry=scan.geometry, source=scan.source)
    vm.write_trace(trace, out / "L1.trace.json")
    return place, out / "L1.trace.json"


def _ring(index: int, centre: tuple[float, float], radius: float, *, is_hole: bool = False) -> vm.Contour:
    return vm.Contour(slice_index=index, vertices=circle(radius, 90) + np.asarray(centre), is_hole=is_hole)


def _oblique(**more: Any) -> ScanGeometry:
    turn = rotation((20, -35, 12))
    return stack_geometry(
        n_slices=9,
        rows=64,
        columns=80,
        row_direction=turn @ (1, 0, 0),
        column_direction=turn @ (0, 1, 0),
        origin_mm=(-101.37, 55.2, -310.81),
        **more,
    )


def two_parts(out: Path) -> tuple[Path, Path]:
    """Two parts, the second with a hole, on an oblique series."""
    contours = [_ring(k, (20.3, 22.1), 9.4) for k in range(2, 7)]
    contours += [_ring(k, (42.6, 55.2), 8.3) for k in range(3, 6)]
    contours += [_ring(k, (42.2, 55.9), 3.1, is_hole=True) for k in range(3, 6)]
    return drawn(out, _oblique(), contours)


def far_parts(out: Path) -> tuple[Path, Path]:
    """Two parts that share no pixel row and end on different slices, and an island in a hole."""
    contours = [_ring(k, (12.0, 14.5), 6.2) for k in range(1, 5)]
    contours += [_ring(k, (45.5, 60.25), 12.6) for k in range(2, 8)]
    contours += [_ring(k, (45.5, 60.25), 8.1, is_hole=True) for k in range(2, 8)]
    contours += [_ring(k, (45.5, 60.25), 3.3) for k in range(2, 8)]
    return drawn(out, _oblique(slice_spacing_mm=3.0, slice_thickness_mm=3.0), contours)


def uneven(out: Path) -> tuple[Path, Path]:
    """Slices of one thickness at uneven positions."""
    even = stack_geometry(n_slices=9, rows=48, columns=60)
    steps = np.cumsum([0, 4.4, 4.4, 6.0, 4.4, 5.1, 4.4, 4.4, 7.0])
    origins = np.asarray(even.slice_origins_mm[0]) + np.outer(steps, even.normal)
    geometry = replace(even, slice_origins_mm=origins)
    return drawn(out, geometry, [_ring(k, (22.3, 31.4), 9.7) for k in range(2, 8)])


def enhanced(out: Path) -> tuple[Path, Path]:
    """An Enhanced image, its frames in another order than its slices."""
    geometry = stack_geometry(n_slices=8, rows=48, columns=60)
    contours = [_ring(k, (22.3, 31.4), 7.7 + k / 3) for k in range(2, 7)]
    order = [3, 0, 7, 5, 1, 2, 6, 4]
    return drawn(out, geometry, contours, write=write_enhanced, frame_order=order)


def compressed(out: Path) -> tuple[Path, Path]:
    """Images in JPEG 2000, file names in reverse order of the slices."""
    geometry = stack_geometry(n_slices=7, rows=48, columns=60)
    contours = [_ring(k, (20.3, 28.4), 6.7 + k / 2) for k in range(1, 6)]
    names = [f"{100 - k}.dcm" for k in range(7)]
    return drawn(out, geometry, contours, transfer_syntax=JPEG2000Lossless, names=names)


def small(out: Path) -> tuple[Path, Path]:
    """One pixel on each of three slices, thinner than the distance between the slices."""
    geometry = stack_geometry(n_slices=7, rows=33, columns=41, slice_spacing_mm=5.5)
    square = np.array([(10.0, 20.0), (10.0, 21.0), (11.0, 21.0), (11.0, 20.0)]) - 0.5
    return drawn(out, geometry, [vm.Contour(slice_index=k, vertices=square) for k in (2, 3, 4)])


def not_dicom(out: Path) -> tuple[Path, Path]:
    """A mask on a NIfTI scan."""
    folder = STUDY / "sub-hip06/ses-20210405/anat"
    scan = next(p for p in folder.glob("*_T1w.nii.gz"))
    shutil.copy(scan, out / "scan.nii.gz")
    mask = vm.read_mask(next(folder.glob("*_mask.nii.gz")))
    contours = vm.contours_from_mask(mask)
    trace = vm.Trace(lesion="R1", side="R", contours=contours, geometry=mask.geometry, source=mask.source)
    vm.write_trace(trace, out / "L1.trace.json")
    return out / "scan.nii.gz", out / "L1.trace.json"


HOLES = [(0, 2), (0, 3), (3, 4), (4, 3), (4, 4), (5, 3), (13, 2), (16, 2), (17, 2), (22, 1), (23, 3)]
"""Every nodule and reader with a hole."""

LESIONS = (
    *(
        Lesion(name=f"hip01-{visit}-{roi[-2:]}", make=sample(f"hip01/{visit}", roi))
        for visit in ("2021-03-02", "2021-09-07", "2022-03-08")
        for roi in ("lesion_L1", "lesion_R1")
    ),
    *(
        Lesion(
            name=f"hip05-{visit}-{trace}", make=sample(f"hip05/{visit}", None, traced=f"{trace}.trace.json")
        )
        for visit, trace in (("2021-06-01", "L1"), ("2022-06-14", "R1"))
    ),
    *(
        Lesion(name=plane, make=copied(ORIENTATION / plane, "images", "rtstruct.dcm", None))
        for plane in ("coronal", "sagittal", "oblique")
    ),
    *(
        Lesion(
            name=f"lidc-{n}-{r}",
            make=nodule(n, r),
            refused="ambiguous-overlap" if (n, r) == (4, 3) else "",  # a hole lies outside its outline
        )
        for n, r in HOLES
    ),
    *(
        Lesion(
            name=f"sts-{number}",
            make=copied(SHARED / f"data/sts/dicom/STS_{number}/MR_T1", "image", "mask/RS.dcm", None),
        )
        for number in ("002", "008", "012", "018", "024", "032")
    ),
    Lesion(name="two-parts", make=two_parts),
    Lesion(name="far-parts", make=far_parts),
    Lesion(name="uneven", make=uneven, even=False),
    Lesion(name="enhanced", make=enhanced),
    Lesion(name="compressed", make=compressed),
    Lesion(name="one-pixel", make=small),
    Lesion(name="nifti", make=not_dicom, dicom=False),
)
OF_SHARED = ("lidc-", "sts-")

# -- what other programs read -----------------------------------------------------------------------------

Read = tuple[float, NDArray[np.float64]]
"""Volume in mm3, pixel by pixel, and LPS centroid."""


def by_highdicom(path: Path, thickness_is_step: float) -> Read:
    """Frame by frame, each at its own position; `thickness_is_step` is the height of a pixel."""
    import highdicom as hd

    seg = hd.seg.segread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    count, total = 0, np.zeros(3)
    for number, group in enumerate(seg.PerFrameFunctionalGroupsSequence, start=1):
        pixels = np.argwhere(seg.get_frame(number))
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        places = pixels[:, 1:] * between_columns * cosines[:3] + pixels[:, :1] * between_rows * cosines[3:]
        count, total = count + len(pixels), total + (places + origin).sum(axis=0)
    return count * between_rows * between_columns * thickness_is_step, total / count


def by_dcmqi(path: Path, folder: Path) -> Read:
    """Segment by segment into NRRD, read by SimpleITK."""
    folder.mkdir()
    run_dcmqi("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd")
    return by_simpleitk(next(folder.glob("*.nrrd")))


def run_dcmqi(tool: str, *arguments: object) -> None:
    import dcmqi

    beside = Path(dcmqi.__file__).parent / "bin" / tool
    command = [str(beside) if beside.exists() else tool, *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


def by_simpleitk(path: Path) -> Read:
    import SimpleITK as sitk  # noqa: N813

    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt16))
    assert shape.GetLabels() == (1,)
    return shape.GetPhysicalSize(1), np.array(shape.GetCentroid(1))


def by_nibabel(path: Path) -> Read:
    import nibabel

    image = nibabel.load(path)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    return _by_affine(np.argwhere(np.asanyarray(image.dataobj) == 1), affine[:3, :3], affine[:3, 3])


def by_pynrrd(path: Path) -> Read:
    import nrrd

    voxels, header = nrrd.read(str(path))
    return _by_affine(np.argwhere(voxels == 1), header["space directions"].T, header["space origin"])


def _by_affine(
    places: NDArray[np.intp], directions: NDArray[np.float64], origin: NDArray[np.float64]
) -> Read:
    volume = len(places) * abs(float(np.linalg.det(directions)))
    return volume, directions @ places.mean(axis=0) + origin


def errors_of(path: Path) -> set[str]:
    """What dciodvfy has against a file; it ends with 0 all the same."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return {line for line in done.stderr.splitlines() if line.startswith("Error")}


def numbers_of(report: Any) -> Iterator[tuple[str, str, float]]:
    """Yield concept, derivation and value of every number of a structured report."""
    for item in report.get("ContentSequence", ()):
        if item.ValueType == "NUM":
            value = item.MeasuredValueSequence[0]
            derivation = next(
                (
                    c.ConceptCodeSequence[0].CodeValue
                    for c in item.get("ContentSequence", ())
                    if c.ConceptNameCodeSequence[0].CodeMeaning == "Derivation"
                ),
                "",
            )
            number = float(value.get("FloatingPointValue", value.NumericValue))
            yield item.ConceptNameCodeSequence[0].CodeMeaning, derivation, number
        yield from numbers_of(item)
