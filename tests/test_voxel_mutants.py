"""Damaged voxel files: no traceback, no hang, and no other volume from a file that contradicts itself.

4,000 mutants of every way to write with ``make prove``, a twentieth of them in every run. Bytes are changed
as damage changes them; fields and words as people and programs do. What a header contradicts is told here by
reading it another way (`struct`, words), never by the reader that is tested.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from voxel_phantoms import PIXEL_MM, STEP_MM, affine, lesion, mutants, nifti_bytes

import volumetry as vm

COUNT = 4000 if os.environ.get("VOLUMETRY_PROVE") else 200
Rng = np.random.Generator
Answer = dict[Any, tuple[float, tuple[str, ...]]]

NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "4",
    "0.5",
    "1e-13",
    "1e9",
    "1e300",
    "nan",
    "inf",
    "-inf",
    "",
    "x",
    "256",
]
OTHER_FIELDS = (
    [
        b"spacings: 1 2 3",
        b"spacings: 0.7 0.9 3.3",
        b"thicknesses: nan nan 3",
        b"space directions: (1,0,0) (0,1,0) (0,0,1)",
        b"sizes: 10 12 9",
        b"space dimension: 3",
        b"space: RAS",
        b"byte skip: 2",
        b"byteskip: 4",
        b"line skip: 1",
        b'space units: "cm" "cm" "cm"',
        b"centerings: node node node",
        b"Segment0_LabelValue:=2",
        b"Segment1_Layer:=1",
        b"Segment2_LabelValue:=1",
    ],
    [
        b"Position = 1 2 3",
        b"Rotation = 1 0 0 0 1 0 0 0 1",
        b"Orientation = 2 0 0 0 1 0 0 0 1",
        b"ElementSize = 1 2 3",
        b"ElementSpacing = 1 2 3",
        b"HeaderSize = 8",
        b"HeaderSize = -1",
        b"ElementByteOrderMSB = True",
        b"CompressedData = True",
        b"CompressedDataSize = 5",
        b"ElementNumberOfChannels = 3",
        b"ElementType = MET_UCHAR",
        b"DimSize = 10 12 9",
        b"CenterOfRotation = 5 5 5",
    ],
)
_WORD = re.compile(rb"[-+.\w]+")


def answer(path: Path) -> Answer:
    """Volume and flags of every label; the file is read as a mask and as a scan, too."""
    rule = vm.MeasurementRule(height="spacing")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {}
        for sections in vm.read_sections(path):
            try:
                volume = vm.measure_volume(sections, rule=rule)
            except vm.VolumetryError as error:  # of the geometry, which knows no file
                raise error.at(path) from None
            found[sections.lesion or sections.label] = (volume.volume_spacing_mm3 or 0.0, volume.flags)
        vm.read_mask(path)
        vm.read_scan(path)
    return found


def is_silent(before: Answer, after: Answer) -> bool:
    """Whether something else was measured, and no flag says that anything is wrong."""
    for name, (volume, flags) in after.items():
        known = before.get(name)
        same = known is not None and math.isclose(volume, known[0], rel_tol=2e-3)
        if not same and not set(flags) - (set(known[1]) if known else set()):
            return True
    return False


# -- how headers are changed ---------------------------------------------------------------------------------


def by_bytes(content: bytes, rng: Rng) -> bytes:
    return next(mutants(content, 1, seed=int(rng.integers(1 << 40))))


def by_words(content: bytes, rng: Rng) -> bytes:
    """Change, repeat, drop or exchange words and lines of a header in text."""
    head, end, rest = content.partition(b"\n\n")
    if not end:  # MetaImage has no empty line
        cut = content.index(b"\n", content.index(b"ElementDataFile")) + 1
        head, end, rest = content[: cut - 1], b"\n", content[cut:]
    lines = head.split(b"\n")
    others = OTHER_FIELDS[b"ElementDataFile" in head]
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        number = int(rng.integers(len(lines)))
        kind = int(rng.integers(10))
        words = list(_WORD.finditer(lines[number]))
        if kind == 0:
            del lines[number]
        elif kind == 1:
            lines.insert(int(rng.integers(len(lines) + 1)), lines[number])
        elif kind == 2:
            other = int(rng.integers(len(lines)))
            lines[number], lines[other] = lines[other], lines[number]
        elif kind == 3:
            lines.insert(int(rng.integers(1, len(lines) + 1)), others[int(rng.integers(len(others)))])
        elif words:
            word = words[int(rng.integers(len(words)))]
            pool = NUMBERS if rng.random() < 0.7 else [w.decode() for w in _WORD.findall(head)]
            new = str(rng.choice(pool))
            changed = lines[number][: word.start()] + new.encode() + lines[number][word.end() :]
            if kind < 6:  # said twice, and not the same
                lines.insert(number + int(rng.integers(2)), changed)
            else:
                lines[number] = changed
        if not lines:
            break
    return b"\n".join(lines) + end + rest


def by_fields(fields: dict[str, tuple[int, str]]) -> Callable[[bytes, Rng], bytes]:
    """Change whole fields of a binary header."""

    def change(content: bytes, rng: Rng) -> bytes:
        changed = bytearray(content)
        for _ in range(int(rng.integers(1, 4))):
            offset, form = fields[str(rng.choice(sorted(fields)))]
            was = struct.unpack_from(form, changed, offset)[0]
            if form[-1] in "fd":
                pool = [0.0, -was, was * 1.01, was * 2, was * 10, 1e-13, 1e30, math.nan, math.inf, 1.0, 0.5]
            else:
                top = 2 ** (8 * struct.calcsize(form) - (form[-1].islower())) - 1
                pool = [0, 1, 2, 3, 4, 8, 16, 64, 512, top, min(was + 1, top), max(was - 1, 0)]
                pool = [value for value in pool if value <= top]
            struct.pack_into(form, changed, offset, pool[int(rng.integers(len(pool)))])
        return bytes(changed)

    return change


# -- what contradicts itself ---------------------------------------------------------------------------------


def nifti_contradicts(content: bytes) -> bool:
    if content[:4] != struct.pack("<i", 348):
        return False  # another byte order, or damaged: refused, or not looked into here
    pixdim = np.array(struct.unpack_from("<8f", content, 76), np.float64)
    datatype, bitpix = struct.unpack_from("<2h", content, 70)
    _, sform_code = struct.unpack_from("<2h", content, 252)
    rows = np.array(struct.unpack_from("<12f", content, 280), np.float64).reshape(3, 4)
    with np.errstate(all="ignore"):
        by_sform = np.linalg.norm(rows[:, :3], axis=0)
        # A negative size of the right length is no contradiction: old programs write it for a flipped axis.
        sform_off = sform_code > 0 and not (np.abs(by_sform / np.abs(pixdim[1:4]) - 1) <= 1.1e-3).all()
    bits = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64}
    return sform_off or (bitpix != 0 and bits.get(datatype, bitpix) != bitpix)


def _fields(head: bytes, sign: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in head.split(b"\n"):
        name, mark, value = line.partition(sign)
        if mark and not line.startswith(b"#"):
            found.setdefault(name.strip().lower().decode("latin1"), []).append(value.strip().decode("latin1"))
    return found


def nrrd_contradicts(content: bytes) -> bool:
    head = content.partition(b"\n\n")[0].replace(b"\r", b"")
    fields = _fields(head, b":")
    if any(len(set(values)) > 1 for values in fields.values()):
        return True
    said = {name: values[0] for name, values in fields.items()}
    dimension = said.get("dimension", "")
    counts = {
        "sizes": len(said.get("sizes", "").split()),
        "kinds": len(said.get("kinds", dimension * 0).split()) or None,
        "space directions": len(re.findall(r"\([^()]*\)|none", said.get("space directions", ""))) or None,
    }
    if any(count is not None and str(count) != dimension for count in counts.values()):
        return True
    if "spacings" in said and "space directions" in said:
        with suppress(ValueError):
            lengths = [float(word) for word in said["spacings"].split()]
            if lengths != pytest.approx([0.7, 0.9, 3.3], rel=1e-3):
                return True
    owners = set()
    for name in said:
        found = re.fullmatch(r"segment(\d+)_labelvalue", name)
        if found:
            value = said[name].removeprefix("=")
            key = (said.get(f"segment{found[1]}_layer", "=0").removeprefix("="), value)
            if key in owners or value == "0":
                return True
            owners.add(key)
    return False


def metaimage_contradicts(content: bytes) -> bool:
    head = content[: content.find(b"\n", content.find(b"ElementDataFile"))]
    fields = _fields(head, b"=")
    synonyms = (
        ("offset", "position", "origin"),
        ("transformmatrix", "rotation", "orientation"),
        ("binarydatabyteordermsb", "elementbyteordermsb"),
    )
    groups = [[v for name in names for v in fields.get(name, [])] for names in synonyms]
    if any(len(set(values)) > 1 for values in (*fields.values(), *groups)):
        return True
    try:
        matrix = np.array([float(word) for word in groups[1][0].split()]).reshape(3, 3)
        with np.errstate(all="ignore"):
            return not (np.abs(matrix @ matrix.T - np.eye(3)) <= 2.1e-3).all()
    except (ValueError, IndexError):
        return False


def never(_content: bytes) -> bool:
    return False


# -- the ways to write ---------------------------------------------------------------------------------------

NIFTI_FIELDS = {
    **{f"dim{n}": (40 + 2 * n, "<h") for n in range(6)},
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    **{f"pixdim{n}": (76 + 4 * n, "<f") for n in range(4)},
    "vox_offset": (108, "<f"),
    "slope": (112, "<f"),
    "intercept": (116, "<f"),
    "units": (123, "<B"),
    "dim_info": (39, "<B"),
    "qform": (252, "<h"),
    "sform": (254, "<h"),
    **{f"quatern{n}": (256 + 4 * n, "<f") for n in range(6)},
    **{f"srow{n}": (280 + 4 * n, "<f") for n in range(12)},
}
ANALYZE_FIELDS = {name: place for name, place in NIFTI_FIELDS.items() if place[0] < 116}
MGH_FIELDS = {
    **{f"int{n}": (4 * n, ">i") for n in range(7)},
    "good": (28, ">h"),
    **{f"float{n}": (30 + 4 * n, ">f") for n in range(15)},
}
GIPL_FIELDS = {
    **{f"dim{n}": (2 * n, ">H") for n in range(4)},
    "type": (8, ">H"),
    **{f"pixdim{n}": (10 + 4 * n, ">f") for n in range(4)},
}
SEGMENTS = b"".join(
    b"Segment%d_Name:=%b\nSegment%d_LabelValue:=%d\nSegment%d_Layer:=0\n" % (n, name, n, n + 1, n)
    for n, name in enumerate((b"lesion", b"core"))
)


def nifti(folder: Path, *, sform_alone: bool = False) -> bytes:
    content = bytearray(nifti_bytes(lesion(np.int16), affine(turned=True)))
    if sform_alone:
        struct.pack_into("<h", content, 252, 0)
    return bytes(content)


def by_itk(folder: Path, name: str, *, packed: bool = False) -> bytes:
    image: Any = SimpleITK.GetImageFromArray(lesion(np.int16).T)
    image.SetSpacing((*PIXEL_MM, STEP_MM))
    image.SetOrigin((20.5, -10.25, 30.125))
    turn = affine(turned=True)[:3, :3] / (*PIXEL_MM, STEP_MM)
    image.SetDirection(np.linalg.qr(turn)[0].ravel().tolist())
    SimpleITK.WriteImage(image, folder / name, packed)
    return (folder / name).read_bytes()


def nrrd(folder: Path, *, packed: bool = False, segments: bytes = b"", detached: str = "") -> bytes:
    head = (
        b"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 12 10 9\n"
        b"space directions: (0.7,0,0) (0,0.9,0) (0,0,3.3)\nkinds: domain domain domain\nendian: little\n"
        b'encoding: %b\nspace origin: (10,-20,30)\nspace units: "mm" "mm" "mm"\n'
    ) % (b"gzip" if packed else b"raw")
    if detached:
        head += b"data file: %b\n" % detached.encode()
    voxels = lesion(np.int16).tobytes(order="F")
    voxels = gzip.compress(voxels, mtime=0) if packed else voxels
    if detached:
        (folder / detached).write_bytes(voxels)
    return head + segments + b"\n" + (b"" if detached else voxels)


def in_slices(folder: Path, head: bytes) -> bytes:
    """The header, its voxels beside it in a file for every slice."""
    for index, voxels in enumerate(np.moveaxis(lesion(np.int16), 2, 0)):
        (folder / f"s{index}.raw").write_bytes(voxels.tobytes(order="F"))
    return head


def metaimage_list(folder: Path) -> bytes:
    head = by_itk(folder, "a.mhd").partition(b"ElementDataFile")[0]
    return in_slices(
        folder, head + b"ElementDataFile = LIST\n" + b"".join(b"s%d.raw\n" % k for k in range(9))
    )


def analyze(folder: Path) -> bytes:
    import nibabel as nib

    image: Any = nib.AnalyzeImage(lesion(np.int16), np.diag([*PIXEL_MM, STEP_MM, 1]))  # type: ignore[no-untyped-call]
    image.to_filename(folder / "a.hdr")
    return (folder / "a.hdr").read_bytes()


def mgh(folder: Path) -> bytes:
    import nibabel as nib

    image: Any = nib.MGHImage(lesion(np.int32), affine(turned=True))  # type: ignore[no-untyped-call]
    image.to_filename(folder / "a.mgh")
    return (folder / "a.mgh").read_bytes()


Way = tuple[str, Callable[[Path], bytes], tuple[Callable[[bytes, Rng], bytes], ...], Callable[[bytes], bool]]
IN_NIFTI = (by_bytes, by_fields(NIFTI_FIELDS))
IN_TEXT = (by_bytes, by_words, by_words)
WAYS: dict[str, Way] = {
    "nifti": ("a.nii", nifti, IN_NIFTI, nifti_contradicts),
    "nifti, sform alone": ("a.nii", lambda f: nifti(f, sform_alone=True), IN_NIFTI, nifti_contradicts),
    "nifti, gzip'ed": ("a.nii.gz", nifti, IN_NIFTI, nifti_contradicts),
    "nifti pair": ("a.hdr", lambda f: by_itk(f, "a.hdr"), IN_NIFTI, nifti_contradicts),
    "nrrd": ("a.nrrd", nrrd, IN_TEXT, nrrd_contradicts),
    "nrrd, gzip'ed": ("a.nrrd", lambda f: nrrd(f, packed=True), IN_TEXT, nrrd_contradicts),
    "nrrd, detached": ("a.nhdr", lambda f: nrrd(f, detached="a.raw"), IN_TEXT, nrrd_contradicts),
    "nrrd, a file a slice": (
        "a.nhdr",
        lambda f: in_slices(f, nrrd(f, detached="s%d.raw 0 8 1")),
        IN_TEXT,
        nrrd_contradicts,
    ),
    "segments": ("a.seg.nrrd", lambda f: nrrd(f, packed=True, segments=SEGMENTS), IN_TEXT, nrrd_contradicts),
    "metaimage": ("a.mha", lambda f: by_itk(f, "a.mha"), IN_TEXT, metaimage_contradicts),
    "metaimage, deflated": (
        "a.mha",
        lambda f: by_itk(f, "a.mha", packed=True),
        IN_TEXT,
        metaimage_contradicts,
    ),
    "metaimage, detached": ("a.mhd", lambda f: by_itk(f, "a.mhd"), IN_TEXT, metaimage_contradicts),
    "metaimage, a file a slice": ("a.mhd", metaimage_list, IN_TEXT, metaimage_contradicts),
    "mgh": ("a.mgh", mgh, (by_fields(MGH_FIELDS),), never),
    "mgz": ("a.mgz", mgh, (by_bytes, by_fields(MGH_FIELDS)), never),
    "analyze": ("a.hdr", analyze, (by_fields(ANALYZE_FIELDS),), never),
    "gipl": ("a.gipl", lambda f: by_itk(f, "a.gipl"), (by_fields(GIPL_FIELDS),), never),
    "vtk": ("a.vtk", lambda f: by_itk(f, "a.vtk"), (by_words_of_vtk := by_bytes,), never),
}


def changed_files(name: str, folder: Path, count: int) -> Iterator[tuple[Path, bytes]]:
    file, make, changes, _ = WAYS[name]
    content = make(folder)
    rng = np.random.default_rng(sum(name.encode()))
    path = folder / file
    yield path, content
    for _ in range(count):
        yield path, changes[int(rng.integers(len(changes)))](content, rng)


@pytest.mark.prove
@pytest.mark.timeout(3600 if COUNT > 1000 else 300)
@pytest.mark.parametrize("name", WAYS)
def test_mutants_are_measured_rightly_or_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    contradicts = WAYS[name][3]
    first: Answer = {}
    silent, refused, contradictory = [], 0, 0
    for path, content in changed_files(name, tmp_path, COUNT):
        path.write_bytes(gzip.compress(content, 1) if path.suffix in (".gz", ".mgz") else content)
        try:
            found = answer(path)
        except vm.VolumetryError as error:
            refused += 1
            assert error.where is not None  # noqa: PT017
            assert error.todo  # noqa: PT017
            continue
        first = first or found
        if contradicts(content):
            contradictory += 1
            if is_silent(first, found):
                silent.append(content[:600])
    with capfd.disabled():
        told = f"{refused} refused, {contradictory} read that contradict themselves, {len(silent)} silently"
        print(f"{name}: {COUNT} mutants, {told}")
    assert sum(volume for volume, _ in first.values()) == pytest.approx(76 * 0.7 * 0.9 * 3.3, rel=1e-4)
    assert 0 < refused < COUNT
    assert not silent, silent[:3]
