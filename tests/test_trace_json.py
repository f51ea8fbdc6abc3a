import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import circle, ring, squares, stack, trace_of

import volumetry as vm
from volumetry.errors import OutputError, ReadError, TraceError, UsageError, VolumetryError
from volumetry.files.canonical_json import canonical_json
from volumetry.formats import trace_json
from volumetry.formats.trace_json import decode_trace, encode_trace
from volumetry.scan import ScanSource
from volumetry.trace import TRACE_VERSION, Provenance

HERE = "L1.trace.json"


def example():
    contours = [ring(i, np.add(circle(3.1 + i / 7, n=9), (11.3, 15.7))) for i in range(1, 5)]
    return trace_of(
        [*contours, ring(2, np.add(circle(0.9, n=5), (11.3, 15.7)), is_hole=True)],
        stack(spacing_mm=4.4, pixel_spacing_mm=(0.9765625, 0.3)),
        side="L",
        source=ScanSource(patient="Grüße 患者", series_uid="1.2.3", modality="MR", study_date="2024-03-02"),
        provenance=Provenance(reader="AB", time="2024-03-02T10:15:00+01:00", read=2, reason="moved"),
        flags=("contour-snapped",),
    )


def signed(document):
    """The bytes of a document with the hash that fits it."""
    digest = hashlib.sha256(canonical_json(document).encode()).hexdigest()
    return canonical_json({**document, "sha256": digest}).encode()


def code_of(content):
    with pytest.raises(VolumetryError) as caught:
        decode_trace(content, where=HERE)
    assert caught.value.where == HERE
    return caught.value.code


def test_100_round_trips_keep_every_digit(tmp_path):
    trace = first = example()
    for _ in range(100):
        vm.write_trace(trace, tmp_path / HERE)
        trace = vm.read_trace(tmp_path / HERE)
    assert encode_trace(trace) == encode_trace(first)
    assert trace.geometry == first.geometry
    assert (trace.source, trace.provenance, trace.side) == (first.source, first.provenance, first.side)
    assert all(
        np.array_equal(a.vertices, b.vertices) for a, b in zip(trace.contours, first.contours, strict=True)
    )
    assert vm.measure_volume(trace).volume_mm3 == vm.measure_volume(first).volume_mm3
    assert [f.name for f in tmp_path.iterdir()] == [HERE]


def test_a_traced_pixel_keeps_its_area(tmp_path):
    trace = trace_of([ring(1, [(4.5, 6.5), (4.5, 7.5), (5.5, 7.5), (5.5, 6.5)])])
    for _ in range(20):
        vm.write_trace(trace, tmp_path / HERE)
        trace = vm.read_trace(tmp_path / HERE)
    assert trace.contours[0].area_pixels == 1.0


@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=3, max_size=12, unique=True),
    st.text(max_size=20),
)
def test_any_vertices_and_names_come_back(vertices, name):
    trace = trace_of([ring(1, vertices)], lesion=name.encode("utf-8", "ignore").decode())
    again = decode_trace(encode_trace(trace), where=HERE)
    assert again.sha256 == trace.sha256
    assert np.array_equal(again.contours[0].vertices, trace.contours[0].vertices)


def test_the_file_is_canonical():
    assert encode_trace(example()) == encode_trace(example())
    document = json.loads(encode_trace(example()))
    assert (document["format"], document["version"]) == ("volumetry-trace", 1)
    assert document.pop("sha256") == example().sha256
    assert list(document) == sorted(document)


def test_every_changed_value_is_noticed():
    content = encode_trace(example())
    noticed = 0
    for position in range(0, len(content) - 1, 11):
        changed = bytearray(content)
        changed[position] ^= 1
        try:
            # The last digit of a number may leave the number what it is.
            assert decode_trace(bytes(changed), where=HERE).sha256 == example().sha256
        except ReadError as error:
            assert error.code in ("unreadable", "unsupported-format", "newer-format", "truncated")  # noqa: PT017
            noticed += 1
    assert noticed > len(content) / 11 * 0.9


def test_a_file_cut_anywhere_is_no_trace():
    content = encode_trace(example())
    codes = {code_of(content[:n]) for n in range(len(content) - 1)}
    assert codes == {"truncated", "unreadable"}
    assert decode_trace(content[:-1], where=HERE).sha256 == example().sha256


def test_a_newer_version_is_not_half_read():
    document = {**example().document(), "version": TRACE_VERSION + 1, "new": "something"}
    assert code_of(signed(document)) == "newer-format"
    assert code_of(signed({**example().document(), "version": "2"})) == "newer-format"


@pytest.mark.parametrize("content", [b"[]", b"{}", b'"trace"', b'{"format": "other"}'])
def test_other_json_is_no_trace(content):
    assert code_of(content) == "unsupported-format"


@pytest.mark.parametrize(
    "content", [b"{" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"\xff\xfe{", b"{\x00}"]
)
def test_what_is_no_json(content):
    assert code_of(content) in ("truncated", "unreadable", "unsupported-format")


def test_a_number_that_is_not_finite():
    content = encode_trace(example()).replace(b'"read":2', b'"read":NaN')
    assert code_of(content) == "unreadable"


@pytest.mark.parametrize(
    "change",
    [
        {"contours": None},
        {"contours": [{"slice": 1}]},
        {"contours": [{"slice": 1, "hole": False, "vertices": [["a", 1], [2, 2], [3, 1]]}]},
        {"contours": [{"slice": 1, "hole": False, "vertices": [[0, 0], [1, 1]]}]},
        {"contours": [{"slice": 99, "hole": False, "vertices": [[0, 0], [1, 1], [2, 0]]}]},
        {"geometry": {}},
        {"geometry": {**example().document()["geometry"], "pixel_spacing_mm": [0, 1]}},
        {"geometry": {**example().document()["geometry"], "more": 1}},
        {"source": {"name": "somebody"}},
        {"source": 3},
        {"provenance": {"time": "2024-03-02T10:15:00"}},
        {"provenance": {"read": "many"}},
        {"side": "X"},
        {"flags": 7},
    ],
)
def test_entries_of_the_wrong_kind(change):
    assert code_of(signed({**example().document(), **change})) in (
        "unreadable",
        "invalid-contour",
        "bad-spacing",
        "side-mismatch",
    )


def test_a_missing_entry():
    document = example().document()
    for name in set(document) - {"format", "version"}:
        assert code_of(signed({k: v for k, v in document.items() if k != name})) == "unreadable"


@settings(max_examples=150)
@given(st.data())
def test_mutants_are_answered_by_a_code(data):
    content = bytearray(encode_trace(trace_of(squares([1, 2]))))
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    try:
        decode_trace(bytes(content), where=HERE)
    except VolumetryError as error:
        assert error.where == HERE  # noqa: PT017 - either outcome is right


@settings(max_examples=100)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(sorted(set(example().document()) - {"format", "version"})),
)
def test_any_values_with_a_hash_that_fits_are_answered_by_a_code(value, name):
    try:
        content = signed({**example().document(), name: value})
    except UnicodeEncodeError:
        return
    try:
        decode_trace(content, where=HERE)
    except VolumetryError as error:
        assert error.where == HERE  # noqa: PT017


# -- files -----------------------------------------------------------------------------------------------


def test_a_trace_names_its_lesion(tmp_path):
    vm.write_trace(example(), tmp_path / HERE)
    assert vm.read_trace(tmp_path / HERE, roi="L1").lesion == "L1"
    (sections,) = vm.read_sections(tmp_path / HERE)
    assert vm.measure_volume(sections).volume_mm3 == vm.measure_volume(example()).volume_mm3
    with pytest.raises(TraceError) as caught:
        vm.read_trace(tmp_path / HERE, roi="R1")
    assert caught.value.code == "no-such-label"


def test_files_that_are_not_there_or_not_files(tmp_path):
    for name, code in (("none.trace.json", "not-found"), (".", "unreadable")):
        with pytest.raises(ReadError) as caught:
            trace_json.read_trace(tmp_path / name)
        assert caught.value.code == code


def test_a_large_file_is_refused_unread(tmp_path, monkeypatch):
    vm.write_trace(example(), tmp_path / HERE)
    monkeypatch.setattr(trace_json, "MAX_BYTES", 100)
    with pytest.raises(ReadError) as caught:
        vm.read_trace(tmp_path / HERE)
    assert caught.value.code == "too-large"


def test_a_trace_file_ends_in_trace_json(tmp_path):
    with pytest.raises(UsageError):
        vm.write_trace(example(), tmp_path / "L1.json")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError) as caught:
        vm.write_trace(example(), tmp_path / "none" / HERE)
    assert caught.value.code == "read-only"


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    vm.write_trace(example(), tmp_path / HERE)
    before = (tmp_path / HERE).read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError) as caught:
        vm.write_trace(replace(example(), lesion="L2"), tmp_path / HERE)
    assert caught.value.code == "disk-full"
    assert (tmp_path / HERE).read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == [HERE]


def test_a_trace_larger_than_can_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_json, "MAX_BYTES", 100)
    with pytest.raises(VolumetryError) as caught:
        trace_json.write_trace(example(), tmp_path / HERE)
    assert caught.value.code == "usage"
    assert not list(tmp_path.iterdir())
