from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import needs_shared
from dicom_phantoms import stack_voxels, uid_of, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import (
    CORONAL,
    SQUARE,
    contour_item,
    contour_items,
    ring,
    rotation,
    squares,
    stack,
    trace_of,
    without_slices,
    write_rtstruct,
)
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

import volumetry as vm
from volumetry.contours.contour import Contour
from volumetry.errors import VolumetryError
from volumetry.formats.dicom.traced.image_search import find_series_folders
from volumetry.formats.dicom.traced.rtstruct import (
    list_rois,
    read_regions,
    read_sections,
    read_trace,
    referenced,
)
from volumetry.scan import ScanSource

SERIES = "1.2.826.0.1.3680043.10.77"
HOLE = ((6, 6), (6, 8), (8, 8), (8, 6))
SPACING = vm.MeasurementRule(height="spacing")


def series(geometry=None, *, patient="P1", uid=SERIES, slice_uids=()):
    """A scan without pixels."""
    geometry = stack() if geometry is None else geometry
    source = ScanSource(patient=patient, series_uid=uid, modality="MR", format="dicom")
    return SimpleNamespace(geometry=geometry, source=source, flags=(), slice_uids=tuple(slice_uids))


def item(slice_index=2, vertices=SQUARE, geometry=None, shift_mm=0.0, **values):
    geometry = stack() if geometry is None else geometry
    points = geometry.pixel_to_patient(slice_index, vertices)
    return contour_item(points + np.asarray(shift_mm)[..., None] * geometry.normal, **values)


def items(slices=range(1, 5), **values):
    return [item(index, **values) for index in slices]


def read(tmp_path, contours, *, scan=None, name="lesion_L1", **values):
    path = write_rtstruct(tmp_path / "rs.dcm", {name: contours}, series_uid=SERIES, **values)
    return read_trace(path, scan=series() if scan is None else scan)


def code_of(call, *args, **values):
    with pytest.raises(VolumetryError) as caught:
        call(*args, **values)
    assert caught.value.where
    return caught.value.code


def test_outlines_come_back(tmp_path):
    trace = read(tmp_path, items())
    assert (trace.lesion, trace.side, trace.flags) == ("lesion_L1", "L", ())
    assert trace.slice_indices == (1, 2, 3, 4)
    assert trace.contours[0].vertices == pytest.approx(np.array(SQUARE))
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(1600, rel=1e-9)
    assert (trace.source.patient, trace.source.series_uid) == ("P1", SERIES)


@pytest.mark.parametrize("angles", [(0, 0, 0), (12, 0, 0), (25, -40, 70)])
def test_oblique_stacks(tmp_path, angles):
    turn = rotation(angles) @ np.column_stack((*map(np.array, CORONAL), (0, 0, 0)))
    geometry = stack(8, spacing_mm=4.4, directions=(turn[:, 0], turn[:, 1]), pixel_spacing_mm=(0.7, 0.9))
    drawn = trace_of([ring(i, np.array(SQUARE) + i / 3) for i in range(1, 7)], geometry)
    trace = read(tmp_path, contour_items(drawn), scan=series(geometry))
    measured, expected = vm.measure_volume(trace), vm.measure_volume(drawn)
    assert measured.volume_spacing_mm3 == pytest.approx(expected.volume_spacing_mm3, rel=1e-7)
    assert measured.centroid_mm == pytest.approx(expected.centroid_mm, abs=1e-4)
    assert measured.flags == ("slice-gap",)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_transfer_syntaxes(tmp_path, syntax):
    trace = read(tmp_path, items(), transfer_syntax=syntax)
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(1600)


# -- rings of one slice -------------------------------------------------------------------------------------


def area(tmp_path, contours):
    trace = read(tmp_path, contours)
    (section,) = trace.cross_sections().areas_mm2
    return section, trace.flags


XOR = {"kind": "CLOSEDPLANAR_XOR"}
ISLAND = ((6.5, 6.5), (6.5, 7.5), (7.5, 7.5), (7.5, 6.5))
BESIDE = np.add(SQUARE, (0, 14))
KEYHOLE = [*SQUARE, SQUARE[0], *HOLE[::-1], HOLE[-1]]
KEYHOLE_OF_ONE_WINDING = [*SQUARE, SQUARE[0], *HOLE, HOLE[0]]


@pytest.mark.parametrize(
    ("rings", "expected"),
    [
        ([(SQUARE, {}), (HOLE, XOR)], 96),
        ([(HOLE, XOR), (SQUARE, XOR)], 96),
        ([(SQUARE, XOR), (HOLE, XOR), (ISLAND, XOR)], 97),
        ([(SQUARE, {}), (HOLE, XOR), (ISLAND, {})], 97),
        ([(SQUARE, {}), (BESIDE, {})], 200),
        ([(SQUARE, XOR), (BESIDE, XOR), (HOLE, XOR)], 196),
        ([(KEYHOLE, {})], 96),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_rings_add_up_and_xor_rings_are_holes(tmp_path, rings, expected, step):
    found, flags = area(tmp_path, [item(vertices=v[::step], **values) for v, values in rings[::step]])
    assert (found, flags) == (pytest.approx(expected, rel=1e-9), ())


@pytest.mark.parametrize(
    ("rings", "code"),
    [
        ([(SQUARE, {}), (HOLE, {})], "ambiguous-overlap"),
        ([(SQUARE, {}), (np.add(SQUARE, 3), {})], "ambiguous-overlap"),
        ([(SQUARE, XOR), (np.add(SQUARE, 3), XOR)], "ambiguous-overlap"),
        ([(((4, 4), (14, 14), (14, 4), (4, 14)), {})], "self-intersection"),
        ([(KEYHOLE_OF_ONE_WINDING, {})], "self-intersection"),
    ],
)
def test_rings_that_say_no_area(tmp_path, rings, code):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [item(vertices=v, **k) for v, k in rings]})
    assert code_of(read_sections, path, scan=series()) == code


@pytest.mark.parametrize("n", [0, 1, 2])
def test_rings_of_fewer_than_three_points_are_left_out(tmp_path, n):
    found, flags = area(tmp_path, [item(), contour_item(stack().pixel_to_patient(3, SQUARE[:n]))])
    assert (found, flags) == (pytest.approx(100), ("contour-degenerate",))


def test_three_points_on_one_another_are_no_ring(tmp_path):
    _, flags = area(tmp_path, [item(), item(3, [SQUARE[0]] * 3)])
    assert flags == ("contour-degenerate",)


# -- on which slice? ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off_mm", "flags"), [(0.0, ()), (0.003, ()), (0.13, ("contour-snapped",)), (-0.39, ("contour-snapped",))]
)
def test_contours_beside_their_slice_are_snapped(tmp_path, off_mm, flags):
    trace = read(tmp_path, items(shift_mm=off_mm))
    assert (trace.slice_indices, trace.flags) == ((1, 2, 3, 4), flags)
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(1600)


@pytest.mark.parametrize("off_mm", [0.41, 2.0, -9.0])
def test_contours_off_every_slice_are_refused(tmp_path, off_mm):
    assert code_of(read, tmp_path, [item(0, shift_mm=off_mm)]) == "contour-off-plane"


def test_a_tilted_contour_is_refused(tmp_path):
    assert code_of(read, tmp_path, [item(shift_mm=np.array([0, 0, 1.0, 1.0]))]) == "contour-off-plane"


def test_a_contour_where_a_slice_is_missing(tmp_path):
    scan = series(without_slices(stack(), [2]))
    assert code_of(read, tmp_path, items(), scan=scan) == "missing-slice"


UIDS = [uid_of("slice", index) for index in range(6)]


def test_the_image_a_contour_names_counts_where_it_lies_there(tmp_path):
    scan = series(slice_uids=UIDS)
    assert read(tmp_path, [item(2, instance_uid=UIDS[2])], scan=scan).slice_indices == (2,)
    assert read(tmp_path, [item(2, instance_uid=UIDS[4])], scan=scan).slice_indices == (2,)
    assert read(tmp_path, [item(2, instance_uid=uid_of("other"))], scan=scan).slice_indices == (2,)


def test_one_slice_has_a_thickness_to_be_near_to(tmp_path):
    scan = series(stack(1))
    assert read(tmp_path, [item(0, shift_mm=0.3)], scan=scan).flags == ("contour-snapped",)
    assert code_of(read, tmp_path, [item(0, shift_mm=0.5)], scan=scan) == "contour-off-plane"


# -- which region? ------------------------------------------------------------------------------------------


def several(tmp_path):
    regions = [
        ("lesion_L1", items()),
        ("bad", [item(vertices=((4, 4), (14, 14), (14, 4), (4, 14)))]),
        ("off", items(shift_mm=1.5)),
        ("twice", items([1])),
        ("twice", items([1, 2])),
        ("absent", []),
        ("marker", [item(kind="POINT", vertices=SQUARE[:1])]),
    ]
    return write_rtstruct(tmp_path / "rs.dcm", regions, series_uid=SERIES)


def test_regions_are_listed(tmp_path):
    found = [(r.number, r.name, r.n_contours, r.n_other) for r in list_rois(several(tmp_path))]
    assert found[0] == (1, "lesion_L1", 4, 0)
    assert found[5:] == [(6, "absent", 0, 0), (7, "marker", 0, 1)]


def test_a_region_that_fails_hides_no_other(tmp_path):
    outcomes = {o.region.number: o for o in read_regions(several(tmp_path), scan=series())}
    assert list(outcomes) == [1, 2, 3, 4, 5, 6, 7]
    assert outcomes[3].error.code == "contour-off-plane"
    assert outcomes[3].error.values["region"] == "off"
    measured = {n for n, outcome in outcomes.items() if outcome.error is None}
    missing = {n for n, outcome in outcomes.items() if outcome.error and outcome.error.code == "no-outline"}
    assert (measured, len(missing)) == ({1, 2, 3, 4, 5, 6, 7} - {3} - missing, 2)
    sections = read_sections(several(tmp_path), scan=series())
    assert [s.lesion for s in sections] == ["lesion_L1", "twice", "twice"]


def test_a_region_by_name_and_by_number(tmp_path):
    path = several(tmp_path)
    assert read_trace(path, roi="lesion_L1", scan=series()).slice_indices == (1, 2, 3, 4)
    for number in (5, "5"):
        assert read_trace(path, roi=number, scan=series()).slice_indices == (1, 2)
    assert code_of(read_trace, path, roi="absent", scan=series()) == "no-outline"


@pytest.mark.parametrize(
    ("roi", "code"),
    [
        (None, "ambiguous-series"),
        ("twice", "ambiguous-series"),
        ("none", "no-such-label"),
        ("off", "contour-off-plane"),
        ("marker", "no-outline"),
    ],
)
def test_regions_that_cannot_be_read(tmp_path, roi, code):
    assert code_of(read_trace, several(tmp_path), roi=roi, scan=series()) == code


def test_the_named_region_raises_its_error(tmp_path):
    assert code_of(read_sections, several(tmp_path), label="bad", scan=series()) == "self-intersection"


def test_the_only_region_with_contours_needs_no_name(tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", {"empty": [], "L1": items()})
    assert read_trace(path, scan=series()).lesion == "L1"


def test_a_structure_set_without_regions(tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", {})
    assert list_rois(path) == ()
    assert code_of(read_trace, path, scan=series()) == "no-such-label"


# -- whose? -------------------------------------------------------------------------------------------------


def test_another_patient_another_series_another_frame(tmp_path):
    assert code_of(read, tmp_path, items(), scan=series(patient="P2")) == "patient-mismatch"
    assert code_of(read, tmp_path, items(), scan=series(uid="1.2.3")) == "wrong-series"
    scan = series(stack(frame_of_reference_uid="1.2.3"))
    assert read(tmp_path, items(), scan=scan).flags == ("frame-of-reference-differs",)


def test_what_it_belongs_to(tmp_path):
    found = referenced(several(tmp_path))
    assert (found.patient, found.study_date, found.referenced_series_uids) == ("P1", "2024-03-02", (SERIES,))


def written_series(folder, **values):
    geometry = stack(8, spacing_mm=4.4, directions=CORONAL)
    write_series(folder, geometry, stack_voxels(geometry), series_uid=SERIES, **values)
    return geometry


@pytest.mark.parametrize(
    ("images", "structures"), [("a", "a"), ("a/images", "a"), ("p/images", "p/rt"), ("p/MR/1", "p/RT")]
)
def test_the_series_is_found_beside_the_file(tmp_path, images, structures):
    geometry = written_series(tmp_path / images)
    write_series(tmp_path / images / "other", geometry, stack_voxels(geometry), study_date="20200101")
    drawn = trace_of(squares(range(1, 7)), geometry)
    path = write_rtstruct(tmp_path / structures / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    for trace in (read_trace(path), vm.read_trace(path), vm.read_trace(path, scan=tmp_path / images)):
        volume = vm.measure_volume(trace)
        assert volume.volume_thickness_mm3 == pytest.approx(2400, rel=1e-6)
        assert volume.volume_spacing_mm3 == pytest.approx(2640, rel=1e-6)
        assert volume.flags == ("slice-gap",)


def test_a_series_that_is_not_there(tmp_path):
    geometry = written_series(tmp_path / "a" / "images")
    path = write_rtstruct(tmp_path / "a" / "rs.dcm", {"L1": items(geometry=geometry)}, series_uid="1.2.3")
    assert code_of(read_trace, path) == "not-found"
    assert code_of(read_trace, path, scan=tmp_path / "a" / "images") == "wrong-series"


def test_of_several_series_in_a_folder_the_one_it_names(tmp_path):
    geometry = written_series(tmp_path / "a" / "one")
    write_series(tmp_path / "a" / "two", geometry, stack_voxels(geometry), study_date="20200101")
    drawn = trace_of(squares(range(1, 7)), geometry)
    path = write_rtstruct(tmp_path / "b" / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    assert read_trace(path, scan=tmp_path / "a").source.series_uid == SERIES
    other = write_rtstruct(tmp_path / "b" / "other.dcm", {"L1": contour_items(drawn)})
    assert code_of(read_trace, other, scan=tmp_path / "a") == "ambiguous-series"


def test_a_structure_set_that_names_images_alone(tmp_path):
    geometry = written_series(tmp_path / "p" / "images")
    drawn = trace_of(squares(range(1, 7)), geometry)

    def name_images(ds):
        series_item, study = Dataset(), Dataset()
        image = Dataset()
        image.ReferencedSOPInstanceUID = uid_of(SERIES, 3)
        series_item.ContourImageSequence = [image]
        study.RTReferencedSeriesSequence = [series_item]
        ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence = [study]

    regions = {"L1": contour_items(drawn)}
    path = write_rtstruct(tmp_path / "p" / "rt" / "rs.dcm", regions, change=name_images)
    assert read_trace(path).source.series_uid == SERIES


def test_outlines_on_a_scan_of_another_format(tmp_path):
    import nibabel

    image = nibabel.Nifti1Image(np.zeros((32, 24, 6), np.int16), np.diag([-1.0, -1.0, 4.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "scan.nii.gz")
    geometry = stack(origin_mm=(0, 0, 0))
    drawn = trace_of(squares(range(1, 5)), geometry)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    measured = vm.measure_volume(vm.read_trace(path, scan=tmp_path / "scan.nii.gz"))
    assert measured.volume_mm3 == pytest.approx(1600, rel=1e-6)


def test_the_search_for_the_series_has_an_end(tmp_path):
    geometry = written_series(tmp_path / "p" / "images")
    drawn = trace_of(squares(range(1, 7)), geometry)
    path = write_rtstruct(tmp_path / "p" / "rt" / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    (tmp_path / "p" / "rt" / "loop").symlink_to(tmp_path / "p")
    found = find_series_folders(path, referenced(path))
    assert found == (tmp_path / "p" / "images",)
    assert find_series_folders(path, referenced(path), max_files=1) == ()


# -- damaged files ------------------------------------------------------------------------------------------


def broken(change, **values):
    def apply(ds):
        change(ds, ds.ROIContourSequence[0].ContourSequence[0])

    return {"change": apply, **values}


@pytest.mark.parametrize(
    "change",
    [
        lambda ds, c: setattr(c, "NumberOfContourPoints", 5),
        lambda ds, c: setattr(c, "ContourData", c.ContourData[:-1]),
        lambda ds, c: setattr(ds.ROIContourSequence[0], "ReferencedROINumber", 9),
        lambda ds, c: delattr(ds.StructureSetROISequence[0], "ROINumber"),
        lambda ds, c: ds.StructureSetROISequence.append(ds.StructureSetROISequence[0]),
    ],
)
def test_contradictions_are_refused(tmp_path, change):
    assert code_of(read, tmp_path, items(), **broken(change)) == "unreadable"


@pytest.mark.parametrize("text", [b"nan", b"1x2", b"1_0", b"inf"])
def test_coordinates_that_are_no_numbers(tmp_path, text):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": items()})
    content = path.read_bytes()
    assert b"\\-6\\" in content
    path.write_bytes(content.replace(b"\\-6\\", b"\\" + text[:2].ljust(2) + b"\\"))
    if text != b"1_0":
        assert code_of(read_trace, path, scan=series()) == "unreadable"


def test_another_object_is_no_structure_set(tmp_path):
    path = write_rtstruct(
        tmp_path / "rs.dcm", {"L1": items()}, change=lambda ds: setattr(ds, "SOPClassUID", "1.2.3")
    )
    assert code_of(read_trace, path, scan=series()) == "unsupported-format"


@settings(max_examples=150)
@given(st.data())
def test_mutants_are_answered_by_a_code(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "mutants"
    good = folder / "rs.dcm"
    if not good.exists():
        write_rtstruct(good, {"L1": [*items(), item(vertices=HOLE, **XOR)]}, series_uid=SERIES)
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    mutant = folder / "mutant.dcm"
    mutant.write_bytes(content[: data.draw(st.sampled_from([None, None, len(content) // 2, -20]))])
    try:
        read_sections(mutant, scan=series())
    except VolumetryError as error:
        assert error.where  # noqa: PT017 - either outcome is right


# -- real files ---------------------------------------------------------------------------------------------


@needs_shared
def test_planimetry_of_six_tumours(shared):
    import csv

    with (shared / "data/sts/reference_volumes.csv").open() as file:
        expected = {row["id"]: float(row["planimetry_volume_ml"]) for row in csv.DictReader(file)}
    assert len(expected) == 6
    for name, volume_ml in expected.items():
        trace = vm.read_trace(shared / f"data/sts/dicom/{name}/MR_T1/mask/RS.dcm")
        measured = vm.measure_volume(trace, rule=SPACING)
        assert measured.volume_cm3 == pytest.approx(volume_ml, rel=1e-6)
        assert trace.lesion == "GTV_Mass_MR_T1"


@needs_shared
def test_lung_nodules_of_four_readers(shared):
    import json

    nodules = json.loads((shared / "data/lidc/lidc_25_nodules_4_readers.json").read_text())
    compared = crossing = 0
    for nodule in nodules:
        if nodule["dz_max"] - nodule["dz_min"] > 1e-3:
            continue
        for reader in nodule["readers"]:
            trace = lidc_trace(nodule, reader)
            try:
                volume = vm.measure_volume(
                    trace, rule=vm.MeasurementRule(height="spacing", skipped_slices="bridge")
                )
            except VolumetryError as error:
                assert error.code == "ambiguous-overlap"  # noqa: PT017
                continue
            assert volume.volume_mm3 == pytest.approx(reader["pylidc_volume_mm3"], rel=1e-3)
            compared += 1
            crossing += "tiny-loop" in volume.flags
    assert compared == 99  # of 100: one hole lies outside its outline
    assert crossing == 1  # by two outlines, with loops of 0.04 and 0.41 %


def lidc_trace(nodule, reader):
    heights = [c["z"] for c in reader["contours"]]
    step = nodule["slice_spacing"]
    first = min(heights) - step
    n = round((max(heights) - first) / step) + 2
    spacing = nodule["pixel_spacing"]
    geometry = stack(
        n,
        spacing_mm=step,
        thickness_mm=nodule["slice_thickness"],
        rows=512,
        columns=512,
        pixel_spacing_mm=(spacing, spacing),
        origin_mm=(0, 0, first),
    )
    contours = [
        ring(round((c["z"] - first) / step), c["rowcol"], is_hole=not c["inclusion"])
        for c in reader["contours"]
        if len({tuple(p) for p in c["rowcol"]}) >= 3
    ]
    return trace_of(contours, geometry)


@needs_shared
def test_structure_sets_of_another_program(shared):
    folder = shared / "data/rt_utils/tests/mock_data"
    regions = read_regions(folder / "rt.dcm")
    assert [r.region.name for r in regions] == ["ROI-1"]
    assert code_of(read_sections, folder / "rt.dcm") == "ambiguous-overlap"


# -- rings that are no outlines ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", "CLOSED", None])
def test_a_region_of_mixed_or_unknown_rings_is_refused(tmp_path, kind):
    odd = item(vertices=HOLE, kind="CLOSED_PLANAR")
    odd.ContourGeometricType = kind
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [*items(), odd]})
    assert code_of(read_trace, path, scan=series()) == "ring-type"


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_a_region_without_closed_rings_has_no_outline(tmp_path, kind):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [item(vertices=HOLE, kind=kind)], "L2": items()})
    outcomes = {o.region.name: o for o in read_regions(path, scan=series())}
    assert outcomes["L1"].error.code == "no-outline"
    assert outcomes["L2"].error is None


LINE = ((4.0, 4.0), (4.0, 9.0), (4.0, 12.0))
THERE_AND_BACK = ((4.0, 4.0), (4.0, 9.0), (8.0, 9.0), (4.0, 9.0))


@pytest.mark.parametrize("ring", [LINE, THERE_AND_BACK, LINE[:2], ((4, 4),) * 3])
def test_rings_without_area_are_no_outlines(tmp_path, ring):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [item(vertices=ring)]})
    assert code_of(read_trace, path, scan=series()) == "no-outline"
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [*items(), item(vertices=ring)]})
    trace = read_trace(path, scan=series())
    assert "contour-degenerate" in trace.flags
    assert vm.measure_volume(trace).volume_mm3 == pytest.approx(1600)


BOW_TIE = ((4.0, 4.0), (12.0, 12.0), (12.0, 4.0), (4.0, 12.0))


def loop_of(side):
    """A square of 100 pixels with a small loop of side^2 / 2 pixels turned outwards at a corner."""
    return ((4, 4), (4, 14), (14, 14), (14, 4 - side), (14 + side, 4))


def test_a_bow_tie_is_no_line(tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [item(vertices=BOW_TIE)]})
    with pytest.raises(VolumetryError) as caught:
        read_trace(path, scan=series()).cross_sections()
    assert caught.value.code == "self-intersection"
    resolved = read_trace(path, scan=series()).cross_sections(self_intersections="resolve")
    assert resolved.areas_mm2.tolist() == pytest.approx([32])
    assert "self-intersection" in resolved.flags


@pytest.mark.parametrize(("side", "is_tiny"), [(0.05, True), (0.95, True), (1.05, False), (3.0, False)])
def test_a_tiny_loop_is_resolved_and_a_larger_one_on_request(tmp_path, side, is_tiny):
    ring = loop_of(side)
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [item(vertices=ring)]})
    trace = read_trace(path, scan=series())
    if not is_tiny:
        with pytest.raises(VolumetryError) as caught:
            trace.cross_sections()
        assert caught.value.code == "self-intersection"
    sections = trace.cross_sections(self_intersections="resolve")
    assert ("tiny-loop" if is_tiny else "self-intersection") in sections.flags
    assert sections.areas_mm2[0] == pytest.approx(even_odd(ring), rel=1e-9)


def even_odd(ring):
    """Even-odd area by slabs between vertices and crossings: independent of the code under test."""
    points = np.asarray(ring, float)
    ends = np.roll(points, -1, axis=0)
    levels = np.unique(np.concatenate((points[:, 0], crossings_of(points, ends))))
    total = 0.0
    for low, high in pairwise(levels):
        middle = (low + high) / 2
        columns = sorted(
            a[1] + (middle - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
            for a, b in zip(points, ends, strict=True)
            if (a[0] > middle) != (b[0] > middle)
        )
        total += (high - low) * sum(b - a for a, b in zip(columns[::2], columns[1::2], strict=True))
    return total


def crossings_of(points, ends):
    """Rows where two edges cross."""
    rows = []
    for a, b in zip(points, ends, strict=True):
        for c, d in zip(points, ends, strict=True):
            matrix = np.column_stack((b - a, c - d))
            if abs(np.linalg.det(matrix)) > 1e-12:
                s, t = np.linalg.solve(matrix, c - a)
                if 0 < s < 1 and 0 < t < 1:
                    rows.append(a[0] + s * (b[0] - a[0]))
    return np.array(rows)


def test_the_way_out_of_the_message_about_crossings_works(tmp_path, capsys):
    from volumetry.cli import main

    scan = tmp_path / "mr"
    drawn = trace_of((Contour(slice_index=3, vertices=BOW_TIE),), written_series(scan))
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": contour_items(drawn)}, series_uid=SERIES)
    command = ["measure", str(path), "--scan", str(scan), "--format", "json", "--height", "spacing"]
    assert main(command) != 0
    assert "--self-intersections resolve" in capsys.readouterr().err
    assert main([*command, "--self-intersections", "resolve"]) == 0
    assert "self-intersection" in capsys.readouterr().out


def test_a_ring_across_the_slices_is_off_plane_and_not_without_area(tmp_path):
    written_series(tmp_path / "mr")
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": items()}, series_uid=SERIES)
    assert code_of(read_trace, path, scan=tmp_path / "mr") == "contour-off-plane"


def test_an_empty_item_is_no_ring(tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", {"L1": [*items(), Dataset()]})
    (whole,) = read_regions(path, scan=series())
    assert len(whole.trace.contours) == 4
    assert whole.error is None
    only = write_rtstruct(tmp_path / "only.dcm", {"L1": [Dataset()]})
    with pytest.raises(VolumetryError) as caught:
        read_trace(only, scan=series())
    assert caught.value.code == "no-outline"
