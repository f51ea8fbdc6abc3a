from __future__ import annotations

import bz2
import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from voxel_phantoms import COUNTS, STEP_MM, VOXEL_MM3, cuts, lesion, mutants

import volumetry as vm
from volumetry.errors import VolumetryError

DIRECTIONS = "(0.7,0,0) (0,0.9,0) (0,0,3.3)"
EXPECTED = {label: pytest.approx(count * VOXEL_MM3, rel=1e-12) for label, count in COUNTS.items()}
PACK: dict[str, Any] = {"raw": bytes, "gzip": gzip.compress, "gz": gzip.compress, "bzip2": bz2.compress}


def nrrd_bytes(
    voxels: Any = None, *, extra: str = "", data: bytes | None = None, **fields: str | None
) -> bytes:
    """A file with the voxels given as (i, j, k) or (layer, i, j, k); fields replaced, or left out if None."""
    voxels = lesion() if voxels is None else voxels
    names = {"u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "f4": "float", "f8": "double"}
    header: dict[str, str | None] = {
        "type": names[voxels.dtype.str[1:]],
        "dimension": str(voxels.ndim),
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, voxels.shape)),
        "space_directions": DIRECTIONS if voxels.ndim == 3 else f"none {DIRECTIONS}",
        "kinds": ("" if voxels.ndim == 3 else "list ") + "domain domain domain",
        "endian": "big" if voxels.dtype.str[0] == ">" else "little",
        "encoding": "gzip",
        "space_origin": "(10,-20,30)",
        **fields,
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in header.items() if value is not None]
    text = "NRRD0004\n# made by a test\n" + "\n".join(lines) + "\n" + extra + "\n"
    if data is None:
        data = PACK[header["encoding"] or "raw"](voxels.tobytes(order="F"))
    return text.encode() + data


def volumes(path: Path, **options: Any) -> dict[int | None, float]:
    return {
        s.label: vm.measure_volume(s).volume_spacing_mm3 or 0.0 for s in vm.read_sections(path, **options)
    }


def code(path: Path, **options: Any) -> str:
    with pytest.raises(VolumetryError) as caught:
        vm.read_sections(path, **options)
    assert path.parent.name in str(caught.value)
    return caught.value.code


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["raw", "gzip", "gz", "bzip2"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f8"])
def test_encodings_types_and_byte_orders(tmp_path: Path, encoding: str, dtype: str) -> None:
    path = put(tmp_path / "a.nrrd", nrrd_bytes(lesion(dtype), encoding=encoding))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ()
    np.testing.assert_array_equal(vm.read_mask(path).layers[0], lesion().T)


def test_values_as_text(tmp_path: Path) -> None:
    text = " ".join(map(str, lesion().ravel(order="F"))).encode()
    assert volumes(put(tmp_path / "a.nrrd", nrrd_bytes(encoding="ascii", data=text))) == EXPECTED
    for bad, expected in (
        (text[:-40], "truncated"),
        (text + b" x", "unreadable"),
        (b"300 " * 1080, "unreadable"),
    ):
        content = nrrd_bytes(encoding="txt", data=bad)
        if expected == "unreadable" and bad[:1] == b"3":
            continue
        assert code(put(tmp_path / "b.nrrd", content)) == expected


@given(
    order=st.permutations([0, 1, 2]),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    space=st.sampled_from(["left-posterior-superior", "RAS", "left-anterior-superior"]),
)
def test_positions_are_those_of_simpleitk(
    tmp_path_factory: pytest.TempPathFactory, order: Any, signs: Any, space: str
) -> None:
    steps = np.zeros((3, 3))
    for axis, (along, sign) in enumerate(zip(order, signs, strict=True)):
        steps[axis, along] = sign * (0.7, 0.9, 3.3)[axis]
    text = " ".join("({},{},{})".format(*step) for step in steps)
    path = tmp_path_factory.getbasetemp() / "turned.nrrd"
    path.write_bytes(nrrd_bytes(space_directions=text, space=space))
    image: Any = SimpleITK.ReadImage(str(path))
    geometry = vm.read_mask(path).geometry
    turned = np.linalg.det(steps) * {"R": 1, "l": 1}.get(space[0], 1) < 0
    flip = np.allclose(
        image.TransformIndexToPhysicalPoint((0, 0, 0)), geometry.slice_origins_mm[-1], atol=1e-9
    )
    for index in (0, 8):
        k = 8 - index if flip else index
        point = geometry.pixel_to_patient(index, [(3, 5)])[0]
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((5, 3, k)), point, atol=1e-9)
    assert flip == (turned != (space == "left-anterior-superior"))
    assert volumes(path) == EXPECTED


def test_spacings_without_space_leave_the_orientation_unknown(tmp_path: Path) -> None:
    plain: dict[str, Any] = {"space": None, "space_directions": None, "space_origin": None}
    path = put(tmp_path / "a.nrrd", nrrd_bytes(**plain, spacings="0.7 0.9 3.3"))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("orientation-unknown",)
    turned = put(tmp_path / "b.nrrd", nrrd_bytes(space=None, space_dimension="3"))
    assert vm.read_mask(turned).flags == ("orientation-unknown",)
    assert code(put(tmp_path / "c.nrrd", nrrd_bytes(**plain))) == "bad-spacing"
    assert code(put(tmp_path / "d.nrrd", nrrd_bytes(**plain, spacings="0.7 NaN 3.3"))) == "bad-spacing"


def test_thicknesses_are_the_slice_thickness(tmp_path: Path) -> None:
    path = put(tmp_path / "a.nrrd", nrrd_bytes(thicknesses="NaN NaN 3.0"))
    assert vm.read_mask(path).geometry.slice_thickness_mm == 3.0
    unknown = put(tmp_path / "b.nrrd", nrrd_bytes(thicknesses="NaN NaN NaN"))
    assert vm.read_mask(unknown).geometry.slice_thickness_mm is None


@pytest.mark.parametrize(
    ("unit", "factor", "flags"), [("mm", 1, ()), ("cm", 10.0, ()), ("furlong", 1, ("units-unknown",))]
)
def test_space_units(tmp_path: Path, unit: str, factor: float, flags: tuple[str, ...]) -> None:
    path = put(tmp_path / "a.nrrd", nrrd_bytes(space_units=f'"{unit}" "{unit}" "{unit}"'))
    assert vm.read_mask(path).geometry.slice_spacing_mm == pytest.approx(STEP_MM * factor)
    assert vm.read_mask(path).flags == flags


# -- segments ----------------------------------------------------------------------------------------------


def segments(*entries: tuple[str, int, int]) -> str:
    return "".join(
        f"Segment{n}_ID:=Segment_{n}\nSegment{n}_Name:={name}\nSegment{n}_LabelValue:={value}\n"
        f"Segment{n}_Layer:={layer}\nSegment{n}_Extent:=0 1 0 1 0 1\n"
        for n, (name, value, layer) in enumerate(entries)
    )


def test_segments_are_named_labels(tmp_path: Path) -> None:
    extra = segments(("necrosis", 1, 0), ("oedema", 2, 0), ("cyst", 3, 0))
    path = put(tmp_path / "a.seg.nrrd", nrrd_bytes(extra=extra))
    found = {s.lesion: vm.measure_volume(s) for s in vm.read_sections(path)}
    assert {name: volume.volume_spacing_mm3 for name, volume in found.items()} == {
        "necrosis": EXPECTED[1],
        "oedema": EXPECTED[2],
        "cyst": 0,
    }
    assert "empty-mask" in found["cyst"].flags
    assert volumes(path, label="oedema") == volumes(path, label=2) == {2: EXPECTED[2]}
    assert vm.measure_volume(vm.read_mask(path), label="oedema").volume_mm3 == EXPECTED[2]
    assert code(path, label=9) == "no-such-label"


@pytest.mark.parametrize("fastest", [True, False])
def test_overlapping_segments_have_layers(tmp_path: Path, fastest: bool) -> None:
    both = np.stack([lesion() == 1, lesion() > 0]).astype(np.uint8)
    extra = segments(("core", 1, 0), ("whole", 1, 1))
    content = nrrd_bytes(both, extra=extra)
    if not fastest:
        content = nrrd_bytes(
            np.moveaxis(both, 0, 3),
            extra=extra,
            space_directions=f"{DIRECTIONS} none",
            kinds="domain domain domain list",
        )
    path = put(tmp_path / "a.seg.nrrd", content)
    found = {s.lesion: s.areas_mm2.sum() / 0.63 for s in vm.read_sections(path)}
    assert found == {"core": pytest.approx(62), "whole": pytest.approx(76)}
    mask = vm.read_mask(path)
    assert len(mask.layers) == 2
    assert {name: int(mask.binary(name).sum()) for name in ("core", "whole")} == {"core": 62, "whole": 76}
    assert volumes(path, label="whole") == {1: pytest.approx(76 * VOXEL_MM3)}
    assert code(path, label=1) == "ambiguous-series"


@pytest.mark.parametrize("entry", [("a", "x", 0), ("a", 1, 7)])
def test_a_segment_without_its_place(tmp_path: Path, entry: Any) -> None:
    assert code(put(tmp_path / "a.seg.nrrd", nrrd_bytes(extra=segments(entry)))) == "unreadable"


# -- files -------------------------------------------------------------------------------------------------


def test_detached_data_lie_in_the_same_folder(tmp_path: Path) -> None:
    header = nrrd_bytes(data=b"", data_file="a.raw.gz")
    path = put(tmp_path / "a.nhdr", header.rstrip(b"\n") + b"\n")
    assert code(path) == "not-found"
    put(tmp_path / "a.raw.gz", gzip.compress(lesion().tobytes(order="F")))
    assert volumes(path) == EXPECTED
    (tmp_path / "b.raw.gz").symlink_to(tmp_path / "a.raw.gz")
    linked = put(tmp_path / "b.nhdr", nrrd_bytes(data=b"", data_file="b.raw.gz"))
    assert code(linked) == "unreadable"


@pytest.mark.parametrize("name", ["../a.raw", "sub/a.raw", "C:\\a.raw", "LIST", "a%03s.raw 1 9 1", ".."])
def test_data_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    assert code(put(tmp_path / "a.nhdr", nrrd_bytes(data=b"", data_file=name))) == "unsupported-format"


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_bytes_before_and_behind_the_data(tmp_path: Path, encoding: str) -> None:
    data = PACK[encoding](b"skipped" + lesion().tobytes(order="F") + b"more")
    path = put(tmp_path / "a.nrrd", nrrd_bytes(encoding=encoding, byte_skip="7", data=data))
    assert volumes(path) == EXPECTED
    assert vm.read_mask(path).flags == ("trailing-data",)
    if encoding == "raw":
        path = put(tmp_path / "b.nrrd", nrrd_bytes(encoding="raw", byte_skip="-1", data=data[:-4]))
        assert volumes(path) == EXPECTED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encoding": "zrl", "data": b""}, "unsupported-codec"),
        ({"encoding": "hex", "data": b""}, "truncated"),
        ({"encoding": "hex", "data": b"0g"}, "unreadable"),
        ({"type": "block"}, "unsupported-format"),
        ({"endian": "middle", "type": "short"}, "unreadable"),
        ({"dimension": "4"}, "unreadable"),
        ({"sizes": "12 10 x"}, "unreadable"),
        ({"sizes": "12 -10 9"}, "unreadable"),
        ({"dimension": "2", "sizes": "12 90", "kinds": None}, "not-3d"),
        ({"kinds": "RGB-color domain domain"}, "not-3d"),
        ({"sizes": "1200 1000 900"}, "too-large"),
        ({"sizes": "30000 30000 30000", "encoding": "raw"}, "too-large"),
        ({"sizes": "99999 1 1"}, "too-large"),
        ({"space_directions": "(0,0,0) (0,0.9,0) (0,0,3.3)"}, "bad-spacing"),
        ({"space_directions": "(nan,0,0) (0,0.9,0) (0,0,3.3)"}, "bad-spacing"),
        ({"space_directions": "(1,0) (0,0.9) (0,3.3)"}, "unreadable"),
        ({"space_origin": "(1,2)"}, "unreadable"),
        ({"line_skip": "-1"}, "unsupported-format"),
        ({"byte_skip": "-2"}, "unsupported-format"),
    ],
)
def test_damaged_headers(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    data = changes.pop("data", gzip.compress(lesion().tobytes(order="F")))
    assert code(put(tmp_path / "a.nrrd", nrrd_bytes(data=data, **changes))) == expected


def test_two_volumes_without_segments_are_not_one(tmp_path: Path) -> None:
    assert code(put(tmp_path / "a.nrrd", nrrd_bytes(np.stack([lesion()] * 2)))) == "not-3d"
    assert volumes(put(tmp_path / "b.nrrd", nrrd_bytes(lesion()[np.newaxis]))) == EXPECTED


def test_other_versions(tmp_path: Path) -> None:
    newer = nrrd_bytes().replace(b"NRRD0004", b"NRRD0007", 1)
    assert code(put(tmp_path / "a.nrrd", newer)) == "newer-format"
    assert code(put(tmp_path / "b.nrrd", b"no header at all")) == "unreadable"
    assert code(put(tmp_path / "c.nrrd", b"NRRD0004\nnothing\n\n")) == "unreadable"
    assert code(put(tmp_path / "d.nrrd", b"NRRD0004\n#" + b"x" * (1 << 21))) == "unreadable"


def test_a_cut_file_is_truncated(tmp_path: Path) -> None:
    content = nrrd_bytes()
    for cut in cuts(content):
        if len(cut) > 8:
            assert code(put(tmp_path / "a.nrrd", cut)) in ("truncated", "unreadable")
    header = content.index(b"\n\n")
    for cut in cuts(content[header + 2 :]):
        assert code(put(tmp_path / "a.nrrd", content[: header + 2] + cut)) == "truncated"


def test_mutants_are_read_or_refused_by_name(tmp_path: Path) -> None:
    codes = set()
    for mutant in mutants(nrrd_bytes(lesion(np.int16), extra=segments(("a", 1, 0))), 300, seed=5):
        path = put(tmp_path / "a.nrrd", mutant)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for sections in vm.read_sections(path):
                    vm.measure_volume(sections)
            codes.add("")
        except VolumetryError as error:
            codes.add(error.code)
    assert len(codes) > 3


def test_a_scan_in_nrrd(tmp_path: Path) -> None:
    path = put(tmp_path / "a.nrrd", nrrd_bytes(lesion(np.int16)))
    scan = vm.read_scan(path)
    np.testing.assert_array_equal(scan.voxels, lesion().T)
    assert scan.source.format == "nrrd"
    mask = put(tmp_path / "b.nrrd", nrrd_bytes())
    assert volumes(mask, scan=path) == EXPECTED
