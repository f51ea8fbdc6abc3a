"""Files that want to do harm: each answered by its code within 2 s and 300 MB, and nothing else touched.

Every case runs in a process of its own under a limit on its address space, as one command a user might give.
"""

import os
import resource
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from dicom_phantoms import stack_geometry, stack_voxels, write_series
from study_phantoms import write_box

SECONDS = 20.0  # the promise is 2 s on an idle machine; this one may be busy
MEGABYTES = 300


def nifti_header(shape, datatype=2, bits=8):
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *([1] * (7 - len(shape))))
    struct.pack_into("<hh", header, 70, datatype, bits)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 2
    struct.pack_into("<h", header, 254, 1)
    struct.pack_into("<12f", header, 280, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    header[344:348] = b"n+1\0"
    return bytes(header)


def claims_27_terabytes(folder):
    (folder / "mask.nii").write_bytes(nifti_header((30000, 30000, 30000)) + b"\0" * 100)
    return folder / "mask.nii"


def zeros_deflated(head, mebibytes):
    """A deflate stream of `head` and so many MiB of zeros, made of one compressed piece repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = squeeze.compress(b"\0" * (1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return stream + piece * mebibytes + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def gzip_bomb(folder):
    path = folder / "mask.nii.gz"
    stream = zeros_deflated(nifti_header((1024, 1024, 2048)), 2048)
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + stream + b"\0" * 8)
    assert path.stat().st_size < 4 << 20
    return path


def part10(syntax, body):
    meta = element(0x0002, 0x0010, b"UI", syntax.encode() + b"\0" * (len(syntax) % 2))
    group = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    return b"\0" * 128 + b"DICM" + group + meta + body


def element(group, number, kind, value):
    if kind in (b"OW", b"OB", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, kind, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def deflated_bomb(folder):
    head = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.4\0")
    head += struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, 1 << 31)
    body = zeros_deflated(head, 2048)
    (folder / "bomb.dcm").write_bytes(part10("1.2.840.10008.1.2.1.99", body))
    return folder / "bomb.dcm"


def nested_sequences(folder):
    opening = struct.pack("<HH2sHI", 8, 0x1115, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    body = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.4\0") + opening * 5000 + closing * 5000
    (folder / "deep.dcm").write_bytes(part10("1.2.840.10008.1.2.1", body))
    return folder / "deep.dcm"


def claims_3_gigabytes(folder):
    body = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.4\0")
    body += struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 3 << 30)
    (folder / "claim.dcm").write_bytes(part10("1.2.840.10008.1.2.1", body))
    return folder / "claim.dcm"


def text_named_dicom(folder):
    (folder / "text.dcm").write_text("this is no image\n" * 40, encoding="utf-8")
    return folder / "text.dcm"


def empty_file(folder):
    (folder / "empty.nii.gz").touch()
    return folder / "empty.nii.gz"


HOSTILE = {
    claims_27_terabytes: "too-large",
    gzip_bomb: "too-large",
    deflated_bomb: "too-large",
    nested_sequences: "too-deep",
    claims_3_gigabytes: "truncated",
    text_named_dicom: "unsupported-format",
    empty_file: "truncated",
}


def limited(*arguments):
    """Run a command and return its exit code, its output, its seconds and its memory in MB."""
    code = (
        "import re, sys; from volumetry.cli import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as e: code = e.code\n"
        # Not ru_maxrss, which a process inherits from the one that started it.
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
        "sys.stderr.write(f'\\npeak {peak}'); sys.exit(code)"
    )
    begin = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    )
    err, _, peak = told.stderr.rpartition("\npeak ")
    return told.returncode, told.stdout, err, time.monotonic() - begin, float(peak)


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", ["measure", "series", "batch"])
def test_each_is_answered_by_its_code(tmp_path, make, command):
    study = tmp_path / "study"
    (study / "p/v").mkdir(parents=True)
    path = make(study / "p/v")
    out = tmp_path / "out"
    arguments = {
        "measure": ("measure", path),
        "series": ("series", path),
        "batch": ("batch", study, "--out", out, "--jobs", "1"),
    }[command]
    code, told, err, seconds, megabytes = limited(*arguments)
    answer = (
        told + err + ((out / "measurements.csv").read_text(encoding="utf-8") if command == "batch" else "")
    )
    assert HOSTILE[make] in answer, answer
    assert "Traceback" not in err
    assert code == 4
    assert seconds < SECONDS
    assert megabytes < MEGABYTES


def test_loops_pipes_and_directories_that_point_outside(tmp_path):
    study, outside = tmp_path / "study", tmp_path / "outside"
    write_box(study / "p/v/mask.nii.gz")
    write_box(outside / "secret_mask.nii.gz")
    (study / "p/loop").symlink_to(study)
    (study / "p/up").symlink_to(outside)
    os.mkfifo(study / "p/v/pipe.nii.gz")
    dicomdir = element(8, 0x16, b"UI", b"1.2.840.10008.1.3.10")
    dicomdir += element(4, 0x1500, b"CS", rb"..\..\outside\secret")
    media = element(2, 2, b"UI", b"1.2.840.10008.1.3.10")
    body = part10("1.2.840.10008.1.2.1", dicomdir)
    (study / "DICOMDIR").write_bytes(body[:132] + media + body[132:])
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    code, told, err, seconds, _ = limited("batch", study, "--out", tmp_path / "out", "--jobs", "1")
    table = (tmp_path / "out/measurements.csv").read_text(encoding="utf-8")
    assert (code, err) == (0, "")
    assert "1 measured" in told
    assert "secret" not in table
    assert seconds < SECONDS
    new = {str(p) for p in tmp_path.rglob("*")} - set(before)
    assert all(p.startswith(str(tmp_path / "out")) for p in new)


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_cut_at_100_points(tmp_path, kind, capsys):
    from volumetry.cli import main

    if kind == "nifti":
        write_box(tmp_path / "whole.nii.gz")
        whole, name = (tmp_path / "whole.nii.gz").read_bytes(), "cut.nii.gz"
    else:
        geometry = stack_geometry(n_slices=2)
        whole = write_series(tmp_path / "s", geometry, stack_voxels(geometry))[0].read_bytes()
        name = "cut.dcm"
    path = tmp_path / name
    for cut in np.linspace(0, len(whole) - 1, 100).astype(int):
        path.write_bytes(whole[:cut])
        assert main(["series" if kind == "dicom" else "measure", str(path)]) == 4
        told = capsys.readouterr()
        answer = told.out + told.err
        assert any(code in answer for code in ("truncated", "unsupported-format", "unreadable")), (
            cut,
            answer,
        )
