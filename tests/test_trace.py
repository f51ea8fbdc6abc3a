from dataclasses import replace

import numpy as np
import pytest
from phantoms import FRAME_OF_REFERENCE_UID, SQUARE, mask_of, ring, squares, stack, trace_of

from volumetry.errors import GeometryError, MismatchError, TraceError
from volumetry.scan import Scan, ScanSource
from volumetry.scan_match import check_trace
from volumetry.sections import CrossSections
from volumetry.trace import Provenance, Trace

SOURCE = ScanSource(patient="P1", series_uid="1.2.3", modality="MR")


def scan(geometry=None, value=0, **source):
    geometry = stack() if geometry is None else geometry
    voxels = np.full((geometry.n_slices, geometry.rows, geometry.columns), value, np.int16)
    return Scan(voxels=voxels, geometry=geometry, source=replace(SOURCE, **source))


def test_contours_are_kept_in_order_of_their_slices():
    trace = trace_of([ring(3), ring(1), ring(2, is_hole=True), ring(2)])
    assert [(c.slice_index, c.is_hole) for c in trace.contours] == [
        (1, False),
        (2, False),
        (2, True),
        (3, False),
    ]
    assert trace.slice_indices == (1, 2, 3)
    assert len(trace.contours_on(2)) == 2


@pytest.mark.parametrize("index", [-1, 6])
def test_a_slice_that_the_scan_does_not_have(index):
    with pytest.raises(TraceError) as caught:
        trace_of([ring(index)])
    assert caught.value.code == "invalid-contour"


def test_a_side_is_left_or_right():
    with pytest.raises(TraceError) as caught:
        trace_of([], side="left")
    assert caught.value.code == "side-mismatch"


@pytest.mark.parametrize("text", ["2024-03-02T10:15:00", "yesterday"])
def test_a_time_has_a_zone(text):
    with pytest.raises(TraceError):
        Provenance(time=text)
    with pytest.raises(TraceError):
        Provenance(signed_time=text)


def test_cross_sections():
    sections = trace_of(squares([1, 2]), stack(pixel_spacing_mm=(0.5, 2.0))).cross_sections()
    assert isinstance(sections, CrossSections)
    assert sections.areas_mm2 == pytest.approx([100, 100])
    assert sections.centroids_mm[0] == pytest.approx([20 + 18, -10 + 4.5, 34])
    assert sections.bounds_mm[0] == pytest.approx(np.array([[28, -8, 34], [48, -3, 34]]))
    assert (sections.n_slices, sections.untraced_slices, sections.label) == (2, (), None)
    assert trace_of(squares([1, 4])).cross_sections().untraced_slices == (2, 3)
    assert trace_of([]).cross_sections().untraced_slices == ()


def test_equal_traces_have_one_hash_and_others_do_not():
    trace = trace_of(squares([1, 2]), provenance=Provenance(reader="AB", time="2024-03-02T10:15:00+01:00"))
    assert trace.sha256 == Trace.from_document(trace.document()).sha256
    moved = np.add(SQUARE, (0, 1e-13))
    assert trace.sha256 != replace(trace, contours=(ring(1, moved), ring(2))).sha256
    assert trace.sha256 != replace(trace, lesion="L2").sha256


# -- does it belong to this scan? --------------------------------------------------------------------------


def drawn(**values):
    return trace_of(squares([1, 2]), source=replace(SOURCE, **values))


def test_a_trace_belongs_to_its_scan():
    assert check_trace(drawn(), scan()) == ()
    assert check_trace(drawn(voxels_sha256=scan().voxels_sha256), scan()) == ()
    assert check_trace(mask_of(np.zeros((6, 24, 32), np.uint8), stack(), source=SOURCE), scan()) == ()


@pytest.mark.parametrize(
    ("trace", "other", "code"),
    [
        (drawn(), scan(patient="P2"), "patient-mismatch"),
        (drawn(), scan(series_uid="1.2.4"), "wrong-series"),
        (drawn(), scan(stack(5)), "grid-mismatch"),
        (drawn(), scan(stack(origin_mm=(20.002, -10, 30))), "grid-mismatch"),
        (drawn(voxels_sha256=scan().voxels_sha256), scan(value=1), "image-changed"),
    ],
)
def test_a_trace_of_something_else(trace, other, code):
    with pytest.raises(MismatchError) as caught:
        check_trace(trace, other)
    assert caught.value.code == code
    assert "P2" not in str(caught.value)


def test_another_frame_of_reference_is_a_flag():
    assert check_trace(drawn(), scan(stack(frame_of_reference_uid="1.9"))) == ("frame-of-reference-differs",)
    assert check_trace(drawn(), scan(stack(frame_of_reference_uid=None))) == ()
    assert check_trace(drawn(), scan(stack(frame_of_reference_uid=FRAME_OF_REFERENCE_UID))) == ()


def test_what_is_not_known_is_not_compared():
    assert check_trace(drawn(patient="", series_uid=""), scan(patient="P2", series_uid="1.2.4")) == ()


# -- the scan itself ---------------------------------------------------------------------------------------


def test_voxels_are_read_only_and_copied_where_they_must():
    voxels = np.zeros((6, 24, 32), np.int16)
    mine = Scan(voxels=voxels[:], geometry=stack())
    voxels[:] = 1
    assert not mine.voxels.any()
    assert not mine.voxels.flags.writeable


def test_voxels_that_do_not_fit():
    with pytest.raises(GeometryError) as caught:
        Scan(voxels=np.zeros((5, 24, 32)), geometry=stack())
    assert caught.value.code == "grid-mismatch"


def test_the_hash_of_voxels_is_of_values_not_of_their_layout():
    voxels = np.arange(6 * 24 * 32, dtype=np.int16).reshape(6, 24, 32)
    one = Scan(voxels=voxels, geometry=stack(), source=SOURCE)
    same = [np.asfortranarray(voxels), voxels.astype(">i2"), voxels[::-1][::-1]]
    assert {Scan(voxels=v, geometry=stack()).voxels_sha256 for v in same} == {one.voxels_sha256}
    assert Scan(voxels=voxels.astype(np.int32), geometry=stack()).voxels_sha256 != one.voxels_sha256
    assert one.hashed_source == replace(SOURCE, voxels_sha256=one.voxels_sha256)
