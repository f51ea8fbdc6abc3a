from __future__ import annotations

import zlib
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from conftest import needs_shared
from dicom_phantoms import stack_voxels, uid_of, write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import CORONAL, rotation, stack, without_slices, write_seg
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

import volumetry as vm
from volumetry.errors import VolumetryError
from volumetry.formats import read_regions
from volumetry.formats.dicom.traced.seg import list_segments, read_mask, read_sections, referenced
from volumetry.scan import ScanSource

SERIES = "1.2.826.0.1.3680043.10.78"
SPACING = vm.MeasurementRule(height="spacing")
GEOMETRY = stack(8, spacing_mm=4.4, rows=21, columns=29, pixel_spacing_mm=(0.5, 0.8), directions=CORONAL)


def pattern(seed=1, geometry=GEOMETRY, slices=range(1, 7)):
    """A blob of random pixels; 21 x 29 pixels do not fill whole bytes."""
    layer = np.zeros((geometry.n_slices, geometry.rows, geometry.columns), np.uint8)
    random = np.random.default_rng(seed)
    for index in slices:
        layer[index, 3:18, 4:25] = random.random((15, 21)) < 0.6
    return layer


ONE, TWO = pattern(1), pattern(2)


def series(geometry=GEOMETRY, *, patient="P1", uid=SERIES):
    source = ScanSource(patient=patient, series_uid=uid, modality="MR", format="dicom")
    return SimpleNamespace(geometry=geometry, source=source, flags=(), slice_uids=())


def seg(tmp_path, segments=None, geometry=GEOMETRY, **values):
    values.setdefault("series_uid", SERIES)
    # Deep enough that the series of other tests are not beside it.
    return write_seg(
        tmp_path / "study" / "seg" / "seg.dcm", geometry, segments or {"lesion": ONE, "other": TWO}, **values
    )


def in_patient(mask, label):
    """LPS positions of the pixels of a label, whatever the slices are numbered."""
    pixels = np.argwhere(mask.binary(label))
    points = [mask.geometry.pixel_to_patient(i, [(r, c)])[0] for i, r, c in pixels[::13]]
    return np.array(points)


def code_of(call, *args, **values):
    with pytest.raises(VolumetryError) as caught:
        call(*args, **values)
    assert caught.value.where
    return caught.value.code


def agree(path, expected, **values):
    """Sections and mask of every segment hold exactly the expected pixels."""
    mask = read_mask(path, **values)
    sections = {s.label: s for s in read_sections(path, **values)}
    for number, layer in expected.items():
        filled = layer.any(axis=(1, 2)).nonzero()[0]
        counts = layer.sum(axis=(1, 2))[filled]
        assert np.rint(sections[number].areas_mm2 / mask.geometry.pixel_area_mm2).tolist() == counts.tolist()
        assert mask.binary(number).sum() == layer.sum()
        measured = vm.measure_volume(mask, label=number, rule=SPACING)
        assert measured.volume_mm3 == vm.measure_volume(sections[number], rule=SPACING).volume_mm3
    return mask


# -- kinds and transfer syntaxes -----------------------------------------------------------------------------


def test_binary_segments_that_overlap_lie_on_layers(tmp_path):
    mask = agree(seg(tmp_path), {1: ONE, 2: TWO})
    assert len(mask.layers) == 2
    assert [(label.number, label.name) for label in mask.labels] == [(1, "lesion"), (2, "other")]
    assert mask.declared
    assert np.array_equal(mask.binary("other"), TWO[1:7])
    assert (mask.flags, mask.source.patient, mask.source.series_uid) == ((), "P1", SERIES)


def test_segments_beside_each_other_share_a_layer(tmp_path):
    mask = agree(
        seg(tmp_path, {"a": ONE * (TWO == 0), "b": TWO * (ONE == 0)}),
        {1: ONE * (TWO == 0), 2: TWO * (ONE == 0)},
    )
    assert len(mask.layers) == 1


def test_a_label_map(tmp_path):
    mask = agree(seg(tmp_path, kind="LABELMAP"), {1: ONE * (TWO == 0), 2: TWO})
    assert len(mask.layers) == 1


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
    ],
)
@pytest.mark.parametrize("kind", ["LABELMAP", "BINARY", "FRACTIONAL"])
def test_transfer_syntaxes(tmp_path, syntax, kind):
    if kind == "BINARY" and syntax in (RLELossless, JPEGLSLossless):
        pytest.skip("RLE and JPEG-LS do not encode single bits, so no such segmentation exists")
    path = seg(tmp_path, kind=kind, transfer_syntax=syntax)
    agree(path, {1: ONE * (TWO == 0) if kind == "LABELMAP" else ONE, 2: TWO})


def encapsulated(path, frames, syntax):
    """Give a written segmentation other, encapsulated pixels."""
    from pydicom import dcmread
    from pydicom.encaps import encapsulate

    ds = dcmread(path)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=False, little_endian=True)
    # pydicom does not know deflated frames; a UID of the same length stood for theirs.
    path.write_bytes(path.read_bytes().replace(JPEGBaseline8Bit.encode(), b"1.2.840.10008.1.2.8.1\0"))
    return path


def deflated_bits(layer):
    def deflate(raw):
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(raw) + packer.flush()

    frames = [deflate(np.packbits(frame, bitorder="little").tobytes()) for frame in layer if frame.any()]
    return [frame + b"\0" * (len(frame) % 2) for frame in frames]


def test_frames_of_single_bits_that_are_deflated(tmp_path):
    path = seg(tmp_path, {"lesion": ONE})
    agree(encapsulated(path, deflated_bits(ONE), JPEGBaseline8Bit), {1: ONE})
    broken = encapsulated(path, [b"\xff" * 20] * 6, JPEGBaseline8Bit)
    assert code_of(read_mask, broken) == "unreadable"
    assert code_of(read_mask, encapsulated(path, deflated_bits(ONE), RLELossless)) == "unsupported-codec"
    assert code_of(read_mask, encapsulated(path, deflated_bits(ONE)[:3], JPEGBaseline8Bit)) == "truncated"


def fractions():
    layer = pattern().astype(float)
    return layer * np.linspace(0.1, 1.0, layer.shape[2])


def test_fractions_need_a_threshold(tmp_path):
    path = seg(tmp_path, {"lesion": fractions()}, kind="FRACTIONAL")
    assert code_of(read_mask, path) == "not-labels"
    assert code_of(read_sections, path) == "not-labels"
    stored = np.rint(fractions() * 255)
    for threshold in (0.2, 0.5, 1.0):
        agree(path, {1: (stored >= threshold * 255) & (stored > 0)}, threshold=threshold)


def test_a_threshold_is_met_by_what_equals_it(tmp_path):
    layer = np.full(ONE.shape, 51 / 255)
    agree(seg(tmp_path, {"lesion": layer}, kind="FRACTIONAL"), {1: np.ones(ONE.shape, bool)}, threshold=0.2)


def test_fractions_of_nothing_and_all_are_labels(tmp_path):
    agree(seg(tmp_path, kind="FRACTIONAL"), {1: ONE, 2: TWO})


# -- frames -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("keep_empty", [False, True])
def test_the_order_of_frames_does_not_matter(tmp_path, kind, keep_empty):
    def shuffled(frames):
        return [frames[i] for i in np.random.default_rng(5).permutation(len(frames))]

    path = seg(tmp_path, {"lesion": ONE}, kind=kind, order=shuffled, keep_empty=keep_empty)
    mask = agree(path, {1: ONE})
    plain = read_mask(seg(tmp_path, {"lesion": ONE}, kind=kind, keep_empty=keep_empty))
    assert np.array_equal(mask.binary(), plain.binary())


def test_one_segment_may_be_named_once_for_all_frames(tmp_path):
    agree(seg(tmp_path, {"lesion": ONE}, shared_identification=True), {1: ONE})


def test_one_segment_need_not_be_named_at_all(tmp_path):
    def unnamed(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.SegmentIdentificationSequence

    agree(seg(tmp_path, {"lesion": ONE}, change=unnamed), {1: ONE})


@pytest.mark.parametrize("absent", [[3], [2, 3, 4], [2, 4], [5]])
@pytest.mark.parametrize("scan", [None, series()])
def test_absent_frames_are_no_missing_slices(tmp_path, absent, scan):
    layer = ONE.copy()
    layer[absent] = 0
    mask = agree(seg(tmp_path, {"lesion": layer}), {1: layer}, scan=scan)
    measured = vm.measure_volume(mask, rule=SPACING)
    assert measured.volume_mm3 == pytest.approx(layer.sum() * 0.4 * 4.4, rel=1e-9)
    by_thickness = vm.measure_volume(mask)
    assert by_thickness.volume_mm3 == pytest.approx(layer.sum() * 0.4 * 4.0, rel=1e-9)
    assert "slice-gap" in by_thickness.flags


@pytest.mark.parametrize("absent", [[3], [3, 4], [2], [1, 2, 6]])
def test_without_spacing_neighbouring_frames_tell_it_and_the_others_are_absent(tmp_path, absent):
    layer = ONE.copy()
    layer[absent] = 0
    path = seg(tmp_path, {"lesion": layer}, spacing_between_slices_mm=None)
    for scan in (None, series()):
        sections = read_sections(path, scan=scan)
        assert vm.measure_volume(sections[0], rule=SPACING).volume_mm3 == pytest.approx(layer.sum() * 1.76)


def test_without_spacing_frames_of_several_thicknesses_are_not_filled_up(tmp_path):
    def each_its_own(ds):
        shared = ds.SharedFunctionalGroupsSequence[0]
        for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
            group.PixelMeasuresSequence = deepcopy(shared.PixelMeasuresSequence)
            group.PixelMeasuresSequence[0].SliceThickness = 4 if number < 3 else 13.2
        del shared.PixelMeasuresSequence

    layer = ONE.copy()
    layer[[4]] = 0
    path = seg(tmp_path, {"lesion": layer}, spacing_between_slices_mm=None, change=each_its_own)
    with pytest.raises(VolumetryError) as caught:
        vm.measure_volume(read_sections(path)[0])
    assert caught.value.code == "missing-slice"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_frames_of_a_segment_that_is_not_listed_are_flagged_and_the_others_measured(tmp_path, kind):
    def drop(ds):
        ds.SegmentSequence = ds.SegmentSequence[:1]

    path = seg(tmp_path, {"lesion": ONE, "other": TWO}, kind=kind, change=drop)
    mask = agree(path, {1: ONE})
    assert [label.number for label in mask.labels] == [1]
    assert "unlisted-label" in mask.flags
    assert all("unlisted-label" in found.flags for found in read_sections(path))


def test_frames_whose_segments_have_other_numbers_than_the_list_are_refused(tmp_path):
    def renumber(ds):
        ds.SegmentSequence[1].SegmentNumber = 7

    path = seg(tmp_path, change=renumber)
    assert code_of(read_mask, path) == "unreadable"
    assert code_of(read_sections, path) == "unreadable"


@pytest.mark.parametrize("wrong_mm", [0.4, 4.0, 3.0, 44.0, -4.4, 0.0])
def test_a_spacing_that_positions_do_not_bear_out_is_not_believed(tmp_path, wrong_mm):
    path = seg(tmp_path, {"lesion": ONE}, spacing_between_slices_mm=wrong_mm)
    measured = vm.measure_volume(read_mask(path), rule=SPACING)
    assert measured.volume_mm3 == pytest.approx(ONE.sum() * 1.76)
    assert "spacing-tag-disagrees" in measured.flags


def test_an_absurd_spacing_makes_no_endless_grid(tmp_path):
    path = seg(tmp_path, {"lesion": ONE}, spacing_between_slices_mm=1.1e-6)
    assert code_of(read_mask, path) == "too-large"


def test_the_scan_itself_may_lack_a_slice(tmp_path):
    layer = ONE.copy()
    layer[3] = 0
    scan = series(without_slices(GEOMETRY, [3]))
    with pytest.raises(VolumetryError) as caught:
        vm.measure_volume(read_sections(seg(tmp_path, {"lesion": layer}), scan=scan)[0])
    assert caught.value.code == "missing-slice"


@pytest.mark.parametrize("angles", [(12, 0, 0), (25, -40, 70)])
def test_oblique_grids(tmp_path, angles):
    turn = rotation(angles)
    directions = turn[:, 0], turn[:, 1]
    geometry = stack(
        8, spacing_mm=4.4, rows=21, columns=29, pixel_spacing_mm=(0.5, 0.8), directions=directions
    )
    path = seg(tmp_path, {"lesion": ONE}, geometry)
    placed = read_mask(path, scan=series(geometry))
    assert np.array_equal(placed.binary(), ONE)
    assert in_patient(read_mask(path), 1) == pytest.approx(in_patient(placed, 1), abs=1e-4)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize(
    ("flip_rows", "flip_columns", "transposed"), [(1, 0, 0), (0, 1, 0), (1, 1, 1), (0, 0, 1)]
)
def test_the_same_voxels_in_another_order_are_the_same_grid(
    tmp_path, kind, flip_rows, flip_columns, transposed
):
    """Converters turn rows upside down or swap axes; the scan's order is what comes out."""
    row, column = GEOMETRY.row_direction, GEOMETRY.column_direction
    corner = (GEOMETRY.rows - 1 if flip_rows else 0, GEOMETRY.columns - 1 if flip_columns else 0)
    origins = np.array([GEOMETRY.pixel_to_patient(i, [corner])[0] for i in range(8)])
    directions = (-row if flip_columns else row, -column if flip_rows else column)
    other = {
        "rows": GEOMETRY.rows,
        "columns": GEOMETRY.columns,
        "pixel_spacing_mm": GEOMETRY.pixel_spacing_mm,
    }
    if transposed:
        directions = directions[::-1]
        other = {"rows": GEOMETRY.columns, "columns": GEOMETRY.rows, "pixel_spacing_mm": (0.8, 0.5)}
    ascends = np.cross(*directions) @ GEOMETRY.normal > 0
    turned = replace(
        GEOMETRY,
        row_direction=directions[0],
        column_direction=directions[1],
        slice_origins_mm=origins if ascends else origins[::-1],
        **other,
    )
    layer = ONE[:, :: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    layer = (layer.transpose(0, 2, 1) if transposed else layer)[:: 1 if ascends else -1]
    path = seg(tmp_path, {"lesion": layer}, turned, kind=kind)
    mask = agree(path, {1: ONE}, scan=series())
    assert np.array_equal(mask.binary(), ONE)
    alone = in_patient(read_mask(path), 1)
    assert len(alone) == len(in_patient(mask, 1))


def test_one_frame_has_no_spacing(tmp_path):
    path = seg(tmp_path, {"lesion": pattern(slices=[3])})
    mask = read_mask(path)
    assert vm.measure_volume(mask).volume_mm3 == pytest.approx(mask.layers[0].sum() * 0.4 * 4.0)
    with pytest.raises(VolumetryError) as caught:
        vm.measure_volume(mask, rule=SPACING)
    assert caught.value.code == "single-slice"
    placed = read_mask(path, scan=series())
    assert vm.measure_volume(placed, rule=SPACING).volume_mm3 == pytest.approx(mask.layers[0].sum() * 1.76)


# -- which segment, whose? ----------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [2, "2", "other"])
def test_a_segment_by_number_and_name(tmp_path, label):
    (sections,) = read_sections(seg(tmp_path), label=label)
    assert (sections.label, sections.lesion) == (2, "other")
    assert np.rint(sections.areas_mm2.sum() / 0.4) == TWO.sum()


def test_a_segment_that_is_not_there(tmp_path):
    for label in (7, "liver"):
        with pytest.raises(VolumetryError) as caught:
            read_sections(seg(tmp_path), label=label)
        assert caught.value.code == "no-such-label"


def test_an_empty_segment_is_absent(tmp_path):
    path = seg(tmp_path, {"lesion": ONE, "gone": ONE * 0})
    assert [label.name for label in list_segments(path)] == ["lesion", "gone"]
    gone = vm.measure_volume(read_sections(path, scan=series())[1])
    assert (gone.status, gone.flags) == ("absent", ("empty-mask", "slice-gap"))


@pytest.mark.parametrize(
    ("scan", "code"),
    [
        (series(patient="P2"), "patient-mismatch"),
        (series(uid="1.2.3"), "wrong-series"),
        (series(replace(GEOMETRY, pixel_spacing_mm=(0.5, 0.801))), "grid-mismatch"),
        (series(replace(GEOMETRY, slice_origins_mm=GEOMETRY.slice_origins_mm + 0.01)), "grid-mismatch"),
        (series(without_slices(GEOMETRY, [3])), "missing-slice"),
    ],
)
def test_another_scan(tmp_path, scan, code):
    path = seg(tmp_path)
    assert code_of(read_mask, path, scan=scan) == code
    assert code_of(read_sections, path, scan=scan) == code


def test_another_frame_of_reference_is_a_flag(tmp_path):
    scan = series(replace(GEOMETRY, frame_of_reference_uid="1.2.3"))
    assert read_mask(seg(tmp_path), scan=scan).flags == ("frame-of-reference-differs",)


def test_what_it_belongs_to(tmp_path):
    found = referenced(seg(tmp_path))
    assert (found.patient, found.study_date, found.referenced_series_uids) == ("P1", "2024-03-02", (SERIES,))


def test_the_grid_of_the_series_beside_it(tmp_path):
    write_series(tmp_path / "p/images", GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES)
    path = write_seg(tmp_path / "p/seg/seg.dcm", GEOMETRY, {"lesion": ONE}, series_uid=SERIES)
    for mask in (
        read_mask(path),
        vm.read_mask(path),
        vm.read_mask(path, scan=vm.read_scan(tmp_path / "p/images")),
    ):
        assert np.array_equal(mask.binary(), ONE)
        assert mask.source.modality == "MR"
        assert vm.measure_volume(mask).flags == ("slice-gap",)
    (sections,) = vm.read_sections(path)
    assert sections.geometry.n_slices == 8


def test_a_series_beside_it_that_cannot_be_read_is_left_aside(tmp_path):
    def spoiled(ds, index):
        if index == 3:
            ds.ImagePositionPatient = GEOMETRY.slice_origins_mm[2].tolist()

    write_series(tmp_path / "p/images", GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES, change=spoiled)
    path = write_seg(tmp_path / "p/seg/seg.dcm", GEOMETRY, {"lesion": ONE}, series_uid=SERIES)
    assert read_mask(path).geometry.n_slices == 6
    assert code_of(read_mask, path, scan=tmp_path / "p/images") == "duplicate-position"


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_words_of_a_big_endian_file(tmp_path, kind):
    def in_words(ds):
        swapped = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.add_new(0x7FE00010, "OW", swapped)

    path = seg(tmp_path, {"lesion": ONE}, kind=kind, transfer_syntax=ExplicitVRBigEndian, change=in_words)
    agree(path, {1: ONE})


def test_loss_is_flagged(tmp_path):
    assert read_mask(seg(tmp_path, change=lambda ds: setattr(ds, "LossyImageCompression", "01"))).flags == (
        "lossy",
    )


# -- damaged files ------------------------------------------------------------------------------------------


def _first_frame(ds):
    return ds.PerFrameFunctionalGroupsSequence[0]


def _measures(ds):
    return ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ds: setattr(ds, "SegmentationType", "CURVED"), "unsupported-format"),
        (lambda ds: setattr(ds, "SOPClassUID", "1.2.3"), "unsupported-format"),
        (lambda ds: setattr(ds, "BitsAllocated", 32), "unsupported-format"),
        (lambda ds: setattr(ds, "SamplesPerPixel", 3), "unsupported-format"),
        (lambda ds: setattr(ds, "NumberOfFrames", 3), "unreadable"),
        (lambda ds: setattr(ds, "PixelData", ds.PixelData[:-40]), "truncated"),
        (lambda ds: delattr(ds, "PixelData"), "truncated"),
        (lambda ds: delattr(_measures(ds), "PixelSpacing"), "no-pixel-spacing"),
        (lambda ds: setattr(_measures(ds), "PixelSpacing", [0, 1]), "bad-spacing"),
        (lambda ds: setattr(_measures(ds), "PixelSpacing", [1, 1, 1]), "unreadable"),
        (lambda ds: delattr(ds.SharedFunctionalGroupsSequence[0], "PlaneOrientationSequence"), "unreadable"),
        (lambda ds: delattr(_first_frame(ds), "PlanePositionSequence"), "unreadable"),
        (lambda ds: delattr(_first_frame(ds), "SegmentIdentificationSequence"), "unreadable"),
        (lambda ds: setattr(ds.SegmentSequence[0], "SegmentNumber", 2), "unreadable"),
        (lambda ds: setattr(ds.SegmentSequence[0], "SegmentNumber", 9), "unreadable"),
    ],
)
def test_contradictions_are_refused(tmp_path, change, code):
    assert code_of(read_sections, seg(tmp_path, change=change)) == code


def test_frames_at_one_position_are_refused(tmp_path):
    def doubled(frames):
        return [frames[0], *frames]

    assert code_of(read_mask, seg(tmp_path, {"lesion": ONE}, order=doubled)) == "duplicate-position"


def test_frames_that_differ_in_orientation_are_refused(tmp_path):
    def turned(ds):

        shared = ds.SharedFunctionalGroupsSequence[0]
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.PlaneOrientationSequence = deepcopy(shared.PlaneOrientationSequence)
        _first_frame(ds).PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]

    assert code_of(read_mask, seg(tmp_path, change=turned)) == "inconsistent-series"


def test_a_pixel_of_no_segment_is_flagged_and_not_measured(tmp_path):
    def undeclared(ds):
        ds.SegmentSequence = ds.SegmentSequence[:1]

    whole = read_sections(seg(tmp_path, kind="LABELMAP"), label=1)[0]
    path = seg(tmp_path, kind="LABELMAP", change=undeclared)
    for found in (read_sections(path), read_sections(path, label=1)):
        (one,) = found
        assert one.areas_mm2.tolist() == whole.areas_mm2.tolist()
        assert "unlisted-label" in one.flags
    assert "unlisted-label" in read_mask(path).flags


def test_a_segment_without_pixels_beside_pixels_without_segment_is_not_absent(tmp_path):
    def renumbered(ds):
        ds.SegmentSequence[0].SegmentNumber = 7

    for reader in (read_mask, read_sections):
        assert code_of(reader, seg(tmp_path, kind="LABELMAP", change=renumbered)) == "unreadable"


def test_the_padding_of_a_label_map_is_background(tmp_path):
    def padded(ds):
        ds.PixelPaddingValue = 5
        ds.PixelData = bytes(5 if byte == 0 else byte for byte in ds.PixelData)

    agree(seg(tmp_path, {"lesion": ONE}, kind="LABELMAP", change=padded), {1: ONE})


def test_corrupt_compressed_pixels(tmp_path):
    path = seg(tmp_path, kind="LABELMAP", transfer_syntax=JPEGLSLossless)
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff") + 3
    path.write_bytes(content[:start] + b"\0" * 60 + content[start + 60 :])
    assert code_of(read_mask, path) == "unreadable"


@settings(max_examples=150)
@given(st.data())
def test_mutants_are_answered_by_a_code(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "mutants of segmentations"
    kind = data.draw(st.sampled_from(["BINARY", "LABELMAP"]))
    good = folder / f"{kind}.dcm"
    if not good.exists():
        write_seg(good, GEOMETRY, {"lesion": ONE, "other": TWO}, kind=kind)
    content = bytearray(good.read_bytes())
    header = len(content) - 700
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(132, header))] = data.draw(st.integers(0, 255))
    mutant = folder / "mutant.dcm"
    mutant.write_bytes(content[: data.draw(st.sampled_from([None, None, len(content) // 2, -20]))])
    try:
        read_sections(mutant)
    except VolumetryError as error:
        assert error.where or error.code == "missing-slice"  # noqa: PT017 - either outcome is right


# -- other programs' files ----------------------------------------------------------------------------------


def test_segmentations_of_highdicom(tmp_path):
    import highdicom
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    def complete(ds, _index):
        ds.PatientSex, ds.PatientBirthDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = (
            "O",
            "",
            "",
            "1",
            "",
        )
        ds.ReferringPhysicianName = ""

    images = [
        dcmread(p) for p in write_series(tmp_path / "MR", GEOMETRY, stack_voxels(GEOMETRY), change=complete)
    ]
    layer = ONE.copy()
    layer[4] = 0
    segmentation = Segmentation(
        source_images=images,
        pixel_array=layer,
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(
                segment_number=1,
                segment_label="lesion_L1",
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Lesion,
                algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
            )
        ],
        series_instance_uid=uid_of("highdicom"),
        series_number=2,
        sop_instance_uid=uid_of("highdicom", 1),
        instance_number=1,
        manufacturer="nobody",
        manufacturer_model_name=f"highdicom {highdicom.__version__}",
        software_versions="1",
        device_serial_number="1",
    )
    path = tmp_path / "seg" / "seg.dcm"
    path.parent.mkdir()
    segmentation.save_as(path)
    mask = vm.read_mask(path)
    assert np.array_equal(mask.binary("lesion_L1"), layer)
    alone = tmp_path / "elsewhere" / "deep" / "seg.dcm"
    alone.parent.mkdir(parents=True)
    segmentation.save_as(alone)
    measured = vm.measure_volume(vm.read_mask(alone), rule=SPACING)
    assert measured.volume_mm3 == pytest.approx(layer.sum() * 1.76, rel=1e-9)


DCMQI = "data/dcmqi/data/segmentations"


@needs_shared
def test_the_volume_of_a_structured_report(shared):
    (sections,) = read_sections(shared / "data/dcmqi/data/sr-example/seg.dcm")
    measured = vm.measure_volume(sections, rule=SPACING)
    assert round(measured.volume_cm3, 4) == 33.5824
    assert np.rint(sections.areas_mm2.sum() / sections.geometry.pixel_area_mm2) == 795
    assert sections.lesion == "Neoplasm, Primary"


@needs_shared
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("liver.dcm", [107098]),
        ("partial_overlaps.dcm", [9602, 11888, 10743, 6693, 4713]),
        ("24x38x3/seg/label.seg", [315]),
        ("23x38x3/seg/label.seg", [322]),
        ("sparse-labelmap-ppv5.dcm", [630]),
        ("sparse-labelmap-noppv.dcm", [630]),
    ],
)
def test_segmentations_of_dcmqi(shared, name, counts):
    path = shared / DCMQI / name
    mask = read_mask(path)
    assert [int(mask.binary(label.number).sum()) for label in mask.labels] == counts
    for sections, count in zip(read_sections(path), counts, strict=True):
        assert np.rint(sections.areas_mm2.sum() / sections.geometry.pixel_area_mm2) == count


@needs_shared
def test_a_sparse_label_map_keeps_its_empty_slice(shared):
    mask = read_mask(shared / DCMQI / "sparse-labelmap-noppv.dcm")
    assert mask.layers[0].any(axis=(1, 2)).tolist() == [True, False, True]
    assert vm.measure_volume(mask, rule=SPACING).volume_mm3 == pytest.approx(630 * 0.49 * 2.5)


@needs_shared
def test_segmentations_of_highdicoms_own_tests(shared):
    folder = shared / "data/highdicom/data/test_files"
    for name in ("seg_image_ct_binary.dcm", "seg_image_ct_binary_fractional.dcm"):
        (sections,) = read_sections(folder / name)
        assert np.rint(sections.areas_mm2.sum() / sections.geometry.pixel_area_mm2) == 638
    assert code_of(read_mask, folder / "seg_image_ct_true_fractional.dcm") == "not-labels"
    assert read_mask(folder / "seg_image_ct_true_fractional.dcm", threshold=0.5).binary().sum() == 638
    assert [
        len(read_mask(folder / f"seg_image_ct_binary{n}.dcm").layers) for n in ("_overlap", "_single_frame")
    ] == [2, 1]


# -- what other programs write ----------------------------------------------------------------------------


def in_bytes(value):
    """Write a binary segmentation with 8 bits a pixel."""

    def change(ds):
        count = ds.NumberOfFrames * ds.Rows * ds.Columns
        bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little", count=count)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = (bits * np.uint8(value)).tobytes() + b"\0" * (count % 2)

    return change


@pytest.mark.parametrize("value", [1, 255])
def test_a_binary_segmentation_of_bytes(tmp_path, value):
    agree(seg(tmp_path, change=in_bytes(value)), {1: ONE, 2: TWO})


@pytest.mark.parametrize("call", [read_mask, read_sections])
def test_a_binary_segmentation_of_other_values_is_refused(tmp_path, call):
    assert code_of(call, seg(tmp_path, change=in_bytes(7))) == "unreadable"


@pytest.mark.parametrize(("slices", "touches"), [(range(2, 6), False), (range(8), True)])
def test_a_lattice_of_its_own_touches_the_edge_where_the_scan_ends(tmp_path, slices, touches):
    finer = stack(
        16,
        spacing_mm=2.2,
        rows=21,
        columns=29,
        pixel_spacing_mm=(0.5, 0.8),
        directions=CORONAL,
        origin_mm=GEOMETRY.slice_origins_mm[0] - 1.1 * GEOMETRY.normal,
    )
    layer = np.zeros((16, 21, 29), np.uint8)
    for index in slices:
        layer[2 * index : 2 * index + 2, 5:10, 5:10] = 1
    (sections,) = read_sections(seg(tmp_path, {"lesion": layer}, finer), scan=series())
    measured = vm.measure_volume(sections, rule=SPACING)
    assert ("touches-edge" in measured.flags) == touches
    assert measured.volume_mm3 == pytest.approx(layer.sum() * 0.5 * 0.8 * 2.2)


def without_positions(uids):
    """Leave out positions, which DICOM allows where a frame names the image it was made from."""

    def change(ds):
        for group in ds.PerFrameFunctionalGroupsSequence:
            origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            image, made = Dataset(), Dataset()
            image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
            image.ReferencedSOPInstanceUID = uids[GEOMETRY.nearest_slice(origin)[0]]
            made.SourceImageSequence = [image]
            group.DerivationImageSequence = [made]
            del group.PlanePositionSequence

    return change


def test_frames_without_position_lie_on_the_image_they_were_made_from(tmp_path):
    images = tmp_path / "study" / "mr"
    write_series(images, GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES)
    uids = [uid_of(SERIES, index) for index in range(GEOMETRY.n_slices)]
    path = seg(tmp_path, change=without_positions(uids), order=lambda frames: frames[::-1])
    agree(path, {1: ONE, 2: TWO})
    agree(path, {1: ONE, 2: TWO}, scan=images)


@pytest.mark.parametrize("scan", [None, series()])
def test_frames_without_position_need_their_images(tmp_path, scan):
    path = seg(tmp_path, change=without_positions(["1.2.3"] * GEOMETRY.n_slices))
    assert code_of(read_mask, path, scan=scan) == "unreadable"


GEOMETRY_GROUPS = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")


def leaving_out(groups, uids):
    """Name the image of every frame, and leave out groups of its geometry."""

    def change(ds):
        positions = [deepcopy(group.PlanePositionSequence) for group in ds.PerFrameFunctionalGroupsSequence]
        without_positions(uids)(ds)
        shared = ds.SharedFunctionalGroupsSequence[0]
        for group, position in zip(ds.PerFrameFunctionalGroupsSequence, positions, strict=True):
            if "PlanePositionSequence" not in groups:
                group.PlanePositionSequence = position
        for name in set(groups) - {"PlanePositionSequence"}:
            delattr(shared, name)

    return change


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_what_a_segmentation_leaves_out_is_that_of_its_images(tmp_path, number, kind):
    left_out = [name for bit, name in enumerate(GEOMETRY_GROUPS) if number >> bit & 1]
    images = tmp_path / "study" / "mr"
    write_series(images, GEOMETRY, stack_voxels(GEOMETRY), series_uid=SERIES)
    uids = [uid_of(SERIES, index) for index in range(GEOMETRY.n_slices)]
    order = (lambda frames: frames[::-1]) if kind == "BINARY" else None
    path = seg(tmp_path, {"lesion": ONE}, kind=kind, change=leaving_out(left_out, uids), order=order)
    mask = agree(path, {1: ONE})
    assert mask.geometry.pixel_spacing_mm == GEOMETRY.pixel_spacing_mm
    agree(path, {1: ONE}, scan=images)
    for scan, code in ((series(), "unreadable"), (series(replace(GEOMETRY, rows=22)), "unreadable")):
        assert code_of(read_mask, path, scan=scan) == code
    with_uids = SimpleNamespace(**vars(series(replace(GEOMETRY, rows=22))) | {"slice_uids": tuple(uids)})
    assert code_of(read_mask, path, scan=with_uids) == "unreadable"


def test_a_frame_beside_the_image_that_it_leaves_its_geometry_to_is_refused(tmp_path):
    uids = [uid_of(SERIES, index) for index in range(GEOMETRY.n_slices)]
    moved = [*uids[1:], uids[0]]
    path = seg(tmp_path, {"lesion": ONE}, change=leaving_out(["PixelMeasuresSequence"], moved))
    scan = SimpleNamespace(**vars(series()) | {"slice_uids": tuple(uids)})
    assert code_of(read_mask, path, scan=scan) == "unreadable"


@pytest.mark.parametrize("group", GEOMETRY_GROUPS[1:])
def test_geometry_that_nothing_says_is_missing(tmp_path, group):
    def change(ds):
        delattr(ds.SharedFunctionalGroupsSequence[0], group)

    expected = "no-pixel-spacing" if group == "PixelMeasuresSequence" else "unreadable"
    assert code_of(read_mask, seg(tmp_path, change=change)) == expected


def coded(value, scheme="SCT"):
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, "side"
    return code


@pytest.mark.parametrize("place", ["region", "type", "segment"])
@pytest.mark.parametrize(
    ("values", "side"),
    [
        (["7771000"], "L"), (["24028007"], "R"), (["G-A100"], "R"), (["51440002"], ""),
        (["7771000", "24028007"], ""),
    ],
)  # fmt: skip
def test_the_side_of_a_segment_is_read_from_its_codes(tmp_path, place, values, side):
    """Programs write the laterality as a modifier of the region, of the type, or of the segment itself."""
    path = seg(tmp_path)
    dataset = pydicom.dcmread(path)
    segment, codes = dataset.SegmentSequence[0], [coded(value) for value in values]
    if place == "region":
        segment.AnatomicRegionSequence = [coded("2812003")]
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = codes
    elif place == "type":
        segment.SegmentedPropertyTypeCodeSequence = [coded("52988006")]
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = codes
    else:
        segment.SegmentedPropertyTypeModifierCodeSequence = codes
    dataset.save_as(path)
    assert [region.side for region in read_regions(path)] == [side, ""]
    assert read_mask(path).labels[0].side == side


def test_a_name_and_a_code_that_say_two_sides_are_refused(tmp_path):
    path = seg(tmp_path)
    dataset = pydicom.dcmread(path)
    segment = dataset.SegmentSequence[0]
    segment.SegmentLabel = "left lesion"
    segment.AnatomicRegionSequence = [coded("2812003")]
    segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [coded("24028007")]
    dataset.save_as(path)
    regions = read_regions(path)
    assert [region.error.code if region.error else "" for region in regions] == ["side-mismatch", ""]
